"""How well a model that learned labels tells the classes of examples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentia.data import Dataset, Indices
from latentia.metrics import Recognition, recognition
from latentia.runs import TrainedModel
from latentia.tasks import class_probabilities


def recognised(trained: TrainedModel, dataset: Dataset, rows: Indices | None = None) -> dict[str, Recognition]:
    """Measures recognition on those examples whose class is known, and one that the model has learned.

    Args:
        trained: the model.
        dataset: the data.
        rows: which of them; all if None.

    Returns:
        The figures by head of labels; empty where the model learned none, or no class of these examples is known.
    """
    head = trained.config.model.label
    if head is None or head not in dataset.labels:
        return {}
    chosen = np.arange(len(dataset)) if rows is None else rows
    labels = _as_learned(dataset.labels[head][chosen], dataset.label_names[head], trained.label_names[head])
    known = labels >= 0
    if not known.any():
        return {}
    return {head: recognition(class_probabilities(trained, dataset, chosen[known]), labels[known])}


def _as_learned(labels: NDArray[np.int64], names: tuple[str, ...], learned: tuple[str, ...]) -> NDArray[np.int64]:
    """Returns classes by the numbers that the model gives them, -1 where it knows none of that name."""
    numbers = [learned.index(name) if name in learned else -1 for name in names]
    return np.array([*numbers, -1], np.int64)[labels]
