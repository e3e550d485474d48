"""A linear guess of pictures from any part of them: where a network that fills in begins."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from latentia.nets.base import Shape

AXES = 64
ITERATIONS = 4  # of the search for components
CAUTION = 20.0  # chosen on held-out digits, clothes, faces and CIFAR pictures
LEAST_LEVEL = 1e-6


class LinearGuess(nn.Module):
    """Mean pictures given any part of them, under probabilistic principal components (Tipping and Bishop, 1999, Journal
    of the Royal Statistical Society B 61).

    What the components leave over counts as noise, independent from pixel to pixel. It is not, and the components fit
    the examples better than other pictures; hence it counts for more than it is.

    Args:
        event_shape: (C, H, W).
        axes: number of components.

    Attributes:
        mean: of the examples, shape (C, H, W).

    Example:
        >>> guess = LinearGuess((1, 4, 4), axes=2)
        >>> ramps = torch.rand(50, 1, 1, 1, generator=torch.Generator().manual_seed(0)).expand(50, 1, 4, 4)
        >>> guess.start_at(ramps)
        >>> given = torch.zeros(50, 1, 4, 4).bool()
        >>> given[:, :, 0] = True
        >>> bool((guess(ramps, given) - ramps).abs().max() < 0.05)
        True
    """

    mean: Tensor
    axes: Tensor
    level: Tensor

    def __init__(self, event_shape: Shape, axes: int = AXES) -> None:
        super().__init__()
        size = torch.Size(event_shape)
        self.register_buffer("mean", torch.full(size, 0.5))
        self.register_buffer("axes", torch.zeros(min(axes, size.numel()), *size))
        self.register_buffer("level", torch.ones(()))

    def forward(self, x: Tensor, given: Tensor, noise: Tensor | None = None) -> Tensor:
        """Returns guesses of whole pictures, float32, shape (N, C, H, W).

        Args:
            x: pictures, shape (N, C, H, W); what is missing may be anything, NaN included.
            given: True where `x` is given, shape (N, 1, H, W).
            noise: standard deviation of the noise on it, shape (N, 1, 1, 1); none if None.
        """
        axes = self.axes.flatten(1)
        weight = given.expand_as(x).flatten(1).float()
        away = torch.where(given, x - self.mean, 0.0).flatten(1).float()
        level = self.level if noise is None else self.level + noise.flatten(1)[:, :1, None].square()
        precision = torch.stack([(axes * row) @ axes.T for row in weight]) + level * torch.eye(len(axes)).to(x.device)
        code = cast(Tensor, torch.linalg.solve(precision, away @ axes.T))
        return self.mean + (code @ axes).view_as(x)

    @torch.no_grad()
    def start_at(self, examples: Tensor) -> None:
        """Takes the components of examples (N, C, H, W)."""
        flat = examples.flatten(1).float()
        mean, count = flat.mean(0), min(len(self.axes), len(flat) - 1)
        total = (flat - mean).square().sum() / len(flat)
        self.mean.copy_(mean.view_as(self.mean))
        _, scales, directions = torch.pca_lowrank(flat, count, niter=ITERATIONS)
        variances = scales.square() / len(flat)
        left = (total - variances.sum()) / (flat.shape[1] - count + 1)
        level = left.clamp_min(LEAST_LEVEL)
        self.axes[:count] = ((variances - level).clamp_min(0).sqrt() * directions).T.view(count, *self.mean.shape)
        self.level.copy_(CAUTION * level)
