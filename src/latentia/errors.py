"""Errors that a person can act on.

Every error that Latentia raises on purpose says in one or two sentences what is wrong, where, and how to
mend it. Each is also one of Python's own error types, so callers need not know Latentia's.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_OK = 0
EXIT_FAULT = 1
EXIT_USER = 2
EXIT_INTERRUPTED = 130


class LatentiaError(Exception):
    """Base of all errors raised on purpose.

    Attributes:
        kind: short stable name of the error for programs (`--json`).
        exit_code: exit code of the command line.
    """

    kind = "error"
    exit_code = EXIT_FAULT


class OptionError(LatentiaError, ValueError):
    """An option, setting or argument is wrong."""

    kind = "option"
    exit_code = EXIT_USER


class DataError(LatentiaError, ValueError):
    """The content of the data is wrong: unreadable, empty, of another shape or kind."""

    kind = "data"
    exit_code = EXIT_USER


class FileError(LatentiaError, OSError):
    """A file or folder is missing, cannot be read or cannot be written."""

    kind = "file"
    exit_code = EXIT_USER


class RunError(LatentiaError, ValueError):
    """A run folder is incomplete, damaged, hostile, in use, or of another version."""

    kind = "run"
    exit_code = EXIT_USER


class TrainingError(LatentiaError, RuntimeError):
    """Training cannot go on, for example because the loss is not a number."""

    kind = "training"
    exit_code = EXIT_USER


class MissingExtraError(LatentiaError, RuntimeError):
    """An optional dependency is not installed."""

    kind = "extra"
    exit_code = EXIT_USER


def nearest(name: str, valid: Iterable[str]) -> str:
    """Returns the end of an error message: the nearest valid name and the list of all.

    Example:
        >>> nearest("elbow", ["elbo", "iwae"])
        "did you mean 'elbo'? Valid: elbo, iwae."
    """
    names = sorted(valid)
    match = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean '{match[0]}'? " if match else ""
    return f"{hint}Valid: {', '.join(names) or 'none'}."
