"""Folders of files: class subfolders become labels, `metadata.csv` adds to them or replaces them."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path, PurePosixPath

from latentia.data.dataset import Problem
from latentia.data.files import FileSource, is_picture_name
from latentia.data.labels import LabelTable, read_labels
from latentia.errors import DataError, FileError

METADATA = "metadata.csv"
HEAD = "label"


def open_folder(path: Path, name: str | None = None) -> FileSource:
    """Opens a folder of pictures of any depth; hidden files and folders are left alone.

    The folder that a picture lies in is its class, if there are at least two such folders below `path`. A column of a
    `metadata.csv` replaces that head for all files below it.

    Raises:
        FileError: the folder or one below it cannot be read.
        DataError: it holds no pictures, or a `metadata.csv` is wrong.
    """
    found, repeated = _walk(path)
    files = tuple(sorted(file for file in found if is_picture_name(PurePosixPath(file).name)))
    tables = sorted(file for file in found if PurePosixPath(file).name == METADATA)
    ignored = Counter(PurePosixPath(file).suffix.lower() for file in set(found).difference(files, tables))
    if not files:
        others = f"; it holds {sum(ignored.values())} file(s) of other kinds" if ignored else "; it is empty"
        raise DataError(f"The folder {path} holds no pictures (such as .png or .jpg files){others}.")
    heads = _class_folders(files)
    for table in tables:
        _lay_over(heads, path, PurePosixPath(table), files)
    labels = (LabelTable(str(path), files, heads),) if heads else ()
    return FileSource(name or str(path), path, files, labels, (*_ignored(ignored), *map(_repeated, repeated)))


def _ignored(endings: Counter[str]) -> tuple[Problem, ...]:
    """Reports files whose ending is not that of a picture; nothing if there are none."""
    if not endings:
        return ()
    listed = ", ".join(f"{count} {ending or 'without ending'}" for ending, count in sorted(endings.items()))
    return (Problem(".", "ignored", f"files that are no pictures by their ending: {listed}", skipped=False),)


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


def _lay_over(heads: dict[str, dict[str, str]], root: Path, table: PurePosixPath, files: tuple[str, ...]) -> None:
    """Puts the columns of a `metadata.csv` in the place of what was known about the files below its folder."""
    labels = read_labels(root / table)
    scope = table.parent
    below = {file for file in files if PurePosixPath(file).is_relative_to(scope)}
    labels.check_files(PurePosixPath(file).relative_to(scope).as_posix() for file in below)
    for head, classes in labels.heads.items():
        kept = {file: value for file, value in heads.get(head, {}).items() if file not in below}
        heads[head] = kept | {str(scope / file): value for file, value in classes.items()}
