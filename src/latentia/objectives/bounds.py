"""Lower bounds on the log likelihood: the ELBO with its dial, and the importance-weighted bound."""

from __future__ import annotations

import math
import operator
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.distributions import OneHotCategorical

from latentia.core import Batch, Inference, LatentGroup, Terms
from latentia.errors import OptionError, nearest
from latentia.objectives.base import (
    OBJECTIVES,
    Objective,
    distortion,
    group_rate,
    guess_nats,
    marginal_nats,
    sampled_rate,
    total,
)

Gradient = Literal["doubly-reparameterised", "plain"]


@OBJECTIVES.register("elbo")
class Elbo(Objective):
    """Distortion plus beta times rate (Kingma and Welling, 2014, arXiv:1312.6114; Higgins et al., 2017).

    At beta = 1 the negative loss is a lower bound on the log likelihood. Two terms join it in models that have them,
    whatever beta is: -log p(x|what is given) of a model's own forecast, pixel by pixel; and `label_weight` times
    -log q(y|x) of known labels. The rate of labels counts in full.

    Args:
        beta: weight of the rate, but for that of labels.
        warmup_steps: steps over which the weight goes linearly from `warmup_start` to `beta`.
        warmup_start: the weight at step 0, as a share of `beta`; above 1 where other groups are to be learned first.
        n_samples: draws from the posterior for each example.
        free_bits: nats that the rate of each group of latents may have in the mean over a batch before it adds to the
            loss, so that no group is given up before the decoder has learned to read it (Kingma et al., 2016,
            arXiv:1606.04934).
        label_weight: weight of the mean of -log q(y|x) over those labels y that are known, which is how a model learns
            to tell them (alpha in Kingma et al., 2014, arXiv:1406.5298); without labels it changes nothing.

    Raises:
        OptionError: a negative beta, weight, number of steps or free bits, or no draws.

    Example:
        >>> Elbo(beta=4.0, warmup_steps=100).weight(50)
        2.0
    """

    def __init__(
        self,
        beta: float = 1.0,
        warmup_steps: int = 0,
        warmup_start: float = 0.0,
        n_samples: int = 1,
        free_bits: float = 0.0,
        label_weight: float = 0.0,
    ) -> None:
        _require_weights(
            beta=beta,
            warmup_steps=warmup_steps,
            warmup_start=warmup_start,
            free_bits=free_bits,
            label_weight=label_weight,
        )
        self.beta = beta
        self.warmup_steps = warmup_steps
        self.warmup_start = warmup_start
        self.n_samples = _checked_samples(n_samples)
        self.free_bits = free_bits
        self.label_weight = label_weight

    def weight(self, step: int | None) -> float:
        """Returns the weight of the rate at a step; None is after warm-up."""
        return self.beta * _warmed_up(step, self.warmup_steps, self.warmup_start)

    def __call__(self, inference: Inference, batch: Batch, step: int | None = None) -> Terms:
        distorted = distortion(inference, batch).mean(0)
        rates = [_per_example(group_rate(group)) for group in inference.latents]
        loss = distorted + marginal_nats(inference, batch)
        for group, rate in zip(inference.latents, rates, strict=True):
            if group.guess is None:
                loss = loss + self.weight(step) * self._paid(rate)
            else:
                loss = loss + rate + self.label_weight * guess_nats(group)
        return Terms(distortion=distorted, rate=total(rates), loss=loss)

    def _paid(self, rate: Tensor) -> Tensor:
        """Returns what a group's rate (N,) adds to the loss: nothing that could be lowered while it is free."""
        if not self.free_bits:
            return rate  # an estimate may be negative
        return rate.where(rate.mean() >= self.free_bits, rate.new_tensor(self.free_bits))


@OBJECTIVES.register("iwae")
class Iwae(Objective):
    """The importance-weighted bound (Burda, Grosse and Salakhutdinov, 2016, arXiv:1509.00519).

    Tighter than the ELBO; a model trained with it is judged by it, not by the ELBO of its single terms.

    Its plain gradient tells the encoder less and less the more samples there are. The doubly reparameterised one
    (Tucker et al., 2019, arXiv:1810.04152) has the same expectation without that; the bound itself, and the gradient of
    the decoder, are the same. It rescales the gradient of the samples of the inference that it was made of, so
    evaluate an inference that will be differentiated only once.

    Args:
        n_samples: importance samples for each example.
        warmup_steps: steps over which the weight of log p(z) - log q(z|x) rises linearly from 0 to 1.
        gradient: how the encoder's gradient is estimated.
        label_weight: weight of the mean of -log q(y|x) over known labels, as in `Elbo`.

    Raises:
        OptionError: no draws, a negative number of steps or weight, or an unknown gradient.

    Example:
        >>> Iwae(n_samples=5).n_samples
        5
    """

    def __init__(
        self,
        n_samples: int = 5,
        warmup_steps: int = 0,
        gradient: Gradient = "doubly-reparameterised",
        label_weight: float = 0.0,
    ) -> None:
        _require_weights(warmup_steps=warmup_steps, label_weight=label_weight)
        if gradient not in get_args(Gradient):
            raise OptionError(f"objective.gradient cannot be '{gradient}': {nearest(gradient, get_args(Gradient))}")
        self.n_samples = _checked_samples(n_samples)
        self.warmup_steps = warmup_steps
        self.gradient: Gradient = gradient
        self.label_weight = label_weight

    def __call__(self, inference: Inference, batch: Batch, step: int | None = None) -> Terms:
        distorted = distortion(inference, batch)
        rate = total([sampled_rate(group) for group in inference.latents])
        weight = _warmed_up(step, self.warmup_steps)
        weighted = -(distorted + weight * rate)
        bound = torch.logsumexp(weighted, dim=0) - math.log(distorted.shape[0])
        if self.gradient == "doubly-reparameterised":
            shares = weighted.detach().softmax(0)
            bound = bound + total([_reparameterise_again(group, shares, weight) for group in inference.latents])
        named = total([guess_nats(group) for group in inference.latents])
        loss = marginal_nats(inference, batch) + self.label_weight * named - bound
        return Terms(distortion=distorted.mean(0), rate=rate.mean(0), loss=loss)


def _warmed_up(step: int | None, warmup_steps: int, start: float = 0.0) -> float:
    """Returns the share of the rate's weight at a step: from `start` linearly to 1; None is after warm-up."""
    if step is None or step >= warmup_steps:
        return 1.0
    return start + (1 - start) * step / warmup_steps


def _reparameterise_again(group: LatentGroup, shares: Tensor, weight: float) -> Tensor:
    """Replaces the score of a group in the gradient of the bound, where the group's posterior is independent of draws.

    With the normalised weights s of the samples, and the path p by which a sample moves its log weight, the bound has
    the gradient s (p - score), and E[s score] = E[s (1 - s) p]. So s^2 p is left: the score goes, and what reaches a
    sample is scaled by s. With a weight of the rate below 1 the score counts by so much less.

    Where a posterior depends on the draws of other groups, its own score cannot be told from what these draws do to it;
    it keeps the plain gradient. That of the other groups stays right, since the path of a sample leads through all that
    follows from it. So does a group of classes, whose draws no path leads to.

    Args:
        group: its sample is changed: gradients that reach it are scaled.
        shares: normalised importance weights, shape (K, N), without gradient.
        weight: of the rate.

    Returns:
        Zero, whose gradient takes the score back, shape (N,).
    """
    sample = group.sample
    depends_on_draws = len(group.posterior.batch_shape) == sample.dim() - 1
    if depends_on_draws or _is_discrete(group) or not sample.requires_grad:
        return shares.new_zeros(shares.shape[1])
    scale = (1 - weight * (1 - shares)).reshape(*shares.shape, *(1 for _ in sample.shape[2:]))
    sample.register_hook(scale.mul)
    score = group.sum_positions(group.posterior.log_prob(sample.detach()))
    return (weight * shares * (score - score.detach())).sum(0)


def _is_discrete(group: LatentGroup) -> bool:
    return isinstance(group.posterior, OneHotCategorical)


def log_weights(inference: Inference, batch: Batch) -> Tensor:
    """Returns the log importance weights log p(x, z) - log q(z|x) of all draws, nats, shape (K, N)."""
    return -(distortion(inference, batch) + total([sampled_rate(group) for group in inference.latents]))


def _per_example(rate: Tensor) -> Tensor:
    return rate.mean(0) if rate.dim() == 2 else rate


def _require_weights(**values: float) -> None:
    for name, value in values.items():
        if not value >= 0 or not math.isfinite(value):
            raise OptionError(f"objective.{name} must be a finite number of at least 0, not {value}.")


def _checked_samples(n_samples: int) -> int:
    if n_samples < 1:
        raise OptionError(f"objective.n_samples must be at least 1, not {n_samples}.")
    return operator.index(n_samples)  # fractions are refused here, and not by the first step
