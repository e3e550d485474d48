"""Pictures of the features of recordings."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from numpy.typing import NDArray

from latentia.core import Batch
from latentia.data.frontend import FLOOR, FrontEnd

RANGE_DB = 70.0
HEIGHT = 80


def spectrograms(front: FrontEnd, made: Batch) -> NDArray[np.uint8]:
    """Draws features in mel bands over time: low frequencies at the bottom, loud ones bright, white behind the end.

    Args:
        front: how the features were made.
        made: features, N of them.

    Returns:
        Pictures, uint8, shape (N, 80, T, 3).

    Example:
        >>> front = FrontEnd()
        >>> features, lengths = front.features(torch.zeros(2, 1600))
        >>> spectrograms(front, Batch(features, lengths=lengths)).shape
        (2, 80, 10, 3)
    """
    drawn = front if front.feature == "log-mel" else front.model_copy(update={"feature": "log-mel", "mels": HEIGHT})
    levels = made.x if front.feature == "log-mel" else drawn.mel(made.x.clamp_min(FLOOR))
    if levels.shape[-1] != HEIGHT:
        levels = torch.nn.functional.interpolate(levels, size=HEIGHT, mode="linear")
    decibels = 10 / np.log(10) * levels.numpy()
    brightness = np.clip(decibels / RANGE_DB + 1.25, 0, 1)  # from -87.5 to -17.5 dB
    paint: Any = mpl.colormaps["magma"]
    painted: NDArray[np.float64] = paint(brightness)
    colours = (painted[..., :3] * 255).astype(np.uint8)
    if made.lengths is not None:
        colours[np.arange(colours.shape[1]) >= made.lengths.numpy()[:, None]] = 255
    return np.ascontiguousarray(colours.transpose(0, 2, 1, 3)[:, ::-1])
