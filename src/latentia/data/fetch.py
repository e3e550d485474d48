"""Getting the files of named sets: from a mirror on this machine, else with pooch from their public homes."""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from latentia.data.cache import cache_folder
from latentia.data.images import read_bytes
from latentia.errors import DataError, FileError

MIRROR = "LATENTIA_MIRROR"
MIRROR_CONTENT = "LATENTIA_MIRROR_CONTENT"
ANY = "any"
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
log = logging.getLogger(__name__)


class Remote(Protocol[T_co]):
    """A file of a named set.

    Attributes:
        path: relative to the mirror, and to the folder of downloads.
        urls: public homes, the first one that answers is taken.
        sha256: of what is inside, because mirrors repack.
    """

    @property
    def path(self) -> str: ...

    @property
    def urls(self) -> tuple[str, ...]: ...

    @property
    def sha256(self) -> str: ...

    def unpack(self, path: Path) -> tuple[T_co, str]:
        """Returns what a copy of the file holds, and its checksum.

        Raises:
            FileError: it cannot be read.
            DataError: it is damaged.
        """
        ...


@dataclass(frozen=True)
class RemoteFile:
    """A single file, perhaps packed with gzip; its checksum is that of the unpacked content. See `Remote`."""

    path: str
    urls: tuple[str, ...]
    sha256: str

    def unpack(self, path: Path) -> tuple[bytes, str]:
        """Returns the unpacked content, and its SHA-256."""
        content = read_bytes(path)
        try:
            content = gzip.decompress(content) if path.suffix == ".gz" else content
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} is damaged or cut off ({error}): get it again.") from error
        return content, hashlib.sha256(content).hexdigest()


def mirror_folder(mirror: Path | None = None) -> Path | None:
    """Returns the mirror that was asked for, else that of the environment variable `LATENTIA_MIRROR`, else None."""
    chosen = os.environ.get(MIRROR)
    return mirror or (Path(chosen) if chosen else None)


def takes_any_content() -> bool:
    """Returns whether files of a mirror are taken as they are, because `LATENTIA_MIRROR_CONTENT` is `any`."""
    return os.environ.get(MIRROR_CONTENT) == ANY


def fetch(file: Remote[T], set_name: str, mirror: Path | None = None) -> T:
    """Returns what a file holds after comparing its checksum; it is downloaded where there is no mirror.

    Args:
        file: what to get.
        set_name: the set that it belongs to, for messages.
        mirror: folder to take it from instead of the public home.

    Raises:
        FileError: it is not in the mirror, or cannot be downloaded.
        DataError: it is damaged, or has another content than expected.
    """
    place = mirror_folder(mirror)
    return _downloaded(file, set_name) if place is None else _mirrored(file, set_name, place)


def other_content(files: Sequence[Remote[object]], mirror: Path | None = None) -> str:
    """Returns a hash of what a mirror holds instead of what was published.

    It is empty where the mirror holds what was published, where there is no mirror or it lacks a file, and unless any
    content is taken: other files than the published are refused then.
    """
    place = mirror_folder(mirror)
    if place is None or not takes_any_content() or not all((place / file.path).is_file() for file in files):
        return ""
    found = [file.unpack(place / file.path)[1] for file in files]
    if found == [file.sha256 for file in files]:
        return ""
    return hashlib.sha256("".join(found).encode()).hexdigest()[:16]


def _mirrored(file: Remote[T], set_name: str, place: Path) -> T:
    path = place / file.path
    if not path.is_file():
        raise FileError(f"The mirror {place} does not hold {file.path} of the data set '{set_name}'.")
    content, found = file.unpack(path)
    if found != file.sha256:
        if not takes_any_content():
            raise DataError(f"{_other(path)}: get it again, or say {MIRROR_CONTENT}={ANY} to take it as it is.")
        _warn(path)
    return content


def _downloaded(file: Remote[T], set_name: str) -> T:
    path = _download(file, set_name)
    try:
        content, found = file.unpack(path)
        if found != file.sha256:
            raise DataError(f"{_other(path)}: get it again.")
    except DataError:
        path.unlink(missing_ok=True)  # so that the next try downloads it anew
        raise
    return content


def _other(path: Path) -> str:
    return f"{path} has another content than what was published (its SHA-256 differs)"


@cache
def _warn(path: Path) -> None:
    """Says once of each file that it is taken as it is."""
    log.warning("%s; it is taken as it is, because %s=%s.", _other(path), MIRROR_CONTENT, ANY)


def download_path(file: Remote[object]) -> Path:
    """Returns where a downloaded file is kept."""
    return cache_folder() / "downloads" / file.path


def _download(file: Remote[object], set_name: str) -> Path:
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


def _joined(urls: Sequence[str]) -> str:
    return " or ".join(urls)
