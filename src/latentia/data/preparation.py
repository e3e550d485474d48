"""What preprocessing leaves to each use of a batch."""

from __future__ import annotations

from dataclasses import replace

import torch

from latentia.core import Batch
from latentia.data.preprocessing import Preprocessing
from latentia.data.speech import SpeechPreprocessing
from latentia.errors import DataError


def prepare(batch: Batch, preprocessing: Preprocessing) -> Batch:
    """Binarises pictures where that is part of their preprocessing, with torch's current noise; makes speech features.

    Args:
        batch: as a data set gives it.
        preprocessing: of that data set.

    Returns:
        The batch as models take it: of recordings features (N, T, F), their numbers of frames, and a mask (N, T, 1).

    Raises:
        DataError: recordings without lengths.

    Example:
        >>> import torch
        >>> from latentia.data import ImagePreprocessing
        >>> form = ImagePreprocessing(height=2, width=2, channels=1, binarize="threshold")
        >>> prepare(Batch(torch.tensor([[[[0.2, 0.7], [0.5, 0.0]]]])), form).x.flatten()
        tensor([0., 1., 1., 0.])
    """
    if isinstance(preprocessing, SpeechPreprocessing):
        return _features(batch, preprocessing)
    if preprocessing.kind == "image" and preprocessing.binarize != "none":
        return replace(batch, x=preprocessing.binarise(batch.x))
    return batch


def _features(batch: Batch, preprocessing: SpeechPreprocessing) -> Batch:
    if batch.lengths is None:
        raise DataError("A batch of recordings needs the length of each.")
    # Bands of power differ by many orders of magnitude, too many for the half precision of an autocast.
    with torch.autocast(batch.x.device.type, enabled=False):
        features, frames = preprocessing.front_end.features(batch.x.float(), batch.lengths)
    mask = torch.arange(features.shape[1], device=frames.device) < frames[:, None]
    return replace(batch, x=features, lengths=frames, observed=mask[..., None])
