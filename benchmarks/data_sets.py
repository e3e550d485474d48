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
    named = {name: named_sets.build(name, {}) for name in named_sets}
    entries = {**named, **picture_sets.SETS, **speech_sets.SETS}
    found = {name: _held(getattr(entry, "files", ()), mirror) for name, entry in entries.items()}
    return ", ".join(f"{name} {digest}" for name, digest in found.items() if digest)


def _held(files: Sequence[Remote[object]], mirror: Path | None) -> str:
    """Returns what a mirror holds instead of files; damage stops only those who read them."""
    try:
        return other_content(files, mirror)
    except DataError:
        return "damaged"
