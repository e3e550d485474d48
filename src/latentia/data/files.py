"""A source of files, read by a few threads: what folders and manifests of pictures and of recordings have in common."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from latentia.data.dataset import Dataset, Problem, worst_first
from latentia.data.labels import LabelTable, attach
from latentia.data.preprocessing import Preprocessing
from latentia.data.source import ALL, Kind, Progress, Survey, choose_split, require_kind, require_readable
from latentia.errors import DataError, FileError

T = TypeVar("T")
HEADERS = 1000  # that a survey looks at


@dataclass(frozen=True)
class Reading(Generic[T]):
    """What came of reading one file; the value is None where the file cannot be used."""

    file_name: str
    value: T | None
    digest: bytes = b""
    problems: tuple[Problem, ...] = ()


class Medium(Protocol):
    """What sets a source of pictures and one of recordings apart.

    Attributes:
        kind: of the examples.
        noun: what one file is called, for messages.
        extensions: endings of the files, in lower case.
    """

    @property
    def kind(self) -> Kind: ...

    @property
    def noun(self) -> str: ...

    @property
    def extensions(self) -> frozenset[str]: ...

    def survey(self, source: FileSource) -> Survey:
        """Looks at a sample of the files."""
        ...

    def load(self, source: FileSource, preprocessing: Preprocessing, progress: Progress | None) -> Dataset:
        """Reads the files; those that cannot be used are among the problems, labels are added later."""
        ...


@dataclass(frozen=True)
class FileSource:
    """Files below a folder.

    Attributes:
        name: what the person called the data.
        root: the folder that the file names are relative to.
        files: names, in the order of the examples.
        medium: pictures or recordings.
        tables: labels; later tables replace heads of earlier ones.
        notes: what was found wrong with the listing itself; no file is missing because of it.
    """

    name: str
    root: Path
    files: tuple[str, ...]
    medium: Medium
    tables: tuple[LabelTable, ...] = ()
    notes: tuple[Problem, ...] = ()
    splits: tuple[str, ...] = ALL

    @property
    def kind(self) -> Kind:
        """What the files are."""
        return self.medium.kind

    def survey(self) -> Survey:
        """Looks at up to 1000 headers, and at the pixels of up to 32 pictures."""
        return self._survey

    @cached_property
    def _survey(self) -> Survey:
        return self.medium.survey(self)

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

    def identity(self) -> str:
        """Returns a hash of the fingerprint, the place, and times that no program sets.

        Files of one name, size and time of change need not be the same: archives unpack with fixed times.
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
        """Decodes and preprocesses the files; see `Source.load`. Later loads of many files decode nothing."""
        choose_split(self, split)
        require_kind(self, preprocessing)
        dataset = self.medium.load(self, preprocessing, progress)
        require_readable(self.name, self.medium.noun, len(self.files), dataset.problems, skip_bad)
        dataset = replace(dataset, problems=worst_first(dataset.problems + self.notes))
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

    def headers(self, read: Callable[[Path], T]) -> list[T]:
        """Reads the headers of up to 1000 files; loading reports those that cannot be read.

        Raises:
            DataError: none can be read.
        """
        found: list[T] = []
        fault: Exception | None = None
        names = self.sample(HEADERS)
        for name in names:
            try:
                found.append(read(self.root / name))
            except (FileError, DataError) as error:
                fault = fault or error
        if not found:
            raise DataError(f"None of the {len(names)} {self.medium.noun}(s) of {self.name} can be read: {fault}")
        return found

    def sample(self, size: int) -> tuple[str, ...]:
        """Returns up to `size` of the files, evenly spread."""
        return self.files[:: max(1, -(-len(self.files) // size))]


def read_files(
    parts: Iterable[Sequence[str]], read: Callable[[str], Reading[T]], threads: int = 8
) -> Iterator[list[Reading[T]]]:
    """Reads files by a few threads, those of one part at a time, in order.

    Files with the content of an earlier one are used and reported as duplicates.
    """
    first: dict[bytes, str] = {}
    with ThreadPoolExecutor(max_workers=min(threads, os.cpu_count() or 1)) as pool:
        for part in parts:
            readings: list[Reading[T]] = []
            for reading in pool.map(read, part):
                original = first.setdefault(reading.digest, reading.file_name)
                if reading.value is not None and original != reading.file_name:
                    same = Problem(reading.file_name, "duplicate", f"has the same content as {original}", skipped=False)
                    reading = replace(reading, problems=(*reading.problems, same))
                readings.append(reading)
            yield readings


def parts_of(files: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Divides files into parts of equal number."""
    for start in range(0, len(files), size):
        yield files[start : start + size]


def row_key(fingerprint: str, preprocessing: Preprocessing, split: str = ALL[0]) -> str:
    """Returns the name under which preprocessed data are kept."""
    facts = f"{fingerprint}\0{split}\0{preprocessing.model_dump_json()}"
    return hashlib.blake2b(facts.encode(), digest_size=16).hexdigest()
