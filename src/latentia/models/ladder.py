"""The hierarchical VAE: groups of latents from coarse to fine, inferred and generated along one way down."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import zuko
from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.core import Batch, Inference, LatentGroup, Latents, Likelihood
from latentia.distributions import LazyLikelihood, LazyPosterior, LazyPrior, StandardNormal
from latentia.distributions.base import diagonal_normal
from latentia.errors import OptionError
from latentia.models.base import MODELS, LatentModel, mean_example
from latentia.nets import LADDER_DECODERS, LADDER_ENCODERS, LadderDecoder, LadderEncoder


@MODELS.register("ladder")
class LadderVAE(LatentModel):
    """A top-down hierarchical VAE (Sønderby et al., 2016, arXiv:1602.02282), in the residual form of Kingma et al.
    (2016, arXiv:1606.04934) and Child (2021, arXiv:2011.10650).

    The first group is a vector; those below it have positions, coarse ones first. What is expected of a group follows
    from the groups above it, and its latents are deviations from that, in units of its scale: given those above, each
    is standard normal before the data are seen. So a posterior is a residual of the prior, as in NVAE (Vahdat and
    Kautz, 2020, arXiv:2007.03898), and whatever is done to an upper group, the lower ones follow it.

    The code of an example is all of its latents in one row, group after group, position after position.

    Args:
        encoder: pictures to features at several resolutions.
        posterior: features of the whole to q(z1|x).
        prior: p(z1).
        group_posteriors: features at a position to q(z|x, groups above), for each of the other groups.
        decoder: latents to the likelihood's parameters, group by group.
        likelihood: parameters to p(x|z1, z2 ...).

    Raises:
        OptionError: the encoder has not the resolutions of the decoder.

    Example:
        >>> from latentia import distributions, nets
        >>> sizes = {"widths": (4, 6), "blocks": (1, 1)}
        >>> model = LadderVAE(
        ...     encoder=nets.ResidualLadderEncoder((1, 8, 8), **sizes, neck=2),
        ...     posterior=distributions.DiagonalGaussian(8, latent_dim=5),
        ...     prior=distributions.StandardNormal(latent_dim=5),
        ...     group_posteriors=[distributions.ResidualGaussian(6, 2), distributions.ResidualGaussian(4, 1)],
        ...     decoder=nets.ResidualLadderDecoder(5, (1, 8, 8), **sizes, groups=(1, 1), latents=(1, 2)),
        ...     likelihood=distributions.Bernoulli(),
        ... )
        >>> [group.sample.shape for group in model.infer(Batch(torch.zeros(3, 1, 8, 8))).latents]
        [torch.Size([1, 3, 5]), torch.Size([1, 3, 4, 2]), torch.Size([1, 3, 16, 1])]
        >>> model.latent_dim
        29
    """

    encoders = LADDER_ENCODERS
    decoders = LADDER_DECODERS

    def __init__(
        self,
        encoder: LadderEncoder,
        posterior: LazyPosterior,
        prior: LazyPrior,
        group_posteriors: Sequence[LazyPosterior],
        decoder: LadderDecoder,
        likelihood: LazyLikelihood,
    ) -> None:
        super().__init__()
        _require_levels(encoder, decoder)
        self.encoder = encoder
        self.posterior = posterior
        self.prior = prior
        self.group_posteriors = nn.ModuleList(group_posteriors)
        self.decoder = decoder
        self.likelihood = likelihood
        self.deviations = nn.ModuleList(StandardNormal(channels) for channels, _, _ in decoder.shapes)
        self.sizes = [prior.latent_dim, *(torch.Size(shape).numel() for shape in decoder.shapes)]
        self.lower = StandardNormal(sum(self.sizes[1:]))

    @property
    def latent_dim(self) -> int:
        return sum(self.sizes)

    def infer(self, batch: Batch, n_samples: int = 1) -> Inference:
        whole, levels = self.encoder(batch.x, batch.observed)
        posterior = self.posterior(whole)
        first = posterior.rsample((n_samples,))
        groups = [LatentGroup("z1", posterior, self.top_prior(), first)]

        def draw(number: int, state: Tensor) -> Tensor:
            posterior = self._group_posterior(number, state, levels, n_samples)
            drawn = posterior.rsample()
            groups.append(LatentGroup(f"z{number + 2}", posterior, self.deviations[number](), drawn))
            return drawn

        likelihood = self._descend(first, draw)
        return Inference(tuple(groups), likelihood)

    def top_posterior(self, batch: Batch) -> Distribution:
        return self.posterior(self.encoder(batch.x, batch.observed)[0])

    def code_prior(self) -> Distribution:
        return zuko.distributions.Joint(self.top_prior(), self.lower())

    def posterior_of(self, batch: Batch) -> Distribution:
        """Returns a normal distribution with the moments of q along the means, batch shape (N,)."""
        whole, levels = self.encoder(batch.x, batch.observed)
        posterior = self.posterior(whole)
        moments = [(posterior.mean, posterior.stddev)]

        def expect(number: int, state: Tensor) -> Tensor:
            posterior = self._group_posterior(number, state, levels, 1)
            moments.append((posterior.mean[0].flatten(1), posterior.stddev[0].flatten(1)))
            return posterior.mean

        self._descend(posterior.mean[None], expect)
        means, scales = zip(*moments, strict=True)
        return diagonal_normal(torch.cat(means, -1), torch.cat(scales, -1))

    def decode(self, latents: Latents) -> Likelihood:
        parts = torch.split(latents.code, self.sizes, -1)

        def take(number: int, _: Tensor) -> Tensor:
            return parts[number + 1].reshape(*parts[0].shape[:2], -1, self.decoder.shapes[number][0])

        return self._descend(parts[0], take)

    def start_at(self, batch: Batch) -> None:
        self.decoder.start_at(self.likelihood.centre(mean_example(batch)))
        self.prior.start_at(self.examples(batch))

    def _descend(self, first: Tensor, choose: Callable[[int, Tensor], Tensor]) -> Likelihood:
        """Walks down from the latents of the first group (K, N, D) to the likelihood.

        Args:
            first: latents of the first group.
            choose: takes the number of a group below it and the state above that group (K * N, C, H, W), and returns
                the group's latents (K, N, G, D').
        """
        state = self.decoder.start(first.flatten(0, 1))
        for number, shape in enumerate(self.decoder.shapes):
            channels, height, width = shape
            latents = choose(number, state).reshape(-1, height, width, channels)
            state = self.decoder.descend(number, state, latents.permute(0, 3, 1, 2))  # channels-last in memory
        return self.likelihood(self.decoder.finish(state).unflatten(0, first.shape[:2]))

    def _group_posterior(self, number: int, state: Tensor, levels: list[Tensor], n_samples: int) -> Distribution:
        """Returns q(z|x, groups above), batch shape (K, N, G), of a group below the first."""
        met = self.decoder.meet(number, state, levels)
        return self.group_posteriors[number](met.permute(0, 2, 3, 1).flatten(1, 2).unflatten(0, (n_samples, -1)))


def _require_levels(encoder: LadderEncoder, decoder: LadderDecoder) -> None:
    """Refuses an encoder whose features would not meet the decoder's groups."""
    seen = {(width, *shape[1:]) for width, shape in zip(decoder.features, decoder.shapes, strict=True)}
    if not seen <= set(encoder.levels):
        raise OptionError(
            f"The encoder of a ladder sees {sorted(encoder.levels)}, but the decoder needs {sorted(seen)} (channels, "
            "height, width): give both the same widths."
        )
