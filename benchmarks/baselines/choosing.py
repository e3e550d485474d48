"""Settings of classical methods, chosen on validation pictures for each metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Tried:
    """A way to mend pictures, with some settings.

    Attributes:
        settings: for people.
        way: what it does.
    """

    settings: str
    way: Callable[..., Pixels]

    def __call__(self, *damaged: NDArray[Any]) -> Pixels:
        return self.way(*damaged)


def ranked(
    ways: Sequence[Tried], damaged: tuple[NDArray[Any], ...], scores: Mapping[str, Callable[[Pixels], float]]
) -> dict[str, list[Tried]]:
    """Sorts ways by what they do on validation pictures, by each metric, the best first.

    Args:
        ways: with all settings that are tried.
        damaged: what they are given.
        scores: of what they return, by metric; higher is better.
    """
    found: dict[str, list[float]] = {metric: [] for metric in scores}
    for way in ways:
        result = way(*damaged)
        for metric, score in scores.items():
            found[metric].append(score(result))
    return {metric: _sorted(ways, values) for metric, values in found.items()}


def _sorted(ways: Sequence[Tried], scores: Sequence[float]) -> list[Tried]:
    """Returns ways by their scores, the highest first, and equal ones in their order."""
    return [ways[number] for number in sorted(range(len(ways)), key=scores.__getitem__, reverse=True)]


def shortlisted(
    ways: Sequence[Tried],
    damaged: tuple[NDArray[Any], ...],
    scores: Mapping[str, Callable[[Pixels], float]],
    few: int,
    finalists: int,
) -> dict[str, list[Tried]]:
    """Sorts ways as `ranked` does, but tries only those on all pictures that are ahead on a few.

    Args:
        ways: with all settings that are tried.
        damaged: what they are given.
        scores: of what they return for the first of the pictures, by metric.
        few: the number of pictures that all ways are tried on.
        finalists: the number of ways, of each metric, that are tried on all.
    """
    ahead = ranked(ways, tuple(part[:few] for part in damaged), scores).values()
    last = dict.fromkeys(way for found in ahead for way in found[:finalists])
    return ranked(list(last), damaged, scores)


def best_of(ranking: Mapping[str, Sequence[Tried]]) -> dict[str, Tried]:
    """Returns the way that does best by each metric."""
    return {metric: found[0] for metric, found in ranking.items()}


def made_by(ways: Mapping[str, Callable[..., Pixels]], *damaged: NDArray[Any]) -> dict[str, Pixels]:
    """Returns what a system makes of pictures with the settings of each metric; the same ones are applied once."""
    made = {way: way(*damaged) for way in dict.fromkeys(ways.values())}
    return {metric: made[way] for metric, way in ways.items()}


def settings_of(way: Callable[..., Pixels]) -> str:
    """Returns the settings of a way; "" of one that has none."""
    return way.settings if isinstance(way, Tried) else ""
