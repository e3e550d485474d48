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
MOSTLY = 0.5  # a pixel of the model is given where more than so much of what it stands for is


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
    crops = [canvas.crop(square.box) for square in squares]
    given = [torch.from_numpy(seen)[None, None] for _, seen in crops]
    batches: list[Batch] = []
    for parts in zip(*(to_channels(values, channels) for values, _ in crops), strict=True):
        pairs = [_scaled(_to_tensor(part), seen, size) for part, seen in zip(parts, given, strict=True)]
        batches.append(Batch(torch.cat([x for x, _ in pairs]), given=torch.cat([seen for _, seen in pairs])))
    return batches


def to_size(x: Tensor, size: Size) -> Unit:
    """Brings pictures (..., C, h, w) of a model to another size, as an array (..., height, width, C)."""
    if x.shape[-2:] != size:
        flat = x.reshape(-1, *x.shape[-3:])
        x = F.interpolate(flat, size=size, mode="bicubic", antialias=True).reshape(*x.shape[:-2], *size)
    return x.movedim(-3, -1).numpy()


def _to_tensor(values: Unit) -> Tensor:
    return torch.from_numpy(values).permute(2, 0, 1)[None].contiguous()


def _scaled(x: Tensor, given: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Scales a picture; of each pixel only what is given counts, which must be most of it."""
    if x.shape[-2:] == size:
        return x, given
    weight = _resized(given.to(x.dtype), size)
    colour = _resized(torch.where(given, x, 0.0), size) / weight.clamp_min(1e-6)
    seen = weight > MOSTLY
    return torch.where(seen, colour.clamp(0, 1), 0.0), seen


def _resized(x: Tensor, size: Size) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", antialias=True)
