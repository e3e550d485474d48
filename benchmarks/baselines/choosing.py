"""Settings of classical methods, chosen on validation pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def best_of(ways: Sequence[Tried], damaged: tuple[NDArray[Any], ...], error: Callable[[Pixels], float]) -> Tried:
    """Returns the way that does best on validation pictures; arguments as of `ranked`."""
    return ranked(ways, damaged, error)[0]


def ranked(ways: Sequence[Tried], damaged: tuple[NDArray[Any], ...], error: Callable[[Pixels], float]) -> list[Tried]:
    """Sorts ways by what they do on validation pictures, the best first.

    Args:
        ways: with all settings that are tried.
        damaged: what they are given.
        error: of what they return.
    """
    return sorted(ways, key=lambda way: error(way(*damaged)))


def settings_of(way: Callable[..., Pixels]) -> str:
    """Returns the settings of a way; "" of one that has none."""
    return way.settings if isinstance(way, Tried) else ""
