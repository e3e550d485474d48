"""Metrics of pictures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

MEDIAN_TO_DEVIATION = 0.6745  # of the absolute value of a standard normal variable


def psnr(truth: NDArray[Any], guess: NDArray[Any], where: NDArray[np.bool_] | None = None) -> float:
    """Returns the peak signal-to-noise ratio of pictures on the scale of [0, 1], dB; infinite where they are the same.

    Args:
        truth: any shape.
        guess: of the same shape.
        where: the values that count, broadcastable to them; all if None.

    Example:
        >>> round(psnr(np.zeros(4), np.full(4, 0.1)), 6)
        20.0
    """
    square = np.square(truth.astype(np.float64) - guess)
    mean = float(np.mean(square if where is None else square[np.broadcast_to(where, square.shape)]))
    return -10 * math.log10(mean) if mean > 0 else math.inf


def noise_level(picture: NDArray[Any], seen: NDArray[np.bool_] | None = None) -> float:
    """Estimates the standard deviation of normal noise on a picture, in its units.

    It is the median of the finest diagonal differences, which smooth surfaces do not have (Donoho and Johnstone, 1994,
    Biometrika 81); fine texture passes for noise.

    Args:
        picture: shape (H, W, C).
        seen: pixels that count, shape (H, W); all if None.

    Returns:
        0 where the picture has too few pixels to tell.

    Example:
        >>> noise = np.random.default_rng(0).normal(0, 0.1, (64, 64, 1))
        >>> abs(noise_level(0.5 + noise) - 0.1) < 0.01
        True
    """
    x = picture.astype(np.float64)
    corners = x[:-1:2, :-1:2], x[:-1:2, 1::2], x[1::2, :-1:2], x[1::2, 1::2]
    detail = (corners[0] - corners[1] - corners[2] + corners[3]) / 2
    if seen is not None:
        detail = detail[seen[:-1:2, :-1:2] & seen[:-1:2, 1::2] & seen[1::2, :-1:2] & seen[1::2, 1::2]]
    return float(np.median(np.abs(detail)) / MEDIAN_TO_DEVIATION) if detail.size else 0.0
