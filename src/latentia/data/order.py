"""The order of examples in an epoch, as a pure function of seed and epoch, so that a resumed run repeats it."""

from __future__ import annotations

import numpy as np

from latentia.data.dataset import Indices


def epoch_order(n: int, seed: int, epoch: int) -> Indices:
    """Returns a permutation of 0 ... n - 1, the same for the same seed and epoch.

    Example:
        >>> sorted(epoch_order(4, seed=0, epoch=3).tolist())
        [0, 1, 2, 3]
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch]))).permutation(n).astype(np.int64)
