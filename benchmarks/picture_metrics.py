"""How well pictures are mended: PSNR and SSIM over missing pixels, and paired intervals of leads."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Pixels = NDArray[np.uint8]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Scores(ABC):
    """What pictures score over their missing values, such that many of them have one figure.

    Attributes:
        total: sums over missing values, shape (N,).
        count: missing values of each, shape (N,).
    """

    total: NDArray[np.float64]
    count: NDArray[np.int64]

    @property
    def figure(self) -> float:
        """That of all missing values of all pictures."""
        return float(self.pooled(self.total.sum(), self.count.sum()))

    @staticmethod
    @abstractmethod
    def pooled(total: NDArray[np.float64], count: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the figure of sums, of any shape."""


class Errors(Scores):
    """Squared errors on the scale of [0, 1]; their figure is the peak signal-to-noise ratio, dB.

    It is not a mean over pictures, of which some, such as a corner of a digit, may be filled in without any error.
    """

    @staticmethod
    def pooled(total: NDArray[np.float64], count: NDArray[np.float64]) -> NDArray[np.float64]:
        return -10 * np.log10(np.maximum(total, 1e-10) / count)


class Similarities(Scores):
    """Structural similarities (SSIM; Wang et al., 2004), whose figure is their mean."""

    @staticmethod
    def pooled(total: NDArray[np.float64], count: NDArray[np.float64]) -> NDArray[np.float64]:
        return total / count


def errors(truth: Pixels, filled: Pixels, missing: Flags) -> Errors:
    """Measures filled pictures (N, H, W, C) where they were missing (N, H, W)."""
    square = ((filled.astype(np.float64) - truth) / 255.0) ** 2
    return Errors((square * missing[..., None]).sum((1, 2, 3)), missing.sum((1, 2)).astype(np.int64) * truth.shape[-1])


def similarities(truth: Pixels, filled: Pixels, missing: Flags) -> Similarities:
    """Compares the structure of filled pictures with the truth around missing pixels, in a window of 7 pixels."""
    from skimage.metrics import structural_similarity

    maps = [
        structural_similarity(one, other, data_range=255, channel_axis=-1, full=True)[1].mean(-1)
        for one, other in zip(truth, filled, strict=True)
    ]
    return Similarities((np.stack(maps) * missing).sum((1, 2)), missing.sum((1, 2)).astype(np.int64))


MEASURES: dict[str, Callable[[Pixels, Pixels, Flags], Scores]] = {"PSNR": errors, "SSIM": similarities}


def figures_on(truth: Pixels, where: Flags) -> dict[str, Callable[[Pixels], float]]:
    """Returns what settings are chosen by: for each metric, the figure of results for the first of some pictures."""

    def figure(measure: Callable[[Pixels, Pixels, Flags], Scores]) -> Callable[[Pixels], float]:
        return lambda result: measure(truth[: len(result)], result, where[: len(result)]).figure

    return {metric: figure(measure) for metric, measure in MEASURES.items()}


def lead(ours: Scores, peer: Scores, groups: NDArray[np.int64]) -> tuple[float, float, float]:
    """Returns by how much one figure is ahead of the other, and its paired 95 % interval.

    The interval is Student's, by the jackknife over groups (Tukey, 1958): percentiles of a bootstrap are too narrow
    where there are few of them.

    Args:
        ours: of one system.
        peer: of the other, on the same pictures and masks.
        groups: what belongs together, such as the pictures of a person, shape (N,); of a single one, each picture is by
            itself.
    """
    if len(np.unique(groups)) < 2:
        groups = np.arange(len(groups))
    names, member = np.unique(groups, return_inverse=True)
    sums = np.stack([np.bincount(member, part, len(names)) for part in (ours.total, peer.total, ours.count)])
    one, other, count = sums.sum(1, keepdims=True) - sums  # without each group
    left_out = ours.pooled(one, count) - peer.pooled(other, count)
    value, n = ours.figure - peer.figure, len(names)
    half = float(stats.t.ppf(0.975, n - 1)) * math.sqrt((n - 1) * float(left_out.var()))
    return value, value - half, value + half
