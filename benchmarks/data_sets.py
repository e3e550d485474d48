"""All sets that benchmarks read, and whether a mirror holds them as they were published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import picture_sets, speech_sets
from latentia.data import named_sets, other_content
from latentia.data.fetch import Remote
from latentia.errors import DataError


def other_data(mirror: Path | None) -> str:
    """Names the sets of which a mirror holds something else than what was published; empty if there is none.

    Each name has a hash of what is held beside it, so that figures of different data are told apart.
    """
    found = {name: _held(files, mirror) for name, files in _files().items()}
    return ", ".join(f"{name} {digest}" for name, digest in found.items() if digest)


def holds_any(mirror: Path) -> bool:
    """Tells whether a folder holds a file of any set where a mirror has it."""
    return any((mirror / file.path).is_file() for files in _files().values() for file in files)


def _files() -> dict[str, Sequence[Remote[object]]]:
    """Returns the files of all sets; those that are made on the spot have none."""
    named = {name: named_sets.build(name, {}) for name in named_sets}
    entries = {**named, **picture_sets.SETS, **speech_sets.SETS}
    return {name: getattr(entry, "files", ()) for name, entry in entries.items()}


def _held(files: Sequence[Remote[object]], mirror: Path | None) -> str:
    """Returns what a mirror holds instead of files; damage stops only those who read them."""
    try:
        return other_content(files, mirror)
    except DataError:
        return "damaged"
