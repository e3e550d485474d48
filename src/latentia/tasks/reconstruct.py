"""Examples as the model gives them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from latentia.core import Batch, join
from latentia.data import Dataset, Indices
from latentia.runs import TrainedModel
from latentia.tasks.walk import batches_of, decode_means, look_at, nothing


@dataclass(frozen=True)
class Reconstruction:
    """Examples and what became of them, in the model's form.

    Attributes:
        original: as the model saw them.
        mean: the likelihood's mean at the posterior's mean.
    """

    original: Batch
    mean: Batch


def reconstruct(trained: TrainedModel, dataset: Dataset, rows: Indices | Sequence[int] | None = None) -> Reconstruction:
    """Encodes examples and decodes the means of their posteriors.

    Args:
        trained: the model.
        dataset: the examples.
        rows: which of them; all if None.
    """
    seen: list[Batch] = []
    made: list[Batch] = []
    for part in batches_of(dataset, rows):
        batch = look_at(trained, dataset, part)
        with torch.inference_mode():
            _, latents = trained.model.encode(batch)
        seen.append(batch.to("cpu"))
        made.append(decode_means(trained, latents))
    if not seen:
        return Reconstruction(nothing(trained), nothing(trained))
    return Reconstruction(join(seen), join(made))
