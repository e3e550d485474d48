"""Folders of files: class subfolders become labels, `metadata.csv` adds to them or replaces them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from latentia.data.dataset import Problem
from latentia.data.files import FileSource
from latentia.data.labels import LabelTable, read_labels
from latentia.data.media import choose_medium, is_named_as, is_of_another
from latentia.data.source import NOUNS, FileKind
from latentia.errors import DataError, FileError

METADATA = "metadata.csv"
HEAD = "label"


def open_folder(path: Path, name: str | None = None, kind: FileKind | None = None) -> FileSource:
    """Opens a folder of pictures or recordings of any depth; hidden files and folders are left alone.

    The folder that a file lies in is its class, if there are at least two such folders below `path`. A column of a
    `metadata.csv` replaces that head for all files below it.

    Args:
        path: the folder.
        name: what the person called it.
        kind: which files are meant where it holds pictures and recordings.

    Raises:
        FileError: the folder or one below it cannot be read.
        DataError: it holds no such files, or both kinds of them and nobody has chosen; a `metadata.csv` is wrong.
    """
    found, repeated = _walk(path)
    medium = choose_medium(f"The folder {path}", found, kind)
    files = tuple(sorted(file for file in found if is_named_as(medium, file)))
    tables = sorted(file for file in found if PurePosixPath(file).name == METADATA)
    ignored = Counter(PurePosixPath(file).suffix.lower() for file in set(found).difference(files, tables))
    if not files:
        others = f"; it holds {sum(ignored.values())} file(s) of other kinds" if ignored else "; it is empty"
        wanted = "pictures or recordings (such as .png, .jpg, .wav or .flac files)" if kind is None else NOUNS[kind]
        raise DataError(f"The folder {path} holds no {wanted}{others}.")
    heads = _class_folders(files)
    known = [*files, *(file for file in found if is_of_another(medium, file))]  # a table may name both kinds
    for table in tables:
        _lay_over(heads, path, PurePosixPath(table), files, known)
    labels = (LabelTable(str(path), files, heads),) if heads else ()
    notes = (*_ignored(ignored, NOUNS[medium.kind]), *map(_repeated, repeated))
    return FileSource(name or str(path), path, files, medium, labels, notes)


def _ignored(endings: Counter[str], wanted: str) -> tuple[Problem, ...]:
    """Reports files of other endings; nothing if there are none."""
    if not endings:
        return ()
    listed = ", ".join(f"{count} {ending or 'without ending'}" for ending, count in sorted(endings.items()))
    return (Problem(".", "ignored", f"files that are no {wanted} by their ending: {listed}", skipped=False),)


def _repeated(folder: str) -> Problem:
    return Problem(folder, "repeated", "is a link to a folder that is read already; not read again", skipped=False)


def _walk(path: Path) -> tuple[list[str], list[str]]:
    """Lists all files below a folder relative to it, and links to folders that were not followed a second time."""

    def stop(error: OSError) -> None:
        raise FileError(f"Cannot read the folder {error.filename}: {error.strerror or error}.") from error

    found: list[str] = []
    repeated: list[str] = []
    visited: set[str] = set()
    for folder, below, files in os.walk(path, onerror=stop, followlinks=True):
        real = os.path.realpath(folder)
        if real in visited:  # or a circle of links would never end
            repeated.append(Path(folder).relative_to(path).as_posix())
            below.clear()
            continue
        visited.add(real)
        below[:] = sorted(name for name in below if not name.startswith("."))
        found += [(Path(folder) / name).relative_to(path).as_posix() for name in files if not name.startswith(".")]
    return found, repeated


def _class_folders(files: tuple[str, ...]) -> dict[str, dict[str, str]]:
    classes = {file: PurePosixPath(file).parent.name for file in files if "/" in file}
    return {HEAD: classes} if len(set(classes.values())) > 1 else {}


def _lay_over(
    heads: dict[str, dict[str, str]], root: Path, table: PurePosixPath, files: tuple[str, ...], known: Sequence[str]
) -> None:
    """Puts the columns of a `metadata.csv` in the place of what was known about the files below its folder."""
    labels = read_labels(root / table)
    scope = table.parent
    below = {file for file in files if PurePosixPath(file).is_relative_to(scope)}
    there = (PurePosixPath(file) for file in known)
    labels.check_files(file.relative_to(scope).as_posix() for file in there if file.is_relative_to(scope))
    for head, classes in labels.heads.items():
        kept = {file: value for file, value in heads.get(head, {}).items() if file not in below}
        heads[head] = kept | {str(scope / file): value for file, value in classes.items()}
