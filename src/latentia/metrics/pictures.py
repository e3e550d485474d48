"""Metrics of pictures."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

OF_ONE = 0.6745  # median of the absolute value of a standard normal variable
# Root mean square of four values of which at least two were cut off, for noise of 1: so that the median over all
# squares on black is right (by simulation). It is then within 7 % on anything near black, too.
CUT_OFF, OF_FOUR = 2, 0.358
BAND = 256  # rows, an even number, that are looked at together: pictures may be large


def psnr(truth: NDArray[Any], guess: NDArray[Any], where: NDArray[np.bool_] | None = None) -> float:
    """Returns the peak signal-to-noise ratio of pictures on the scale of [0, 1], dB.

    It is infinite where they are the same, and NaN where nothing counts.

    Args:
        truth: any shape.
        guess: of the same shape.
        where: the values that count, broadcastable to them; all if None.

    Example:
        >>> round(psnr(np.zeros(4), np.full(4, 0.1)), 6)
        20.0
    """
    square = np.square(truth.astype(np.float64) - guess)
    counted = square if where is None else square[np.broadcast_to(where, square.shape)]
    if not counted.size:
        return math.nan
    mean = float(counted.mean())
    return -10 * math.log10(mean) if mean > 0 else math.inf


def noise_level(picture: NDArray[Any], seen: NDArray[np.bool_] | None = None) -> float:
    """Estimates the standard deviation of normal noise on a picture.

    It is the median of the finest diagonal differences, which smooth surfaces do not have (Donoho and Johnstone, 1994,
    Biometrika 81); fine texture passes for noise. Where black or white cut the noise off, as on paper, what is left on
    the other side of them counts instead.

    Args:
        picture: on the scale of [0, 1], shape (H, W, C).
        seen: pixels that count, shape (H, W); all if None.

    Returns:
        0 where the picture has too few pixels to tell.

    Example:
        >>> noise = np.random.default_rng(0).normal(0, 0.1, (64, 64, 1))
        >>> abs(noise_level(0.5 + noise) - 0.1) < 0.01
        True
    """
    bands = [slice(top, top + BAND) for top in range(0, len(picture), BAND)]
    levels = np.concatenate([_levels(picture[band], None if seen is None else seen[band]) for band in bands])
    return float(np.median(levels)) if levels.size else 0.0


def _levels(picture: NDArray[Any], seen: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Returns what each square of two by two says of the level, in one row."""
    corners = _corners(picture.astype(np.float64))
    inside = np.minimum(corners, 1 - corners)  # how far from black or white
    detail = np.abs(corners[0] - corners[1] - corners[2] + corners[3]) / (2 * OF_ONE)
    is_cut_off = (inside <= 0).sum(0) >= CUT_OFF
    size = cast(NDArray[np.float64], np.sqrt(np.square(inside).mean(0)))
    level = np.where(is_cut_off, size / OF_FOUR, cast(NDArray[np.float64], detail)).astype(np.float32)
    return level.ravel() if seen is None else level[_corners(seen).all(0)].ravel()


def _corners(values: NDArray[Any]) -> NDArray[Any]:
    """Returns the four corners of squares of two by two, shape (4, H // 2, W // 2, ...)."""
    height, width = (length // 2 * 2 for length in values.shape[:2])
    return np.stack([values[row:height:2, column:width:2] for row in (0, 1) for column in (0, 1)])
