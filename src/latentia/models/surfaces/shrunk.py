"""Surfaces through what is given of pictures, as what these have in common makes one expect them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentia.models.surfaces.stationary import STEPS, TINY, StationaryGuess, most_probable, smooth_over_waves
from latentia.nets.base import Shape

COMPONENTS = 256
ITERATIONS = 3  # of the search for them
MOVED = 16  # copies of an example at most
PART = 32  # of a side, by which they are moved at most
LEARNED_FROM = 4096  # examples, copies included
MOST_NUMBERS = 2**25  # of half of them
LEAST_SHARE = 0.01  # of the power, left over by the components
SHRINKAGES = (0.05, 0.15, 0.4, 0.7, 0.9, 1.0)
JUDGED = 48  # pictures that are filled in to choose one
LEAST_EXAMPLES = 16

Finish = Callable[[Tensor, Tensor, Tensor], Tensor]


class ShrunkGuess(nn.Module):
    """Pictures given any part of them, under a normal distribution between what they show and what is like it anywhere.

    Its covariance is that of principal components, and of what these leave over, shrunk to the stationary one (as
    Ledoit and Wolf, 2004, doi:10.1016/S0047-259X(03)00096-4, shrink to the identity). Faces and clothes have much in
    common that lies at the same places, and the components know it; of natural pictures little is left but what is the
    same everywhere. Hence how much it is shrunk is what fills in pictures best that the components do not know; where
    something is made of the surface, after that.

    Where there is noise it is the stationary one alone.

    Args:
        event_shape: (C, H, W).
        components: how many, at most a quarter of the numbers of a picture.

    Attributes:
        stationary: what it is shrunk to.
        rest: power of what is the same everywhere, of each colour and frequency, shape (C, H, W).
        components: with their spread, in the same terms, shape (A, C, H, W).
        shrinkage: 1 is the stationary distribution.

    Example:
        >>> ramps = torch.linspace(0, 1, 8) * torch.rand(200, 1, 1, 1, generator=torch.Generator().manual_seed(0))
        >>> ramps = ramps.expand(200, 1, 8, 8)
        >>> surface = ShrunkGuess((1, 8, 8))
        >>> surface.start_at(ramps[:150])
        >>> given = torch.rand(50, 1, 8, 8, generator=torch.Generator().manual_seed(1)) < 0.5
        >>> bool((surface(ramps[150:], given) - ramps[150:]).abs().max() < 0.01)
        True
    """

    rest: Tensor
    components: Tensor
    shrinkage: Tensor

    def __init__(self, event_shape: Shape, components: int = COMPONENTS) -> None:
        super().__init__()
        size = torch.Size(event_shape)
        self.stationary = StationaryGuess(event_shape)
        self.register_buffer("rest", torch.ones(size))
        self.register_buffer("components", torch.zeros(min(components, size.numel() // 4), *size))
        self.register_buffer("shrinkage", torch.ones(()))

    def forward(
        self, x: Tensor, given: Tensor, noise: Tensor | None = None, start: Tensor | None = None, steps: int = STEPS
    ) -> Tensor:
        """Returns what is expected, shape (N, C, H, W); `x` where that is given without noise.

        Args:
            x: pictures, shape (N, C, H, W); what is missing may be anything, NaN included.
            given: True where `x` is given, shape (N, 1, H, W).
            noise: standard deviation of the noise on it, shape (N, 1, 1, 1); none if None.
            start: pictures from which the search begins, shape (N, C, H, W); the mean if None.
            steps: of the conjugate gradients.
        """
        first = self.stationary.mean.expand_as(x) if start is None else start
        if noise is None:
            return self._without_noise(x, given, first, steps)
        noisy = noise.flatten() > 0
        expected = torch.empty_like(first)
        expected[noisy] = self.stationary(x[noisy], given[noisy], noise[noisy], first[noisy], steps)
        expected[~noisy] = self._without_noise(x[~noisy], given[~noisy], first[~noisy], steps)
        return expected

    @torch.no_grad()
    def start_at(self, examples: Tensor, after: Finish | None = None) -> None:
        """Learns from examples (N, C, H, W).

        Args:
            examples: pictures.
            after: makes what counts of pictures, where they are given, and surfaces through them; these if None.
        """
        after = after or (lambda x, given, surface: surface)
        self.stationary.start_at(examples)
        self.rest.copy_(self.stationary.power)
        self.components.zero_()
        self.shrinkage.fill_(1.0)
        if len(examples) < LEAST_EXAMPLES or not len(self.components):
            return
        first, second = examples.float().chunk(2)
        halves = [self._waves(first), self._waves(second)]
        known = [self._principal(half) for half in halves]
        share = self._share(halves, known)
        judged = second[:: max(1, len(second) // JUDGED)][:JUDGED]
        misfits = [self._take(known[0], share, shrinkage)._misfit(judged, after) for shrinkage in SHRINKAGES]
        self._take(self._principal(torch.cat(halves)), share, SHRINKAGES[misfits.index(min(misfits))])

    def _without_noise(self, x: Tensor, given: Tensor, start: Tensor, steps: int) -> Tensor:
        if self.shrinkage == 1:  # whose colours have nothing to do with each other, so that fewer steps are enough
            return self.stationary(x, given, start=start, steps=steps)
        frame, axes = self.stationary, self.components.flatten(1)
        weighted = axes / self.rest.flatten()
        kept = 1 / (1 + (weighted * axes).sum(1))

        def precision(values: Tensor) -> Tensor:  # by Woodbury's identity
            waves = frame.to_waves(values)
            along = waves.flatten(1) @ weighted.T * kept
            return frame.from_waves(waves / self.rest - (along @ weighted).view_as(waves))

        def covariance(values: Tensor) -> Tensor:
            waves = frame.to_waves(values)
            return frame.from_waves(waves * self.rest + (waves.flatten(1) @ axes.T @ axes).view_as(waves))

        away = frame.colour(torch.where(given, x, start).float() - frame.mean)
        whole = most_probable(away, ~given, precision, covariance, steps, together=(1, 2, 3))
        return frame.mean + frame.uncolour(whole)

    def _waves(self, examples: Tensor) -> Tensor:
        """Returns examples, and copies that are moved a little where there are few, as colours and frequencies."""
        away = _moved(examples - self.stationary.mean)
        return self.stationary.to_waves(self.stationary.colour(away)).flatten(1)

    def _principal(self, waves: Tensor) -> Tensor:
        """Returns principal components of vectors (N, D) with mean 0, shape (D, A), as long as their spread."""
        count = min(len(self.components), *waves.shape)
        _, scales, directions = torch.pca_lowrank(waves, count, center=False, niter=ITERATIONS)
        return directions * scales / math.sqrt(len(waves))

    def _share(self, halves: list[Tensor], known: list[Tensor]) -> Tensor:
        """Returns how much of the power the components of either half leave over of the other, shape (C, H, W)."""
        left = torch.stack([_beyond(known[1 - number], waves).square().mean(0) for number, waves in enumerate(halves)])
        whole = torch.cat(halves).square().mean(0)
        # Shares rather than powers are smoothed: these leap where the components end.
        share = (left.mean(0) / (whole + TINY)).view_as(self.rest)
        return smooth_over_waves(share).clamp(LEAST_SHARE, 1.0)

    def _take(self, components: Tensor, share: Tensor, shrinkage: float) -> ShrunkGuess:
        """Takes components (D, A) and what they leave over, shrunk; returns itself."""
        self.rest.copy_((shrinkage + (1 - shrinkage) * share) * self.stationary.power)
        found = math.sqrt(1 - shrinkage) * components.T
        # Turned so that their posterior is independent, component by component, where all of a picture is given.
        _, turn = cast(tuple[Tensor, Tensor], torch.linalg.eigh((found / self.rest.flatten()) @ found.T))
        self.components[: len(found)] = (turn.T @ found).view(len(found), *self.rest.shape)
        self.shrinkage.fill_(shrinkage)
        return self

    def _misfit(self, x: Tensor, after: Finish) -> float:
        """Returns how far off pictures (N, C, H, W) are of which single pixels or a frame are given."""
        generator = torch.Generator().manual_seed(0)
        single = torch.rand(len(x), 1, *x.shape[2:], generator=generator) < 0.15
        single = single.to(x.device)
        frame = torch.ones_like(single)
        rows, columns = (slice(length // 4, length - length // 4) for length in x.shape[2:])
        frame[:, :, rows, columns] = False
        errors = torch.stack([(after(x, given, self(x, given)) - x).square().mean() for given in (single, frame)])
        return float((errors + TINY).log().sum())


def _beyond(components: Tensor, waves: Tensor) -> Tensor:
    """Returns what components (D, A) leave over of vectors (N, D)."""
    directions = F.normalize(components, dim=0)
    return waves - (waves @ directions) @ directions.T


def _moved(away: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    rows, columns = (max(1, length // PART) for length in away.shape[2:])
    large = F.pad(away, (columns, columns, rows, rows), mode="replicate")
    moved = [away]
    for _ in range(min(MOVED, LEARNED_FROM // (2 * len(away)), MOST_NUMBERS // away.numel()) - 1):
        top, left = (int(torch.randint(2 * most + 1, (), generator=generator)) for most in (rows, columns))
        moved.append(large[:, :, top : top + away.shape[2], left : left + away.shape[3]])
    return torch.cat(moved)
