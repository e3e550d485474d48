"""What objectives have in common: the registry, the interface, and the rate of a group of latents."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor
from torch.distributions import OneHotCategorical, kl_divergence

from latentia.core import Batch, Inference, LatentGroup, Terms
from latentia.registry import Registry


class Objective(ABC):
    """Makes per-example terms of an inference; never looks at the kind of data.

    Attributes:
        n_samples: how many draws from the posterior it wants for each example.
    """

    n_samples: int = 1

    @abstractmethod
    def __call__(self, inference: Inference, batch: Batch, step: int | None = None) -> Terms:
        """Evaluates the objective.

        Args:
            inference: of a model, with `n_samples` draws.
            batch: what was inferred from.
            step: optimisation step, for warm-up; None once training is over.

        Returns:
            Terms in nats, each of shape (N,).
        """


OBJECTIVES: Registry[Objective] = Registry("objective", Objective)


def distortion(inference: Inference, batch: Batch) -> Tensor:
    """Returns the negative log likelihood of what was observed, nats, shape (K, N)."""
    return -inference.likelihood.log_prob(batch.shown, batch.observed)


def group_rate(group: LatentGroup) -> Tensor:
    """Returns the KL divergence from posterior to prior, nats, shape (N,) or (K, N).

    In closed form where there is one, else estimated from each of the group's K draws.
    """
    try:
        nats = kl_divergence(group.posterior, group.prior)
    except NotImplementedError:
        return sampled_rate(group)
    return group.sum_positions(nats)


def sampled_rate(group: LatentGroup) -> Tensor:
    """Returns log q(z|x) - log p(z) of the group's draws, nats, shape (K, N).

    Of classes it is written as a sum over all of them, of which the draw picks one, so that the gradient that passes
    through the draw (straight-through) is that of the KL divergence. The score of q has expectation 0 only where all
    draws weigh alike, and is left out.
    """
    posterior, prior = group.posterior, group.prior
    if isinstance(posterior, OneHotCategorical) and isinstance(prior, OneHotCategorical):
        scores = posterior.logits.detach() - prior.logits
        return group.sum_positions((group.sample * scores).sum(-1))
    return group.sum_positions(group.posterior.log_prob(group.sample) - group.prior.log_prob(group.sample))


def marginal_nats(inference: Inference, batch: Batch) -> Tensor:
    """Returns the negative log likelihood of what was observed where no latents are known, nats, shape (N,).

    It is 0 for models that have no such likelihood.
    """
    if inference.marginal is None:
        return batch.x.new_zeros(len(batch))
    return -inference.marginal.log_prob(batch.shown, batch.observed).squeeze(0)


def guess_nats(group: LatentGroup) -> Tensor:
    """Returns -log q of the values that were given, as the model would have guessed them, nats, shape (N,).

    It is 0 where none was, and scaled so that the mean over the batch is that over the given ones.
    """
    if group.guess is None or group.given is None:
        return group.sample.new_zeros(group.sample.shape[1])
    nats = -group.guess.log_prob(group.sample[0].detach())
    return nats.where(group.given, nats.new_zeros(())) * (len(nats) / group.given.sum().clamp_min(1))


def total(rates: list[Tensor]) -> Tensor:
    """Adds the rates of all groups."""
    result = rates[0]
    for rate in rates[1:]:
        result = result + rate
    return result
