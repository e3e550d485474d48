"""Posteriors of single examples by gradient steps, where a network did not learn them: what is given decides."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Distribution

from latentia.core import Batch, Latents, Likelihood
from latentia.distributions.base import diagonal_normal
from latentia.models import LatentModel

PAIRS = 1  # of draws, one on each side of the mean, whose errors in its gradient cancel
RATE = 0.05  # in units of the prior's spread
DRAWS = 256  # of the prior, which tell that
Evidence = Callable[[Likelihood], Tensor]


def refine(model: LatentModel, batch: Batch, start: Distribution, evidence: Evidence, steps: int) -> Distribution:
    """Fits a normal distribution with independent dimensions to the posterior of the code, example by example.

    It maximises the evidence lower bound over mean and scale directly, as in stochastic variational inference (Hoffman
    et al., 2013, arXiv:1206.7051). Networks that amortise it are off where what they see is unlike their training
    (Cremer, Li and Duvenaud, 2018, arXiv:1801.03558).

    Args:
        model: in evaluation mode, its weights without gradients.
        batch: what is given.
        start: where to begin, batch shape (N,).
        evidence: nats that what is known has under a likelihood of batch shape (K, N), shape (K, N).
        steps: of Adam.

    Returns:
        A normal distribution of batch shape (N,).
    """
    prior = model.code_prior()
    # Learned priors leave the scale of latents open; steps are as long as suits it.
    unit = prior.sample((DRAWS,)).std(0)
    with torch.enable_grad():
        away = torch.zeros_like(start.mean).requires_grad_()
        log_scale = start.stddev.detach().log().requires_grad_()
        optimizer = torch.optim.Adam([away, log_scale], lr=RATE)
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = RATE * (1 - step / steps)
            optimizer.zero_grad()
            mean = start.mean + unit * away
            noise = torch.randn(PAIRS, *mean.shape, device=mean.device)
            z = mean + log_scale.exp() * torch.cat([noise, -noise])
            nats = evidence(model.complete(Latents(z), batch)) + prior.log_prob(z)
            bound = nats.mean(0) + log_scale.sum(-1)
            (-bound.sum()).backward()
            optimizer.step()
    return diagonal_normal(start.mean + unit * away.detach(), log_scale.detach().exp())
