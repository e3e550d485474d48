"""The last part of the training of a model of sequences: its priors learn what the finished encoder says.

While encoder and decoder move, a prior in time runs after them, and a sequence drawn from it drifts away from all that
the decoder knows. Once they stand still, the prior alone is small and quick to train.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from latentia.core import Batch, filled
from latentia.distributions.base import diagonal_normal
from latentia.models import SequenceVAE
from latentia.models.sequence import length_nats
from latentia.nets.recurrent import group_count, position_mask
from latentia.noise import Stream, seed_noise
from latentia.training.schedule import learning_rate_factor

BATCH = 64
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.01
WARMUP = 50


@dataclass(frozen=True)
class Posteriors:
    """What the encoder says of some sequences.

    Attributes:
        code: means and standard deviations of the utterances' latents, shape (2, N, D).
        frames: those of the groups' latents, given the means of the codes, shape (2, N, G, D').
        counts: groups of each, shape (N,).
    """

    code: Tensor
    frames: Tensor
    counts: Tensor


@torch.no_grad()
def read_posteriors(model: SequenceVAE, batches: Iterable[Batch]) -> Posteriors:
    """Encodes prepared batches."""
    codes: list[Tensor] = []
    frames: list[Tensor] = []
    counts: list[Tensor] = []
    for batch in batches:
        code, group = model.posteriors(batch)
        lengths = torch.full((len(batch),), batch.x.shape[1]) if batch.lengths is None else batch.lengths
        codes.append(torch.stack([code.mean, code.stddev]))
        frames.append(torch.stack([group.mean[0], group.stddev[0]]))
        counts.append(group_count(lengths, model.stride))
    return Posteriors(torch.cat(codes, 1), torch.cat(filled(frames, axis=2), 1), torch.cat(counts))


def finish_prior(model: SequenceVAE, posteriors: Posteriors, steps: int, seed: int) -> None:
    """Trains the priors of a model on fixed posteriors; nothing else of it changes.

    The same posteriors and seed give the same priors.

    Args:
        model: is changed.
        posteriors: of the training data.
        steps: of batches of 64 sequences.
        seed: of the order and the draws.
    """
    weights = [*model.prior.parameters(), *model.frame_prior.parameters()]
    for weight in weights:
        weight.requires_grad_(True)
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.99))
    for step in range(steps):
        seed_noise(seed, Stream.PRIOR, step)
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * learning_rate_factor(step, step / steps, WARMUP)
        chosen = torch.randint(len(posteriors.counts), (min(BATCH, len(posteriors.counts)),))
        optimizer.zero_grad()
        _nats(model, posteriors, chosen).backward()
        torch.nn.utils.clip_grad_norm_(weights, 50.0)
        optimizer.step()
    for weight in weights:
        weight.requires_grad_(False)


def _nats(model: SequenceVAE, posteriors: Posteriors, chosen: Tensor) -> Tensor:
    """Returns what the priors cost, the odds of the lengths included: nats per sequence."""
    counts = posteriors.counts[chosen]
    longest = int(counts.max())
    code = diagonal_normal(*posteriors.code[:, chosen])
    exists = position_mask(counts, longest)
    mean, scale = posteriors.frames[:, chosen, :longest]
    # Behind the end there is nothing, and a normal distribution of no width would spoil the gradient.
    frames = diagonal_normal(mean, scale.where(exists[..., None], scale.new_ones(())))
    drawn, walked = code.sample()[None], frames.sample()[None]
    expected = model.frame_prior(drawn, walked)
    rate = torch.distributions.kl_divergence(frames, expected.latents)[0].masked_fill(~exists, 0.0).sum(-1)
    rate = rate - length_nats(expected.end[0], exists)
    return (rate + code.log_prob(drawn[0]) - model.code_prior().log_prob(drawn[0])).mean()
