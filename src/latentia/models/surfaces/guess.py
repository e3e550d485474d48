"""A linear guess of pictures from any part of them: where a network that fills in begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.distributions.base import diagonal_normal
from latentia.nets.base import Shape

AXES = 64
ITERATIONS = 4  # of the search for components
CAUTION = 20.0  # chosen on held-out digits, clothes, faces and CIFAR pictures
LEAST_LEVEL = 1e-6
LEAST_SHARE = 1e-6  # of the variance of the first component


@dataclass(frozen=True)
class Guess:
    """What pictures may be, given a part of them: normal distributions along the components.

    Latents (D,) with a standard normal distribution say where in it a picture lies; the first D components follow them.

    Attributes:
        mean: pictures, shape (N, C, H, W).
        ways: how far unit latents move the code, shape (N, A, D).
        axes: what a unit of the code does to pictures, shape (A, C, H, W).
        level: variance that the components leave over, shape (N, 1, 1).
    """

    mean: Tensor
    ways: Tensor
    axes: Tensor
    level: Tensor

    def change(self, z: Tensor) -> Tensor:
        """Returns what latents (K, N, D) make different from the mean, shape (K, N, C, H, W)."""
        code = (self.ways @ z.float()[..., None])[..., 0]
        pictures = code @ self.axes.flatten(1)
        return pictures.view(*pictures.shape[:-1], *self.axes.shape[1:])

    def posterior(self, x: Tensor, seen: Tensor, misfit: Tensor) -> Distribution:
        """Returns what latents are once more of the pictures is seen, as far as dimensions can be told one by one.

        The closest normal distribution with independent dimensions has the mean of the true one, and the precisions on
        the diagonal of the true one's.

        Args:
            x: pictures, shape (N, C, H, W); what is not seen may be anything.
            seen: True where they are seen beyond what the guess was made of, broadcastable to `x`.
            misfit: what decoders leave over, as a multiple of the variance that the components do.
        """
        away = torch.where(seen, x - self.mean, 0.0).flatten(1).float()
        axes, noise = self.axes.flatten(1), self.level * misfit
        gain = self.ways.mT @ gram(axes, seen.expand_as(x)) @ self.ways / noise
        precision = gain + torch.eye(gain.shape[-1]).to(gain)
        pull = self.ways.mT @ (away @ axes.T)[..., None] / noise
        mean = cast(Tensor, torch.linalg.solve(precision, pull))[..., 0]
        return diagonal_normal(mean, precision.diagonal(dim1=-2, dim2=-1).rsqrt())


class LinearGuess(nn.Module):
    """Pictures given any part of them, under probabilistic principal components (Tipping and Bishop, 1999, Journal of
    the Royal Statistical Society B 61).

    What the components leave over counts as noise, independent from pixel to pixel. It is not, and the components fit
    the examples better than other pictures; hence it counts for more than it is.

    Args:
        event_shape: (C, H, W).
        axes: number of components.
        latent_dim: number of latents that say where in the guess a picture lies.

    Attributes:
        mean: of the examples, shape (C, H, W).

    Example:
        >>> guess = LinearGuess((1, 4, 4), axes=2)
        >>> ramps = torch.rand(50, 1, 1, 1, generator=torch.Generator().manual_seed(0)).expand(50, 1, 4, 4)
        >>> guess.start_at(ramps)
        >>> given = torch.zeros(50, 1, 4, 4).bool()
        >>> given[:, :, 0] = True
        >>> bool((guess(ramps, given).mean - ramps).abs().max() < 0.05)
        True
    """

    mean: Tensor
    axes: Tensor
    level: Tensor

    def __init__(self, event_shape: Shape, axes: int = AXES, latent_dim: int = AXES) -> None:
        super().__init__()
        size = torch.Size(event_shape)
        self.latent_dim = latent_dim
        self.register_buffer("mean", torch.full(size, 0.5))
        self.register_buffer("axes", torch.zeros(min(axes, size.numel()), *size))
        self.register_buffer("level", torch.ones(()))

    def forward(self, x: Tensor, given: Tensor, noise: Tensor | None = None) -> Guess:
        """Guesses whole pictures.

        Args:
            x: pictures, shape (N, C, H, W); what is missing may be anything, NaN included.
            given: True where `x` is given, shape (N, 1, H, W).
            noise: standard deviation of the noise on it, shape (N, 1, 1, 1); none if None.
        """
        axes = self.axes.flatten(1)
        away = torch.where(given, x - self.mean, 0.0).flatten(1).float()
        level = self.level.expand(len(x), 1, 1)
        if noise is not None:
            level = level + noise.flatten(1)[:, :1, None].square()
        one = torch.eye(len(axes)).to(x.device)
        root = cast(Tensor, torch.linalg.cholesky(gram(axes, given.expand_as(x)) + level * one))
        code = torch.cholesky_solve((away @ axes.T)[..., None], root)[..., 0]
        ways = level.sqrt() * cast(Tensor, torch.linalg.solve_triangular(root.mT, one, upper=True))
        mean = self.mean + (code @ axes).view_as(x)
        return Guess(mean, F.pad(ways, (0, self.latent_dim - len(axes))), self.axes, self.level.expand(len(x), 1, 1))

    @torch.no_grad()
    def start_at(self, examples: Tensor) -> None:
        """Takes the components of examples (N, C, H, W)."""
        flat = examples.flatten(1).float()
        mean, count = flat.mean(0), min(len(self.axes), len(flat) - 1)
        total = (flat - mean).square().sum() / len(flat)
        self.mean.copy_(mean.view_as(self.mean))
        _, scales, directions = torch.pca_lowrank(flat, count, niter=ITERATIONS)
        variances = scales.square() / len(flat)
        left = (total - variances.sum()) / max(1, flat.shape[1] - count)
        # Beside axes that are longer by far, less would be lost to rounding.
        level = left.clamp_min(max(LEAST_LEVEL, LEAST_SHARE * float(variances.max())) if count else LEAST_LEVEL)
        self.axes[:count] = ((variances - level).clamp_min(0).sqrt() * directions).T.view(count, *self.mean.shape)
        self.level.copy_(CAUTION * level)


def gram(axes: Tensor, where: Tensor) -> Tensor:
    """Returns the products of axes (A, C * H * W) with each other over a part of each picture, shape (N, A, A).

    Args:
        axes: of all pictures.
        where: True where a product counts, shape (N, C, H, W).
    """
    return torch.stack([(axes * row) @ axes.T for row in where.flatten(1).to(axes)])
