"""Recordings of different lengths: in memory if they are few, else in a file that is kept for the next time."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentia.data.cache import fits_memory, kept_folder, store
from latentia.data.dataset import Indices, Problem
from latentia.errors import FileError

Wave = NDArray[np.int16]
SAMPLE_BYTES = 2


@dataclass(frozen=True)
class WaveChunk:
    """Some preprocessed recordings on their way into a store.

    Attributes:
        waves: int16, one for each piece, each of its own length.
        gains: what each piece was multiplied by.
        file_names: of the recording that each piece is from.
        problems: what was found wrong, skipped files included.
    """

    waves: tuple[Wave, ...]
    gains: tuple[float, ...]
    file_names: tuple[str, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def n_bytes(self) -> int:
        """Bytes of all pieces."""
        return sum(wave.nbytes for wave in self.waves)


@dataclass(frozen=True)
class Waves:
    """All preprocessed recordings of a source, as fields of a `Dataset`."""

    x: Ragged | RaggedFile
    gains: NDArray[np.float32]
    file_names: tuple[str, ...]
    problems: tuple[Problem, ...]


class _Waveforms(ABC):
    """What waveforms in memory and in a file have in common: rows that are as long as the longest one asked for."""

    dtype: np.dtype[Any] = np.dtype(np.int16)

    def __init__(self, lengths: Indices) -> None:
        self.lengths = lengths
        self._starts: list[int] = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]).tolist()

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of waveforms, and samples of the longest."""
        return (len(self.lengths), int(self.lengths.max(initial=0)))

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, indices: Indices) -> Wave:
        """Returns waveforms, shape (B, S), S being the length of the longest of them, zero behind the others' ends."""
        lengths = self.lengths[indices]
        rows = np.zeros((len(indices), int(lengths.max(initial=0))), np.int16)
        wanted: list[int] = indices.tolist()
        for row, index, length in zip(rows, wanted, lengths.tolist(), strict=True):
            if length:
                self._fill(self._starts[index], row[:length])
        return rows

    @abstractmethod
    def _fill(self, start: int, row: Wave) -> None:
        """Fills a row with the samples from a position on."""


class Ragged(_Waveforms):
    """Waveforms in memory.

    Args:
        samples: of all of them, one after the other, int16.
        lengths: samples of each, shape (N,).

    Example:
        >>> waves = Ragged.of([np.array([1, 2, 3], np.int16), np.array([4], np.int16)])
        >>> waves[np.array([1, 0])]
        array([[4, 0, 0],
               [1, 2, 3]], dtype=int16)
    """

    def __init__(self, samples: Wave, lengths: Indices) -> None:
        super().__init__(lengths)
        self.samples = samples

    @classmethod
    def of(cls, waves: Sequence[Wave]) -> Ragged:
        """Joins waveforms."""
        samples = np.concatenate([np.empty(0, np.int16), *waves])
        return cls(samples, np.array([len(wave) for wave in waves], np.int64))

    def _fill(self, start: int, row: Wave) -> None:
        row[:] = self.samples[start : start + len(row)]


class RaggedFile(_Waveforms):
    """Waveforms in a file, read when asked for and kept nowhere else, so that memory stays flat.

    Args:
        path: raw samples, int16, of all waveforms, one after the other.
        lengths: samples of each, shape (N,).
    """

    def __init__(self, path: Path, lengths: Indices) -> None:
        super().__init__(lengths)
        self.path = path
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise FileError(f"Cannot read the cache {path}: {error.strerror or error}.") from error

    def is_whole(self) -> bool:
        """Tells whether the file has as many samples as it should."""
        return os.fstat(self._file.fileno()).st_size == self._starts[-1] * SAMPLE_BYTES

    def _fill(self, start: int, row: Wave) -> None:
        if os.preadv(self._file.fileno(), [row.data.cast("B")], start * SAMPLE_BYTES) != row.nbytes:
            raise FileError(f"The cache {self.path} is damaged: delete it and start again.")

    def __reduce__(self) -> tuple[type[RaggedFile], tuple[Path, Indices]]:
        """Lets worker processes open the file anew."""
        return RaggedFile, (self.path, self.lengths)


def keep_waves(key: str | None, chunks: Iterable[WaveChunk]) -> Waves:
    """Collects recordings in memory, or in a file if they take more than 64 MiB; a file is made only once.

    Args:
        key: names the data and what was done to them; letters and digits. None: they stay in memory.
        chunks: a few recordings at a time; not touched where they were kept before.

    Raises:
        FileError: the file cannot be written, for example because the disk is full.
    """
    if key is None:
        return _in_memory(list(chunks))
    folder = kept_folder(key)
    waves = _from_file(folder)
    if waves is not None:
        return waves
    few, more = _first(iter(chunks))
    if more is None:
        return _in_memory(few)
    store(folder, lambda place: _write(place, chain(few, more)), lambda: _from_file(folder) is not None)
    waves = _from_file(folder)
    if waves is None:
        raise FileError(f"The preprocessed data in {folder} are incomplete: start again.")
    return waves


def _first(chunks: Iterator[WaveChunk]) -> tuple[list[WaveChunk], Iterator[WaveChunk] | None]:
    """Takes chunks until they are too many for memory; the rest is None where they never are."""
    few: list[WaveChunk] = []
    size = 0
    for chunk in chunks:
        few.append(chunk)
        size += chunk.n_bytes
        if not fits_memory(size):
            return few, chunks
    return few, None


def _in_memory(chunks: list[WaveChunk]) -> Waves:
    return Waves(
        x=Ragged.of([wave for chunk in chunks for wave in chunk.waves]),
        gains=np.array([gain for chunk in chunks for gain in chunk.gains], np.float32),
        file_names=tuple(name for chunk in chunks for name in chunk.file_names),
        problems=tuple(problem for chunk in chunks for problem in chunk.problems),
    )


def _write(place: Path, chunks: Iterable[WaveChunk]) -> None:
    index: dict[str, list[Any]] = {"lengths": [], "gains": [], "file_names": [], "problems": []}
    with (place / "x").open("wb") as file:
        for chunk in chunks:
            for wave in chunk.waves:
                file.write(np.ascontiguousarray(wave).data.cast("B"))
            index["lengths"] += [len(wave) for wave in chunk.waves]
            index["gains"] += chunk.gains
            index["file_names"] += chunk.file_names
            index["problems"] += [asdict(problem) for problem in chunk.problems]
    (place / "index.json").write_text(json.dumps(index), encoding="utf-8")


def _from_file(folder: Path) -> Waves | None:
    """Returns the recordings that are kept in a folder, or None if there are none that are whole."""
    try:
        index: Any = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        x = RaggedFile(folder / "x", np.array(index["lengths"], np.int64))
        if not x.is_whole() or len(index["gains"]) != len(x) or len(index["file_names"]) != len(x):
            return None
        problems = tuple(Problem(**problem) for problem in index["problems"])
        return Waves(x, np.array(index["gains"], np.float32), tuple(index["file_names"]), problems)
    except (OSError, ValueError, KeyError, TypeError):
        return None
