"""Smooth surfaces through what is given of a picture: where a network that fills in begins."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from latentia.nets.conjugate import solve

STEPS = 10
TRUST = 1e-2  # weight of the middle beside what is given, so that a picture of which nothing is given is the middle
TINY = 1e-12


def smooth_fill(x: Tensor, given: Tensor, middle: Tensor, steps: int = STEPS) -> Tensor:
    """Fills what is missing of pictures with the surface that bends least, seen as a deviation from a middle picture.

    It is the biharmonic surface (Damelin and Hoang, 2018, https://doi.org/10.1155/2018/3950312) through what is given,
    found by conjugate gradients on all pictures at once; they start at means of coarser and coarser neighbourhoods
    (Gortler et al., 1996, SIGGRAPH). Small gaps are closed after a few steps, large ones keep something of the middle.

    Args:
        x: pictures, shape (N, C, H, W); what is missing may be anything, NaN included.
        given: True where `x` is given, shape (N, 1, H, W) or (N, C, H, W).
        middle: a typical picture, shape (C, H, W).
        steps: of the conjugate gradients.

    Returns:
        float32, shape (N, C, H, W); `x` where it is given, up to rounding.

    Example:
        >>> ramp = torch.linspace(0, 1, 8).expand(1, 1, 8, 8)
        >>> given = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)) < 0.5
        >>> filled = smooth_fill(ramp, given, torch.full((1, 8, 8), 0.5))
        >>> bool((filled - ramp).abs().mean() < 0.05)
        True
    """
    hidden = (~given).to(torch.float32)
    deviation = torch.where(given, x - middle, 0.0).float()
    start = torch.where(given, deviation, _neighbourhood_means(deviation, 1 - hidden))
    return middle + start + _least_bending(start, hidden, steps)


def _neighbourhood_means(deviation: Tensor, given: Tensor) -> Tensor:
    """Gives each pixel the mean of the smallest neighbourhood with something given in it; softly, level by level."""
    levels = [(deviation, given)]
    while max(levels[-1][0].shape[-2:]) > 1:
        levels.append((_halved(levels[-1][0]), _halved(levels[-1][1])))
    total, weight = levels.pop()
    mean = total / (weight + TRUST)
    for total, weight in reversed(levels):
        mean = F.interpolate(mean, size=total.shape[-2:], mode="bilinear", align_corners=False)
        trust = weight.sqrt()
        mean = torch.lerp(mean, total / weight.clamp_min(TINY), trust)
    return mean


def _halved(values: Tensor) -> Tensor:
    return F.avg_pool2d(values, 2, ceil_mode=True, count_include_pad=False)


def _least_bending(surface: Tensor, hidden: Tensor, steps: int) -> Tensor:
    """Returns the change of the hidden part of a surface that makes it bend least, by conjugate gradients."""

    def bent(values: Tensor) -> Tensor:
        return hidden * _laplacian(_laplacian(values))

    return solve(-bent(surface), bent, lambda residual: residual, steps, together=(2, 3))


def _laplacian(values: Tensor) -> Tensor:
    padded = F.pad(values, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]
    return across + padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1] - 4 * values
