"""Labels: tables of classes by file name, and their encoding as numbers."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentia.data.dataset import Dataset, Indices
from latentia.data.images import read_bytes
from latentia.errors import DataError

FILE_NAME = "file_name"
SPEAKER = "speaker"
LONGEST_NUMBER = 1000  # digits; Python refuses to read much longer ones


@dataclass(frozen=True)
class LabelTable:
    """Classes of files.

    Attributes:
        origin: where the table comes from, for messages.
        files: the files that have a row.
        heads: for each head the class of each file where it is known.
        repeated: the files that have more than one row.
    """

    origin: str
    files: tuple[str, ...]
    heads: Mapping[str, Mapping[str, str]]
    repeated: tuple[str, ...] = ()

    def check_files(self, known: Iterable[str]) -> None:
        """Checks that all files with a row exist.

        Raises:
            DataError: some do not; up to three are named.
        """
        present = set(known)
        missing = [name for name in self.files if name not in present]
        if missing:
            shown = ", ".join(missing[:3]) + (" ..." if len(missing) > 3 else "")
            raise DataError(
                f"{self.origin} has labels for {len(missing)} file(s) that are not in the data: {shown}. Names must be "
                f"relative to the data, with their ending."
            )


def read_labels(path: Path | str) -> LabelTable:
    """Reads a CSV with the column `file_name` and one column for each head; empty cells are unknown.

    Raises:
        FileError: the file is missing or cannot be read.
        DataError: it is no CSV, lacks `file_name`, or says two things about one file.
    """
    path = Path(path)
    rows = _read_rows(path)
    header = [cell.strip() for cell in rows[0]] if rows else []
    if FILE_NAME not in header:
        other = "; its cells must be separated by commas" if len(header) == 1 and FILE_NAME in header[0] else ""
        raise DataError(
            f"{path} needs a first line with the column '{FILE_NAME}'; found: {', '.join(header) or 'none'}{other}."
        )
    if len(set(header)) < len(header) or "" in header:
        raise DataError(f"The columns of {path} need different names, none empty; found: {', '.join(header)}.")
    heads: dict[str, dict[str, str]] = {name: {} for name in header if name != FILE_NAME}
    rows_of: Counter[str] = Counter()
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise DataError(f"Line {number} of {path} has {len(row)} cells, but there are {len(header)} columns.")
        cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
        if not cells[FILE_NAME]:
            raise DataError(f"Line {number} of {path} has no {FILE_NAME}.")
        name = str(PurePosixPath(cells.pop(FILE_NAME)))
        rows_of[name] += 1
        for head, value in cells.items():
            if value and heads[head].setdefault(name, value) != value:
                raise DataError(f"{path} gives {name} two values for '{head}': {heads[head][name]} and {value}.")
    repeated = tuple(name for name, number in rows_of.items() if number > 1)
    return LabelTable(str(path), tuple(rows_of), heads, repeated)


def attach(dataset: Dataset, table: LabelTable) -> Dataset:
    """Returns the data set with the table's heads; a head that it had already is replaced as a whole.

    Recordings of one speaker become a group, which splits keep together.

    Raises:
        DataError: the examples have no file names, or the table names files that are not among them.
    """
    if table.files and not dataset.file_names:
        raise DataError(
            f"{table.origin} names files, but these data have none; labels belong into the array file as y."
        )
    table.check_files([*dataset.file_names, *(problem.file_name for problem in dataset.problems)])
    encoded = {
        head: encode_labels([classes.get(name) for name in dataset.file_names]) for head, classes in table.heads.items()
    }
    return replace(
        dataset,
        labels={**dataset.labels, **{head: values for head, (values, _) in encoded.items()}},
        label_names={**dataset.label_names, **{head: names for head, (_, names) in encoded.items()}},
        groups=_groups(dataset, table.heads.get(SPEAKER)),
    )


def keep_few(dataset: Dataset, per_class: int) -> Dataset:
    """Returns the data set with the labels of a few examples of each class, always the same ones.

    Of the others they are unknown, as where labelling is dear.

    Args:
        dataset: with labels.
        per_class: how many of each class keep theirs.

    Raises:
        DataError: there are no labels.

    Example:
        >>> dataset = Dataset(np.zeros((5, 2)), labels={"label": np.array([0, 1, 0, 0, -1])})
        >>> np.bincount(keep_few(dataset, 2).labels["label"] + 1).tolist()  # unknown, of class 0, of class 1
        [2, 2, 1]
    """
    if not dataset.labels:
        raise DataError(f"These data have no labels, of which {per_class} of each class could be kept.")
    return replace(dataset, labels={head: _few(values, per_class) for head, values in dataset.labels.items()})


def _few(values: Indices, per_class: int) -> Indices:
    order, few = np.random.default_rng(0).permutation(len(values)), np.full_like(values, -1)
    for number in range(values.max(initial=-1) + 1):
        few[order[values[order] == number][:per_class]] = number
    return few


def _groups(dataset: Dataset, speakers: Mapping[str, str] | None) -> tuple[str, ...]:
    """Groups recordings by speaker where one is known, else by file."""
    if speakers is None or not dataset.groups:
        return dataset.groups
    return tuple(f"{SPEAKER} {speakers[name]}" if speakers.get(name) else name for name in dataset.file_names)


def encode_labels(values: Sequence[Any] | NDArray[Any]) -> tuple[Indices, tuple[str, ...]]:
    """Numbers classes in their natural order.

    Args:
        values: a class for each example; unknown where None, empty, NaN, or a number below 0.

    Returns:
        Numbers of classes, int64 (N,), -1 where unknown; and the names of the classes.

    Example:
        >>> encode_labels(["dog", None, "cat"])
        (array([ 1, -1,  0]), ('cat', 'dog'))
    """
    texts = [_text(value) for value in values]
    names = sorted({text for text in texts if text}, key=_natural)
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers.get(text, -1) for text in texts], np.int64), tuple(names)


def _text(value: Any) -> str:
    """Returns the name of a class, empty where it is unknown."""
    plain: Any = value.item() if hasattr(value, "item") else value  # of a NumPy scalar
    if plain is None or isinstance(plain, str):
        return plain or ""
    if plain != plain or plain < 0:  # NaN, and the -1 of scikit-learn
        return ""
    whole = isinstance(plain, int) or plain.is_integer()
    return str(int(plain) if whole else plain)


def _natural(name: str) -> tuple[int, int, str]:
    """Sorts whole numbers by value and before words; '7' and '07' are two names."""
    return (0, int(name), name) if name.isascii() and name.isdigit() and len(name) < LONGEST_NUMBER else (1, 0, name)


def _read_rows(path: Path) -> list[list[str]]:
    try:
        text = read_bytes(path).decode("utf-8-sig")
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a CSV file in UTF-8.") from error
    except csv.Error as error:
        raise DataError(f"{path} is not a proper CSV file: {error}.") from error
