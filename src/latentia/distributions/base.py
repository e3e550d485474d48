"""What posteriors, priors and likelihoods have in common: the registries and the interfaces.

Each is a lazy distribution: a module that holds parameters, takes a context and returns a distribution.
The idea is zuko's (https://github.com/probabilists/zuko).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from latentia.core import Likelihood
from latentia.registry import Registry

Shape = tuple[int, ...]
Encode = Callable[[Tensor], Distribution]  # examples (N, *example_shape) to q(z|x), batch shape (N,)


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

    @torch.no_grad()
    def start_along(self, weight: Tensor, scale: Tensor) -> None:
        """Starts with means that are linear functions of the features, where a posterior can.

        Args:
            weight: of the features, shape (latent_dim, features).
            scale: standard deviations, shape (latent_dim,).
        """


class LazyPrior(nn.Module, ABC):
    """The distribution over latents before any data are seen.

    Attributes:
        latent_dim: size of the latents.
    """

    latent_dim: int

    @abstractmethod
    def forward(self) -> Distribution:
        """Returns p(z), of event shape (latent_dim,)."""

    def given(self, encode: Encode) -> Distribution:
        """Returns p(z) within a model.

        The model hands over what encodes at each call, so that a prior that is made of posteriors keeps no encoder of
        its own, and that of a copied model is made of the copy's posteriors. To others it makes no difference.

        Args:
            encode: examples to the model's posteriors.
        """
        return self()

    def start_at(self, examples: Tensor) -> None:
        """Looks at some examples (N, *example_shape) before the training; to most priors they make no difference."""

    def start_near(self, latents: Tensor) -> None:
        """Starts close to the distribution of latents (N, latent_dim) before a fit to them, where a prior can."""


class LazyLikelihood(nn.Module, ABC):
    """Decoded parameters to a distribution over data.

    Attributes:
        grid: True where the likelihood is a probability mass on the 256-level grid of 8-bit pictures.
        binary: True where the data must be 0 or 1.
        power: True where the data must be powers, which are positive.
    """

    grid: bool = False
    binary: bool = False
    power: bool = False

    @abstractmethod
    def parameter_shape(self, event_shape: Shape) -> Shape:
        """Returns the shape of the parameters that one example of shape `event_shape` needs."""

    def centre(self, mean: Tensor) -> Tensor | None:
        """Returns parameters (*parameter_shape) whose distribution is centred on `mean` (*event_shape).

        Training starts the decoder's offset there; None where a likelihood has no such thing.
        """
        return None

    @torch.no_grad()
    def start_at_error(self, mean_square: Tensor) -> None:
        """Starts the scale, where one is learned, at the root of a mean squared error."""

    @abstractmethod
    def forward(self, parameters: Tensor) -> Likelihood:
        """Returns p(x|z).

        Args:
            parameters: the decoder's output, shape (K, N, *parameter_shape).
        """


POSTERIORS: Registry[LazyPosterior] = Registry("posterior", LazyPosterior)
PRIORS: Registry[LazyPrior] = Registry("prior", LazyPrior)
LIKELIHOODS: Registry[LazyLikelihood] = Registry("likelihood", LazyLikelihood)


def diagonal_normal(mean: Tensor, scale: Tensor) -> Distribution:
    """Returns a normal distribution of independent dimensions; the last axis is the event."""
    return Independent(Normal(mean, scale, validate_args=False), 1, validate_args=False)


def full_precision(values: Tensor) -> Tensor:
    """Returns values in at least single precision, where an autocast has halved it: a scale needs more."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def sum_event(nats: Tensor, observed: Tensor | None) -> Tensor:
    """Sums log probabilities (K, N, ...) over what was observed (N, ...), to (K, N).

    Unobserved positions are selected away, not multiplied by zero, so that a NaN there stays out.
    """
    seen = nats if observed is None else nats.where(observed, nats.new_zeros(()))
    return seen.flatten(2).sum(-1)
