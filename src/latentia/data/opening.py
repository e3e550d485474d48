"""From what a person calls their data to a source."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from latentia.data.arrays import open_arrays
from latentia.data.files import FileSource
from latentia.data.folder import open_folder
from latentia.data.labels import read_labels
from latentia.data.manifest import open_manifest
from latentia.data.media import MEDIA, is_named_as
from latentia.data.named import named_sets, open_named
from latentia.data.source import NOUNS, FileKind, Kind, Source
from latentia.errors import DataError, FileError, OptionError, nearest
from latentia.files import expand


def open_source(
    data: str | Path, *, labels: Path | None = None, mirror: Path | None = None, kind: FileKind | None = None
) -> Source:
    """Opens a folder, a CSV manifest, a `.npy` or `.npz` file, or a named set.

    Args:
        data: a path, or the name of a set. A bare name that is both means the set; write `./name` for the folder.
        labels: a CSV with `file_name` and a column for each head, for folders and manifests.
        mirror: folder to take named sets from; the environment variable `LATENTIA_MIRROR` if None.
        kind: "image" or "speech", which files are meant where a folder or manifest has pictures and recordings.

    Raises:
        FileError: there is no such file or folder, or it cannot be read.
        OptionError: there is neither a path nor a set of that name, labels for data without file names, or data of
            another kind than the one asked for.
        DataError: the data hold nothing that can be used.
    """
    source = _open(data, mirror, kind)
    if kind is not None and source.kind != kind:
        raise OptionError(f"{source.name} holds {NOUNS[source.kind]}, not {NOUNS[kind]}.")
    return source if labels is None else _labelled(source, labels)


def _labelled(source: Source, labels: Path) -> Source:
    if not isinstance(source, FileSource):
        raise OptionError(f"A labels file needs data with file names, and {source.name} has none.")
    return source.with_labels(read_labels(labels))


def open_for(data: str | Path, kind: Kind, *, labels: Path | None = None, mirror: Path | None = None) -> Source:
    """Opens data for a model: of a folder with pictures and recordings, the files that it takes.

    Data that hold nothing of the kind are opened as they are, so that whoever reads them says what does not fit.

    Args:
        data: as in `open_source`.
        kind: of data that the model takes.
        labels: as in `open_source`.
        mirror: as in `open_source`.

    Raises:
        LatentiaError: as in `open_source`.
    """
    source: Source | None = None
    if kind != "vector":
        with contextlib.suppress(DataError, OptionError):
            source = open_source(data, mirror=mirror, kind=kind)
    if source is None:
        source = open_source(data, mirror=mirror)
    return source if labels is None else _labelled(source, labels)


def _open(data: str | Path, mirror: Path | None, kind: FileKind | None) -> Source:
    if isinstance(data, str) and data in named_sets:
        return open_named(data, mirror)
    name = str(data)
    if not name:
        raise OptionError("The data have an empty name: give a folder, a file or the name of a data set.")
    try:
        path = expand(data)
        is_folder, exists = path.is_dir(), path.exists()
    except OSError as error:
        raise FileError(f"Cannot read {name}: {error.strerror or error}.") from error
    if is_folder:
        return open_folder(path, name, kind)
    if exists:
        return _open_file(path, name, kind)
    if isinstance(data, Path) or os.sep in name or path.suffix:
        raise FileError(f"There is no file or folder {path}.")
    raise OptionError(f"'{name}' is neither a file or folder nor a named data set: {nearest(name, named_sets)}")


def _open_file(path: Path, name: str, kind: FileKind | None) -> Source:
    ending = path.suffix.lower()
    if ending == ".csv":
        return open_manifest(path, name, kind)
    if ending in (".npy", ".npz"):
        return open_arrays(path, name)
    for medium in MEDIA.values():
        if is_named_as(medium, path.name):
            single = NOUNS[medium.kind].removesuffix("s")
            raise DataError(f"{path} is a single {single}; give the folder that it is in.")
    raise DataError(f"{path} cannot be read as data: give a folder, a .csv, .npz or .npy file, or a named set.")
