"""Priors learn what a finished encoder says: at the end of a training of sequences, in the second stage of any model.

While encoder and decoder move, a prior runs after them, and what is drawn from it drifts away from all that the decoder
knows. Once they stand still, the prior alone is small and quick to train: it is fitted to draws from the posteriors of
the training data, the aggregate posterior (Dai and Wipf, 2019, arXiv:1903.05789; with flows, Morrow and Chiu, 2020,
arXiv:2004.05617).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latentia.config import PriorStageConfig
from latentia.core import Batch, filled
from latentia.data import Progress
from latentia.distributions.base import diagonal_normal
from latentia.errors import TrainingError
from latentia.models import PRIOR_ROLES, LatentModel, SequenceVAE
from latentia.models.sequence import length_nats
from latentia.nets.recurrent import group_count, position_mask
from latentia.noise import Stream, seed_noise
from latentia.training.average import moving_average
from latentia.training.optimizer import BETAS, decay_groups
from latentia.training.schedule import learning_rate_factor

WARMUP = 50
CLIP = 50.0
WEIGHT_DECAY = 0.01
AVERAGE = 0.99
LOOKS = 30  # at held-out examples, in the whole of a fit
AT_ONCE = 2048


@dataclass(frozen=True)
class Posteriors:
    """What the encoder says of some examples, as means and standard deviations.

    Attributes:
        code: of the latents of examples as a whole, shape (2, N, D); in a hierarchy of its top.
        frames: of those of groups, given the means of the codes, shape (2, N, G, D'); None in models that have none.
        counts: groups of each, shape (N,); None in models that have none.
    """

    code: Tensor
    frames: Tensor | None = None
    counts: Tensor | None = None

    def __len__(self) -> int:
        return self.code.shape[1]

    def rows(self, chosen: Tensor | slice) -> Posteriors:
        """Returns those of some of the examples; of groups only as many as the longest of them has."""
        code = self.code[:, chosen]
        if self.frames is None or self.counts is None:
            return Posteriors(code)
        counts = self.counts[chosen]
        return Posteriors(code, self.frames[:, chosen, : int(counts.max())], counts)


@torch.no_grad()
def read_posteriors(model: LatentModel, batches: Iterable[Batch]) -> Posteriors:
    """Encodes prepared batches."""
    codes: list[Tensor] = []
    frames: list[Tensor] = []
    counts: list[Tensor] = []
    for batch in batches:
        if isinstance(model, SequenceVAE):
            code, group = model.posteriors(batch)
            lengths = torch.full((len(batch),), batch.x.shape[1]) if batch.lengths is None else batch.lengths
            frames.append(torch.stack([group.mean[0], group.stddev[0]]))
            counts.append(group_count(lengths, model.stride))
        else:
            code = model.top_posterior(batch)
        codes.append(torch.stack([code.mean, code.stddev]))
    if not frames:
        return Posteriors(torch.cat(codes, 1))
    return Posteriors(torch.cat(codes, 1), torch.cat(filled(frames, axis=2), 1), torch.cat(counts))


def fit_prior(
    model: LatentModel,
    posteriors: Posteriors,
    config: PriorStageConfig,
    *,
    held_out: Posteriors | None = None,
    progress: Progress | None = None,
) -> tuple[float, ...]:
    """Trains the priors of a model on fixed posteriors; nothing else of it changes.

    The same posteriors and configuration give the same priors. The moving average of their weights is kept.

    Args:
        model: in evaluation mode and without gradients; its priors are changed.
        posteriors: of the training data.
        config: steps, rates and seed.
        held_out: of other data. The priors that fit these best are kept, and the fit ends when they have not got better
            for a while; None keeps the last ones.
        progress: is called with the number of steps done and in all.

    Returns:
        What the priors cost on held-out data before the first step and along the way, nats for each example.

    Raises:
        TrainingError: the cost is no longer a number.
    """
    averaged = copy.deepcopy(model)
    learning, kept = _priors(model).requires_grad_(True), _priors(averaged)
    weights, averages = list(learning.parameters()), list(kept.parameters())
    optimizer = torch.optim.AdamW(decay_groups(learning, WEIGHT_DECAY), lr=config.learning_rate, betas=BETAS)
    follow, size = moving_average(AVERAGE), min(config.batch_size, len(posteriors))
    # Where a prior starts may be better than all that few examples make of it.
    costs = [] if held_out is None else [mean_prior_nats(averaged, held_out, config.seed)]
    best = _copied(kept)
    for step in range(config.steps):
        seed_noise(config.seed, Stream.PRIOR, step)
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * learning_rate_factor(step, step / config.steps, WARMUP)
        cost = prior_nats(model, posteriors.rows(torch.randint(len(posteriors), (size,)))).mean()
        _require_finite(cost, step)
        optimizer.zero_grad()
        cost.backward()
        torch.nn.utils.clip_grad_norm_(weights, CLIP)
        optimizer.step()
        follow(averages, weights, step)
        if progress is not None:
            progress(step + 1, config.steps)
        if held_out is None or (step + 1) % max(1, config.steps // LOOKS):
            continue
        costs.append(mean_prior_nats(averaged, held_out, config.seed))
        if costs[-1] == min(costs):
            best = _copied(kept)
        if len(costs) - 1 - costs.index(min(costs)) >= config.patience:
            break
    learning.load_state_dict(best if costs else kept.state_dict())
    learning.requires_grad_(False)
    return tuple(costs)


@torch.no_grad()
def mean_prior_nats(model: LatentModel, posteriors: Posteriors, seed: int = 0, *, lengths: bool = True) -> float:
    """Returns what the priors cost on average, nats for each example; the same seed draws the same latents.

    Args:
        model: whose priors they are.
        posteriors: of the examples.
        seed: of the draws.
        lengths: whether what the lengths of sequences cost is a part; without it the cost is the rate.
    """
    total = 0.0
    for start in range(0, len(posteriors), AT_ONCE):
        seed_noise(seed, Stream.VALIDATE, start)
        part = posteriors.rows(slice(start, start + AT_ONCE))
        total += float(prior_nats(model, part, lengths=lengths).double().sum())
    return total / len(posteriors)


def prior_nats(model: LatentModel, posteriors: Posteriors, *, lengths: bool = True) -> Tensor:
    """Returns what the priors cost, with draws from the posteriors, nats for each example, shape (N,).

    It is the rate, and what the priors of sequences make of their lengths.
    """
    code = diagonal_normal(*posteriors.code)
    drawn = code.sample()
    nats = code.log_prob(drawn) - model.top_prior().log_prob(drawn)
    if posteriors.frames is None or posteriors.counts is None or not isinstance(model, SequenceVAE):
        return nats
    rate, ends = _frame_nats(model, drawn, posteriors.frames, posteriors.counts)
    return nats + rate + ends if lengths else nats + rate


def _frame_nats(model: SequenceVAE, code: Tensor, frames: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the rate of the groups of frames, and what the lengths cost, nats for each sequence."""
    exists = position_mask(counts, frames.shape[2])
    mean, scale = frames
    # Behind the end there is nothing, and a normal distribution of no width would spoil the gradient.
    posterior = diagonal_normal(mean, scale.where(exists[..., None], scale.new_ones(())))
    expected = model.frame_prior(code[None], posterior.sample()[None])
    rate = torch.distributions.kl_divergence(posterior, expected.latents)[0].masked_fill(~exists, 0.0).sum(-1)
    return rate, -length_nats(expected.end[0], exists)


def _priors(model: LatentModel) -> nn.ModuleDict:
    """Returns the priors of a model by their role; they are the model's own."""
    return nn.ModuleDict({role: getattr(model, role) for role in PRIOR_ROLES if hasattr(model, role)})


def _copied(priors: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in priors.state_dict().items()}


def _require_finite(cost: Tensor, step: int) -> None:
    if not bool(torch.isfinite(cost)):
        raise TrainingError(
            f"At step {step} the cost of the prior is no longer a finite number; try a smaller "
            "prior_stage.learning_rate."
        )
