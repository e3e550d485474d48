"""The classes that a model knows, by their names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from latentia.errors import OptionError, nearest
from latentia.runs import TrainedModel


def known_classes(trained: TrainedModel, head: str | None = None) -> tuple[str, ...]:
    """Returns the names of the classes that a model can be asked for.

    Args:
        trained: the model.
        head: the labels that are meant; those of the model if None.

    Raises:
        OptionError: the model did not learn labels, or those of another head.
    """
    own = trained.config.model.label
    if own is None:
        advice = "; train with --preset conditional" if trained.preprocessing.kind == "image" else ""
        raise OptionError(f"{trained.name} did not learn the labels of its data, and knows no classes{advice}.")
    if head not in (None, own):
        classes = ", ".join(trained.label_names[own])
        raise OptionError(
            f"{trained.name} was trained with the labels '{own}', not '{head}': give --label one of {classes}."
        )
    return trained.label_names[own]


def one_hot(trained: TrainedModel, labels: Sequence[str], head: str | None = None) -> Tensor:
    """Returns classes by name as a model takes them, shape (N, C).

    Args:
        trained: the model.
        labels: names, N of them.
        head: the labels that are meant; those of the model if None.

    Raises:
        OptionError: the model does not know a class; the nearest that it knows is named.
    """
    names = known_classes(trained, head)
    for label in labels:
        if label not in names:
            raise OptionError(
                f"{trained.name} knows no {trained.config.model.label} '{label}': {nearest(label, names)}"
            )
    return F.one_hot(torch.tensor([names.index(label) for label in labels], dtype=torch.int64), len(names)).float()
