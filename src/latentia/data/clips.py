"""`Clips`: recordings that a named set reads one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Clips:
    """Recordings that are read one at a time.

    Attributes:
        names: unique, like file names.
        read: returns the recording at a position: mono float32 (S,) in [-1, 1], and its sample rate in Hz. It may raise
            a DataError or a FileError, and the recording is then listed as unreadable.
        heads: for each head the class of each recording, "" where unknown.
    """

    names: tuple[str, ...]
    read: Callable[[int], tuple[NDArray[np.float32], int]] = field(repr=False)
    heads: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]], repr=False)

    def __len__(self) -> int:
        return len(self.names)
