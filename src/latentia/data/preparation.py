"""What preprocessing leaves to each use of a batch."""

from __future__ import annotations

from dataclasses import replace

from latentia.core import Batch
from latentia.data.preprocessing import Preprocessing


def prepare(batch: Batch, preprocessing: Preprocessing) -> Batch:
    """Binarises pictures where that is part of their preprocessing, with torch's current noise.

    Args:
        batch: as a data set gives it.
        preprocessing: of that data set.

    Example:
        >>> import torch
        >>> from latentia.data import ImagePreprocessing
        >>> form = ImagePreprocessing(height=2, width=2, channels=1, binarize="threshold")
        >>> prepare(Batch(torch.tensor([[[[0.2, 0.7], [0.5, 0.0]]]])), form).x.flatten()
        tensor([0., 1., 1., 0.])
    """
    if preprocessing.kind == "image" and preprocessing.binarize != "none":
        return replace(batch, x=preprocessing.binarise(batch.x))
    return batch
