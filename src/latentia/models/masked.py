"""The VAE that is told a part of an example and asked for the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.core import Batch, Inference, LatentGroup, Latents, Likelihood
from latentia.distributions import EitherPrior, LazyLikelihood, LazyPosterior, LazyPrior
from latentia.models.base import MODELS, LatentModel
from latentia.models.guess import LinearGuess
from latentia.nets import CONDITIONAL_DECODERS, ConditionalDecoder, Context, Encoder, smooth_fill


@dataclass(frozen=True)
class RestLikelihood:
    """A likelihood of what is not certain; what is given without noise is.

    Attributes:
        rest: of all pixels, batch shape (K, N).
        x: the data, shape (N, ...).
        certain: True where they are given without noise, broadcastable to `x`.
    """

    rest: Likelihood
    x: Tensor
    certain: Tensor

    @property
    def mean(self) -> Tensor:
        return torch.where(self.certain, self.x, self.rest.mean)

    def sample(self) -> Tensor:
        return torch.where(self.certain, self.x, self.rest.sample())

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        return self.rest.log_prob(x, ~self.certain if observed is None else observed & ~self.certain)


@dataclass(frozen=True)
class Told:
    """What is given of some pictures, and what the networks see in it.

    Attributes:
        given: True where they are given, shape (N, 1, H, W).
        noise: standard deviation of the noise on it, shape (N, 1, 1, 1) or (N, 1, H, W).
        context: what the decoder's network sees.
        base: parameters of a likelihood around a plain guess, shape (N, *parameter_shape); 0 where there are none.
    """

    given: Tensor
    noise: Tensor
    context: Context
    base: Tensor


@MODELS.register("masked")
class MaskedVAE(LatentModel):
    """Completes pictures of which any part is given (VAEAC; Ivanov, Figurnov and Vetrov, 2019, arXiv:1806.02382).

    The latents say what is open once the given part is seen: q(z|x, given) is held to p(z|given part), and p(rest|z,
    given part) counts what is observed and not given, so that data with holes train it too (as in MIWAE; Mattei and
    Frellsen, 2019, arXiv:1812.02633). The decoder changes a smooth surface through the given part. Told nothing, it is
    a plain VAE with its own prior.

    Args:
        encoder: pictures, as far as they were observed, to features.
        posterior: features, with those of the given part mixed in, to q(z|x, given).
        expectation: features of the given part to p(z|given part).
        prior: p(z) where nothing is given.
        decoder: latents and the given part to the likelihood's parameters, as a change of a smooth surface.
        likelihood: parameters to p(x|z, given part).

    Example:
        >>> from latentia import distributions, nets
        >>> model = MaskedVAE(
        ...     encoder=nets.DenseEncoder((1, 8, 8), width=8),
        ...     posterior=distributions.DiagonalGaussian(8, latent_dim=2),
        ...     expectation=distributions.DiagonalGaussian(4, latent_dim=2),
        ...     prior=distributions.StandardNormal(latent_dim=2),
        ...     decoder=nets.UNet(2, (1, 8, 8), (1, 8, 8), widths=(4, 6), blocks=(1, 1), dense=4),
        ...     likelihood=distributions.DiscretisedGaussian(),
        ... )
        >>> batch = Batch(torch.zeros(3, 1, 8, 8), given=torch.rand(3, 1, 8, 8) < 0.5)
        >>> model.infer(batch, n_samples=5).likelihood.log_prob(batch.x).shape
        torch.Size([5, 3])
    """

    decoders = CONDITIONAL_DECODERS

    def __init__(
        self,
        encoder: Encoder,
        posterior: LazyPosterior,
        expectation: LazyPosterior,
        prior: LazyPrior,
        decoder: ConditionalDecoder,
        likelihood: LazyLikelihood,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.mix = nn.Linear(decoder.features, encoder.features)
        self.posterior = posterior
        self.expectation = expectation
        self.prior = prior
        self.decoder = decoder
        self.likelihood = likelihood
        self.guess = LinearGuess(decoder.event_shape)

    def posterior_of(self, batch: Batch) -> Distribution:
        return self._posterior(batch, self._look(batch))

    def infer(self, batch: Batch, n_samples: int = 1) -> Inference:
        told = self._look(batch)
        posterior = self._posterior(batch, told)
        z = posterior.rsample((n_samples,))
        group = LatentGroup(name="z", posterior=posterior, prior=self._expect(told), sample=z)
        return Inference(latents=(group,), likelihood=self._complete(z, batch, told))

    def start_at(self, batch: Batch) -> None:
        self.guess.start_at(self.examples(batch))
        self.prior.start_at(self.examples(batch))

    def decode(self, latents: Latents) -> Likelihood:
        told = self._look(Batch(self.guess.mean[None]))  # one look for all: there is nothing
        return self._decode(latents.code, told)

    def expect(self, batch: Batch) -> Distribution:
        return self._expect(self._look(batch))

    def complete(self, latents: Latents, batch: Batch) -> Likelihood:
        return self._complete(latents.code, batch, self._look(batch))

    def _look(self, batch: Batch) -> Told:
        empty = batch.x.new_zeros(len(batch), 1, *batch.x.shape[2:])
        given = empty.bool() if batch.given is None else batch.given[:, :1]
        noise = empty[:, :, :1, :1] if batch.noise is None else batch.noise
        x = batch.x if batch.told is None else batch.told
        # Conjugate gradients lose too much in the half precision of an autocast.
        with torch.autocast(x.device.type, enabled=False):
            guess = self.guess(x, given, noise)
            filled = smooth_fill(x, given, guess).clamp(0, 1)
        return Told(given, noise, self.decoder.look(x, given, noise, filled, guess), self._centre(filled))

    def _centre(self, filled: Tensor) -> Tensor:
        if self.likelihood.centre(self.guess.mean) is None:
            return filled.new_zeros(())
        centre = cast(Callable[[Tensor], Tensor], torch.func.vmap(self.likelihood.centre))
        return centre(filled)

    def _posterior(self, batch: Batch, told: Told) -> Distribution:
        seen = self.encoder(batch.x, batch.observed)
        return self.posterior(F.relu(seen + self.mix(told.context.features)))

    def _expect(self, told: Told) -> Distribution:
        any_given = told.given.flatten(1).any(1)
        return EitherPrior(any_given, self.expectation(told.context.features), self.code_prior())

    def _complete(self, z: Tensor, batch: Batch, told: Told) -> Likelihood:
        return RestLikelihood(self._decode(z, told), batch.x, told.given & (told.noise == 0))

    def _decode(self, z: Tensor, told: Told) -> Likelihood:
        return self.likelihood(self.decoder(z, told.context).float() + told.base)
