"""Classical ways to fill in pictures: OpenCV, scikit-image, the mean picture, the nearest training picture."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.baselines.choosing import Pixels, Tried

Flags = NDArray[np.bool_]
Fill = Callable[[Pixels, Flags], Pixels]
# Of OpenCV's neighbourhoods; its own sample program takes 3.
RADII = (1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 32.0, 48.0, 64.0, 100.0)


def telea(side: int) -> list[Tried]:
    """OpenCV's fast marching (Telea, 2004), with all radii from the least to all of a picture of a side."""
    return _with_all_radii("INPAINT_TELEA", side)


def navier_stokes(side: int) -> list[Tried]:
    """OpenCV's Navier-Stokes (Bertalmio, Bertozzi and Sapiro, 2001), with the same radii."""
    return _with_all_radii("INPAINT_NS", side)


def _with_all_radii(method: str, side: int) -> list[Tried]:
    enough = next(radius for radius in RADII if radius >= math.sqrt(2) * side or radius == RADII[-1])
    return [Tried(f"radius {radius:g}", partial(_opencv, method, radius)) for radius in RADII if radius <= enough]


def biharmonic(images: Pixels, missing: Flags) -> Pixels:
    """scikit-image's biharmonic surface (Damelin and Hoang, 2018), picture by picture.

    Args:
        images: shape (N, H, W, C).
        missing: True where pixels are missing, shape (N, H, W).
    """
    from skimage.restoration import inpaint_biharmonic

    filled = [
        inpaint_biharmonic(image / 255.0, hole, channel_axis=-1) for image, hole in zip(images, missing, strict=True)
    ]
    return np.round(np.clip(filled, 0, 1) * 255).astype(np.uint8)


def mean_picture(train: Pixels, *, mirror: bool = False) -> Fill:
    """The mean of the training pictures, and of their mirror images where these are meant to help."""
    mean = train.mean(0)
    mean = np.round((mean + mean[:, ::-1]) / 2 if mirror else mean).astype(np.uint8)
    return lambda images, missing: np.where(missing[..., None], mean, images)


def nearest_picture(train: Pixels, *, mirror: bool = False) -> Fill:
    """The training picture that is nearest in what is given, among mirror images too where they are meant to help."""
    train = np.concatenate([train, train[:, :, ::-1]]) if mirror else train
    compared = torch.tensor(train.reshape(len(train), -1), dtype=torch.float32)
    squares = compared.square()

    def fill(images: Pixels, missing: Flags) -> Pixels:
        given = np.broadcast_to(~missing[..., None], images.shape).reshape(len(images), -1)
        weights = torch.from_numpy(given.astype(np.float32))
        seen = torch.from_numpy(images.reshape(len(images), -1)).float() * weights
        nearest: Tensor = (weights @ squares.T - 2 * seen @ compared.T).argmin(1)
        return np.where(missing[..., None], train[nearest.numpy()], images)

    return fill


def _opencv(way: str, radius: float, images: Pixels, missing: Flags) -> Pixels:
    """Fills in by OpenCV, which reads a little of what is hidden where it takes differences at the rim of a hole.

    That is left to its advantage: other values there would be to its disadvantage.
    """
    import cv2

    filled = [
        cv2.inpaint(np.ascontiguousarray(image), hole.astype(np.uint8), radius, getattr(cv2, way))
        for image, hole in zip(images, missing, strict=True)
    ]
    return np.stack(filled).reshape(images.shape)
