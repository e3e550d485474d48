"""`Dataset`: examples that are ready to be batched, in memory or in a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from latentia.core import Batch
from latentia.errors import DataError

Indices = NDArray[np.int64]


class Store(Protocol):
    """Rows of one shape and type that are fetched many at a time: an array, or a file of rows."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Indices, /) -> NDArray[Any]: ...


@dataclass(frozen=True)
class Problem:
    """Something wrong with one file.

    Attributes:
        file_name: the file, relative to the data's root.
        kind: "unreadable", "empty", "duplicate", "repeated" or "ignored"; of pictures also "too small" and "frames"; of
            recordings also "silent", "too short", "clipping", "beyond full scale", "dc offset" and "channels".
        message: what is wrong, in words.
        skipped: whether the file was left out because of it.
    """

    file_name: str
    kind: str
    message: str
    skipped: bool = True


def worst_first(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Puts files that were left out before mere remarks, each in their order.

    Example:
        >>> [problem.kind for problem in worst_first([Problem("a", "channels", "", False), Problem("b", "empty", "")])]
        ['empty', 'channels']
    """
    return tuple(sorted(problems, key=lambda problem: not problem.skipped))


@dataclass(frozen=True)
class Dataset:
    """Preprocessed examples with their labels and names.

    Attributes:
        x: rows; uint8 images (N, H, W, C) on the 256-level grid, float32 vectors (N, D), or int16 waveforms (N, S) that
            are zero behind their ends.
        observed: False where a pixel is missing, bool (N, H, W); None where nothing is.
        labels: for each head the class of each example, int64 (N,), -1 where unknown.
        label_names: for each head the names of its classes.
        file_names: a name for each example, or () where examples have none.
        problems: what was found wrong on the way.
        lengths: samples of each waveform, int64 (N,); None for other data.
        gains: what each waveform was multiplied by, float32 (N,); None for other data.
        groups: for each example what it belongs to, as the file for pieces of one recording or the speaker where it is
            known; a split keeps groups together. () where each example stands alone.
    """

    x: Store
    observed: Store | None = None
    labels: Mapping[str, Indices] = field(default_factory=dict[str, Indices])
    label_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    file_names: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    lengths: Indices | None = None
    gains: NDArray[np.float32] | None = None
    groups: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)

    def name(self, index: int) -> str:
        """Returns the name of an example: its file, or its number."""
        return self.file_names[index] if self.file_names else f"#{index}"

    def batch(self, indices: Indices | Sequence[int] | slice) -> Batch:
        """Fetches examples as a batch: images become float (N, C, H, W) in [0, 1] in channels-last memory,
        waveforms float (N, S) in [-1, 1] with their lengths.

        Args:
            indices: positions in the data set, shape (B,), or a slice of it.

        Raises:
            DataError: a position outside of the data set.
        """
        rows = np.arange(len(self))[indices] if isinstance(indices, slice) else np.asarray(indices, dtype=np.int64)
        if rows.size and (rows.min() < 0 or rows.max() >= len(self)):
            wrong = int(rows.min() if rows.min() < 0 else rows.max())
            raise DataError(f"The data set has {len(self)} examples; there is none at {wrong}.")
        observed = None if self.observed is None else torch.from_numpy(self.observed[rows])[:, None]
        return Batch(
            x=to_float(self.x[rows]),
            observed=observed,
            lengths=None if self.lengths is None else torch.from_numpy(self.lengths[rows]),
            labels={head: torch.from_numpy(values[rows]) for head, values in self.labels.items()},
            index=torch.from_numpy(rows),
        )


def to_float(rows: NDArray[Any]) -> torch.Tensor:
    """Turns stored rows into floats: images (N, H, W, C) to (N, C, H, W) in [0, 1], 16-bit waveforms to [-1, 1]."""
    if rows.dtype == np.uint8:
        return torch.from_numpy(rows).permute(0, 3, 1, 2).to(torch.float32).div_(255.0)
    if rows.dtype == np.int16:
        return torch.from_numpy(rows).to(torch.float32).div_(32768.0)
    return torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32))
