"""Files of pictures: what a survey looks at, how one is read, and how many become rows."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentia.data.cache import Chunk, keep_rows
from latentia.data.dataset import Dataset, Problem
from latentia.data.files import FileSource, Reading, parts_of, read_files, row_key
from latentia.data.images import EXTENSIONS, decode_picture, further_frames, picture_bytes, read_header
from latentia.data.pixels import INVISIBLE, is_grey
from latentia.data.preprocessing import ImagePreprocessing, Pixels, Preprocessing, Seen
from latentia.data.source import Progress, Survey, suggest_size
from latentia.errors import DataError, FileError

T = TypeVar("T")
SMALLEST_SIDE = 2
_GREY_SAMPLE = 32
_CHUNK_FILES, _CHUNK_BYTES = 256, 16 * 2**20


@dataclass(frozen=True)
class Pictures:
    """Pictures as a medium of files."""

    kind: Literal["image"] = "image"
    noun: str = "picture file"
    extensions: frozenset[str] = EXTENSIONS

    def survey(self, source: FileSource) -> Survey:
        """Looks at up to 1000 headers, and at the pixels of up to 32 pictures."""
        headers = source.headers(read_header)
        sizes = [(header.height, header.width) for header in headers]
        sides = np.array(sizes)
        sample = [source.sample(_GREY_SAMPLE)]
        grey = [
            reading.value
            for readings in read_files(sample, lambda name: read_picture_file(source.root, name, is_grey))
            for reading in readings
            if reading.value is not None
        ]
        height, width = suggest_size(sizes)
        return Survey(
            n=len(source.files),
            minimum=_pair(sides.min(0)),
            median=_pair(np.median(sides, 0)),
            maximum=_pair(sides.max(0)),
            modes=dict(Counter(header.mode for header in headers).most_common()),
            height=height,
            width=width,
            channels=1 if grey and np.mean(grey) >= 0.95 else 3,
        )

    def load(self, source: FileSource, preprocessing: Preprocessing, progress: Progress | None) -> Dataset:
        """Decodes the pictures, or takes their rows from the cache."""
        form = cast(ImagePreprocessing, preprocessing)
        key = row_key(source.identity(), form)
        rows = keep_rows(key, len(source.files), form.row_shape, _chunks(source, form, progress))
        return Dataset(rows.x, rows.observed, file_names=rows.file_names, problems=rows.problems)


def read_picture_file(root: Path, name: str, use: Callable[[Image.Image], T]) -> Reading[T]:
    """Decodes one file and makes something of the picture."""

    def bad(kind: str, message: str) -> Reading[T]:
        return Reading(name, None, problems=(Problem(name, kind, message),))

    try:
        content = picture_bytes(root / name)
        if not content:
            return bad("empty", f"{name} is empty (0 bytes).")
        picture = decode_picture(content, name)
        if min(picture.size) < SMALLEST_SIDE:
            return bad("too small", f"{name} has {picture.width} x {picture.height} pixels, too few to learn from.")
        value = use(picture)
    except (FileError, DataError) as error:
        return bad("unreadable", str(error))
    return Reading(name, value, hashlib.blake2b(content, digest_size=16).digest(), _remarks(name, picture))


def _chunks(source: FileSource, form: ImagePreprocessing, progress: Progress | None) -> Iterator[Chunk]:
    size = max(8, min(_CHUNK_FILES, _CHUNK_BYTES // int(np.prod(form.row_shape))))
    done = 0
    parts = parts_of(source.files, size)

    def into_form(picture: Image.Image) -> tuple[Pixels, Seen | None]:
        pixels, seen = form.apply(picture)
        if seen is not None and not seen.any():
            raise DataError(INVISIBLE)
        return pixels, seen

    for readings in read_files(parts, lambda name: read_picture_file(source.root, name, into_form)):
        yield _chunk(readings, form.row_shape)
        done += len(readings)
        if progress is not None:
            progress(done, len(source.files))


def _remarks(name: str, picture: Image.Image) -> tuple[Problem, ...]:
    found = further_frames(picture)
    if found is None:
        return ()
    return (Problem(name, "frames", f"{name} {found}; the first one is used.", skipped=False),)


def _chunk(readings: list[Reading[tuple[Pixels, Seen | None]]], row_shape: tuple[int, int, int]) -> Chunk:
    good = [(reading.file_name, *reading.value) for reading in readings if reading.value is not None]
    rows = np.stack([pixels for _, pixels, _ in good]) if good else np.empty((0, *row_shape), np.uint8)
    observed = None
    if any(seen is not None for _, _, seen in good):
        whole = np.ones(row_shape[:2], np.bool_)
        observed = np.stack([whole if seen is None else seen for _, _, seen in good])
    problems = tuple(problem for reading in readings for problem in reading.problems)
    return Chunk(rows, observed, tuple(name for name, _, _ in good), problems)


def _pair(values: NDArray[Any]) -> tuple[int, int]:
    height, width = (int(value) for value in values.tolist())
    return height, width
