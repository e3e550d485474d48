"""MNIST, and its binarisation, for every system alike."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.harness import Options
from benchmarks.picture_sets import held_out_rows, rows_to_test
from latentia.data import Arrays, named_sets

RESAMPLING_SEED = 20_000
SIDE = 28


def grey_pictures(x: NDArray[Any]) -> Tensor:
    """Returns grey pictures as a tensor, uint8 (N, 1, 28, 28).

    Raises:
        SystemExit: they have another size, for which there are no networks of the peers.
    """
    if x.shape[1:3] != (SIDE, SIDE) or x[0].size != SIDE**2:
        raise SystemExit(f"The pictures have the shape {x.shape[1:]}, and the peers' networks are for 28 x 28, grey.")
    return torch.from_numpy(x.reshape(-1, 1, SIDE, SIDE).copy())


def images(options: Options, split: Literal["train", "test"]) -> Tensor:
    """Reads the pictures of a split, 60 000 or 10 000, uint8 (N, 1, 28, 28)."""
    return grey_pictures(_read(options, split).x)


def images_to_train_on(options: Options) -> Tensor:
    """Reads the training pictures without those that are held out, uint8 (N, 1, 28, 28)."""
    train = _read(options, "train")
    return grey_pictures(np.delete(train.x, held_out_rows(train.y), axis=0))


def binarised(pixels: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draws binary pictures: each pixel is 1 with the probability that its grey level says, float32."""
    return torch.bernoulli(pixels.float() / 255, generator=generator)


def held_out(options: Options) -> Tensor:
    """Returns the training pictures that are held out, binarised once, float32."""
    train = _read(options, "train")
    return binarised(grey_pictures(train.x[held_out_rows(train.y)]), torch.Generator().manual_seed(RESAMPLING_SEED))


def resampled_test(options: Options, count: int | None = None) -> Tensor:
    """Returns the test set, or some pictures of it, resampled once with a fixed seed, float32 (count, 1, 28, 28)."""
    test = _read(options, "test")
    drawn = binarised(grey_pictures(test.x), torch.Generator().manual_seed(RESAMPLING_SEED))
    return drawn if count is None else drawn[rows_to_test(test.y, count)]


def _read(options: Options, split: Literal["train", "test"]) -> Arrays:
    return named_sets.build("mnist", {}).read(split, options.mirror)
