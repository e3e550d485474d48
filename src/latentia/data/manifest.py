"""CSV manifests: a column `file_name`, relative to the CSV, and a column for each head."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from latentia.data.dataset import Problem
from latentia.data.files import FileSource
from latentia.data.labels import read_labels
from latentia.data.media import choose_medium, is_of_another
from latentia.data.source import NOUNS, FileKind
from latentia.errors import DataError


def open_manifest(path: Path, name: str | None = None, kind: FileKind | None = None) -> FileSource:
    """Opens the pictures or recordings that a CSV names.

    Args:
        path: the CSV.
        name: what the person called it.
        kind: which files are meant where it names pictures and recordings.

    Raises:
        FileError: the CSV cannot be read.
        DataError: it is no proper manifest, names no files, files that do not exist, or both kinds of them and nobody
            has chosen.
    """
    table = read_labels(path)
    if not table.files:
        raise DataError(f"{path} names no files.")
    table.check_files(file for file in table.files if (path.parent / file).is_file())
    medium = choose_medium(str(path), table.files, kind)
    wanted = NOUNS[medium.kind]
    others = {file for file in table.files if is_of_another(medium, file)}
    table = replace(table, files=tuple(file for file in table.files if file not in others))
    if not table.files:
        raise DataError(f"{path} names no {wanted}.")
    notes = [
        Problem(file, "repeated", f"has more than one row in {path.name}; it is used once", skipped=False)
        for file in table.repeated
    ]
    if others:
        text = f"{len(others)} file(s) that are no {wanted} by their ending"
        notes.append(Problem(path.name, "ignored", text, skipped=False))
    tables = (table,) if table.heads else ()
    return FileSource(name or str(path), path.parent, table.files, medium, tables, tuple(notes))
