"""What models have in common: the registry and the interface that training and tasks rely on."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.core import Batch, Inference, Likelihood
from latentia.distributions import LazyLikelihood, LazyPrior
from latentia.registry import Registry


class LatentModel(nn.Module, ABC):
    """A model of data with latents: networks and distributions, composed.

    Attributes:
        prior: the lazy prior of the latents.
        likelihood: the lazy likelihood of the data.
    """

    prior: LazyPrior
    likelihood: LazyLikelihood

    @abstractmethod
    def posterior_of(self, batch: Batch) -> Distribution:
        """Returns q(z|x), batch shape (N,), event shape (latent_dim,)."""

    @abstractmethod
    def infer(self, batch: Batch, n_samples: int = 1) -> Inference:
        """Infers latents with `n_samples` draws each, and the likelihood of the data given them."""

    @abstractmethod
    def start_at(self, mean: Tensor) -> None:
        """Centres the untrained model on the mean of the data, shape (*event_shape)."""

    @abstractmethod
    def decode(self, z: Tensor) -> Likelihood:
        """Returns p(x|z) for latents of shape (K, N, latent_dim)."""


MODELS: Registry[LatentModel] = Registry("model")
