"""What posteriors, priors and likelihoods have in common: the registries and the interfaces.

Each is a lazy distribution: a module that holds parameters, takes a context and returns a distribution.
The idea is zuko's (https://github.com/probabilists/zuko).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from latentia.core import Likelihood
from latentia.registry import Registry

Shape = tuple[int, ...]


class LazyPosterior(nn.Module, ABC):
    """Features to a distribution over latents."""

    @abstractmethod
    def forward(self, features: Tensor) -> Distribution:
        """Returns q(z|x).

        Args:
            features: what the encoder made of the examples, shape (..., features).

        Returns:
            A distribution of batch shape (...) and event shape (latent_dim,) with `rsample`.
        """


class LazyPrior(nn.Module, ABC):
    """The distribution over latents before any data are seen."""

    @abstractmethod
    def forward(self) -> Distribution:
        """Returns p(z), of event shape (latent_dim,)."""


class LazyLikelihood(nn.Module, ABC):
    """Decoded parameters to a distribution over data.

    Attributes:
        grid: True where the likelihood is a probability mass on the 256-level grid of 8-bit pictures.
        binary: True where the data must be 0 or 1.
    """

    grid: bool = False
    binary: bool = False

    @abstractmethod
    def parameter_shape(self, event_shape: Shape) -> Shape:
        """Returns the shape of the parameters that one example of shape `event_shape` needs."""

    def centre(self, mean: Tensor) -> Tensor | None:
        """Returns parameters (*parameter_shape) whose distribution is centred on `mean` (*event_shape).

        Training starts the decoder's offset there; None where a likelihood has no such thing.
        """
        return None

    @abstractmethod
    def forward(self, parameters: Tensor) -> Likelihood:
        """Returns p(x|z).

        Args:
            parameters: the decoder's output, shape (K, N, *parameter_shape).
        """


POSTERIORS: Registry[LazyPosterior] = Registry("posterior")
PRIORS: Registry[LazyPrior] = Registry("prior")
LIKELIHOODS: Registry[LazyLikelihood] = Registry("likelihood")


def diagonal_normal(mean: Tensor, scale: Tensor) -> Distribution:
    """Returns a normal distribution of independent dimensions; the last axis is the event."""
    return Independent(Normal(mean, scale, validate_args=False), 1, validate_args=False)


def full_precision(values: Tensor) -> Tensor:
    """Returns values as float32 where an autocast has halved their precision, else as they are."""
    return values if values.dtype == torch.float64 else values.float()


def sum_event(nats: Tensor, observed: Tensor | None, batch_dims: int = 2) -> Tensor:
    """Sums log probabilities (K, N, ...) over what was observed (N, ...), to (K, N).

    Unobserved positions are selected away, not multiplied by zero, so that a NaN there stays out.
    """
    seen = nats if observed is None else nats.where(observed, nats.new_zeros(()))
    return seen.flatten(batch_dims).sum(-1)
