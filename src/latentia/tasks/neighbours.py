"""Which examples are alike to a model: nearest neighbours in the space of the latents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors  # pyright: ignore[reportMissingTypeStubs]

from latentia.data import Indices
from latentia.errors import OptionError
from latentia.tasks.encode import Encoding

NEIGHBOURS = 8


@dataclass(frozen=True)
class Neighbours:
    """The nearest of some examples to others.

    Attributes:
        rows: positions of the nearest, the nearest first, shape (N, k).
        distances: of their means, in standard deviations of the posteriors, shape (N, k).
    """

    rows: Indices
    distances: NDArray[np.float64]


def neighbours(encoding: Encoding, queries: Encoding | None = None, k: int = NEIGHBOURS) -> Neighbours:
    """Finds the nearest examples in the space of the latents.

    Each latent is measured in standard deviations that the posteriors have in it on average, since differences below
    one mean nothing to the model; a latent that says nothing then counts for nothing.

    Args:
        encoding: of the examples to choose from.
        queries: of examples whose neighbours are wanted; those of `encoding` themselves if None, each without itself.
        k: how many, less where there are fewer examples.

    Raises:
        OptionError: no neighbours are asked for, or there are no examples to choose from.

    Example:
        >>> line = Encoding(np.array([[0.0], [1.0], [3.0]], np.float32), np.full((3, 1), 0.5, np.float32))
        >>> found = neighbours(line, k=1)
        >>> found.rows.tolist(), found.distances.tolist()
        ([[1], [0], [1]], [[2.0], [2.0], [4.0]])
    """
    own = queries is None
    count = min(k, len(encoding) - own)
    if k < 1 or count < 1:
        raise OptionError(
            f"Ask for at least 1 neighbour, among examples that there are: not for {k} of {len(encoding)}."
        )
    search = cast(Any, NearestNeighbors)(n_neighbors=count).fit(measured(encoding))
    if queries is None:  # scikit-learn then leaves out each example itself
        distances, rows = search.kneighbors()
    else:
        distances, rows = search.kneighbors(measured(queries, by=encoding))
    return Neighbours(rows.astype(np.int64), distances)


def measured(encoding: Encoding, by: Encoding | None = None) -> NDArray[np.float64]:
    """Returns posterior means in standard deviations of the posteriors, shape (N, D).

    Args:
        encoding: of the examples.
        by: whose posteriors are the measure; those of `encoding` if None.
    """
    return encoding.mean / unit(by or encoding)


def unit(encoding: Encoding) -> NDArray[np.float64]:
    """Returns the standard deviation that posteriors have in each latent, root mean square, shape (D,)."""
    return np.sqrt((encoding.std.astype(np.float64) ** 2).mean(0))
