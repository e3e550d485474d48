"""What models have in common: the registry and the interface that training and tasks rely on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.core import Batch, Inference, Latents, Likelihood
from latentia.distributions import LazyLikelihood, LazyPrior
from latentia.nets import DECODERS, ENCODERS
from latentia.registry import Registry

Shape = tuple[int, ...]


class LatentModel(nn.Module, ABC):
    """A model of data with latents: networks and distributions, composed.

    Attributes:
        prior: the lazy prior of the code, the latents of an example as a whole; in a hierarchy of its top.
        likelihood: the lazy likelihood of the data.
        stride: positions of a sequence that share the latents of a group.
        extra_inputs: numbers that the decoder takes beside the latents and the class.
        sees_parts: whether it learned `posterior_given`, `complete` and `marginal`, where a part is given.
        encoders: where its encoder is registered.
        decoders: where its decoder is registered.
    """

    prior: LazyPrior
    likelihood: LazyLikelihood
    stride: int = 1
    extra_inputs: int = 0
    sees_parts: ClassVar[bool] = False
    encoders: ClassVar[Registry[Any]] = ENCODERS
    decoders: ClassVar[Registry[Any]] = DECODERS

    @property
    def latent_dim(self) -> int:
        """Size of the code."""
        return self.prior.latent_dim

    @staticmethod
    def example_shape(event_shape: Shape) -> Shape:
        """Returns the shape of the examples that a prior may make up, for data of a shape."""
        return event_shape

    def examples(self, batch: Batch) -> Tensor:
        """Returns data as a prior may make them up, shape (N, *example_shape); what was not seen is the mean."""
        return batch.x if batch.observed is None else torch.where(batch.observed, batch.x, mean_example(batch))

    @abstractmethod
    def posterior_of(self, batch: Batch) -> Distribution:
        """Returns q(code|x), batch shape (N,), event shape (latent_dim,)."""

    def top_posterior(self, batch: Batch) -> Distribution:
        """Returns q(top|x), batch shape (N,), of the latents that `prior` is of: the whole code, but in a hierarchy."""
        return self.posterior_of(batch)

    def top_prior(self) -> Distribution:
        """Returns p(top), of what `top_posterior` is of."""
        return self.prior.given(lambda examples: self.top_posterior(Batch(examples)))

    def code_prior(self) -> Distribution:
        """Returns p(code), event shape (latent_dim,)."""
        return self.top_prior()

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
        return Latents(self.code_prior().sample((1, n)) if code is None else code[None])

    @abstractmethod
    def decode(self, latents: Latents) -> Likelihood:
        """Returns p(x|latents)."""

    def look(self, batch: Batch) -> Batch:
        """Returns a batch with what `posterior_given`, `complete` and `marginal` take, worked out once for all."""
        return batch

    def posterior_given(self, batch: Batch) -> Distribution:
        """Returns what is believed of the code by one who sees only what is given of a batch, batch shape (N,).

        Models that were not trained for it take what is not given as unobserved.
        """
        return self.posterior_of(replace(batch, observed=batch.given))

    def complete(self, latents: Latents, batch: Batch) -> Likelihood:
        """Returns p(x|latents) where a part of `x` is given too; a model of bare latents has no use for it."""
        return self.decode(latents)

    def marginal(self, batch: Batch) -> Likelihood | None:
        """Returns p(x|what is given of x), pixel by pixel and without latents, batch shape (1, N).

        None where a model knows it only through its latents.
        """
        return None


MODELS: Registry[LatentModel] = Registry("model")


def mean_example(batch: Batch) -> Tensor:
    """Returns the mean of examples, shape (*event_shape), of what was observed of them; 1/2 where nothing was."""
    if batch.observed is None:
        return batch.x.mean(0)
    seen = batch.observed.expand_as(batch.x)
    total = batch.x.where(seen, batch.x.new_zeros(())).sum(0)
    return torch.where(seen.any(0), total / seen.sum(0).clamp_min(1), batch.x.new_tensor(0.5))
