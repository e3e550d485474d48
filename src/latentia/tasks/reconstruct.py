"""Examples as the model gives them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from latentia.data import Dataset, Indices
from latentia.runs import TrainedModel
from latentia.tasks.encode import encode
from latentia.tasks.walk import decode_means, look_at, row_batches


@dataclass(frozen=True)
class Reconstruction:
    """Examples and what became of them, in the model's form.

    Attributes:
        original: as the model saw them, shape (N, ...).
        mean: the likelihood's mean at the posterior's mean, shape (N, ...).
    """

    original: Tensor
    mean: Tensor


def reconstruct(trained: TrainedModel, dataset: Dataset, rows: Indices | Sequence[int] | None = None) -> Reconstruction:
    """Encodes examples and decodes the means of their posteriors.

    Args:
        trained: the model.
        dataset: the examples.
        rows: which of them; all if None.
    """
    seen = [look_at(trained, dataset, part).x.cpu() for part in row_batches(len(dataset), rows)]
    empty = torch.empty(0, *trained.preprocessing.event_shape)
    latents = torch.from_numpy(encode(trained, dataset, rows).mean)
    return Reconstruction(torch.cat([empty, *seen]), decode_means(trained, latents))
