"""What is in a folder of pictures or recordings, and what is wrong with it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from latentia.data.audio import AudioHeader, Recording, read_audio_header
from latentia.data.dataset import Problem, worst_first
from latentia.data.files import FileSource, Reading, parts_of, read_files
from latentia.data.folder import open_folder
from latentia.data.labels import SPEAKER
from latentia.data.manifest import open_manifest
from latentia.data.pictures import read_picture_file
from latentia.data.pixels import INVISIBLE, OPAQUE, is_grey, plain
from latentia.data.recordings import parts_by_bytes, read_recording_file, survey_of
from latentia.data.source import WIDE, WORST_UNREADABLE, FileKind, Progress, SpeechSurvey, suggest_size
from latentia.errors import DataError, FileError
from latentia.metrics import active_level

T = TypeVar("T")
FEW = 200
SMALL_PHOTOGRAPHS = 48  # a median short side below it gains nothing by 64 x 64 pixels
FEW_SECONDS = 300
SPLIT_NAMES = frozenset({"train", "training", "test", "testing", "val", "valid", "validation"})


@dataclass(frozen=True)
class FolderReport:
    """What is in a folder, whatever its files are.

    Attributes:
        path: the folder.
        n_files: files of the kind.
        n_usable: those that can be used.
        classes: for each head how many files have which class; "" where it is unknown.
        n_duplicates: files with the same content as an earlier one.
        problems: what is wrong with single files.
        suggestions: what to do, in plain words.
    """

    path: str
    n_files: int
    n_usable: int
    classes: Mapping[str, Mapping[str, int]]
    n_duplicates: int
    problems: tuple[Problem, ...]
    suggestions: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Returns the report as plain dictionaries and lists."""
        return asdict(self)


@dataclass(frozen=True)
class CheckReport(FolderReport):
    """What is in a folder of pictures.

    Attributes:
        minimum: smallest height and width, pixels.
        median: median height and width.
        maximum: largest height and width.
        modes: how many pictures have which Pillow mode.
        n_grey: pictures whose pixels are grey, whatever their mode.
        n_transparent: pictures with transparency.
    """

    minimum: tuple[int, int]
    median: tuple[int, int]
    maximum: tuple[int, int]
    modes: Mapping[str, int]
    n_grey: int
    n_transparent: int


@dataclass(frozen=True)
class SpeechReport(FolderReport):
    """What is in a folder of recordings.

    Attributes:
        lengths: together, and of the shortest, the median and the longest; sample rates and channels of usable files.
        formats: how many usable files have which format.
        levels: lowest, median and highest level of active speech, dB of full scale; None where nothing is usable.
        kinds: how many files have which problem.
    """

    lengths: SpeechSurvey | None
    formats: Mapping[str, int]
    levels: tuple[float, float, float] | None
    kinds: Mapping[str, int]


@dataclass(frozen=True)
class _Picture:
    height: int
    width: int
    mode: str
    grey: bool
    transparent: bool


@dataclass(frozen=True)
class _Sound:
    header: AudioHeader
    level: float


def check_folder(
    path: Path | str, progress: Progress | None = None, kind: FileKind | None = None
) -> CheckReport | SpeechReport:
    """Decodes all pictures or recordings of a folder, or of a CSV manifest, and says what was found.

    Args:
        path: the folder or the manifest.
        progress: is called with the number of files done and in all.
        kind: which files are meant where there are pictures and recordings.

    Raises:
        FileError: there is no such folder, or it cannot be read.
        DataError: it holds no such files, or both kinds and nobody has chosen; its labels are wrong.
    """
    path = Path(path)
    if not path.exists():
        raise FileError(f"There is no folder {path}.")
    source = open_folder(path, kind=kind) if path.is_dir() else open_manifest(path, kind=kind)
    return _check_recordings(source, progress) if source.kind == "speech" else _check_pictures(source, progress)


def _check_pictures(source: FileSource, progress: Progress | None) -> CheckReport:
    parts = parts_of(source.files, 32)
    facts, problems = _read_all(source, parts, lambda name: read_picture_file(source.root, name, _look), progress)
    sizes = np.array([(fact.height, fact.width) for fact in facts] or [(0, 0)])
    low, middle, high = sizes.min(0), np.median(sizes, 0), sizes.max(0)
    n_grey, n_transparent = sum(fact.grey for fact in facts), sum(fact.transparent for fact in facts)
    advice: list[str] = []
    if facts:
        if n_grey >= 0.95 * len(facts):
            height, width = suggest_size([(fact.height, fact.width) for fact in facts])
            advice.append(f"Train on {width} x {height} pixels, grey (data.size, data.channels).")
        elif middle.min() < SMALL_PHOTOGRAPHS:
            advice.append(
                "`train` takes the preset image-64 by itself; --preset image-32 suits their size and is faster."
            )
        else:
            advice.append("Train on 64 x 64 pixels in colour: `train` takes the preset image-64 by itself.")
    if 0 < len(facts) < FEW:
        advice.append(f"{len(facts)} pictures are few: a model needs some hundreds to make new ones.")
    if n_transparent:
        advice.append(f"{n_transparent} pictures have transparency: transparent pixels count as missing.")
    return CheckReport(
        **_common(source, len(facts), problems, advice),
        minimum=(int(low[0]), int(low[1])),
        median=(int(middle[0]), int(middle[1])),
        maximum=(int(high[0]), int(high[1])),
        modes=dict(Counter(fact.mode for fact in facts).most_common()),
        n_grey=n_grey,
        n_transparent=n_transparent,
    )


def _look(picture: Image.Image) -> _Picture:
    """Converts the picture as training does, so that what cannot be converted shows here too."""
    converted = plain(picture, 3)
    if converted.mode == "RGBA" and np.asarray(converted.getchannel("A")).max() < OPAQUE:
        raise DataError(INVISIBLE)
    size = (converted.height, converted.width)
    return _Picture(*size, picture.mode, is_grey(converted), picture.has_transparency_data)


def _check_recordings(source: FileSource, progress: Progress | None) -> SpeechReport:
    def read(name: str) -> Reading[_Sound]:
        # At one rate, so that equal recordings show in whatever format they are, and memory stays small.
        return read_recording_file(source.root, name, WIDE, lambda found: _hear(source.root / name, found))

    sounds, problems = _read_all(source, parts_by_bytes(source), read, progress)
    headers = [sound.header for sound in sounds]
    lengths = survey_of(headers, len(headers)).speech if headers else None
    levels = np.array([sound.level for sound in sounds] or [math.nan])
    kinds = dict(Counter(problem.kind for problem in problems).most_common())
    return SpeechReport(
        **_common(source, len(sounds), problems, _speech_advice(source, lengths, kinds)),
        lengths=lengths,
        formats=dict(Counter(f"{header.format} {header.subtype}" for header in headers).most_common()),
        levels=(float(levels.min()), float(np.median(levels)), float(levels.max())) if sounds else None,
        kinds=kinds,
    )


def _hear(path: Path, recording: Recording) -> _Sound:
    return _Sound(read_audio_header(path), active_level(recording.waveform, recording.sample_rate))


def _speech_advice(source: FileSource, lengths: SpeechSurvey | None, kinds: Mapping[str, int]) -> list[str]:
    advice: list[str] = []
    if lengths is not None:
        advice.append(f"Train at {lengths.sample_rate} Hz (data.sample_rate).")
        if lengths.seconds < FEW_SECONDS:
            advice.append(f"{lengths.seconds / 60:.1f} minutes are few: a model needs some tens to make new speech.")
    if not any(SPEAKER in table.heads for table in source.tables):
        advice.append(
            f"If several people speak, say who in a column '{SPEAKER}' of metadata.csv: a split then keeps them apart."
        )
    if kinds.get("clipping"):
        advice.append(f"{kinds['clipping']} recordings clip, which nothing mends: record them again at a lower level.")
    if kinds.get("dc offset"):
        advice.append(f"{kinds['dc offset']} recordings have a DC offset: training removes it.")
    if kinds.get("silent"):
        advice.append(f"{kinds['silent']} recordings are silent: training leaves them out.")
    return advice


def _read_all(
    source: FileSource, parts: Iterable[Sequence[str]], read: Callable[[str], Reading[T]], progress: Progress | None
) -> tuple[list[T], tuple[Problem, ...]]:
    """Reads all files; returns what was made of those that can be used, and the problems with all."""
    facts: list[T] = []
    problems: list[Problem] = []
    done = 0
    for readings in read_files(parts, read):
        facts += [reading.value for reading in readings if reading.value is not None]
        problems += [problem for reading in readings for problem in reading.problems]
        done += len(readings)
        if progress is not None:
            progress(done, len(source.files))
    return facts, worst_first([*problems, *source.notes])


def _common(source: FileSource, n_usable: int, problems: tuple[Problem, ...], advice: list[str]) -> dict[str, Any]:
    """Returns the fields that all reports have; advice on all kinds of files goes before and behind that on one."""
    n, classes = len(source.files), _classes(source)
    n_duplicates = sum(problem.kind == "duplicate" for problem in problems)
    before: list[str] = []
    behind: list[str] = []
    if n_usable < n:
        before.append(f"{n - n_usable} of {n} files cannot be used: mend or remove them.")
    if n - n_usable > WORST_UNREADABLE * n:
        before.append("More than 10 % of the files are unusable: training refuses them without --skip-bad.")
    if n_duplicates:
        behind.append(f"{n_duplicates} files repeat others: remove them unless they are meant to count twice.")
    if set(classes.get("label", {})) & SPLIT_NAMES:
        behind.append("Subfolders named after splits (train, test ...) were read as classes: give one of them instead.")
    return {
        "path": source.name,
        "n_files": n,
        "n_usable": n_usable,
        "classes": classes,
        "n_duplicates": n_duplicates,
        "problems": problems,
        "suggestions": (*before, *advice, *behind),
    }


def _classes(source: FileSource) -> dict[str, dict[str, int]]:
    heads = {head: classes for table in source.tables for head, classes in table.heads.items()}
    return {
        head: dict(sorted(Counter(classes.get(file, "") for file in source.files).items()))
        for head, classes in heads.items()
    }
