"""Rows of preprocessed examples: in memory if they are few, else in a file that is kept for the next time."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import platformdirs
from numpy.typing import NDArray

from latentia.data.dataset import Indices, Problem, Store
from latentia.errors import FileError

IN_MEMORY_BYTES = 64 * 2**20
DAY_SECONDS = 24 * 3600
KEPT_DAYS = 30  # since they were used last
FORMAT = 1  # part of the folder's name, so that a later format does not read an earlier one


@dataclass(frozen=True)
class Chunk:
    """Some preprocessed examples on their way into a store.

    Attributes:
        rows: uint8 (N, H, W, C).
        observed: bool (N, H, W); None where everything was seen.
        file_names: a name for each row, or ().
        problems: what was found wrong, skipped files included.
    """

    rows: NDArray[np.uint8]
    observed: NDArray[np.bool_] | None = None
    file_names: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Rows:
    """All preprocessed examples of a source, as fields of a `Dataset`."""

    x: Store
    observed: Store | None
    file_names: tuple[str, ...]
    problems: tuple[Problem, ...]


class RowFile:
    """Rows in a file, read when asked for and kept nowhere else, so that memory stays flat.

    Args:
        path: raw rows, one after the other.
        row_shape: shape of one row.
        dtype: numpy's name of the type of an element.
    """

    def __init__(self, path: Path, row_shape: tuple[int, ...], dtype: str) -> None:
        self.path = path
        self.row_shape = row_shape
        self.dtype = np.dtype(dtype)
        self._row_bytes = int(np.prod(row_shape)) * self.dtype.itemsize
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise FileError(f"Cannot read the cache {path}: {error.strerror or error}.") from error
        self._length = os.fstat(self._file.fileno()).st_size // self._row_bytes

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all rows."""
        return (self._length, *self.row_shape)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, indices: Indices) -> NDArray[Any]:
        """Reads rows, shape (B, ...).

        Raises:
            FileError: the file has become shorter or cannot be read.
        """
        raw = np.empty((len(indices), self._row_bytes), np.uint8)
        handle = self._file.fileno()
        for position, index in enumerate(indices.tolist()):
            if os.preadv(handle, [memoryview(raw[position])], index * self._row_bytes) != self._row_bytes:
                raise FileError(f"The cache {self.path} is damaged: delete it and start again.")
        return raw.view(self.dtype).reshape(len(indices), *self.row_shape)

    def __reduce__(self) -> tuple[type[RowFile], tuple[Path, tuple[int, ...], str]]:
        """Lets worker processes open the file anew."""
        return RowFile, (self.path, self.row_shape, self.dtype.name)


def cache_folder() -> Path:
    """Returns the folder for downloads and preprocessed rows: `LATENTIA_CACHE`, else the user's cache folder."""
    chosen = os.environ.get("LATENTIA_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("latentia"))


def clear_cache() -> None:
    """Deletes all rows that were kept; downloads stay."""
    shutil.rmtree(cache_folder() / "rows", ignore_errors=True)


def keep_rows(key: str | None, n: int, row_shape: tuple[int, ...], chunks: Iterable[Chunk]) -> Rows:
    """Collects rows in memory, or in a file if `n` of them take more than 64 MiB; a file is made only once.

    A file that was not used for 30 days is deleted when another one is made.

    Args:
        key: names the data and what was done to them; letters and digits. None: they stay in memory.
        n: number of examples, or more.
        row_shape: shape of one example.
        chunks: a few examples at a time; not touched where the rows were kept before.

    Raises:
        FileError: the file cannot be written, for example because the disk is full.
    """
    if key is None or fits_memory(n * int(np.prod(row_shape))):
        return _in_memory(row_shape, chunks)
    folder = kept_folder(key)
    rows = _from_file(folder, row_shape)
    if rows is None:
        store(folder, lambda place: _fill(place, chunks), lambda: _from_file(folder, row_shape) is not None)
        rows = _from_file(folder, row_shape)
    if rows is None:
        raise FileError(f"The preprocessed data in {folder} are incomplete: start again.")
    return rows


def fits_memory(n_bytes: int) -> bool:
    """Tells whether preprocessed data are few enough to stay in memory."""
    return n_bytes <= IN_MEMORY_BYTES


def kept_folder(key: str) -> Path:
    """Returns where the preprocessed data of a key are kept, and notes that they are in use where there are any."""
    folder = cache_folder() / "rows" / f"{key}-v{FORMAT}"
    with contextlib.suppress(OSError):  # there are none yet, or they are another person's
        os.utime(folder)
    return folder


def store(folder: Path, fill: Callable[[Path], None], is_whole: Callable[[], bool]) -> None:
    """Makes a folder of preprocessed data in one piece: it is filled under another name, and then moved into place.

    Args:
        folder: as `kept_folder` names it.
        fill: writes the files of a folder.
        is_whole: tells whether the folder is complete, because another process was faster.

    Raises:
        FileError: the folder cannot be written, for example because the disk is full.
    """
    temporary = folder.with_name(f"{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        _sweep(folder.parent)
        temporary.mkdir(parents=True, exist_ok=True)
        fill(temporary)
        if not is_whole():  # else the data of the other process are the same
            shutil.rmtree(folder, ignore_errors=True)
            temporary.replace(folder)
    except OSError as error:
        if isinstance(error, FileError):  # from reading the data, not from writing here
            raise
        raise FileError(
            f"Cannot keep the preprocessed data in {folder.parent}: {error.strerror or error}. Make room there, or set "
            f"LATENTIA_CACHE to a folder elsewhere."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sweep(rows: Path) -> None:
    """Deletes what killed processes left half done a day ago or earlier, and what was not used for long."""
    for left in rows.glob("*"):
        days = 1 if left.suffix == ".tmp" else KEPT_DAYS
        with contextlib.suppress(OSError):
            newest = max(path.stat().st_mtime for path in (left, *left.iterdir()))
            if newest < time.time() - days * DAY_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _fill(place: Path, chunks: Iterable[Chunk]) -> None:
    with (place / "x").open("wb") as x, (place / "observed").open("wb") as observed:
        index = _write(x, observed, chunks)
    (place / "index.json").write_text(json.dumps(index), encoding="utf-8")


def _in_memory(row_shape: tuple[int, ...], chunks: Iterable[Chunk]) -> Rows:
    x, observed = io.BytesIO(), io.BytesIO()
    index = _write(x, observed, chunks)
    pixels = np.frombuffer(x.getbuffer(), np.uint8).reshape(-1, *row_shape)
    seen = np.frombuffer(observed.getbuffer(), np.bool_).reshape(-1, *row_shape[:-1])
    return Rows(pixels, seen if len(seen) else None, tuple(index["file_names"]), _problems(index))


def _from_file(folder: Path, row_shape: tuple[int, ...]) -> Rows | None:
    """Returns the rows that are kept in a folder, or None if there are none that are whole."""
    try:
        index: Any = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        x = RowFile(folder / "x", row_shape, "uint8")
        seen = RowFile(folder / "observed", row_shape[:-1], "bool")
        if len(x) != index["n"] or len(seen) not in (0, index["n"]):
            return None
        return Rows(x, seen if len(seen) else None, tuple(index["file_names"]), _problems(index))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(x: BinaryIO, observed: BinaryIO, chunks: Iterable[Chunk]) -> dict[str, Any]:
    """Writes chunks; `observed` stays empty until the first pixel is missing, and is then filled up."""
    n, names, problems, partial = 0, list[str](), list[dict[str, Any]](), False
    for chunk in chunks:
        if chunk.observed is not None and not partial:
            partial = True
            for _ in range(n):
                observed.write(np.ones(chunk.observed.shape[1:], np.bool_).tobytes())
        if partial:
            seen = np.ones(chunk.rows.shape[:-1], np.bool_) if chunk.observed is None else chunk.observed
            observed.write(seen.tobytes())
        x.write(chunk.rows.tobytes())
        n += len(chunk.rows)
        names += chunk.file_names
        problems += [asdict(problem) for problem in chunk.problems]
    return {"n": n, "file_names": names, "problems": problems}


def _problems(index: dict[str, Any]) -> tuple[Problem, ...]:
    return tuple(Problem(**problem) for problem in index["problems"])
