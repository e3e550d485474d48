"""From examples to latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from latentia.data import Dataset, Indices
from latentia.runs import TrainedModel
from latentia.tasks.walk import look_at, row_batches


@dataclass(frozen=True)
class Encoding:
    """What the model believes about the latents of some examples.

    Attributes:
        mean: posterior means, float32, shape (N, D).
        std: posterior standard deviations, float32, shape (N, D).
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.mean)


@torch.inference_mode()
def encode(trained: TrainedModel, dataset: Dataset, rows: Indices | Sequence[int] | None = None) -> Encoding:
    """Encodes examples; an example's latents depend on nothing but the example and the model.

    Args:
        trained: the model.
        dataset: the examples, N of them.
        rows: which of them; all if None.

    Returns:
        Means and standard deviations of q(z|x), in the order of `rows`.
    """
    means: list[NDArray[np.float32]] = []
    stds: list[NDArray[np.float32]] = []
    for part in row_batches(len(dataset), rows):
        posterior = trained.model.posterior_of(look_at(trained, dataset, part))
        means.append(posterior.mean.float().cpu().numpy())
        stds.append(posterior.stddev.float().cpu().numpy())
    empty = np.empty((0, trained.config.model.latent_dim), np.float32)
    return Encoding(np.concatenate([empty, *means]), np.concatenate([empty, *stds]))
