"""From examples to latents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentia.core import Batch, Latents, join_latents
from latentia.data import Dataset, Indices
from latentia.nets.recurrent import group_count
from latentia.runs import TrainedModel
from latentia.tasks.walk import batches_of, look_at


@dataclass(frozen=True)
class Encoding:
    """What the model believes about the latents of some examples.

    Attributes:
        mean: posterior means of their codes, the latents of an example as a whole, float32, shape (N, D).
        std: posterior standard deviations, float32, shape (N, D).
        frames: posterior means of the latents of groups of frames, shape (N, G, D'); None in models that have none.
        lengths: frames of each sequence, shape (N,); None in models of other data.
        counts: groups of frames of each sequence, shape (N,); None in models that have none.
        labels: the most probable class of each example, one-hot, shape (N, C); None in models without labels.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    frames: Tensor | None = None
    lengths: Tensor | None = None
    labels: Tensor | None = None
    counts: Tensor | None = None

    def __len__(self) -> int:
        return len(self.mean)

    def latents(self, row: int) -> Latents:
        """Returns the means of the latents of one example."""
        frames, lengths, labels = self.frames, self.lengths, self.labels
        return Latents(
            torch.from_numpy(self.mean[row])[None, None],
            None if frames is None else frames[None, row : row + 1],
            None if lengths is None else lengths[row : row + 1],
            None if labels is None else labels[None, row : row + 1],
        )


@torch.inference_mode()
def encode(trained: TrainedModel, dataset: Dataset, rows: Indices | Sequence[int] | None = None) -> Encoding:
    """Encodes examples; an example's latents depend on nothing but the example and the model.

    Args:
        trained: the model.
        dataset: the examples, N of them.
        rows: which of them; all if None.

    Returns:
        Means and standard deviations of the posteriors, in the order of `rows`.
    """
    return encode_batches(trained, (look_at(trained, dataset, part) for part in batches_of(dataset, rows)))


@torch.inference_mode()
def encode_batches(trained: TrainedModel, batches: Iterable[Batch]) -> Encoding:
    """Encodes batches in the model's form, as `encode`."""
    stds: list[Tensor] = []
    latents: list[Latents] = []
    for batch in batches:
        posterior, means = trained.model.encode(batch)
        stds.append(posterior.stddev.float().cpu())
        latents.append(means.to("cpu"))
    if not latents:
        empty = np.empty((0, trained.model.latent_dim), np.float32)
        return Encoding(empty, empty)
    joined = join_latents(latents)
    frames = None if joined.frames is None else joined.frames[0].float()
    labels = None if joined.labels is None else joined.labels[0].float()
    lengths = joined.lengths
    counts = None if frames is None or lengths is None else group_count(lengths, trained.model.stride)
    return Encoding(joined.code[0].float().numpy(), torch.cat(stds).numpy(), frames, lengths, labels, counts)
