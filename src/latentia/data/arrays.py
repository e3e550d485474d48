"""Arrays: `.npy` and `.npz` files, and whatever else is read as arrays, split by split."""

from __future__ import annotations

import contextlib
import hashlib
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from latentia.data.cache import IN_MEMORY_BYTES, Chunk, keep_rows
from latentia.data.dataset import Dataset, Indices, Store
from latentia.data.files import row_key
from latentia.data.labels import encode_labels
from latentia.data.preprocessing import ImagePreprocessing, Preprocessing, VectorPreprocessing
from latentia.data.source import ALL, Kind, Progress, Survey, choose_split, require_kind, suggest_size
from latentia.errors import DataError, FileError

KEYS = ("x", "images", "data")
LABEL_KEYS = ("y", "labels")
HEAD = "label"
ARRAYS = "arrays"  # the name of data that came as arrays, and so have none
_CHUNK = 512
# What NumPy and the libraries below it raise on damaged or encrypted files.
DAMAGED = (
    *(ValueError, EOFError, KeyError, MemoryError, OverflowError, SyntaxError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
)


@dataclass(frozen=True)
class Arrays:
    """Examples as they come, and their classes.

    Attributes:
        x: images (N, H, W) or (N, H, W, C), or vectors (N, D).
        y: the class of each example, int64 (N,), -1 where unknown; None without labels.
        names: of the classes.
    """

    x: NDArray[Any]
    y: Indices | None = None
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class ArraySource:
    """Arrays that are read split by split.

    Attributes:
        name: of the set, or the path.
        read: returns the arrays of a split.
        identity: returns the fingerprint.
        splits: names of the splits.
    """

    name: str
    read: Callable[[str], Arrays] = field(repr=False)
    identity: Callable[[], str] = field(repr=False)
    splits: tuple[str, ...] = ALL

    @property
    def kind(self) -> Kind:
        """Images have three or four axes, vectors two."""
        return "vector" if self._first.x.ndim == 2 else "image"

    @cached_property
    def _first(self) -> Arrays:
        return self.read(self.splits[0])

    def survey(self) -> Survey:
        """Looks at the first split."""
        x = self._first.x
        modes = {str(x.dtype): len(x)}
        if self.kind == "vector":
            with _naming(self.name):
                return Survey(n=len(x), modes=modes, vectors=VectorPreprocessing.fit(x))
        size = (x.shape[1], x.shape[2])
        height, width = suggest_size([size])
        colour = x.ndim == 4 and x.shape[3] > 1 and not _grey(x[:: max(1, len(x) // 64)])
        return Survey(len(x), size, size, size, modes, height, width, 3 if colour else 1)

    def fingerprint(self) -> str:
        """Returns a hash that stands for the content."""
        return self.identity()

    def load(
        self,
        preprocessing: Preprocessing,
        split: str | None = None,
        *,
        skip_bad: bool = False,  # arrays have no files to skip
        progress: Progress | None = None,
    ) -> Dataset:
        """Preprocesses the arrays; see `Source.load`."""
        split = choose_split(self, split)
        arrays = self._first if split == self.splits[0] else self.read(split)
        require_kind(self, preprocessing)
        with _naming(self.name):
            x, observed = self._rows(arrays.x, preprocessing, split, progress)
        if arrays.y is None:
            return Dataset(x, observed)
        return Dataset(x, observed, {HEAD: arrays.y}, {HEAD: arrays.names})

    def _rows(
        self, x: NDArray[Any], preprocessing: Preprocessing, split: str, progress: Progress | None
    ) -> tuple[Store, Store | None]:
        if isinstance(preprocessing, VectorPreprocessing):
            return preprocessing.apply(x), None
        form = cast(ImagePreprocessing, preprocessing)
        n, shape = len(x), form.row_shape
        if max(x.nbytes, n * int(np.prod(shape))) <= IN_MEMORY_BYTES:
            return form.fit_array(x)
        # What a program holds in memory has no place on the disk.
        key = None if self.name == ARRAYS else row_key(self.fingerprint(), form, split)
        rows = keep_rows(key, n, shape, _chunks(x, form, progress))
        return rows.x, rows.observed


def open_arrays(path: Path, name: str | None = None) -> ArraySource:
    """Opens a `.npy` file, or a `.npz` file with `x`, `images` or `data` (or one array only) and maybe `y`.

    Raises:
        FileError: the file cannot be read.
        DataError: it is damaged, holds Python objects, or arrays of another shape.
    """
    # Read once, at the first use; the arrays stay with the source.
    arrays = lru_cache(maxsize=1)(lambda: _checked(path, *_read(path)))
    arrays()
    return ArraySource(name or str(path), lambda _split: arrays(), lambda: _digest(path))


def _read(path: Path) -> tuple[NDArray[Any], NDArray[Any] | None]:
    try:
        # Mapped, so that a file larger than memory can be read; archives are read as a whole.
        content: Any = np.load(path, mmap_mode="r", allow_pickle=False)
        if not hasattr(content, "files"):
            return (np.array(content) if content.nbytes <= IN_MEMORY_BYTES else content), None
        with content:
            labels = next((key for key in LABEL_KEYS if key in content.files), None)
            data = next((key for key in KEYS if key in content.files), None)
            others = [key for key in content.files if key not in LABEL_KEYS]
            if data is None and len(others) != 1:
                raise DataError(
                    f"{path} needs an array named 'x', 'images' or 'data'; found: {', '.join(others) or 'none'}."
                )
            return content[data or others[0]], None if labels is None else content[labels]
    except DataError:
        raise
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror or error}.") from error
    except DAMAGED as error:
        if "pickle" in str(error):
            raise DataError(
                f"{path} is no NumPy file, or holds Python objects (pickle), which could run code when they are read: "
                f"save plain numbers with numpy.save or numpy.savez."
            ) from error
        raise DataError(f"{path} is damaged or not a NumPy file: {error}.") from error


def _checked(path: Path, x: NDArray[Any], y: NDArray[Any] | None) -> Arrays:
    if x.ndim not in (2, 3, 4) or x.dtype.kind not in "biuf" or len(x) == 0:
        raise DataError(
            f"{path} holds {x.dtype} of shape {x.shape}, but vectors (N, D) or images (N, H, W) or (N, H, W, C) are "
            f"needed."
        )
    if y is None:
        return Arrays(x)
    if y.shape != x.shape[:1] or y.dtype.kind not in "biufSU":
        raise DataError(f"The labels of {path} must be numbers or words of shape ({len(x)},), not {y.dtype} {y.shape}.")
    try:
        words = np.char.decode(y, "utf-8") if y.dtype.kind == "S" else y
    except UnicodeDecodeError as error:
        raise DataError(f"The labels of {path} are bytes that are not UTF-8: save them as text or numbers.") from error
    return Arrays(x, *encode_labels(words))


@contextlib.contextmanager
def _naming(data: str) -> Generator[None]:
    """Puts the name of the data before what is wrong with them."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{data}: {error}") from error


def _chunks(x: NDArray[Any], preprocessing: ImagePreprocessing, progress: Progress | None) -> Iterator[Chunk]:
    for start in range(0, len(x), _CHUNK):
        yield Chunk(*preprocessing.fit_array(np.asarray(x[start : start + _CHUNK]), first=start))
        if progress is not None:
            progress(min(start + _CHUNK, len(x)), len(x))


def _grey(sample: NDArray[Any]) -> bool:
    colours = np.nan_to_num(np.asarray(sample[..., :3], np.float64))
    spread = colours.max(-1) - colours.min(-1)
    return bool((spread <= 0.04 * max(1.0, float(colours.max()))).mean() >= 0.99)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
