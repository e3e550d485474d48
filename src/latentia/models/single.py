"""The VAE with a single group of latents."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from latentia.core import Batch, Inference, LatentGroup, Latents, Likelihood
from latentia.distributions import LazyLikelihood, LazyPosterior, LazyPrior
from latentia.models.base import MODELS, LatentModel
from latentia.nets import Decoder, Encoder


@MODELS.register("single-latent")
class SingleLatentVAE(LatentModel):
    """Encoder, posterior, prior, decoder and likelihood, composed (Kingma and Welling, 2014, arXiv:1312.6114).

    Args:
        encoder: examples to features.
        posterior: features to q(z|x).
        prior: p(z).
        decoder: latents to the likelihood's parameters.
        likelihood: parameters to p(x|z).

    Example:
        >>> import torch
        >>> from latentia import distributions, nets
        >>> model = SingleLatentVAE(
        ...     encoder=nets.DenseEncoder((6,), width=8),
        ...     posterior=distributions.DiagonalGaussian(8, latent_dim=2),
        ...     prior=distributions.StandardNormal(latent_dim=2),
        ...     decoder=nets.DenseDecoder(2, (6,), width=8),
        ...     likelihood=distributions.Gaussian(),
        ... )
        >>> inference = model.infer(Batch(torch.zeros(3, 6)), n_samples=5)
        >>> inference.likelihood.log_prob(torch.zeros(3, 6)).shape
        torch.Size([5, 3])
    """

    def __init__(
        self,
        encoder: Encoder,
        posterior: LazyPosterior,
        prior: LazyPrior,
        decoder: Decoder,
        likelihood: LazyLikelihood,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.posterior = posterior
        self.prior = prior
        self.decoder = decoder
        self.likelihood = likelihood

    def posterior_of(self, batch: Batch) -> Distribution:
        return self.posterior(self.encoder(batch.x, batch.observed))

    def infer(self, batch: Batch, n_samples: int = 1) -> Inference:
        posterior = self.posterior_of(batch)
        z = posterior.rsample((n_samples,))
        group = LatentGroup(name="z", posterior=posterior, prior=self.prior(), sample=z)
        return Inference(latents=(group,), likelihood=self.decode(Latents(z)))

    def start_at(self, batch: Batch) -> None:
        self.decoder.start_at(self.likelihood.centre(mean_picture(batch)))

    def decode(self, latents: Latents) -> Likelihood:
        z = latents.code
        return self.likelihood(self.decoder(z.flatten(0, 1)).unflatten(0, z.shape[:2]))


def mean_picture(batch: Batch) -> Tensor:
    """Returns the mean of examples, shape (*event_shape), of what was observed of them."""
    if batch.observed is None:
        return batch.x.mean(0)
    seen = batch.observed.expand_as(batch.x)
    total = batch.x.where(seen, batch.x.new_zeros(())).sum(0)
    return torch.where(seen.any(0), total / seen.sum(0).clamp_min(1), batch.x.new_tensor(0.5))
