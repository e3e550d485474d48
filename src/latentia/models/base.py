"""What models have in common: the registry and the interface that training and tasks rely on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.core import Batch, Inference, Latents, Likelihood
from latentia.distributions import LazyLikelihood, LazyPrior
from latentia.nets import DECODERS, ENCODERS
from latentia.registry import Registry


class LatentModel(nn.Module, ABC):
    """A model of data with latents: networks and distributions, composed.

    Attributes:
        prior: the lazy prior of the code, the latents of an example as a whole.
        likelihood: the lazy likelihood of the data.
        stride: positions of a sequence that share the latents of a group.
        encoders: where its encoder is registered.
        decoders: where its decoder is registered.
    """

    prior: LazyPrior
    likelihood: LazyLikelihood
    stride: int = 1
    encoders: ClassVar[Registry[Any]] = ENCODERS
    decoders: ClassVar[Registry[Any]] = DECODERS

    @property
    def latent_dim(self) -> int:
        """Size of the code."""
        return self.prior().event_shape.numel()

    @abstractmethod
    def posterior_of(self, batch: Batch) -> Distribution:
        """Returns q(code|x), batch shape (N,), event shape (latent_dim,)."""

    @abstractmethod
    def infer(self, batch: Batch, n_samples: int = 1) -> Inference:
        """Infers latents with `n_samples` draws each, and the likelihood of the data given them."""

    @abstractmethod
    def start_at(self, batch: Batch) -> None:
        """Looks at some examples before the training, to start at their mean and in their range."""

    def encode(self, batch: Batch) -> tuple[Distribution, Latents]:
        """Returns q(code|x), as `posterior_of`, and the means of the posteriors of all latents, K = 1."""
        posterior = self.posterior_of(batch)
        return posterior, Latents(posterior.mean[None])

    def draw(self, n: int, code: Tensor | None = None) -> Latents:
        """Draws latents of `n` examples from the prior, K = 1, with torch's current noise.

        Args:
            n: how many.
            code: latents of the examples as a whole, shape (n, latent_dim); drawn too if None.
        """
        return Latents(self.prior().sample((1, n)) if code is None else code[None])

    @abstractmethod
    def decode(self, latents: Latents) -> Likelihood:
        """Returns p(x|latents)."""


MODELS: Registry[LatentModel] = Registry("model")
