"""Which files are pictures and which are recordings."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from latentia.data.files import Medium
from latentia.data.pictures import Pictures
from latentia.data.recordings import Recordings
from latentia.data.source import NOUNS, FileKind
from latentia.errors import DataError, OptionError, nearest

MEDIA: dict[FileKind, Medium] = {"image": Pictures(), "speech": Recordings()}


def choose_medium(place: str, names: Iterable[str], kind: FileKind | None) -> Medium:
    """Returns the medium of some files: the one that was asked for, else that of their endings, else pictures.

    Args:
        place: where the files are, for messages.
        names: of the files.
        kind: "image" or "speech" where a person has chosen.

    Raises:
        DataError: there are pictures as well as recordings, and nobody has chosen.
        OptionError: files are of no such kind.
    """
    if kind is not None:
        if kind not in MEDIA:
            raise OptionError(f"Files cannot be read as data of the kind '{kind}': {nearest(kind, MEDIA)}")
        return MEDIA[kind]
    listed = tuple(names)
    counts: dict[FileKind, int] = {
        each: sum(is_named_as(medium, name) for name in listed) for each, medium in MEDIA.items()
    }
    found: list[FileKind] = [name for name, count in counts.items() if count]
    if len(found) > 1:
        counted = " and ".join(f"{counts[kind]} {NOUNS[kind]}" for kind in found)
        chosen = " or ".join(f"data.kind={kind}" for kind in found)
        raise DataError(
            f"{place} holds {counted}: choose with --set {chosen} (`data check`: --kind; in Python kind=...)."
        )
    return MEDIA[found[0] if found else "image"]


def is_named_as(medium: Medium, name: str) -> bool:
    """Tells by the ending whether a file is of a medium; hidden files are of none."""
    last = name.rpartition("/")[2]
    return posixpath.splitext(last)[1].lower() in medium.extensions and not last.startswith(".")


def is_of_another(medium: Medium, name: str) -> bool:
    """Tells by the ending whether a file is of another medium."""
    return any(is_named_as(other, name) for other in MEDIA.values() if other.kind != medium.kind)
