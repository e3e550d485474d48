"""Metrics of samples: how near what a model makes is to real data, in the space of some features."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_CHUNK = 1024


class Overlap(NamedTuple):
    """How two sets of examples overlap.

    Attributes:
        precision: share of the made examples that lie where real ones do: whether they look real.
        recall: share of the real examples that lie where made ones do: whether all kinds are made.
    """

    precision: float
    recall: float


def frechet_distance(real: NDArray[Any], made: NDArray[Any]) -> float:
    """Returns the Frechet distance between the normal distributions with the moments of two sets of features.

    It is |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), for any features (Heusel et al., 2017, arXiv:1706.08500).
    Few examples make it too large, so compare sets of the same size only.

    Args:
        real: features, shape (N, D), N at least 2.
        made: features, shape (M, D), M at least 2.

    Example:
        >>> square = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])
        >>> round(frechet_distance(square, square + [3.0, 4.0]), 6)
        25.0
    """
    means, covariances = zip(*(_moments(features) for features in (real, made)), strict=True)
    shift = means[0] - means[1]
    root = _square_root(covariances[0])
    # C1 C2 and the symmetric root C2 root have the same eigenvalues.
    overlap = np.sqrt(np.clip(np.linalg.eigvalsh(root @ covariances[1] @ root), 0, None)).sum()
    return float(max(0.0, shift @ shift + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * overlap))


def precision_recall(real: NDArray[Any], made: NDArray[Any], neighbours: int = 3) -> Overlap:
    """Tells how much of what is made looks real, and how much of what is real is made.

    An example lies where a set does if it is no farther from one of its members than that member's k-th nearest
    neighbour in the set (Kynkaanniemi et al., 2019, arXiv:1904.06991).

    Args:
        real: features, shape (N, D), N above `neighbours`.
        made: features, shape (M, D), M above `neighbours`.
        neighbours: k.

    Example:
        >>> line = np.arange(10.0)[:, None]
        >>> precision_recall(line, line[:5])
        Overlap(precision=1.0, recall=0.8)
    """
    one, other = real.astype(np.float64), made.astype(np.float64)
    return Overlap(_covered(other, by=one, neighbours=neighbours), _covered(one, by=other, neighbours=neighbours))


def _covered(points: Floats, by: Floats, neighbours: int) -> float:
    """Returns the share of points that lie where a set does."""
    radii = np.concatenate(
        [np.partition(_squared(by[start : start + _CHUNK], by), neighbours)[:, neighbours] for start in _starts(by)]
    )
    inside = [(_squared(points[start : start + _CHUNK], by) <= radii).any(1) for start in _starts(points)]
    return float(np.concatenate(inside).mean())


def _squared(points: Floats, others: Floats) -> Floats:
    """Returns squared distances, shape (points, others)."""
    squares = (points**2).sum(1)[:, None] + (others**2).sum(1) - 2 * points @ others.T
    return np.clip(squares, 0, None)


def _starts(points: Floats) -> range:
    return range(0, len(points), _CHUNK)


def _moments(features: NDArray[Any]) -> tuple[Floats, Floats]:
    values = features.astype(np.float64)
    return values.mean(0), np.cov(values, rowvar=False, ddof=0).reshape(values.shape[1], -1)


def _square_root(matrix: Floats) -> Floats:
    """Returns the symmetric root of a covariance."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
