"""Writing files so that a crash leaves either the old file or the new one; looking at files before they are opened."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import uuid
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import latentia
from latentia.errors import FileError

TOKEN = 8  # hexadecimal digits in the names of temporary files


@contextlib.contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Yields a temporary path beside `path`, and moves it into place when the block ends without an error.

    Raises:
        FileError: the disk is full, or the place cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     target = Path(folder) / "a.txt"
        ...     with replacing(target) as temporary:
        ...         _ = temporary.write_text("whole")
        ...     target.read_text()
        'whole'
    """
    with replacing_together(path) as (temporary,):
        yield temporary


@contextlib.contextmanager
def replacing_together(*paths: Path) -> Generator[tuple[Path, ...]]:
    """As `replacing`, for files that belong together: only once all of them are on the disk are they moved into place.

    Raises:
        FileError: the disk is full, or a place cannot be written; then all stay as they were; or, where the first was
            moved already, the others are left to `mend`.
    """
    token = uuid.uuid4().hex[:TOKEN]
    temporaries = tuple(_temporary(path, token) for path in paths)
    try:
        modes: list[int] = []
        for path, temporary in zip(paths, temporaries, strict=True):
            require_no_folder(path)
            temporary.touch()
            modes.append(temporary.stat().st_mode)  # as the person's umask has it; some writers create private files
        yield temporaries
        for temporary, mode in zip(temporaries, modes, strict=True):
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.chmod(mode)
        for path, temporary in zip(paths, temporaries, strict=True):
            temporary.replace(path)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise write_error(paths[-1], error) from error
    finally:
        _settle(paths, temporaries)


def mend(*paths: Path) -> None:
    """Clears up after processes that were killed in `replacing_together`, of the same paths.

    Where the first temporary file is gone, it was moved into place, and the others were whole by then: they follow.
    Else nothing was moved yet, and they are removed.

    Args:
        paths: files that no other process is writing now.
    """
    for token in sorted({left.name.removesuffix(path.suffix)[-TOKEN:] for path in paths for left in leftovers(path)}):
        _settle(paths, [_temporary(path, token) for path in paths])


def _settle(paths: Sequence[Path], temporaries: Sequence[Path]) -> None:
    """Moves the temporary files that are left after the first one, where that was moved; else removes all of them."""
    moved = not temporaries[0].exists()
    # The first one goes last: while it is there, nothing was moved.
    for path, temporary in reversed(list(zip(paths, temporaries, strict=True))):
        with contextlib.suppress(OSError):
            if moved:
                temporary.replace(path)
            else:
                temporary.unlink(missing_ok=True)


def leftovers(path: Path) -> list[Path]:
    """Returns the temporary files of a path, of a plain name, that killed processes have left behind."""
    return list(path.parent.glob(_temporary(path, TOKEN * "[0-9a-f]").name))


def _temporary(path: Path, token: str) -> Path:
    # The suffix stays, since some writers choose the format by it; the name is cut, since it may be as long as allowed.
    return path.parent / f".{path.stem[:32]}.{token}{path.suffix}"


def regular_size(path: Path) -> int:
    """Returns the size of a file in bytes; pipes and devices, which may never end, are refused.

    Raises:
        FileError: the file is missing, no regular file, or cannot be looked at.
    """
    try:
        facts = path.stat()
    except FileNotFoundError as error:
        raise FileError(f"There is no file {path}.") from error
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror or error}.") from error
    if not stat.S_ISREG(facts.st_mode):
        raise FileError(f"Cannot read {path}: it is not a file but a {_kind(facts.st_mode)}.")
    return facts.st_size


def _kind(mode: int) -> str:
    return "folder" if stat.S_ISDIR(mode) else "pipe" if stat.S_ISFIFO(mode) else "device or socket"


def synthetic_tag(verb: str) -> str:
    """Returns what the 'synthetic' tag of a generated picture or sound says.

    Example:
        >>> synthetic_tag("generate").endswith(" generate")
        True
    """
    return f"latentia {latentia.__version__} {verb}"


def write_error(path: Path, error: OSError) -> FileError:
    """Says why a path could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FileError(f"The disk is full: {path} could not be written. What was there before is untouched.")
    return FileError(f"Cannot write {path}: {error.strerror or error}.")


def expand(path: str | Path) -> Path:
    """Returns a path with a home folder in the place of `~` or `~somebody`.

    Raises:
        FileError: there is no such home folder.

    Example:
        >>> expand("~/photos") == Path.home() / "photos"
        True
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise FileError(f"There is no file or folder {path}: nobody of this name has a home folder.") from error


def require_no_folder(path: Path) -> None:
    """Checks that a file can be put at a place.

    Raises:
        FileError: a folder is in the way.
    """
    if path.is_dir():
        raise FileError(f"{path} is a folder where a file is needed; choose another name.")


def require_no_file(path: Path) -> None:
    """Checks that a folder can be put at a place.

    Raises:
        FileError: a file is in the way.
    """
    if path.exists() and not path.is_dir():
        raise FileError(f"{path} is a file where a folder is needed; choose another place.")


def make_folder(path: Path) -> Path:
    """Creates a folder and its parents where they are missing.

    Raises:
        FileError: it cannot be created, or a file is in the way.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        require_no_file(path)
        raise write_error(path, error) from error
    return path


def write_json(path: Path, content: Any) -> None:
    """Writes an object as readable JSON, atomically.

    Raises:
        FileError: the place cannot be written.
    """
    write_text(path, as_json(content))


def as_json(content: Any) -> str:
    """Returns an object as readable JSON."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_text(path: Path, content: str) -> None:
    r"""Writes text as UTF-8, atomically.

    File names may hold bytes that are not UTF-8, which Python stands in for with lone surrogates. They are written as
    `\udcff`, which is also how JSON escapes them.

    Raises:
        FileError: the place cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(content, "utf-8", errors="backslashreplace")


def require_permission(path: Path) -> None:
    """Checks that a file can be opened at all, so that one that is whole is not called damaged.

    Raises:
        FileError: it cannot.
    """
    try:
        path.open("rb").close()
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror or error}.") from error
