"""Observation models: how what is known of pictures came about, on top of a model's likelihood of the pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from latentia.core import Batch, Likelihood
from latentia.distributions import RestLikelihood
from latentia.errors import OptionError

LEAST_MISFIT = 1e-3  # standard deviation of what a model leaves unexplained, at least


class View(Protocol):
    """What pictures are, given latents and what is known of them: a distribution of batch shape (K, N)."""

    @property
    def mean(self) -> Tensor: ...

    def sample(self) -> Tensor: ...


class Observation(Protocol):
    """What is known of pictures."""

    def nats(self, likelihood: Likelihood) -> Tensor:
        """Returns the log probability of what is known under a likelihood of the pictures, shape (K, N)."""
        ...

    def view(self, likelihood: Likelihood) -> View:
        """Returns what the pictures are, given latents and what is known."""
        ...


def observation_of(batch: Batch) -> Observation:
    """Returns what a batch says is known: a part of the pictures, exactly or with noise.

    Raises:
        OptionError: it does not say what is given.
    """
    if batch.given is None:
        raise OptionError("The batch does not say what is given of the pictures: set Batch.given.")
    given = batch.given.expand_as(batch.x)
    known = torch.where(given, batch.x, 0.0)  # a NaN elsewhere would spoil gradients
    return Exact(known, given) if batch.noise is None else Noisy(known, given, batch.noise.square())


@dataclass(frozen=True)
class Exact:
    """A part of the pictures is known, pixel by pixel.

    Attributes:
        x: the pictures, 0 where they are not known, shape (N, C, H, W).
        given: True where they are known, of that shape.
    """

    x: Tensor
    given: Tensor

    def nats(self, likelihood: Likelihood) -> Tensor:
        return likelihood.log_prob(self.x, self.given)

    def view(self, likelihood: Likelihood) -> View:
        return RestLikelihood(likelihood, self.x, self.given)


@dataclass(frozen=True)
class NormalView:
    """Independent normal pixels.

    Attributes:
        mean: shape (K, N, C, H, W).
        std: broadcastable to it.
    """

    mean: Tensor
    std: Tensor

    def sample(self) -> Tensor:
        return self.mean + self.std * torch.randn_like(self.mean)


@dataclass(frozen=True)
class Noisy:
    """A part of the pictures is known with normal noise on it.

    What a likelihood's mean leaves unexplained is noise and the model's own misfit. Their variances add up, and that of
    the noise is known, so what is left is the misfit's; it says how far the model is trusted against what is known.

    Attributes:
        x: the pictures with their noise, 0 where they are not known, shape (N, C, H, W).
        given: True where they are known, of that shape.
        noise: its variance, shape (N, 1, 1, 1).
    """

    x: Tensor
    given: Tensor
    noise: Tensor

    def nats(self, likelihood: Likelihood) -> Tensor:
        residual, variance = self._unexplained(likelihood.mean)
        count = self.given.flatten(1).sum(1)
        squares = residual.square().flatten(2).sum(-1)
        level = variance[..., 0, 0, 0]
        return -0.5 * (squares / level + count * (level.log() + math.log(2 * math.pi)))

    def view(self, likelihood: Likelihood) -> View:
        mean = likelihood.mean
        residual, variance = self._unexplained(mean)
        misfit = (variance - self.noise).clamp_min(LEAST_MISFIT**2)
        share = misfit / (misfit + self.noise)
        return NormalView(mean + share * residual, torch.where(self.given, share * self.noise, misfit).sqrt())

    def _unexplained(self, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Returns what is known less a mean (K, N, C, H, W), 0 where nothing is; and its variance (K, N, 1, 1, 1)."""
        residual = torch.where(self.given, self.x - mean, 0.0)
        count = self.given.flatten(1).sum(1).clamp_min(1)
        variance = residual.square().flatten(2).sum(-1) / count
        return residual, torch.maximum(variance[..., None, None, None], self.noise + LEAST_MISFIT**2)
