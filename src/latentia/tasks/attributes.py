"""What makes the difference between classes, and what it looks like on any example: arithmetic with latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from latentia.core import Batch, Latents, join_latents
from latentia.data import Dataset, Indices
from latentia.errors import OptionError, nearest
from latentia.runs import TrainedModel
from latentia.tasks.encode import Encoding
from latentia.tasks.walk import decode_means

STRENGTHS = (-0.5, 0.0, 0.5, 1.0, 1.5)


@dataclass(frozen=True)
class Attribute:
    """A direction in the space of the latents.

    Attributes:
        name: what it leads to.
        origin: what it leads away from.
        direction: from the mean of the codes of one to that of the other, float32, shape (D,).
    """

    name: str
    origin: str
    direction: NDArray[np.float32]


def attribute(
    dataset: Dataset,
    encoding: Encoding,
    label: str,
    *,
    head: str = "label",
    origin: str | None = None,
    rows: Indices | None = None,
) -> Attribute:
    """Finds the direction from one class to another: the difference between the means of their codes.

    It is the arithmetic of word vectors (Mikolov et al., 2013, arXiv:1301.3781), which Larsen et al. (2016,
    arXiv:1512.09300) found to hold for the latents of pictures. Any column of labels will do.

    Args:
        dataset: with labels.
        encoding: of its examples.
        label: the class that it leads to.
        head: the column of labels.
        origin: the class that it leads away from; all others together if None.
        rows: which examples of the data set were encoded; all if None.

    Raises:
        OptionError: an unknown column or class, a class without examples, or an encoding of other rows.
    """
    if head not in dataset.labels:
        raise OptionError(f"The data have no labels '{head}': {nearest(head, dataset.labels)}")
    values = dataset.labels[head] if rows is None else dataset.labels[head][rows]
    if len(values) != len(encoding):
        raise OptionError(f"{len(encoding)} examples were encoded, and {len(values)} are meant: say which by `rows`.")
    names = dataset.label_names[head]
    own = values == _class(label, names, head)
    others = (values >= 0) & ~own if origin is None else values == _class(origin, names, head)
    for chosen, name in ((own, label), (others, origin or f"other than {label}")):
        if not chosen.any():
            raise OptionError(f"Of the examples that were encoded none is labelled {name} under '{head}'.")
    direction = encoding.mean[own].mean(0) - encoding.mean[others].mean(0)
    return Attribute(label, origin or f"not {label}", direction.astype(np.float32))


def change(trained: TrainedModel, start: Latents, found: Attribute, strengths: Sequence[float] = STRENGTHS) -> Batch:
    """Moves an example along an attribute.

    Args:
        trained: the model.
        start: latents of the example, K = 1, N = 1, as `Encoding.latents` returns them.
        found: the attribute.
        strengths: how far; 0 is the example itself, 1 the whole way between the means of the classes.

    Returns:
        The likelihood's means, one for each strength.

    Raises:
        OptionError: no strengths, or one that is no number.
    """
    if not len(strengths) or not np.isfinite(strengths).all():
        raise OptionError(f"Strengths must be finite numbers, at least one of them; not {list(strengths)}.")
    direction = torch.from_numpy(found.direction)
    moved = [replace(start, code=start.code + strength * direction) for strength in strengths]
    return decode_means(trained, join_latents(moved))


def _class(label: str, names: Sequence[str], head: str) -> int:
    if label not in names:
        raise OptionError(f"There is no class '{label}' under '{head}': {nearest(label, names)}")
    return list(names).index(label)
