"""Surfaces through what is given of pictures, as rough as pictures are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentia.nets.base import Shape
from latentia.nets.conjugate import solve

STEPS = 20
SMOOTHING = 5  # width of the window of frequencies that share an estimate of their power
LEAST_POWER = 1e-6  # of the mean power
TINY = 1e-12


class StationaryGuess(nn.Module):
    """Pictures given any part of them, under a normal distribution that is the same everywhere in a picture.

    Its covariance is diagonal in the basis of the cosine transform (Ahmed, Natarajan and Rao, 1974, IEEE Transactions
    on Computers C-23): a power for each frequency, estimated from examples, and for each of the colours that do not
    go together in them. It knows textures and edges rather than what pictures show, and a few hundred examples are
    enough for it; what is expected given a part is Kriging in large, Wiener's filter where there is noise.

    Args:
        event_shape: (C, H, W).

    Attributes:
        mean: of the examples, shape (C, H, W).
        colours: orthogonal, shape (C, C).
        power: of each colour and frequency, shape (C, H, W).

    Example:
        >>> ramps = torch.linspace(-1, 1, 8) * torch.rand(50, 1, 1, 1, generator=torch.Generator().manual_seed(0))
        >>> ramps = 0.5 + 0.4 * ramps.expand(50, 1, 8, 8)
        >>> surface = StationaryGuess((1, 8, 8))
        >>> surface.start_at(ramps)
        >>> given = torch.rand(50, 1, 8, 8, generator=torch.Generator().manual_seed(1)) < 0.5
        >>> bool((surface(ramps, given) - ramps).abs().max() < 0.1)
        True
    """

    mean: Tensor
    colours: Tensor
    power: Tensor
    down: Tensor
    across: Tensor

    def __init__(self, event_shape: Shape) -> None:
        super().__init__()
        size = torch.Size(event_shape)
        self.register_buffer("mean", torch.full(size, 0.5))
        self.register_buffer("colours", torch.eye(size[0]))
        self.register_buffer("power", torch.ones(size))
        self.register_buffer("down", _cosines(size[1]), persistent=False)
        self.register_buffer("across", _cosines(size[2]), persistent=False)

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
        power = self.power if noise is None else self.power + noise.square()
        away = self.colour(torch.where(given, x, self.mean if start is None else start).float() - self.mean)
        # The colours have nothing to do with each other, so that each is searched on its own.
        whole = most_probable(
            away,
            ~given,
            lambda values: self.from_waves(self.to_waves(values) / power),
            lambda values: self.from_waves(self.to_waves(values) * power),
            steps,
            together=(2, 3),
        )
        if noise is not None:  # in what is given, and just so in what is expected of the rest
            whole = self.from_waves(self.to_waves(whole) * (self.power / power))
        return self.mean + self.uncolour(whole)

    @torch.no_grad()
    def start_at(self, examples: Tensor) -> None:
        """Takes the powers of examples (N, C, H, W)."""
        self.mean.copy_(examples.mean(0))
        away = examples.float() - self.mean
        flat = away.transpose(0, 1).flatten(1)
        _, directions = cast(tuple[Tensor, Tensor], torch.linalg.eigh(flat @ flat.T / flat.shape[1]))
        self.colours.copy_(directions.T)
        power = self.to_waves(self.colour(away)).square().mean(0)
        least = (LEAST_POWER * power.mean()).clamp_min(TINY)
        self.power.copy_(smooth_over_waves(power.clamp_min(least).log()).exp())

    def colour(self, x: Tensor) -> Tensor:
        """Turns the channels of pictures (N, C, H, W) into the colours that do not go together."""
        return torch.einsum("dc,nchw->ndhw", self.colours, x)

    def uncolour(self, x: Tensor) -> Tensor:
        """Undoes `colour`."""
        return torch.einsum("cd,nchw->ndhw", self.colours, x)

    def to_waves(self, x: Tensor) -> Tensor:
        """Returns the cosine transform of pictures (N, C, H, W)."""
        return self.down @ x @ self.across.T

    def from_waves(self, x: Tensor) -> Tensor:
        """Undoes `to_waves`."""
        return self.down.T @ x @ self.across


def most_probable(
    away: Tensor,
    hidden: Tensor,
    precision: Callable[[Tensor], Tensor],
    covariance: Callable[[Tensor], Tensor],
    steps: int,
    together: tuple[int, ...],
) -> Tensor:
    """Changes what is hidden to what is most probable under a normal distribution, by conjugate gradients.

    Args:
        away: pictures without the mean, shape (N, C, H, W); the search begins at what is hidden of them.
        hidden: True where they may change, shape (N, 1, H, W).
        precision: inverse covariance times pictures.
        covariance: covariance times pictures, near enough to the inverse of `precision` within the hidden part as well.
        steps: of the search.
        together: axes along which numbers depend on each other.
    """
    change = solve(
        hidden * -precision(away),
        lambda direction: hidden * precision(direction),
        lambda pull: hidden * covariance(pull),
        steps,
        together,
    )
    return away + change


def smooth_over_waves(values: Tensor) -> Tensor:
    """Averages values of neighbouring frequencies, shape (C, H, W)."""
    return F.avg_pool2d(F.pad(values[None], [SMOOTHING // 2] * 4, mode="replicate"), SMOOTHING, 1)[0]


def _cosines(length: int) -> Tensor:
    """Returns the orthonormal cosine transform of vectors, shape (length, length)."""
    places = torch.arange(length, dtype=torch.float64)
    waves = torch.cos(math.pi / length * (places + 0.5) * places[:, None]) * math.sqrt(2 / length)
    waves[0] /= math.sqrt(2)
    return waves.float()
