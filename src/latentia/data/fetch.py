"""Getting the files of named sets: from a mirror on this machine, else with pooch from their public homes."""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from latentia.data.cache import cache_folder
from latentia.data.images import read_bytes
from latentia.errors import DataError, FileError

MIRROR = "LATENTIA_MIRROR"
T = TypeVar("T")


@dataclass(frozen=True)
class RemoteFile:
    """A file of a named set.

    Attributes:
        path: relative to the mirror, and to the folder of downloads.
        urls: public homes, the first one that answers is taken.
        sha256: of what is inside, because mirrors repack: of the content unpacked with gzip, or the `content_digest` of
            an archive.
    """

    path: str
    urls: tuple[str, ...]
    sha256: str


def mirror_folder(mirror: Path | None = None) -> Path | None:
    """Returns the mirror that was asked for, else that of the environment variable `LATENTIA_MIRROR`, else None."""
    chosen = os.environ.get(MIRROR)
    return mirror or (Path(chosen) if chosen else None)


def fetch(file: RemoteFile, set_name: str, mirror: Path | None = None) -> bytes:
    """Returns the unpacked content of a file after comparing its checksum.

    Args:
        file: what to get.
        set_name: the set that it belongs to, for messages.
        mirror: folder to take it from instead of the public home.

    Raises:
        FileError: it is not in the mirror, or cannot be downloaded.
        DataError: it has another content than expected.
    """
    return fetch_as(file, set_name, mirror, lambda path: _unpacked(path, file))


def fetch_as(file: RemoteFile, set_name: str, mirror: Path | None, read: Callable[[Path], T]) -> T:
    """Returns what is read from a file, which is downloaded where there is no mirror.

    Args:
        file: what to get.
        set_name: the set that it belongs to, for messages.
        mirror: folder to take it from instead of the public home.
        read: reads a path and compares the checksum; it raises DataError where that is another one.

    Raises:
        FileError: it is not in the mirror, or cannot be downloaded.
        DataError: it has another content than expected.
    """
    place = mirror_folder(mirror)
    if place is not None:
        path = place / file.path
        if not path.is_file():
            raise FileError(f"The mirror {place} does not hold {file.path} of the data set '{set_name}'.")
        return read(path)
    path = _download(file, set_name)
    try:
        return read(path)
    except DataError:
        path.unlink(missing_ok=True)  # so that the next try downloads it anew
        raise


def download_path(file: RemoteFile) -> Path:
    """Returns where a downloaded file is kept."""
    return cache_folder() / "downloads" / file.path


def _download(file: RemoteFile, set_name: str) -> Path:
    path = download_path(file)
    if path.is_file():
        return path
    import pooch  # pyright: ignore[reportMissingTypeStubs]

    pooch.get_logger().setLevel(logging.WARNING)  # it would print a hash and an advice about it
    retrieve: Any = pooch.retrieve  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    reason = ""
    for url in file.urls:
        try:
            # The checksum is that of the unpacked content, which `fetch` compares.
            return Path(retrieve(url, known_hash=None, fname=path.name, path=path.parent))
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0][:120]
    raise FileError(
        f"The data set '{set_name}' cannot be downloaded from {_joined(file.urls)} ({reason}): go online, or set "
        f"{MIRROR} to a folder that holds {file.path}."
    )


def _unpacked(path: Path, file: RemoteFile) -> bytes:
    content = read_bytes(path)
    try:
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is damaged or cut off ({error}): get it again.") from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise DataError(f"{path} has another content than the published file (its SHA-256 differs): get it again.")
    return content


def _joined(urls: Sequence[str]) -> str:
    return " or ".join(urls)
