"""What a model looks at before its training."""

from __future__ import annotations

import math
from collections.abc import Sequence

from latentia.core import Batch
from latentia.data import Dataset, Indices, Preprocessing, both_ways, prepare, spread

MOST = {"image": 8192, "vector": 4096, "speech": 256}  # examples
LEAST, MOST_NUMBERS = 64, 2**26  # of large pictures no more examples than have so many numbers


def first_look(dataset: Dataset, rows: Indices, preprocessing: Preprocessing, mirror: bool) -> Batch:
    """Returns the examples that a model looks at before the training.

    Args:
        dataset: the training data.
        rows: which of them it is trained on, shape (N,).
        preprocessing: what was done to them.
        mirror: whether pictures are shown with their mirror images.
    """
    count = min(MOST[preprocessing.kind], affordable(dataset.x.shape[1:])) // (2 if mirror else 1)
    batch = prepare(dataset.batch(spread(rows, count)), preprocessing)
    return both_ways(batch) if mirror else batch


def affordable(event_shape: Sequence[int]) -> int:
    """Returns how many examples of a shape fit into the memory that looking at them may take.

    Example:
        >>> affordable((1, 28, 28)), affordable((3, 512, 512))
        (85598, 85)
    """
    return max(LEAST, MOST_NUMBERS // math.prod(event_shape))
