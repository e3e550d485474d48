"""Ways along the data: from example to example, where straight ways would cross the empty space between them."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]
from sklearn.neighbors import kneighbors_graph  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]
from torch import Tensor

from latentia.data import spread
from latentia.errors import OptionError
from latentia.tasks.encode import Encoding
from latentia.tasks.neighbours import unit

Floats = NDArray[np.float64]
MOST_EXAMPLES = 5000
NEIGHBOURS = 10
FINER = 20
ROUNDS = 40


def way_along(first: Tensor, last: Tensor, encoding: Encoding, steps: int) -> Tensor:
    """Returns points from one latent to another near the latents of data.

    The way is the shortest in the graph of nearest neighbours, with the squares of their distances as lengths, so that
    many small steps are shorter than a large one; this comes close to a geodesic of the data (Tenenbaum, de Silva and
    Langford, 2000, Science 290). It is smoothed, and walked at an even pace. Distances are measured as in `neighbours`.

    Args:
        first: where it begins, shape (D,).
        last: where it ends, shape (D,).
        encoding: of data, some thousands of which are used.
        steps: points, both ends included.

    Returns:
        Shape (steps, D).

    Raises:
        OptionError: there are no data.

    Example:
        >>> angle = np.linspace(0, np.pi, 200)
        >>> arc = np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)
        >>> way = way_along(torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 0.0]), Encoding(arc, np.ones_like(arc)), 5)
        >>> bool((way.norm(dim=1) > 0.9).all())
        True
    """
    if not len(encoding):
        raise OptionError("A way along the data needs data to go along.")
    scale = unit(encoding)
    chosen = encoding.mean[spread(np.arange(len(encoding)), MOST_EXAMPLES)]
    ends = np.stack([first.double().numpy(), last.double().numpy()])
    points = np.concatenate([ends, chosen]) / scale
    corners = points[_shortest(points)]
    fine = _evenly(corners, FINER * steps)
    for _ in range(ROUNDS):  # the ends stay
        fine[1:-1] += 0.25 * (fine[:-2] - 2 * fine[1:-1] + fine[2:])
    way = torch.from_numpy(_evenly(fine, steps) * scale).to(first)
    way[0], way[-1] = first, last
    return way


def _shortest(points: Floats) -> list[int]:
    """Returns the positions of points on the shortest way from the first to the second."""
    count = NEIGHBOURS
    while True:
        graph = cast(Any, kneighbors_graph)(points, min(count, len(points) - 1), mode="distance")
        graph.data = graph.data**2 + 1e-12  # equal points are no strangers
        lengths, before = cast(Any, dijkstra)(graph, directed=False, indices=0, return_predecessors=True)
        if np.isfinite(lengths[1]):
            break
        count *= 2  # until the islands of the data meet
    way = [1]
    while way[-1] != 0:
        way.append(int(before[way[-1]]))
    return way[::-1]


def _evenly(corners: Floats, count: int) -> Floats:
    """Returns points along straight lines between corners, at equal distances."""
    lengths: Floats = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    places: Floats = np.linspace(0.0, float(lengths[-1]), count)
    columns: list[Floats] = [np.interp(places, lengths, corners[:, axis]) for axis in range(corners.shape[1])]
    return np.stack(columns, 1)
