"""How well holes of pictures are filled in: PSNR and SSIM over the missing pixels, and paired intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Flags = NDArray[np.bool_]
RESAMPLED = 2000
INTERVAL = (2.5, 97.5)


@dataclass(frozen=True)
class Errors:
    """Squared errors of pictures over their missing pixels.

    Attributes:
        total: sums of squares on the scale of [0, 1], shape (N,).
        count: missing values of each, shape (N,).
    """

    total: NDArray[np.float64]
    count: NDArray[np.int64]

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio over all missing values of all pictures, dB.

        It is not a mean over pictures, of which some, such as a corner of a digit, may be filled in without any error.
        """
        return _psnr(self.total.sum(), self.count.sum())


def errors(truth: Pixels, filled: Pixels, missing: Flags) -> Errors:
    """Measures filled pictures (N, H, W, C) where they were missing (N, H, W)."""
    square = ((filled.astype(np.float64) - truth) / 255.0) ** 2
    return Errors((square * missing[..., None]).sum((1, 2, 3)), missing.sum((1, 2)).astype(np.int64) * truth.shape[-1])


def ssim(truth: Pixels, filled: Pixels, missing: Flags) -> float:
    """Returns the mean of the structural similarity (Wang et al., 2004) over missing pixels; a window of 7 pixels."""
    from skimage.metrics import structural_similarity

    maps = [
        structural_similarity(one, other, data_range=255, channel_axis=-1, full=True)[1]
        for one, other in zip(truth, filled, strict=True)
    ]
    return float(np.stack(maps)[missing].mean())


def lead(ours: Errors, peer: Errors, groups: NDArray[np.int64], seed: int = 0) -> tuple[float, float, float]:
    """Returns by how many dB one is ahead of the other, and the 95 % interval of a paired bootstrap over groups.

    Args:
        ours: of one system.
        peer: of the other, on the same pictures and masks.
        groups: what is resampled together, such as the pictures of a person, shape (N,).
        seed: of the resampling.
    """
    names, member = np.unique(groups, return_inverse=True)
    sums = np.stack([np.bincount(member, part, len(names)) for part in (ours.total, peer.total, ours.count)])
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLED)
    one, other, count = drawn @ sums.T[:, 0], drawn @ sums.T[:, 1], drawn @ sums.T[:, 2]
    differences = _psnr(one, count) - _psnr(other, count)
    low, high = np.percentile(differences, INTERVAL)
    return ours.psnr - peer.psnr, float(low), float(high)


def _psnr(total: NDArray[np.float64], count: NDArray[np.float64]) -> NDArray[np.float64]:
    return -10 * np.log10(np.maximum(total, 1e-10) / count)
