"""MNIST, and its binarisation, for every system alike."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from benchmarks.harness import Options
from latentia.data import named_sets

RESAMPLING_SEED = 20_000


def images(options: Options, split: Literal["train", "test"]) -> Tensor:
    """Reads the pictures of a split, 60 000 or 10 000, uint8 (N, 1, 28, 28)."""
    pixels = named_sets.build("mnist", {}).read(split, options.mirror).x
    return torch.from_numpy(pixels.reshape(-1, 1, 28, 28).copy())


def binarised(pixels: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draws binary pictures: each pixel is 1 with the probability that its grey level says, float32."""
    return torch.bernoulli(pixels.float() / 255, generator=generator)


def held_out(options: Options, count: int) -> Tensor:
    """Returns the last training pictures, on which nobody trains where they are held out, binarised once, float32."""
    return binarised(images(options, "train")[-count:], torch.Generator().manual_seed(RESAMPLING_SEED))


def resampled_test(options: Options) -> Tensor:
    """Returns the test set, resampled once with a fixed seed, float32 (10 000, 1, 28, 28)."""
    return binarised(images(options, "test"), torch.Generator().manual_seed(RESAMPLING_SEED))
