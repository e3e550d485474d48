"""A source of files, read by a few threads: what folders and manifests have in common."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Generic, Literal, TypeVar

import numpy as np
from PIL import Image

from latentia.data.cache import Chunk, keep_rows
from latentia.data.dataset import Dataset, Problem
from latentia.data.images import DECODE_ERRORS, EXTENSIONS, Header, decode_picture, picture_bytes, read_header
from latentia.data.labels import LabelTable, attach
from latentia.data.pixels import is_grey
from latentia.data.preprocessing import ImagePreprocessing, Pixels, Preprocessing, Seen
from latentia.data.source import ALL, Progress, Survey, choose_split, suggest_size
from latentia.errors import DataError, FileError, OptionError

T = TypeVar("T")
SMALLEST_SIDE = 2
WORST_UNREADABLE = 0.1
_HEADERS, _GREY_SAMPLE = 1000, 32
_CHUNK_FILES, _CHUNK_BYTES = 256, 16 * 2**20


@dataclass(frozen=True)
class Reading(Generic[T]):
    """What came of reading one file; the value is None where the file cannot be used."""

    file_name: str
    value: T | None
    digest: bytes = b""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class FileSource:
    """Picture files below a folder.

    Attributes:
        name: what the person called the data.
        root: the folder that the file names are relative to.
        files: names, in the order of the examples.
        tables: labels; later tables replace heads of earlier ones.
        notes: what was found wrong with the listing itself; no picture is missing because of it.
    """

    name: str
    root: Path
    files: tuple[str, ...]
    tables: tuple[LabelTable, ...] = ()
    notes: tuple[Problem, ...] = ()
    kind: Literal["image"] = "image"
    splits: tuple[str, ...] = ALL

    def survey(self) -> Survey:
        """Looks at up to 1000 headers, and at the pixels of up to 32 pictures."""
        return self._survey

    @cached_property
    def _survey(self) -> Survey:
        names = _sample(self.files, _HEADERS)
        looked = [_header(self.root / name) for name in names]
        headers = [header for header in looked if isinstance(header, Header)]
        if not headers:
            raise DataError(f"None of the {len(names)} picture file(s) of {self.name} can be read: {looked[0]}")
        sizes = [(header.height, header.width) for header in headers]
        sides = np.array(sizes)
        grey = [
            reading.value
            for chunk in read_files(self.root, _sample(self.files, _GREY_SAMPLE), is_grey)
            for reading in chunk
            if reading.value is not None
        ]
        height, width = suggest_size(sizes)
        return Survey(
            n=len(self.files),
            minimum=_pair(sides.min(0)),
            median=_pair(np.median(sides, 0)),
            maximum=_pair(sides.max(0)),
            modes=dict(Counter(header.mode for header in headers).most_common()),
            height=height,
            width=width,
            channels=1 if grey and np.mean(grey) >= 0.95 else 3,
        )

    def fingerprint(self) -> str:
        """Returns a hash of names, sizes and times of change."""
        state = hashlib.blake2b(digest_size=16)
        for name in self.files:
            try:
                facts = (self.root / name).stat()
                state.update(os.fsencode(f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\0"))
            except OSError:
                state.update(os.fsencode(f"{name}\0gone\0"))  # reading will say what is wrong with it
        return state.hexdigest()

    def _identity(self) -> str:
        """Returns a hash of the fingerprint, the place, and times that no program sets.

        Pictures of one name, size and time of change need not be the same: archives unpack with fixed times.
        """
        state = hashlib.blake2b(os.fsencode(f"{self.fingerprint()}\0{self.root.resolve()}\0"), digest_size=16)
        for name in self.files:
            try:
                state.update((self.root / name).stat().st_ctime_ns.to_bytes(16, "big", signed=True))
            except OSError:
                state.update(b"gone")
        return state.hexdigest()

    def load(
        self,
        preprocessing: Preprocessing,
        split: str | None = None,
        *,
        skip_bad: bool = False,
        progress: Progress | None = None,
    ) -> Dataset:
        """Decodes and preprocesses the pictures; see `Source.load`. Later loads of many pictures decode nothing."""
        choose_split(self, split)
        if not isinstance(preprocessing, ImagePreprocessing):
            raise OptionError(f"{self.name} holds pictures, but the model takes vectors.")
        key = row_key(self._identity(), preprocessing)
        n, shape = len(self.files), preprocessing.row_shape
        rows = keep_rows(key, n, shape, self._chunks(preprocessing, progress))
        self._require_readable(rows.problems, skip_bad)
        dataset = Dataset(rows.x, rows.observed, file_names=rows.file_names, problems=rows.problems + self.notes)
        for table in self.tables:
            dataset = attach(dataset, table)
        return dataset

    def with_labels(self, table: LabelTable) -> FileSource:
        """Returns the source with further labels.

        Raises:
            DataError: the table names files that are not there.
        """
        table.check_files(self.files)
        return replace(self, tables=(*self.tables, table))

    def _chunks(self, preprocessing: ImagePreprocessing, progress: Progress | None) -> Iterator[Chunk]:
        size = max(8, min(_CHUNK_FILES, _CHUNK_BYTES // int(np.prod(preprocessing.row_shape))))
        done = 0
        for readings in read_files(self.root, self.files, preprocessing.apply, size):
            yield _chunk(readings, preprocessing.row_shape)
            done += len(readings)
            if progress is not None:
                progress(done, len(self.files))

    def _require_readable(self, problems: tuple[Problem, ...], skip_bad: bool) -> None:
        bad = [problem for problem in problems if problem.skipped]
        if len(bad) == len(self.files):
            raise DataError(f"None of the {len(bad)} picture file(s) of {self.name} can be used: {bad[0].message}")
        if not skip_bad and len(bad) > WORST_UNREADABLE * len(self.files):
            named = ", ".join(problem.file_name for problem in bad[:3]) + (" ..." if len(bad) > 3 else "")
            raise DataError(
                f"{len(bad)} of the {len(self.files)} picture files of {self.name} cannot be used, more than 10 % "
                f"({named}): mend or remove them, or go on without them (--skip-bad, skip_bad=True)."
            )


def read_files(
    root: Path, files: tuple[str, ...], use: Callable[[Image.Image], T], chunk: int = 32
) -> Iterator[list[Reading[T]]]:
    """Decodes files by a few threads and makes something of each picture, a chunk of files at a time, in order.

    Files with the content of an earlier one are used and reported as duplicates.
    """

    def read(name: str) -> Reading[T]:
        return _read(root, name, use)

    first: dict[bytes, str] = {}
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(files), chunk):
            readings: list[Reading[T]] = []
            for reading in pool.map(read, files[start : start + chunk]):
                original = first.setdefault(reading.digest, reading.file_name)
                if reading.value is not None and original != reading.file_name:
                    same = Problem(reading.file_name, "duplicate", f"has the same content as {original}", skipped=False)
                    reading = replace(reading, problems=(*reading.problems, same))
                readings.append(reading)
            yield readings


def row_key(fingerprint: str, preprocessing: ImagePreprocessing, split: str = ALL[0]) -> str:
    """Returns the name under which preprocessed rows are kept."""
    facts = f"{fingerprint}\0{split}\0{preprocessing.model_dump_json()}"
    return hashlib.blake2b(facts.encode(), digest_size=16).hexdigest()


def is_picture_name(name: str) -> bool:
    """Tells by the ending whether a file is a picture; hidden files are none."""
    return Path(name).suffix.lower() in EXTENSIONS and not name.startswith(".")


def _read(root: Path, name: str, use: Callable[[Image.Image], T]) -> Reading[T]:
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


def _remarks(name: str, picture: Image.Image) -> tuple[Problem, ...]:
    try:
        frames = getattr(picture, "n_frames", 1)
        if frames == 1 or picture.format == "MPO":  # the further frames of a camera's MPO are previews
            return ()
        found = f"has {frames} frames"
    except DECODE_ERRORS:
        found = "has further frames that are damaged"
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


def _header(path: Path) -> Header | FileError | DataError:
    """Returns an error instead of raising it: loading reports it, a survey only looks around."""
    try:
        return read_header(path)
    except (FileError, DataError) as error:
        return error


def _sample(files: tuple[str, ...], size: int) -> tuple[str, ...]:
    return files[:: max(1, -(-len(files) // size))]


def _pair(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> tuple[int, int]:
    height, width = (int(value) for value in values.tolist())
    return height, width
