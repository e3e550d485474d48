"""What all sources of data have in common, whatever they are read from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from latentia.config import DataConfig
from latentia.data.dataset import Dataset
from latentia.data.preprocessing import ImagePreprocessing, Preprocessing, VectorPreprocessing
from latentia.errors import OptionError, nearest

Kind = Literal["image", "vector"]
Progress = Callable[[int, int], None]
ALL = ("all",)


@dataclass(frozen=True)
class Survey:
    """What the data look like, from a sample of them.

    Attributes:
        n: number of examples.
        minimum: smallest height and width, pixels; (0, 0) for vectors, as below.
        median: median height and width.
        maximum: largest height and width.
        modes: how many of the sampled pictures have which Pillow mode, or the arrays which type.
        height: suggested height of the model's pictures.
        width: suggested width.
        channels: suggested channels, 1 or 3.
        vectors: how vectors are standardised; None for pictures.
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


def choose_preprocessing(source: Source, config: DataConfig) -> Preprocessing:
    """Decides how the data are brought into the form that a model takes.

    Args:
        source: the data.
        config: what a person has set; the rest is decided from the data.

    Raises:
        OptionError: a size of zero or less, or a size for vectors.
        DataError: nothing can be read.
    """
    survey = source.survey()
    if survey.vectors is not None:
        return survey.vectors
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


def suggest_size(sizes: list[tuple[int, int]], largest: int = 64) -> tuple[int, int]:
    """Suggests the size of a model's pictures from the sizes (height, width) of the data.

    The common size, to the nearest multiple of 4, if all are equal and at most `largest`; else a square as large as
    half of the pictures are, at least 8 and at most `largest`.

    Example:
        >>> suggest_size([(28, 28), (28, 28)]), suggest_size([(480, 640), (500, 600)])
        ((28, 28), (64, 64))
    """
    if len(set(sizes)) == 1 and max(sizes[0]) <= largest:
        height, width = (max(8, 4 * round(side / 4)) for side in sizes[0])
        return height, width
    short = sorted(min(size) for size in sizes)[len(sizes) // 2]
    side = max([8, *(step for step in (12, 16, 24, 32, 48, 64) if step <= min(short, largest))])
    return side, side
