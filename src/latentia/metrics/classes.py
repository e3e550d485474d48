"""How well classes are recognised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15  # of confidence, as in the paper


@dataclass(frozen=True)
class Recognition:
    """How well the classes of some examples were recognised.

    Attributes:
        n_examples: how many.
        accuracy: share of them whose most probable class is the true one.
        uar: unweighted average recall: that share in each class that occurs, averaged over these.
        ece: expected calibration error: how far the probability of the most probable class is from the share of right
            ones, in 15 bins of that probability (Guo et al., 2017, arXiv:1706.04599).
        confusion: counts, the true class by row and the most probable one by column, shape (C, C).
    """

    n_examples: int
    accuracy: float
    uar: float
    ece: float
    confusion: tuple[tuple[int, ...], ...]


def recognition(probabilities: NDArray[Any], labels: NDArray[np.int64]) -> Recognition:
    """Compares probabilities of classes with the true ones.

    Args:
        probabilities: shape (N, C), N at least 1.
        labels: the true classes, from 0 to C - 1, shape (N,).

    Example:
        >>> found = recognition(np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]]), np.array([0, 0, 1]))
        >>> round(found.accuracy, 2), found.uar, round(found.ece, 2), found.confusion
        (0.67, 0.5, 0.3, ((2, 0), (1, 0)))
    """
    n, classes = probabilities.shape
    found, sure = probabilities.argmax(1), probabilities.max(1).astype(np.float64)
    right = found == labels
    confusion = np.bincount(labels * classes + found, minlength=classes**2).reshape(classes, classes)
    occurring = confusion.sum(1) > 0
    recalls = confusion.diagonal()[occurring] / confusion.sum(1)[occurring]
    bins = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    return Recognition(
        n_examples=n,
        accuracy=float(right.mean()),
        uar=float(recalls.mean()),
        ece=float(np.abs(np.bincount(bins, right - sure, BINS)).sum() / n),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )
