"""Archives of recordings: read in memory, so that nothing in them can choose a place on the disk."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import re
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentia.errors import DataError, FileError

LARGEST_MEMBER = 16 * 2**20  # bytes; eight minutes of mono speech at 16 kHz
LARGEST_ARCHIVE = 256 * 2**20  # bytes, unpacked
_Stream = gzip.GzipFile | lzma.LZMAFile | io.BufferedReader
_DAMAGE = (
    *(OSError, EOFError, ValueError, MemoryError, RecursionError),
    *(zlib.error, lzma.LZMAError, tarfile.TarError),
)


@dataclass(frozen=True)
class RemoteArchive:
    """An archive of recordings, packed in any way; its checksum is the `content_digest` of the members. See `Remote`.

    Attributes:
        members: which files are meant, by their whole names; the first group is what each is called.
    """

    path: str
    urls: tuple[str, ...]
    sha256: str
    members: re.Pattern[str]

    def unpack(self, path: Path) -> tuple[dict[str, bytes], str]:
        """Returns the members, and the digest of their content."""
        found = read_archive(path, self.members)
        return found, content_digest(found)


def read_archive(path: Path, pattern: re.Pattern[str]) -> dict[str, bytes]:
    """Reads the regular files of a tar archive whose whole name matches a pattern; all else is passed over.

    Args:
        path: a tar file, plain or packed with gzip or xz, whatever its own name says.
        pattern: its first group is the name that a member is returned under.

    Raises:
        FileError: the archive cannot be read.
        DataError: it is damaged, or larger than any archive of speech that is used here.
    """
    members: dict[str, bytes] = {}
    try:
        with _unwrapped(path) as stream:
            bounded: Any = _Bounded(stream, path)
            with tarfile.open(fileobj=bounded, mode="r|") as archive:
                for member in archive:
                    match = pattern.fullmatch(member.name)
                    if match is None or not member.isreg():
                        continue
                    if member.size > LARGEST_MEMBER:
                        raise DataError(f"{path} holds a file of {member.size} bytes, which is no short recording.")
                    content = archive.extractfile(member)
                    members[match[1]] = b"" if content is None else content.read()
    except (DataError, FileError):
        raise
    except _DAMAGE as error:
        raise DataError(f"{path} is damaged or cut off ({error}): get it again.") from error
    return members


def content_digest(members: Mapping[str, bytes]) -> str:
    """Returns a SHA-256 that depends on the names and contents of files only, not on their order or packing.

    Example:
        >>> content_digest({"b": b"2", "a": b"1"}) == content_digest({"a": b"1", "b": b"2"})
        True
    """
    lines = (f"{name} {hashlib.sha256(content).hexdigest()}\n" for name, content in sorted(members.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def decode_clip(content: bytes, name: str) -> tuple[NDArray[np.float32], int]:
    """Decodes the content of a short file of sound, mixed down to one channel.

    Raises:
        DataError: it is no sound, or damaged.
    """
    import soundfile

    library: Any = soundfile
    try:
        waveform, sample_rate = library.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except (library.SoundFileError, ValueError, TypeError) as error:
        raise DataError(f"{name} cannot be read as sound ({error}).") from error
    return np.asarray(waveform, np.float32).mean(axis=1), int(sample_rate)


class _Bounded:
    """A stream that ends with an error where a packed file swells beyond what is allowed."""

    def __init__(self, stream: _Stream, path: Path) -> None:
        self._stream = stream
        self._path = path
        self._left = LARGEST_ARCHIVE

    def read(self, size: int) -> bytes:
        content = self._stream.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise DataError(f"{self._path} unpacks to more than {LARGEST_ARCHIVE >> 20} MiB, and is refused.")
        return content


def _unwrapped(path: Path) -> _Stream:
    try:
        with path.open("rb") as file:
            start = file.read(6)
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror or error}.") from error
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(path)
    return lzma.open(path) if start == b"\xfd7zXZ\0" else path.open("rb")
