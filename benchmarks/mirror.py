"""Sets that exist only re-cut in the data mirror."""

from __future__ import annotations

from pathlib import Path

from latentia.data.fetch import MIRROR, mirror_folder
from latentia.errors import FileError


def require_mirror(name: str, original: str, mirror: Path | None) -> None:
    """Checks that there is a mirror.

    Args:
        name: of the set.
        original: that it is cut from, and where that is.
        mirror: folder of the mirror; that of the environment if None.

    Raises:
        FileError: there is none.
    """
    if mirror_folder(mirror) is None:
        raise FileError(
            f"'{name}' exists only re-cut in a data mirror: set {MIRROR} to one, or get the original, {original}."
        )
