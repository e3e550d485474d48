"""A guess of pictures from any part of them, patch by patch."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentia.models.surfaces.patch_mixture import PatchMixture
from latentia.nets.base import Shape

MOST_NUMBERS, LARGEST_SIDE = 80, 8  # of a patch
LEARNED_FROM = 400_000  # patches
MIDDLE = 0.25  # standard deviation of what a patch counts for, about its middle, in sides of it
# Standard deviations: what the surface from which each pass starts is off by; of what is given, that of rounding.
OPEN = (0.1, 0.07, 0.05, 0.04)
OPEN_IN_TRAINING = (0.1, 0.06)
EXACT = 0.01


class PatchGuess(nn.Module):
    """Pictures given any part of them, from what is expected of their patches.

    For each patch of a grid the most probable kind is chosen, and what it makes one expect, given the known pixels, a
    first surface through them, and where in the picture it lies; where patches overlap, their middles count most. What
    comes out is the surface of the next pass, with the grid moved. While a model trains, which needs a surface at each
    visit to a picture, the grid is coarser and the passes are fewer.

    Args:
        event_shape: (C, H, W).

    Attributes:
        side: of a patch, pixels.
        kinds: of patches.

    Example:
        >>> stripes = (torch.arange(16) // 2 % 2).float().expand(60, 1, 16, 16)
        >>> stripes = torch.where(torch.arange(60).view(60, 1, 1, 1) < 30, stripes, stripes.mT)
        >>> surface = PatchGuess((1, 16, 16))
        >>> surface.start_at(stripes)
        >>> given = torch.rand(60, 1, 16, 16, generator=torch.Generator().manual_seed(1)) < 0.5
        >>> bool((surface(stripes, given, start=torch.full_like(stripes, 0.5)) - stripes).abs().mean() < 0.1)
        True
    """

    def __init__(self, event_shape: Shape) -> None:
        super().__init__()
        channels, *sides = event_shape
        self.side = max(1, min(LARGEST_SIDE, math.isqrt(MOST_NUMBERS // channels), min(sides) // 2))
        self.kinds = PatchMixture(channels * self.side**2 + 2)

    @torch.no_grad()
    def forward(self, x: Tensor, given: Tensor, noise: Tensor | None = None, *, start: Tensor) -> Tensor:
        """Returns what is expected, shape (N, C, H, W); `x` where that is given without noise.

        Args:
            x: pictures, shape (N, C, H, W); what is missing may be anything, NaN included.
            given: True where `x` is given, shape (N, 1, H, W).
            noise: standard deviation of the noise on it, shape (N, 1, 1, 1); none if None.
            start: a first surface, shape (N, C, H, W).
        """
        level = x.new_zeros(len(x), 1, 1, 1) if noise is None else noise
        certain = given & (level == 0)
        step = max(1, (self.side + 1) // (2 if self.training else 3))
        expected = start
        for number, spread in enumerate(OPEN_IN_TRAINING if self.training else OPEN):
            variance = torch.where(given, level.square() + EXACT**2, spread**2)
            grid = _Grid(x, self.side, step, number)
            patches = grid.cut(torch.where(given, x, expected))
            left_open = grid.cut(~certain * 1.0).any(1)
            placed = torch.cat([patches, grid.places], 1)[left_open]
            spread_of = F.pad(grid.cut(variance.expand_as(x)), (0, 2), value=EXACT**2)[left_open]
            patches[left_open] = self.kinds(placed, spread_of)[:, :-2]
            expected = grid.join(patches)
        return torch.where(certain, x, expected)

    @torch.no_grad()
    def start_at(self, examples: Tensor) -> None:
        """Learns the kinds of patches of examples (N, C, H, W)."""
        self.kinds.start_at(_drawn(examples.float(), self.side))


class _Grid:
    """Overlapping patches of pictures, cut out and joined; each pass has them at other places.

    Args:
        x: pictures of that shape, (N, C, H, W).
        side: of a patch.
        step: between patches.
        number: of the pass.
    """

    def __init__(self, x: Tensor, side: int, step: int, number: int) -> None:
        self.shape, self.side, self.step, self.device = x.shape, side, step, x.device
        self.before = number * (step // 2) % step
        # As far beyond the last pixel as it takes for patches to reach it.
        self.after = [-(length + self.before - side) % step for length in x.shape[2:]]

    @property
    def places(self) -> Tensor:
        """Middles of the patches, down and across, in sides of a picture, shape (N * L, 2)."""
        down, across = (
            (self._starts(length + self.before + after) - self.before + self.side / 2) / length
            for length, after in zip(self.shape[2:], self.after, strict=True)
        )
        return torch.cartesian_prod(down, across).repeat(self.shape[0], 1)

    def _weights(self) -> Tensor:
        """Returns what each number of a patch counts for, shape (D,)."""
        away = (torch.arange(self.side, device=self.device) - (self.side - 1) / 2) / (MIDDLE * self.side)
        weights = torch.exp(-0.5 * away.square())
        return torch.outer(weights, weights).flatten().repeat(self.shape[1])

    def _starts(self, length: int) -> Tensor:
        return torch.arange(0, length - self.side + 1, self.step, device=self.device)

    def cut(self, x: Tensor) -> Tensor:
        """Returns the patches of pictures, shape (N * L, D)."""
        whole = F.pad(x, (self.before, self.after[1], self.before, self.after[0]), mode="replicate")
        return F.unfold(whole, self.side, stride=self.step).transpose(1, 2).flatten(0, 1)

    def join(self, patches: Tensor) -> Tensor:
        """Returns pictures of such patches: where these overlap a mean, for which their middles count most."""
        weights = self._weights()
        parts = (patches * weights).view(self.shape[0], -1, patches.shape[1]).transpose(1, 2)
        counted = weights[:, None].expand(-1, parts.shape[2])[None]
        size = tuple(length + self.before + after for length, after in zip(self.shape[2:], self.after, strict=True))
        total, count = (F.fold(part, size, self.side, stride=self.step) for part in (parts, counted))
        rows, columns = (slice(self.before, self.before + length) for length in self.shape[2:])
        return (total / count)[:, :, rows, columns]


def _drawn(examples: Tensor, side: int) -> Tensor:
    """Draws patches of examples from random places, and these places, shape (M, D + 2)."""
    generator = torch.Generator().manual_seed(0)
    windows = examples.unfold(2, side, 1).unfold(3, side, 1)  # a view: (N, C, rows, columns, side, side)
    count = min(LEARNED_FROM, windows.shape[0] * windows.shape[2] * windows.shape[3])
    example, row, column = (torch.randint(windows.shape[axis], (count,), generator=generator) for axis in (0, 2, 3))
    places = (torch.stack([row, column], 1) + side / 2) / torch.tensor(examples.shape[2:])
    return torch.cat([windows[example, :, row, column].flatten(1), places.to(examples)], 1)
