"""What all tasks share: batches as the model sees them, latents decoded in pieces, noise that is a function of a seed.

Tasks speak the model's form: float tensors on the CPU, images (N, C, H, W) in [0, 1], vectors standardised.
`present` turns that into what people look at.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentia.core import Batch
from latentia.data import Dataset, ImagePreprocessing, Indices
from latentia.noise import Stream, seed_noise
from latentia.runs import TrainedModel

BATCH = 256


@contextlib.contextmanager
def seeded(seed: int, stream: Stream, step: int = 0) -> Generator[None]:
    """Makes torch's noise within the block a function of the arguments; the caller's random state stays as it is."""
    with torch.random.fork_rng():
        seed_noise(seed, stream, step)
        yield


def row_batches(n: int, rows: Indices | Sequence[int] | None = None, size: int = BATCH) -> Iterator[Indices]:
    """Yields positions in a data set of `n` examples, all or those of `rows`, a batch at a time."""
    chosen = np.arange(n) if rows is None else np.asarray(rows, dtype=np.int64)
    for start in range(0, len(chosen), size):
        yield chosen[start : start + size]


def look_at(trained: TrainedModel, dataset: Dataset, rows: Indices) -> Batch:
    """Fetches examples as the model is to see them, without noise.

    Where pictures are binarised at random, the most probable picture stands for them, so that what a task says of an
    example depends on nothing else.
    """
    batch = dataset.batch(rows).to(trained.device)
    form = trained.preprocessing
    if isinstance(form, ImagePreprocessing) and form.binarize != "none":
        return replace(batch, x=(batch.x >= 0.5).to(batch.x.dtype))
    return batch


def decode_means(trained: TrainedModel, z: Tensor) -> Tensor:
    """Returns the likelihood's mean for latents (N, D), shape (N, ...), on the CPU; decodes a batch at a time."""
    with torch.inference_mode():
        pieces = [z[start : start + BATCH, :].to(trained.device) for start in range(0, len(z), BATCH)]
        parts = [trained.model.decode(piece[None]).mean[0].float().cpu() for piece in pieces]
    # Joined outside, so that callers get a tensor that they may change in place.
    return torch.cat([torch.empty(0, *trained.preprocessing.event_shape), *parts])


def present(trained: TrainedModel, x: Tensor) -> NDArray[Any]:
    """Turns what a task returns into what people look at.

    Args:
        trained: the model that `x` belongs to.
        x: in the model's form, shape (N, ...).

    Returns:
        uint8 pictures (N, H, W, C), or vectors (N, D) in the units of the original data, float64.
    """
    form = trained.preprocessing
    if isinstance(form, ImagePreprocessing):
        return form.to_pictures(x)
    return form.invert(x.numpy())
