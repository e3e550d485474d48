"""Which class an example is of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from latentia.data import Dataset, Indices
from latentia.models import ConditionalVAE
from latentia.runs import TrainedModel
from latentia.tasks.labels import known_classes
from latentia.tasks.walk import batches_of, look_at


@torch.inference_mode()
def class_probabilities(
    trained: TrainedModel, dataset: Dataset, rows: Indices | Sequence[int] | None = None
) -> NDArray[np.float32]:
    """Returns q(y|x), how probable each class is by the example alone; labels of the data are not looked at.

    Args:
        trained: a model that learned labels (`--preset conditional`).
        dataset: the examples, N of them.
        rows: which of them; all if None.

    Returns:
        Probabilities, in the order of `rows` and of `known_classes`, shape (N, C).

    Raises:
        OptionError: the model did not learn labels.
    """
    classes = known_classes(trained)
    model = cast(ConditionalVAE, trained.model)
    found = [np.empty((0, len(classes)), np.float32)]
    for part in batches_of(dataset, rows):
        found.append(model.guess(look_at(trained, dataset, part)).probs.float().cpu().numpy())
    return np.concatenate(found)
