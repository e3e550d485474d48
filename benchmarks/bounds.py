"""The one evaluation code for the density of every system, ours and peers': bounds in nats per example.

Any system takes part as a `latentia.models.LatentModel`, so distortion, rate and importance weights are
computed by the same lines for all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentia.core import Batch
from latentia.evaluation import log_likelihood
from latentia.metrics import active_units
from latentia.models import LatentModel
from latentia.noise import kept_noise
from latentia.objectives import Elbo

EVALUATION_SEED = 1


def elbo(model: LatentModel, x: Tensor, batch_size: int = 500) -> tuple[float, float]:
    """Returns mean distortion and rate, nats per example; the ELBO is minus their sum.

    One draw from the posterior for each example, from a fixed seed.

    Args:
        model: any system.
        x: examples, shape (N, C, H, W).
        batch_size: examples at a time.
    """
    distortion = rate = 0.0
    with _evaluating(model):
        for part in x.split(batch_size):
            batch = Batch(part.contiguous(memory_format=torch.channels_last))
            terms = Elbo()(model.infer(batch), batch)
            distortion += terms.distortion.double().sum().item()
            rate += terms.rate.double().sum().item()
    return distortion / len(x), rate / len(x)


def importance_nll(model: LatentModel, x: Tensor, n_samples: int = 128, batch_size: int = 20) -> float:
    """Returns the negative importance-weighted bound with `n_samples` draws (IWAE), nats per example."""
    return float(importance_nlls(model, x, n_samples, batch_size).mean())


def importance_nlls(model: LatentModel, x: Tensor, n_samples: int = 128, batch_size: int = 20) -> NDArray[np.float64]:
    """Returns the negative importance-weighted bound of each example, nats, shape (N,).

    Memory does not grow with the number of draws.
    """
    parts: list[Tensor] = []
    with _evaluating(model):
        for part in x.split(batch_size):
            batch = Batch(part.contiguous(memory_format=torch.channels_last))
            parts.append(-log_likelihood(model, batch, n_samples))
    return torch.cat(parts).double().numpy()


def active(model: LatentModel, x: Tensor, batch_size: int = 100) -> int:
    """Returns how many latents depend on the data."""
    with _evaluating(model):
        means = [model.posterior_of(Batch(part)).mean.float() for part in x.split(batch_size)]
    return int(active_units(torch.cat(means).numpy()).sum())


@contextlib.contextmanager
def _evaluating(model: LatentModel) -> Generator[None]:
    """Evaluation mode, no gradients, a fixed seed; everything as it was afterwards."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode(), kept_noise():
            torch.manual_seed(EVALUATION_SEED)
            yield
    finally:
        model.train(training)
