"""Parts of pictures in a model's form, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from latentia.core import Batch
from latentia.data import Canvas, to_channels
from latentia.tasks.squares import Square

Size = tuple[int, int]
Unit = NDArray[np.float32]
MOSTLY = 0.5  # a pixel of the model is given where more than so much of what it stands for is,
KEPT = 0.5  # unless of what is given less than so much were left;
ALONE = 0.2  # then even a single pixel counts, which between four of the model's has a quarter of its weight for each


def as_batches(canvas: Canvas, squares: Sequence[Square], channels: int, size: Size) -> list[Batch]:
    """Brings parts of a picture into a model's form: its size and its channels.

    Args:
        canvas: the picture.
        squares: which parts, S of them.
        channels: of the model's pictures.
        size: height and width of the model's pictures.

    Returns:
        One batch of S pictures; three for a colour picture and a grey model, one for each of the colours.
    """
    scaled = [_channels_of(canvas, square, channels, size) for square in squares]
    return [
        Batch(torch.cat([x for x, _ in pairs]), given=torch.cat([seen for _, seen in pairs]))
        for pairs in zip(*scaled, strict=True)
    ]


def to_size(x: Tensor, size: Size) -> Unit:
    """Brings pictures (..., C, h, w) of a model to another size, as an array (..., height, width, C)."""
    if x.shape[-2:] != size:
        flat = x.reshape(-1, *x.shape[-3:])
        x = F.interpolate(flat, size=size, mode="bicubic", antialias=True).reshape(*x.shape[:-2], *size)
    return x.movedim(-3, -1).numpy()


def _channels_of(canvas: Canvas, square: Square, channels: int, size: Size) -> list[tuple[Tensor, Tensor]]:
    """Returns a part of a picture, and what of it is given, once for each picture that the model is shown."""
    values, given = canvas.crop(square.box)
    seen = torch.from_numpy(given)[None, None]
    return [_scaled(_to_tensor(part), seen, size) for part in to_channels(values, channels)]


def _to_tensor(values: Unit) -> Tensor:
    return torch.from_numpy(values).permute(2, 0, 1)[None].contiguous()


def _scaled(x: Tensor, given: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Scales a picture; of each pixel only what is given counts."""
    if x.shape[-2:] == size:
        return x, given
    weight = _resized(given.to(x.dtype), size)
    colour = _resized(torch.where(given, x, 0.0), size) / weight.clamp_min(1e-6)
    seen = _seen(given, weight)
    return torch.where(seen, colour.clamp(0, 1), 0.0), seen


def _seen(given: Tensor, weight: Tensor) -> Tensor:
    """Tells which pixels of a scaled picture are given, of each of which a share is (`weight`)."""
    scale = given.shape[-1] / weight.shape[-1]
    if scale < 1:  # so that each pixel stays what it is, also one without any like it around it
        return F.interpolate(given.to(weight.dtype), size=weight.shape[-2:], mode="nearest-exact") > 0
    seen = weight > MOSTLY
    few = weight[seen].sum() < KEPT * weight.sum()
    return weight > ALONE / scale**2 if few else seen


def _resized(x: Tensor, size: Size) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", antialias=True)
