"""What is in a folder of pictures, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from latentia.data.dataset import Problem
from latentia.data.files import FileSource, read_files
from latentia.data.folder import open_folder
from latentia.data.manifest import open_manifest
from latentia.data.pixels import is_grey, plain
from latentia.data.source import Progress, suggest_size
from latentia.errors import FileError

FEW = 200
SPLIT_NAMES = frozenset({"train", "training", "test", "testing", "val", "valid", "validation"})


@dataclass(frozen=True)
class CheckReport:
    """What is in a folder.

    Attributes:
        path: the folder.
        n_files: picture files.
        n_usable: those that can be used.
        minimum: smallest height and width, pixels.
        median: median height and width.
        maximum: largest height and width.
        modes: how many pictures have which Pillow mode.
        n_grey: pictures whose pixels are grey, whatever their mode.
        n_transparent: pictures with transparency.
        classes: for each head how many files have which class; "" where it is unknown.
        n_duplicates: files with the same content as an earlier one.
        problems: what is wrong with single files.
        suggestions: what to do, in plain words.
    """

    path: str
    n_files: int
    n_usable: int
    minimum: tuple[int, int]
    median: tuple[int, int]
    maximum: tuple[int, int]
    modes: Mapping[str, int]
    n_grey: int
    n_transparent: int
    classes: Mapping[str, Mapping[str, int]]
    n_duplicates: int
    problems: tuple[Problem, ...]
    suggestions: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns the report as plain dictionaries and lists."""
        return asdict(self)


@dataclass(frozen=True)
class _Facts:
    height: int
    width: int
    mode: str
    grey: bool
    transparent: bool


def check_folder(path: Path | str, progress: Progress | None = None) -> CheckReport:
    """Decodes all pictures of a folder, or of a CSV manifest, and says what was found.

    Args:
        path: the folder or the manifest.
        progress: is called with the number of files done and in all.

    Raises:
        FileError: there is no such folder, or it cannot be read.
        DataError: it holds no pictures, or its labels are wrong.
    """
    path = Path(path)
    if not path.exists():
        raise FileError(f"There is no folder {path}.")
    source = open_folder(path) if path.is_dir() else open_manifest(path)
    facts: list[_Facts] = []
    problems: list[Problem] = []
    done = 0
    for readings in read_files(source.root, source.files, _look):
        facts += [reading.value for reading in readings if reading.value is not None]
        problems += [problem for reading in readings for problem in reading.problems]
        done += len(readings)
        if progress is not None:
            progress(done, len(source.files))
    return _report(source, facts, (*problems, *source.notes))


def _look(picture: Image.Image) -> _Facts:
    """Converts the picture as training does, so that what cannot be converted shows here too."""
    converted = plain(picture, 3)
    size = (converted.height, converted.width)
    return _Facts(*size, picture.mode, is_grey(converted), picture.has_transparency_data)


def _report(source: FileSource, facts: list[_Facts], problems: tuple[Problem, ...]) -> CheckReport:
    sizes = np.array([(fact.height, fact.width) for fact in facts] or [(0, 0)])
    low, middle, high = sizes.min(0), np.median(sizes, 0), sizes.max(0)
    report = CheckReport(
        path=source.name,
        n_files=len(source.files),
        n_usable=len(facts),
        minimum=(int(low[0]), int(low[1])),
        median=(int(middle[0]), int(middle[1])),
        maximum=(int(high[0]), int(high[1])),
        modes=dict(Counter(fact.mode for fact in facts).most_common()),
        n_grey=sum(fact.grey for fact in facts),
        n_transparent=sum(fact.transparent for fact in facts),
        classes=_classes(source),
        n_duplicates=sum(problem.kind == "duplicate" for problem in problems),
        problems=problems,
        suggestions=(),
    )
    suggestions = tuple(_suggestions(report, [(fact.height, fact.width) for fact in facts]))
    return replace(report, suggestions=suggestions)


def _classes(source: FileSource) -> dict[str, dict[str, int]]:
    heads = {head: classes for table in source.tables for head, classes in table.heads.items()}
    return {
        head: dict(sorted(Counter(classes.get(file, "") for file in source.files).items()))
        for head, classes in heads.items()
    }


def _suggestions(report: CheckReport, sizes: list[tuple[int, int]]) -> list[str]:
    found: list[str] = []
    bad = report.n_files - report.n_usable
    if bad:
        found.append(f"{bad} of {report.n_files} files cannot be used: mend or remove them.")
    if report.n_files and bad > 0.1 * report.n_files:
        found.append("More than 10 % of the files are unusable: training refuses them without --skip-bad.")
    if sizes:
        height, width = suggest_size(sizes)
        channels = 1 if report.n_grey >= 0.95 * report.n_usable else 3
        colour = "grey" if channels == 1 else "in colour"
        found.append(f"Train on {width} x {height} pixels, {colour} (data.size, data.channels).")
    if 0 < report.n_usable < FEW:
        found.append(f"{report.n_usable} pictures are few: a model needs some hundreds to make new ones.")
    if report.n_duplicates:
        found.append(f"{report.n_duplicates} files repeat others: remove them unless they are meant to count twice.")
    if report.n_transparent:
        found.append(f"{report.n_transparent} pictures have transparency: transparent pixels count as missing.")
    if set(report.classes.get("label", {})) & SPLIT_NAMES:
        found.append("Subfolders named after splits (train, test ...) were read as classes: give one of them instead.")
    return found
