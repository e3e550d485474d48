"""Splits that depend on the content of the examples, not on their order or names."""

from __future__ import annotations

import hashlib

import numpy as np

from latentia.data.dataset import Dataset, Indices, Store
from latentia.errors import DataError

MIN_EXAMPLES = 2
_CHUNK = 512


def row_hashes(rows: Store, seed: int) -> list[bytes]:
    """Returns a hash of each row; only a few rows are in memory at a time."""
    key = str(seed).encode()
    hashes: list[bytes] = []
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[np.arange(start, min(start + _CHUNK, len(rows)))]
        hashes += [hashlib.blake2b(row.tobytes(), digest_size=16, key=key).digest() for row in chunk]
    return hashes


def holdout(dataset: Dataset, fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Splits examples in two by the hash of their content, so that duplicates land on one side.

    The same examples in another order are split in the same way. If all examples are equal, one of them is held out
    nevertheless.

    Args:
        dataset: N examples.
        fraction: about how much to hold out, in [0, 1); at least one example if above 0 and N is at least 2.
        seed: another seed, another split.

    Returns:
        Positions of the examples to train on, and of those held out, both in ascending order.
    """
    n = len(dataset)
    everything = np.arange(n, dtype=np.int64)
    if fraction <= 0 or n < 2:
        return everything, everything[:0]
    wanted = min(n - 1, max(1, round(fraction * n)))
    groups: dict[bytes, list[int]] = {}
    for position, value in enumerate(row_hashes(dataset.x, seed)):
        groups.setdefault(value, []).append(position)
    held: list[int] = []
    for value in sorted(groups):
        if len(held) >= wanted:
            break
        # A group may be larger than what is wanted, but something must be left to train on.
        if len(held) + len(groups[value]) < n:
            held += groups[value]
    held_out = np.array(sorted(held or [n - 1]), np.int64)
    return np.setdiff1d(everything, held_out), held_out


def require_trainable(dataset: Dataset) -> None:
    """Checks that there are enough examples to learn from.

    Raises:
        DataError: fewer than two: one to learn from and one to check on.
    """
    if len(dataset) < MIN_EXAMPLES:
        raise DataError(
            f"A model cannot be learned from {len(dataset)} example(s): at least {MIN_EXAMPLES} are needed, one to "
            f"learn from and one to check on, and a few hundred to be useful."
        )
