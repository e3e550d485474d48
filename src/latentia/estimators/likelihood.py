"""The log likelihood of single examples, each a function of nothing but the example and the model."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latentia.core import Batch, Inference, LatentGroup, Latents
from latentia.distributions.base import diagonal_normal
from latentia.models import LatentModel
from latentia.objectives import log_weights

IMPORTANCE_SAMPLES = 128
DECODED_AT_ONCE = 2048


@torch.inference_mode()
def log_likelihood(model: LatentModel, batch: Batch, n_samples: int = IMPORTANCE_SAMPLES) -> Tensor:
    """Estimates log p(x) by importance sampling, nats, shape (N,).

    All examples share the same draws, taken around the mean of each one's posterior; so the result does not depend on
    which other examples are in the batch. `evaluation.log_likelihood` draws anew for each example, which makes for a
    better mean over many.

    Args:
        model: in evaluation mode.
        batch: prepared examples, of the model's type.
        n_samples: draws for each example.
    """
    posterior = model.posterior_of(batch)
    mean, scale = posterior.mean.to(batch.x), posterior.stddev.to(batch.x)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(n_samples, 1, mean.shape[-1], generator=generator, dtype=torch.float64).to(mean)
    piece = max(1, DECODED_AT_ONCE // n_samples)
    prior = model.code_prior()
    parts: list[Tensor] = []
    for start in range(0, len(batch), piece):
        rows = slice(start, start + piece)
        # A normal proposal with the posterior's moments: it is the posterior where that is normal, and valid anyway.
        proposal = diagonal_normal(mean[rows], scale[rows])
        z = mean[rows] + scale[rows] * noise
        group = LatentGroup(name="z", posterior=proposal, prior=prior, sample=z)
        observed = None if batch.observed is None else batch.observed[rows]
        weights = log_weights(Inference((group,), model.decode(Latents(z))), Batch(batch.x[rows], observed))
        parts.append(weights.double().logsumexp(0) - math.log(n_samples))
    return torch.cat(parts)
