"""What all tasks share: batches as the model sees them, and latents decoded in pieces.

Tasks speak the model's form: batches on the CPU of images (N, C, H, W) in [0, 1], standardised vectors, or sequences of
features (N, T, F) with lengths. `present` turns that into what people look at, `sound` into what they hear.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentia.core import Batch, Latents, at_once, join
from latentia.data import Dataset, ImagePreprocessing, Indices, prepare
from latentia.errors import OptionError
from latentia.runs import TrainedModel

BATCH = 256


def batches_of(dataset: Dataset, rows: Indices | Sequence[int] | None = None) -> Iterator[Indices]:
    """Yields positions in a data set, all or those of `rows`, as many at a time as fit into little memory."""
    return row_batches(len(dataset), rows, at_once(dataset.x.shape[1:], BATCH))


def row_batches(n: int, rows: Indices | Sequence[int] | None = None, size: int = BATCH) -> Iterator[Indices]:
    """Yields positions in a data set of `n` examples, all or those of `rows`, a batch at a time."""
    chosen = np.arange(n) if rows is None else np.asarray(rows, dtype=np.int64)
    for start in range(0, len(chosen), size):
        yield chosen[start : start + size]


def look_at(trained: TrainedModel, dataset: Dataset, rows: Indices) -> Batch:
    """Fetches examples as the model is to see them, without noise.

    Where pictures are binarised at random, the most probable picture stands for them, and labels are left out, so that
    what a task says of an example depends on nothing else.
    """
    batch = replace(dataset.batch(rows).to(trained.device), labels={})
    form = trained.preprocessing
    if isinstance(form, ImagePreprocessing) and form.binarize != "none":
        return replace(batch, x=form.most_probable(batch.x))
    return prepare(batch, form)


def decode_means(trained: TrainedModel, latents: Latents) -> Batch:
    """Returns the likelihood's means for latents (K = 1) on the CPU; decodes a batch at a time."""
    parts: list[Batch] = []
    size = decoded_at_once(trained, latents)
    with torch.inference_mode():
        for start in range(0, latents.n, size):
            piece = latents.rows(slice(start, start + size)).to(trained.device)
            mean = trained.model.decode(piece).mean[0].float().cpu()
            parts.append(Batch(mean, lengths=None if piece.lengths is None else piece.lengths.cpu()))
    # Joined outside, so that callers get tensors that they may change in place.
    return join(parts) if parts else nothing(trained)


def decoded_at_once(trained: TrainedModel, latents: Latents) -> int:
    """Returns how many latents fit into little memory when they are decoded; the longest of sequences counts."""
    event_shape = trained.preprocessing.event_shape
    positions = () if latents.lengths is None or not latents.n else (int(latents.lengths.max()),)
    return at_once((*positions, *event_shape), BATCH)


def as_data(trained: TrainedModel, made: Batch) -> Batch:
    """Returns what a task made as the model would see it: pictures on their 256 levels, or black and white."""
    form = trained.preprocessing
    if not isinstance(form, ImagePreprocessing):
        return made
    levels = (made.x.clamp(0, 1) * 255.0).round() / 255.0
    return replace(made, x=form.most_probable(levels))


def nothing(trained: TrainedModel) -> Batch:
    """Returns no examples, in the model's form."""
    form = trained.preprocessing
    if form.kind == "speech":
        return Batch(torch.empty(0, 0, *form.event_shape), lengths=torch.empty(0, dtype=torch.int64))
    return Batch(torch.empty(0, *form.event_shape))


def present(trained: TrainedModel, made: Batch) -> NDArray[Any]:
    """Turns pictures or vectors that a task returns into what people look at.

    Args:
        trained: the model that they belong to.
        made: in the model's form.

    Returns:
        uint8 pictures (N, H, W, C), or vectors (N, D) in the units of the original data, float64.

    Raises:
        OptionError: the model is one of speech, whose results are for `sound`.
    """
    form = trained.preprocessing
    if form.kind == "speech":
        raise OptionError("What a model of speech makes is heard, not looked at: take latentia.tasks.sound.")
    return form.to_pictures(made.x) if form.kind == "image" else form.invert(made.x.numpy())
