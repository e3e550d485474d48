"""The batches of an epoch, as a pure function of seed and epoch, so that a resumed run repeats them."""

from __future__ import annotations

import numpy as np

from latentia.data.dataset import Indices

SORTED_BATCHES = 16


def epoch_order(n: int, seed: int, epoch: int) -> Indices:
    """Returns a permutation of 0 ... n - 1, the same for the same seed and epoch.

    Example:
        >>> sorted(epoch_order(4, seed=0, epoch=3).tolist())
        [0, 1, 2, 3]
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch]))).permutation(n).astype(np.int64)


def epoch_steps(n: int, size: int) -> int:
    """Returns how many full batches of a size, or of all where that is larger, an epoch of n examples has.

    Example:
        >>> epoch_steps(10, 4), epoch_steps(3, 4)
        (2, 1)
    """
    return n // max(1, min(size, n))


def epoch_batches(rows: Indices, lengths: Indices | None, size: int, seed: int, epoch: int) -> Indices:
    """Returns the batches of an epoch; what is left of the rows when no full batch remains is left out.

    Sequences are put together with others of about their length, so that little is calculated behind their ends: within
    windows of 16 batches they are sorted, and the batches then come in an order of their own.

    Args:
        rows: positions in the data set.
        lengths: of the sequences at these positions; None where all examples have one shape.
        size: examples in a batch.
        seed: of the order.
        epoch: another epoch, another order.

    Returns:
        Positions, shape (batches, size).

    Example:
        >>> epoch_batches(np.arange(4), np.array([9, 1, 8, 2]), size=2, seed=0, epoch=0).tolist()
        [[1, 3], [2, 0]]
    """
    count = len(rows) // size
    order = epoch_order(len(rows), seed, epoch)[: count * size]
    if lengths is not None:
        window = SORTED_BATCHES * size
        parts = (order[start : start + window] for start in range(0, len(order), window))
        order = np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in parts])
    batches = rows[order].reshape(count, size)
    return batches if lengths is None else batches[epoch_order(count, seed, epoch)]
