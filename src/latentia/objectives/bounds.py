"""Lower bounds on the log likelihood: the ELBO with its dial, and the importance-weighted bound."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latentia.core import Batch, Inference, Terms
from latentia.errors import OptionError
from latentia.objectives.base import OBJECTIVES, Objective, distortion, group_rate, guess_nats, sampled_rate, total


@OBJECTIVES.register("elbo")
class Elbo(Objective):
    """Distortion plus beta times rate (Kingma and Welling, 2014, arXiv:1312.6114; Higgins et al., 2017).

    At beta = 1 the negative loss is a lower bound on the log likelihood.

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
        weights = {"beta": beta, "warmup_start": warmup_start, "free_bits": free_bits, "label_weight": label_weight}
        for name, value in {**weights, "warmup_steps": warmup_steps}.items():
            if not value >= 0 or not math.isfinite(value):
                raise OptionError(f"objective.{name} must be a finite number of at least 0, not {value}.")
        self.beta = beta
        self.warmup_steps = warmup_steps
        self.warmup_start = warmup_start
        self.n_samples = _checked_samples(n_samples)
        self.free_bits = free_bits
        self.label_weight = label_weight

    def weight(self, step: int | None) -> float:
        """Returns the weight of the rate at a step; None is after warm-up."""
        if step is None or step >= self.warmup_steps:
            return self.beta
        return self.beta * (self.warmup_start + (1 - self.warmup_start) * step / self.warmup_steps)

    def __call__(self, inference: Inference, batch: Batch, step: int | None = None) -> Terms:
        distorted = distortion(inference, batch).mean(0)
        rates = [_per_example(group_rate(group)) for group in inference.latents]
        loss = distorted
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

    Args:
        n_samples: importance samples for each example.
        warmup_steps: steps over which the weight of log p(z) - log q(z|x) rises linearly from 0 to 1.

    Raises:
        OptionError: no draws, or a negative number of steps.

    Example:
        >>> Iwae(n_samples=5).n_samples
        5
    """

    def __init__(self, n_samples: int = 5, warmup_steps: int = 0) -> None:
        if warmup_steps < 0:
            raise OptionError(f"objective.warmup_steps must be at least 0, not {warmup_steps}.")
        self.n_samples = _checked_samples(n_samples)
        self.warmup_steps = warmup_steps

    def __call__(self, inference: Inference, batch: Batch, step: int | None = None) -> Terms:
        distorted = distortion(inference, batch)
        rate = total([sampled_rate(group) for group in inference.latents])
        weight = 1.0 if step is None or step >= self.warmup_steps else step / self.warmup_steps
        bound = torch.logsumexp(-(distorted + weight * rate), dim=0) - math.log(distorted.shape[0])
        return Terms(distortion=distorted.mean(0), rate=rate.mean(0), loss=-bound)


def log_weights(inference: Inference, batch: Batch) -> Tensor:
    """Returns the log importance weights log p(x, z) - log q(z|x) of all draws, nats, shape (K, N)."""
    return -(distortion(inference, batch) + total([sampled_rate(group) for group in inference.latents]))


def _per_example(rate: Tensor) -> Tensor:
    return rate.mean(0) if rate.dim() == 2 else rate


def _checked_samples(n_samples: int) -> int:
    if n_samples < 1:
        raise OptionError(f"objective.n_samples must be at least 1, not {n_samples}.")
    return n_samples
