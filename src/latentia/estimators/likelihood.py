"""The log likelihood of single examples, each a function of nothing but the example and the model."""

from __future__ import annotations

import torch
from torch import Tensor

from latentia import evaluation
from latentia.core import Batch
from latentia.models import LatentModel
from latentia.noise import Stream, seeded

IMPORTANCE_SAMPLES = 128


@torch.inference_mode()
def log_likelihood(model: LatentModel, batch: Batch, n_samples: int = IMPORTANCE_SAMPLES) -> Tensor:
    """Estimates log p(x) by importance sampling, nats, shape (N,).

    The draws are the same for each example, which is looked at by itself; so the result does not depend on which other
    examples are in the batch. `evaluation.log_likelihood` draws anew for each example, which makes for a better mean
    over many.

    Args:
        model: in evaluation mode.
        batch: prepared examples, of the model's type.
        n_samples: draws for each example.
    """
    nats: list[Tensor] = []
    for row in range(len(batch)):
        example = batch.rows(slice(row, row + 1))
        with seeded(0, Stream.IMPORTANCE):
            nats.append(evaluation.log_likelihood(model, example, n_samples))
    return torch.cat(nats)
