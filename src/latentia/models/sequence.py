"""The VAE of sequences: latents of the whole, and latents of each group of positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.core import Batch, Inference, LatentGroup, Latents, Likelihood
from latentia.distributions import LazyFramePrior, LazyLikelihood, LazyPosterior, LazyPrior
from latentia.errors import OptionError
from latentia.models.base import MODELS, LatentModel
from latentia.models.linear import linear_start
from latentia.nets import SEQUENCE_DECODERS, SEQUENCE_ENCODERS, SequenceDecoder, SequenceEncoder
from latentia.nets.base import zero_initialise
from latentia.nets.dense import ResidualDense
from latentia.nets.recurrent import group_count, position_mask

EXCERPT = 64  # positions of an example that a prior makes up
LONGEST_DRAWN = 1.25  # times the longest example that the model was started at


@dataclass(frozen=True)
class SequenceLikelihood:
    """A likelihood of each position, and of the number of groups.

    Attributes:
        positions: all positions of all examples below each other, batch shape (K, N * T).
        n: number of examples, N.
        end: log odds that the sequence ends with a group, shape (K, N, G); None where the length is taken as known.
        groups: which groups exist, shape (N, G).
        size: positions of the longest sequence; what examples hold behind them does not count.
    """

    positions: Likelihood
    n: int
    end: Tensor | None
    groups: Tensor
    size: int

    @property
    def scale(self) -> Tensor | None:
        """Standard deviation, where the likelihood of a position has one."""
        scale: Any = getattr(self.positions, "scale", None)
        return scale

    @property
    def mean(self) -> Tensor:
        return self._apart(self.positions.mean)

    def sample(self) -> Tensor:
        return self._apart(self.positions.sample())

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        seen = None if observed is None else observed[:, : self.size].flatten(0, 1)
        nats = self._apart(self.positions.log_prob(x[:, : self.size].flatten(0, 1), seen)).sum(-1)
        return nats if self.end is None else nats + length_nats(self.end, self.groups)

    def _apart(self, values: Tensor) -> Tensor:
        return values.reshape(len(values), self.n, -1, *values.shape[2:])


def length_nats(end: Tensor, groups: Tensor) -> Tensor:
    """Returns the log probability of going on at all groups but the last, and of ending there, shape (..., N).

    Args:
        end: log odds that the sequence ends with a group, shape (..., N, G).
        groups: which groups exist, shape (N, G).
    """
    last = groups & ~F.pad(groups, (0, 1))[:, 1:]
    nats = torch.where(last, F.logsigmoid(end), F.logsigmoid(-end))
    return nats.masked_fill(~groups, 0.0).sum(-1)


@MODELS.register("sequence")
class SequenceVAE(LatentModel):
    """Latents of an utterance and of its frame groups, as in factorised hierarchical VAEs (Hsu, Zhang and Glass, 2017,
    arXiv:1709.07902); those of the groups follow one another in time.

    What stays the same over an utterance (voice, channel) is cheapest to say once, in the code of the whole; what
    changes has to be said group by group.

    Args:
        encoder: sequences to features of groups and of the whole.
        posterior: features of the whole to q(code|x).
        prior: p(code).
        frame_posterior: features of groups, with the code mixed in, to q(z|x, code).
        frame_prior: p(z|code), in time.
        decoder: latents to the likelihood's parameters at each position.
        likelihood: parameters to p(x|z, code) of one position.
        latent_dim: size of the code.

    Example:
        >>> from latentia import distributions, nets
        >>> model = SequenceVAE(
        ...     encoder=nets.ConvGruEncoder((5,), width=8),
        ...     posterior=distributions.DiagonalGaussian(8, latent_dim=2),
        ...     prior=distributions.StandardNormal(latent_dim=2),
        ...     frame_posterior=distributions.DiagonalGaussian(8, latent_dim=3),
        ...     frame_prior=distributions.RecurrentFramePrior(2, 3, width=8),
        ...     decoder=nets.ConvGruDecoder(2, 3, (5,), width=8),
        ...     likelihood=distributions.Gaussian(),
        ...     latent_dim=2,
        ... )
        >>> batch = Batch(torch.zeros(4, 9, 5), lengths=torch.tensor([9, 9, 5, 1]))
        >>> model.infer(batch).likelihood.log_prob(batch.x).shape
        torch.Size([1, 4])
    """

    encoders = SEQUENCE_ENCODERS
    decoders = SEQUENCE_DECODERS
    longest: Tensor

    def __init__(
        self,
        encoder: SequenceEncoder,
        posterior: LazyPosterior,
        prior: LazyPrior,
        frame_posterior: LazyPosterior,
        frame_prior: LazyFramePrior,
        decoder: SequenceDecoder,
        likelihood: LazyLikelihood,
        latent_dim: int,
    ) -> None:
        super().__init__()
        if decoder.stride != encoder.stride:
            raise OptionError(
                f"Encoder and decoder must gather as many positions into a group: model.encoder.stride is "
                f"{encoder.stride}, and model.decoder.stride {decoder.stride}."
            )
        self.encoder = encoder
        self.stride = encoder.stride
        self.posterior = posterior
        self.prior = prior
        self.mix = nn.Linear(latent_dim, encoder.features)
        zero_initialise(self.mix)
        self.deepen = ResidualDense(encoder.features)
        self.frame_posterior = frame_posterior
        self.frame_prior = frame_prior
        self.decoder = decoder
        self.likelihood = likelihood
        self.register_buffer("longest", torch.tensor(100))

    @staticmethod
    def example_shape(event_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (EXCERPT, *event_shape)

    def examples(self, batch: Batch) -> Tensor:
        """Returns the beginnings of sequences, the shorter ones repeated."""
        positions = torch.arange(EXCERPT, device=batch.x.device) % _lengths(batch)[:, None]
        return batch.x.gather(1, positions[..., None].expand(-1, -1, batch.x.shape[-1]))

    def posterior_of(self, batch: Batch) -> Distribution:
        return self.posterior(self._encode(batch)[1])

    def infer(self, batch: Batch, n_samples: int = 1) -> Inference:
        lengths = _lengths(batch)
        groups, whole = self._encode(batch)
        posterior = self.posterior(whole)
        code = posterior.rsample((n_samples,))
        frame_posterior = self._frame_posterior(groups, code)
        frames = frame_posterior.rsample()
        expected = self.frame_prior(code, frames)
        latents = (
            LatentGroup("utterance", posterior, self.code_prior(), code),
            LatentGroup("frames", frame_posterior, expected.latents, frames, self._groups(lengths, frames)),
        )
        return Inference(latents, self._likelihood(code, frames, lengths, expected.end))

    def encode(self, batch: Batch) -> tuple[Distribution, Latents]:
        posterior, frames = self.posteriors(batch)
        return posterior, Latents(posterior.mean[None], frames.mean, _lengths(batch))

    def posteriors(self, batch: Batch) -> tuple[Distribution, Distribution]:
        """Returns q(code|x), batch shape (N,), and q(z|x, code) at its mean, batch shape (1, N, G)."""
        groups, whole = self._encode(batch)
        posterior = self.posterior(whole)
        return posterior, self._frame_posterior(groups, posterior.mean[None])

    def draw(self, n: int, code: Tensor | None = None) -> Latents:
        whole: Tensor = self.code_prior().sample((n,)) if code is None else code
        frames, count = self.frame_prior.draw(whole, max(1, round(LONGEST_DRAWN * int(self.longest))))
        return Latents(whole[None], frames[None], count * self.stride)

    def decode(self, latents: Latents) -> Likelihood:
        if latents.frames is None or latents.lengths is None:
            raise OptionError(
                "A model of sequences decodes latents of frames and lengths, not of the whole alone: give "
                "Latents(code, frames, lengths), as `encode` and `draw` return them."
            )
        return self._likelihood(latents.code, latents.frames, latents.lengths, None)

    @torch.no_grad()
    def start_at(self, batch: Batch) -> None:
        lengths = _lengths(batch)
        axes = self.encoder.start_at(batch.x, lengths)
        self.longest.copy_(group_count(lengths, self.stride).max())
        exists = position_mask(lengths, batch.x.shape[1])
        self.decoder.start_at(self.likelihood.centre(batch.x[exists].mean(0)))
        if axes is not None:
            self._start_linear(batch, lengths, axes)
        self.prior.start_at(self.examples(batch))
        # The latents' own noise is part of the error.
        made = self.infer(batch).likelihood.mean[0]
        error = made - batch.x[:, : made.shape[1]]
        self.likelihood.start_at_error(error[exists[:, : made.shape[1]]].square().mean())

    def _start_linear(self, batch: Batch, lengths: Tensor, axes: Tensor) -> None:
        """Starts latents and decoder as the best linear model; the whole tells what groups leave out, their mean."""
        groups, whole = self._encode(batch)
        counts = group_count(lengths, self.stride)
        known = groups[position_mask(counts, groups.shape[1])]
        frames = linear_start(known, axes, self.frame_posterior(known[:1]).event_shape[0])
        level = frames.level / counts.float().mean()  # what is said once is worth saying more exactly
        code = linear_start(whole, axes, self.posterior(whole[:1]).event_shape[0], level)
        self.frame_posterior.start_along(frames.weight, frames.scale)
        self.posterior.start_along(code.weight, code.scale)
        self.decoder.start_along(code.axes, frames.axes)

    def _encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return self.encoder(batch.x, _lengths(batch), batch.observed)

    def _frame_posterior(self, groups: Tensor, code: Tensor) -> Distribution:
        """Returns q(z|x, code), batch shape (K, N, G), of features (N, G, features) and codes (K, N, latent_dim)."""
        return self.frame_posterior(self.deepen(groups + self.mix(code)[:, :, None]))

    def _likelihood(self, code: Tensor, frames: Tensor, lengths: Tensor, end: Tensor | None) -> SequenceLikelihood:
        k, n = code.shape[:2]
        parameters = self.decoder(code.flatten(0, 1), frames.flatten(0, 1), lengths.repeat(k))
        positions = self.likelihood(parameters.reshape(k, -1, parameters.shape[-1]))
        return SequenceLikelihood(positions, n, end, self._groups(lengths, frames), parameters.shape[1])

    def _groups(self, lengths: Tensor, frames: Tensor) -> Tensor:
        """Returns which groups exist, shape (N, G)."""
        return position_mask(group_count(lengths, self.stride), frames.shape[2])


def _lengths(batch: Batch) -> Tensor:
    """Returns the lengths of sequences (N, T, F), T where none are given."""
    if batch.lengths is not None:
        return batch.lengths
    return torch.full((len(batch),), batch.x.shape[1], device=batch.x.device)
