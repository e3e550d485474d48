"""The VAE that is told a part of an example and asked for the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.core import Batch, Inference, LatentGroup, Latents, Likelihood
from latentia.distributions import EitherPrior, LazyLikelihood, LazyPosterior, LazyPrior, RestLikelihood
from latentia.distributions.base import diagonal_normal
from latentia.models.base import MODELS, LatentModel, mean_example
from latentia.models.surfaces import Guess, LinearGuess, PatchGuess, ShrunkGuess
from latentia.nets import CONDITIONAL_DECODERS, ConditionalDecoder, Context, Encoder, smooth_fill

# Logarithms of what smooth, shrunk and patches count for before any training.
FAVOUR = (-2.0, 0.0, 2.5)
AT_ONCE = 100  # pictures


@dataclass(frozen=True)
class Sight:
    """What is given of some pictures, and what the networks see in it.

    Attributes:
        given: True where they are given, shape (N, 1, H, W).
        noise: standard deviation of the noise on it, shape (N, 1, 1, 1).
        guess: what a linear model takes the pictures for.
        surfaces: through what is given, shape (SURFACES, N, C, H, W): one that is smooth, and else as near to the guess
            as that goes; one that is as rough as pictures are, and like what they have in common; and one that is made
            of the patches that pictures are made of. From the last two the noise is taken off.
        context: what the decoder's network sees.
    """

    given: Tensor
    noise: Tensor
    guess: Guess
    surfaces: Tensor
    context: Context

    @property
    def certain(self) -> Tensor:
        """True where nothing is left open, shape (N, 1, H, W)."""
        return self.given & (self.noise == 0)

    def expand(self, n: int) -> Sight:
        """Returns the same of N pictures, told of one."""

        def each(part: Tensor, axis: int = 0) -> Tensor:
            return part.expand(*part.shape[:axis], n, *part.shape[axis + 1 :])

        guess = Guess(each(self.guess.mean), each(self.guess.ways), self.guess.axes, each(self.guess.level))
        context = Context(each(self.context.features), tuple(each(part) for part in self.context.maps))
        return Sight(each(self.given), each(self.noise), guess, each(self.surfaces, 1), context)


@dataclass(frozen=True)
class Seen(Batch):
    """A batch that has been looked at.

    Attributes:
        sight: what is seen in it.
    """

    sight: Sight | None = None


@MODELS.register("masked")
class MaskedVAE(LatentModel):
    """Completes pictures of which any part is given (VAEAC; Ivanov, Figurnov and Vetrov, 2019, arXiv:1806.02382).

    The latents say what is open once the given part is seen: q(z|x, given) is held to p(z|given part), and p(rest|z,
    given part) counts what is observed and not given, so that data with holes train it too (as in MIWAE; Mattei and
    Frellsen, 2019, arXiv:1812.02633). Told nothing, it is a plain VAE with its own prior.

    It starts as a linear model with a normal distribution of pictures given a part: its latents say where in that
    distribution a picture lies, so that draws differ from the first step on, and the networks learn what to change.

    Beside p(rest|z, given part) the same decoder learns p(rest|given part), pixel by pixel, where it is told that the
    latents are unknown. Hence what is expected of a pixel does not suffer from what draws of the latents get wrong.

    Args:
        encoder: pictures, as far as they were observed, to features.
        posterior: features, with those of the given part mixed in, to the change of the linear model's q(z|x, given).
        conditional_prior: features of the given part to p(z|given part).
        prior: p(z) where nothing is given.
        decoder: latents and the given part to the likelihood's parameters, as a change of surfaces through it; it takes
            one number more than there are latents, which says that they are unknown.
        likelihood: parameters to p(x|z, given part).

    Example:
        >>> from latentia import distributions, nets
        >>> model = MaskedVAE(
        ...     encoder=nets.DenseEncoder((1, 8, 8), width=8),
        ...     posterior=distributions.ResidualGaussian(8, latent_dim=2),
        ...     conditional_prior=distributions.ResidualGaussian(4, latent_dim=2),
        ...     prior=distributions.StandardNormal(latent_dim=2),
        ...     decoder=nets.UNet(2 + 1, (1, 8, 8), (1, 8, 8), widths=(4, 6), blocks=(1, 1), dense=4),
        ...     likelihood=distributions.DiscretisedGaussian(),
        ... )
        >>> batch = Batch(torch.zeros(3, 1, 8, 8), given=torch.rand(3, 1, 8, 8) < 0.5)
        >>> model.infer(batch, n_samples=5).likelihood.log_prob(batch.x).shape
        torch.Size([5, 3])
    """

    decoders = CONDITIONAL_DECODERS
    sees_parts = True
    extra_inputs = 1

    def __init__(
        self,
        encoder: Encoder,
        posterior: LazyPosterior,
        conditional_prior: LazyPosterior,
        prior: LazyPrior,
        decoder: ConditionalDecoder,
        likelihood: LazyLikelihood,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.mix = nn.Linear(decoder.features + prior.latent_dim, encoder.features)
        self.posterior = posterior
        self.conditional_prior = conditional_prior
        self.prior = prior
        self.decoder = decoder
        self.likelihood = likelihood
        self.guess = LinearGuess(decoder.event_shape, latent_dim=prior.latent_dim)
        self.shrunk = ShrunkGuess(decoder.event_shape)
        self.patches = PatchGuess(decoder.event_shape)
        self.log_misfit = nn.Parameter(torch.zeros(()))

    def posterior_of(self, batch: Batch) -> Distribution:
        return self._posterior(batch, self._look(batch))

    def infer(self, batch: Batch, n_samples: int = 1) -> Inference:
        sight = self._look(batch)
        posterior = self._posterior(batch, sight)
        z = posterior.rsample((n_samples,))
        group = LatentGroup(name="z", posterior=posterior, prior=self._prior_given(sight), sample=z)
        decoded = self._decode(z, sight, and_none=True)
        likelihood, marginal = (self._rest(part, batch, sight) for part in (decoded[:-1], decoded[-1:]))
        return Inference(latents=(group,), likelihood=likelihood, marginal=marginal)

    def examples(self, batch: Batch) -> Tensor:
        if batch.observed is None:
            return batch.x
        # The mean in holes would take structure away from pictures, and put the structure of the holes in.
        mean = mean_example(batch)
        parts = zip(torch.split(batch.x, AT_ONCE), torch.split(batch.observed, AT_ONCE), strict=True)
        return torch.cat([smooth_fill(x, observed, mean).clamp(0, 1) for x, observed in parts])

    def start_at(self, batch: Batch) -> None:
        examples = self.examples(batch)
        if batch.observed is not None:
            # Patches of smooth fillings are too smooth; those of what such patches make one expect are less so.
            self.patches.start_at(examples)
            examples = self._made_of_patches(examples, batch.observed.all(1, keepdim=True))
        for part in (self.guess, self.patches, self.prior):
            part.start_at(examples)
        self.shrunk.start_at(examples, after=lambda x, given, surface: self.patches(x, given, start=surface))

    def decode(self, latents: Latents) -> Likelihood:
        return self.likelihood(self._decode(latents.code, self._see_nothing()))

    def look(self, batch: Batch) -> Seen:
        return Seen(**{part.name: getattr(batch, part.name) for part in fields(Batch)}, sight=self._look(batch))

    def posterior_given(self, batch: Batch) -> Distribution:
        return self._prior_given(self._look(batch))

    def complete(self, latents: Latents, batch: Batch) -> Likelihood:
        sight = self._look(batch)
        return self._rest(self._decode(latents.code, sight), batch, sight)

    def marginal(self, batch: Batch) -> Likelihood:
        sight = self._look(batch)
        no_latents = batch.x.new_zeros(0, len(batch), self.latent_dim)
        return self._rest(self._decode(no_latents, sight, and_none=True), batch, sight)

    def _made_of_patches(self, examples: Tensor, observed: Tensor) -> Tensor:
        parts = zip(torch.split(examples, AT_ONCE), torch.split(observed, AT_ONCE), strict=True)
        return torch.cat([self.patches(x, given, start=x).clamp(0, 1) for x, given in parts])

    def _look(self, batch: Batch) -> Sight:
        if isinstance(batch, Seen) and batch.sight is not None:
            return batch.sight
        if batch.given is None:  # pictures of which nothing is given all look the same
            return self._see_nothing().expand(len(batch))
        noise = batch.x.new_zeros(len(batch), 1, 1, 1) if batch.noise is None else batch.noise
        return self._see(batch.x if batch.told is None else batch.told, batch.given.all(1, keepdim=True), noise)

    def _see_nothing(self) -> Sight:
        x = self.guess.mean[None]
        return self._see(x, torch.zeros_like(x[:, :1]).bool(), x.new_zeros(1, 1, 1, 1))

    def _see(self, x: Tensor, given: Tensor, noise: Tensor) -> Sight:
        # What is solved for loses too much in the half precision of an autocast.
        with torch.autocast(x.device.type, enabled=False):
            guess = self.guess(x, given, noise)
            smooth = smooth_fill(x, given, guess.mean).clamp(0, 1)
            shrunk = self.shrunk(x, given, noise, smooth).clamp(0, 1)
            patches = self.patches(x, given, noise, start=shrunk).clamp(0, 1)
        surfaces = torch.stack([smooth, shrunk, patches])
        return Sight(given, noise, guess, surfaces, self.decoder.look(x, given, noise, guess.mean, surfaces))

    def _posterior(self, batch: Batch, sight: Sight) -> Distribution:
        """Returns q(z|x, given): that of the linear model, and what the networks change of it."""
        seen = ~sight.certain if batch.observed is None else batch.observed & ~sight.certain
        with torch.autocast(batch.x.device.type, enabled=False):
            linear = sight.guess.posterior(batch.x, seen, self.log_misfit.exp())
        features = torch.cat([sight.context.features, linear.mean.to(sight.context.features)], -1)
        change = self.posterior(F.relu(self.encoder(batch.x, batch.observed) + self.mix(features)))
        return diagonal_normal(linear.mean + change.mean, linear.stddev * change.stddev)

    def _prior_given(self, sight: Sight) -> Distribution:
        any_given = sight.given.flatten(1).any(1)
        return EitherPrior(any_given, self.conditional_prior(sight.context.features), self.code_prior())

    def _decode(self, z: Tensor, sight: Sight, *, and_none: bool = False) -> Tensor:
        """Returns parameters for K latents of each picture and then, if wanted, for none: (K or K + 1, N, P, H, W)."""
        code, change = F.pad(z, (0, 1)), sight.guess.change(z) * ~sight.certain
        if and_none:
            unknown = F.pad(z.new_zeros(1, *z.shape[1:]), (0, 1), value=1.0)  # the last number says so
            code, change = torch.cat([code, unknown]), torch.cat([change, change.new_zeros(1, *change.shape[1:])])
        parameters, logits = self.decoder(code, sight.context, change)
        favour = torch.tensor(FAVOUR, device=logits.device)[:, None, None]
        shares = (logits.float() + favour).softmax(2)[:, :, :, None]
        between = (shares * sight.surfaces.transpose(0, 1)).sum(2)
        return parameters.float() + self._centre((between + change).clamp(0, 1))

    def _centre(self, pictures: Tensor) -> Tensor:
        """Returns parameters of a likelihood around pictures (K, N, C, H, W); 0 where a likelihood has none."""
        if self.likelihood.centre(self.guess.mean) is None:
            return pictures.new_zeros(())
        centre = cast(Callable[[Tensor], Tensor], torch.func.vmap(self.likelihood.centre))
        parameters = centre(pictures.flatten(0, 1))
        return parameters.view(*pictures.shape[:2], *parameters.shape[1:])

    def _rest(self, parameters: Tensor, batch: Batch, sight: Sight) -> Likelihood:
        return RestLikelihood(self.likelihood(parameters), batch.x, sight.certain)
