"""The VAE with a label: one latent that is a class, known of some examples, beside those that are numbers."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, OneHotCategorical

from latentia.core import Batch, Inference, LatentGroup, Latents, Likelihood
from latentia.distributions import LabelPosterior, LabelPrior, LazyLikelihood, LazyPosterior, LazyPrior, clamp
from latentia.errors import OptionError
from latentia.models.base import MODELS, LatentModel, mean_example
from latentia.nets import Decoder, Encoder
from latentia.nets.dense import Modulation


@MODELS.register("conditional")
class ConditionalVAE(LatentModel):
    """A class and a code, p(y) p(z) p(x|y, z) (Kingma et al., 2014, arXiv:1406.5298, model M2).

    The class is a latent like others, clamped to its value where that is known. Where it is unknown it is drawn from
    q(y|x): an unbiased estimate of the bound at the price of one example, whatever the number of classes, where the
    sum over all classes costs as many decoders (arXiv:1611.01144 finds no loss of quality by it). Only the gradient
    into q(y|x) is an approximation, straight through the draw. What the code then holds is what the class does not say.

    Args:
        encoder: examples to features.
        label_posterior: features to q(y|x).
        label_prior: p(y).
        posterior: features, with the class mixed in, to q(z|x, y).
        prior: p(z).
        decoder: codes with the one-hot class behind them to the likelihood's parameters.
        likelihood: parameters to p(x|y, z).
        label: the head of the data that the class is, a key of a batch's labels.

    Example:
        >>> from latentia import distributions, nets
        >>> model = ConditionalVAE(
        ...     encoder=nets.DenseEncoder((6,), width=8),
        ...     label_posterior=distributions.LabelPosterior(8, classes=3),
        ...     label_prior=distributions.LabelPrior(3),
        ...     posterior=distributions.DiagonalGaussian(8, latent_dim=2),
        ...     prior=distributions.StandardNormal(latent_dim=2),
        ...     decoder=nets.DenseDecoder(2 + 3, (6,), width=8),
        ...     likelihood=distributions.Gaussian(),
        ...     label="kind",
        ... )
        >>> batch = Batch(torch.zeros(4, 6), labels={"kind": torch.tensor([0, 2, -1, -1])})
        >>> [group.name for group in model.infer(batch).latents]
        ['label', 'z']
    """

    def __init__(
        self,
        encoder: Encoder,
        label_posterior: LabelPosterior,
        label_prior: LabelPrior,
        posterior: LazyPosterior,
        prior: LazyPrior,
        decoder: Decoder,
        likelihood: LazyLikelihood,
        label: str,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.label_posterior = label_posterior
        self.label_prior = label_prior
        self.modulate = Modulation(encoder.features, label_prior.classes)
        self.posterior = posterior
        self.prior = prior
        self.decoder = decoder
        self.likelihood = likelihood
        self.label = label

    def infer(self, batch: Batch, n_samples: int = 1) -> Inference:
        features = self.encoder(batch.x, batch.observed)
        guess, known = self.label_posterior(features), self._known(batch)
        label_posterior = clamp(guess, known)
        label = label_posterior.rsample((n_samples,))
        posterior = self._posterior(features, label)
        code = posterior.rsample()
        groups = (
            LatentGroup("label", label_posterior, self.label_prior(), label, given=known >= 0, guess=guess),
            LatentGroup("z", posterior, self.code_prior(), code),
        )
        return Inference(groups, self.decode(Latents(code, labels=label)))

    def posterior_of(self, batch: Batch) -> Distribution:
        return self._encode(batch)[0]

    def encode(self, batch: Batch) -> tuple[Distribution, Latents]:
        """Returns q(z|x, y) and its mean, both at the class that is given or else most probable."""
        posterior, label = self._encode(batch)
        return posterior, Latents(posterior.mean[None], labels=label[None])

    def guess(self, batch: Batch) -> OneHotCategorical:
        """Returns q(y|x), of what is observed of the examples alone: classes that are given play no part."""
        return self.label_posterior(self.encoder(batch.x, batch.observed))

    def draw(self, n: int, code: Tensor | None = None) -> Latents:
        drawn = super().draw(n, code)
        return Latents(drawn.code, labels=self.label_prior().sample((1, n)))

    def decode(self, latents: Latents) -> Likelihood:
        if latents.labels is None:
            raise OptionError(
                "A model of labelled data decodes a class beside the code, not the code alone: give "
                "Latents(code, labels=...), one-hot."
            )
        z = torch.cat([latents.code, latents.labels.to(latents.code)], -1)
        return self.likelihood(self.decoder(z.flatten(0, 1)).unflatten(0, z.shape[:2]))

    def look(self, batch: Batch) -> Batch:
        """Returns a batch with all of its classes known: where they are not given, the most probable by what is."""
        label = self._encode(replace(batch, observed=batch.given))[1].argmax(-1)
        return replace(batch, labels={**batch.labels, self.label: label})

    def complete(self, latents: Latents, batch: Batch) -> Likelihood:
        """Returns p(x|z, y) at the class of the latents, else at that which is most probable by what is given."""
        if latents.labels is not None:
            return self.decode(latents)
        known = self._known(batch)
        if bool((known < 0).any()):
            known = self._known(self.look(batch))
        label = F.one_hot(known, self.label_prior.classes).to(latents.code)
        return self.decode(replace(latents, labels=label.expand(len(latents.code), -1, -1)))

    def start_at(self, batch: Batch) -> None:
        self.decoder.start_at(self.likelihood.centre(mean_example(batch)))
        self.prior.start_at(self.examples(batch))
        self.label_prior.start_at(self._known(batch))

    def _encode(self, batch: Batch) -> tuple[Distribution, Tensor]:
        features = self.encoder(batch.x, batch.observed)
        probs = clamp(self.label_posterior(features), self._known(batch)).probs
        label = F.one_hot(probs.argmax(-1), probs.shape[-1]).to(probs)
        return self._posterior(features, label), label

    def _posterior(self, features: Tensor, label: Tensor) -> Distribution:
        """Returns q(z|x, y) of features (N, F) and one-hot classes (..., N, C)."""
        return self.posterior(self.modulate(features, label))

    def _known(self, batch: Batch) -> Tensor:
        """Returns the classes of examples, -1 where unknown, shape (N,)."""
        known = batch.labels.get(self.label)
        return torch.full((len(batch),), -1, device=batch.x.device) if known is None else known
