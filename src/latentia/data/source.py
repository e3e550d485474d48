"""What all sources of data have in common, whatever they are read from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from latentia.config import DataConfig
from latentia.data.dataset import Dataset, Problem
from latentia.data.frontend import FrontEnd
from latentia.data.preprocessing import ImagePreprocessing, Preprocessing, VectorPreprocessing
from latentia.data.speech import SpeechPreprocessing
from latentia.errors import DataError, OptionError, nearest

FileKind = Literal["image", "speech"]
Kind = Literal["image", "vector", "speech"]
NOUNS: Mapping[Kind, str] = {"image": "pictures", "vector": "vectors", "speech": "recordings"}
Progress = Callable[[int, int], None]
ALL = ("all",)
WORST_UNREADABLE = 0.1
LARGEST = 64  # pixels, of a side
WIDE = 16_000  # Hz, enough for speech
DEFAULTS = DataConfig.model_fields
_SETTINGS_OF: Mapping[Kind, tuple[str, ...]] = {
    "image": ("size", "channels", "fit", "binarize"),
    "speech": ("sample_rate", "feature", "mels", "level", "piece_seconds"),
}


@dataclass(frozen=True)
class SpeechSurvey:
    """What recordings look like, from a sample of them.

    Attributes:
        seconds: of all recordings together; estimated where only a sample was looked at.
        shortest: length of the shortest, seconds.
        median: median length.
        longest: length of the longest.
        sample_rates: how many of the sampled recordings have which rate.
        channels: how many of them have which number of channels.
        sample_rate: suggested sample rate of the model, Hz.
    """

    seconds: float
    shortest: float
    median: float
    longest: float
    sample_rates: Mapping[int, int]
    channels: Mapping[int, int]
    sample_rate: int


@dataclass(frozen=True)
class Survey:
    """What the data look like, from a sample of them.

    Attributes:
        n: number of examples.
        minimum: smallest height and width, pixels; (0, 0) for other data, as below.
        median: median height and width.
        maximum: largest height and width.
        modes: how many of the sampled pictures have which Pillow mode, or the arrays which type.
        height: suggested height of the model's pictures.
        width: suggested width.
        channels: suggested channels, 1 or 3.
        vectors: how vectors are standardised; None for other data.
        speech: of recordings; None for other data.
    """

    n: int
    minimum: tuple[int, int] = (0, 0)
    median: tuple[int, int] = (0, 0)
    maximum: tuple[int, int] = (0, 0)
    modes: Mapping[str, int] = field(default_factory=dict[str, int])
    height: int = 0
    width: int = 0
    channels: Literal[1, 3] = 1
    vectors: VectorPreprocessing | None = None
    speech: SpeechSurvey | None = None


class Source(Protocol):
    """Data that can be looked at and loaded.

    Attributes:
        name: of the set, or the path.
        kind: what the examples are.
        splits: ("train", "test") where the data come with a split, else ("all",).
    """

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> Kind: ...

    @property
    def splits(self) -> tuple[str, ...]: ...

    def survey(self) -> Survey:
        """Looks at a sample of the data."""
        ...

    def fingerprint(self) -> str:
        """Returns a short text that changes when the data change."""
        ...

    def load(
        self,
        preprocessing: Preprocessing,
        split: str | None = None,
        *,
        skip_bad: bool = False,
        progress: Progress | None = None,
    ) -> Dataset:
        """Reads and preprocesses the examples.

        Args:
            preprocessing: the form to bring them into.
            split: one of `splits`; the first of them if None.
            skip_bad: go on although more than 10 % of the files cannot be read.
            progress: is called with the number of files done and in all.

        Raises:
            OptionError: no such split, or preprocessing for another kind of data.
            DataError: nothing, or too little, can be read.
            FileError: a file is missing or cannot be read or written.
        """
        ...


def choose_split(source: Source, split: str | None) -> str:
    """Returns the split to read: the first one if None.

    Raises:
        OptionError: the source has no such split.
    """
    if split is not None and split not in source.splits:
        raise OptionError(f"{source.name} has no split '{split}': {nearest(split, source.splits)}")
    return split or source.splits[0]


def require_kind(source: Source, preprocessing: Preprocessing) -> None:
    """Checks that a model is given data of the kind that it takes.

    Raises:
        OptionError: it is another kind.
    """
    if preprocessing.kind != source.kind:
        raise OptionError(f"{source.name} holds {NOUNS[source.kind]}, but the model takes {NOUNS[preprocessing.kind]}.")


def require_readable(name: str, noun: str, n: int, problems: Sequence[Problem], skip_bad: bool) -> None:
    """Checks that enough of the files could be used.

    Args:
        name: of the data.
        noun: what one of the files is called.
        n: number of files.
        problems: with them.
        skip_bad: go on although more than 10 % of them cannot be used.

    Raises:
        DataError: none can be used, or too few.
    """
    bad = [problem for problem in problems if problem.skipped]
    if len(bad) == n:
        first = bad[0].message if bad else "there are none."
        raise DataError(f"None of the {n} {noun}(s) of {name} can be used: {first}")
    if not skip_bad and len(bad) > WORST_UNREADABLE * n:
        named = ", ".join(problem.file_name for problem in bad[:3]) + (" ..." if len(bad) > 3 else "")
        raise DataError(
            f"{len(bad)} of the {n} {noun}s of {name} cannot be used, more than 10 % ({named}): mend or remove them, "
            f"or go on without them (--skip-bad; in Python `skip_bad=True`)."
        )


def choose_preprocessing(source: Source, config: DataConfig) -> Preprocessing:
    """Decides how the data are brought into the form that a model takes.

    Args:
        source: the data.
        config: what a person has set; the rest is decided from the data.

    Raises:
        OptionError: a size of zero or less, or settings of another kind of data.
        DataError: nothing can be read.
    """
    _require_settings_of(source, config)
    survey = source.survey()
    if survey.vectors is not None:
        return survey.vectors
    if survey.speech is not None:
        return _speech(survey.speech, config)
    height, width = survey.height, survey.width
    if config.size is not None:
        height, width = (config.size, config.size) if isinstance(config.size, int) else config.size
    if min(height, width) < 1:
        raise OptionError(f"data.size must be positive, not {height} x {width}.")
    return ImagePreprocessing(
        height=height,
        width=width,
        channels=config.channels or survey.channels,
        fit=config.fit,
        binarize=config.binarize,
    )


def _require_settings_of(source: Source, config: DataConfig) -> None:
    """Refuses settings that would have no effect on such data."""
    if config.kind is not None and config.kind != source.kind:
        raise OptionError(f"{source.name} holds {NOUNS[source.kind]}, but data.kind asks for {NOUNS[config.kind]}.")
    for kind, settings in _SETTINGS_OF.items():
        given = next((name for name in settings if getattr(config, name) != DEFAULTS[name].default), None)
        if given is not None and source.kind != kind:
            raise OptionError(f"data.{given} is for {NOUNS[kind]}, but {source.name} holds {NOUNS[source.kind]}.")


def _speech(survey: SpeechSurvey, config: DataConfig) -> SpeechPreprocessing:
    rate, feature = config.sample_rate or survey.sample_rate, config.feature or "log-mel"
    form = SpeechPreprocessing(front_end=FrontEnd.for_rate(rate, feature, config.mels or 80))
    chosen = {"level": config.level, "piece_seconds": config.piece_seconds}
    return form.model_copy(update={name: value for name, value in chosen.items() if value is not None})


def suggest_rate(rates: Mapping[int, int]) -> int:
    """Suggests a model's sample rate: 16 kHz where most recordings have at least that, else 8 kHz.

    Args:
        rates: how many recordings have which rate.

    Example:
        >>> suggest_rate({44_100: 3, 8_000: 2}), suggest_rate({8_000: 1})
        (16000, 8000)
    """
    wide = sum(count for rate, count in rates.items() if rate >= WIDE)
    return WIDE if 2 * wide > sum(rates.values()) else WIDE // 2


def suggest_size(sizes: list[tuple[int, int]]) -> tuple[int, int]:
    """Suggests the size of a model's pictures from the sizes (height, width) of the data.

    The common size, to the nearest multiple of 4, if all are equal and at most 64; else a square as large as
    half of the pictures are, at least 8 and at most 64.

    Example:
        >>> suggest_size([(28, 28), (28, 28)]), suggest_size([(480, 640), (500, 600)])
        ((28, 28), (64, 64))
    """
    if len(set(sizes)) == 1 and max(sizes[0]) <= LARGEST:
        height, width = (max(8, 4 * round(side / 4)) for side in sizes[0])
        return height, width
    short = sorted(min(size) for size in sizes)[len(sizes) // 2]
    side = max([8, *(step for step in (12, 16, 24, 32, 48, 64) if step <= min(short, LARGEST))])
    return side, side
