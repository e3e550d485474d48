"""CSV manifests: a column `file_name`, relative to the CSV, and a column for each head."""

from __future__ import annotations

from pathlib import Path

from latentia.data.dataset import Problem
from latentia.data.files import FileSource
from latentia.data.labels import read_labels
from latentia.errors import DataError


def open_manifest(path: Path, name: str | None = None) -> FileSource:
    """Opens the picture files that a CSV names.

    Raises:
        FileError: the CSV cannot be read.
        DataError: it is no proper manifest, names no files, or files that do not exist.
    """
    table = read_labels(path)
    if not table.files:
        raise DataError(f"{path} names no files.")
    table.check_files(file for file in table.files if (path.parent / file).is_file())
    notes = tuple(
        Problem(file, "repeated", f"has more than one row in {path.name}; it is used once", skipped=False)
        for file in table.repeated
    )
    return FileSource(name or str(path), path.parent, table.files, (table,) if table.heads else (), notes)
