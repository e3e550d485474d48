"""Sets of pictures that exist only re-cut in the data mirror; the full ones have their own homes and terms."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.mirror import require_mirror
from latentia.data import Arrays, RemoteFile, as_source, fetch, open_source
from latentia.data.source import Source
from latentia.errors import DataError, OptionError, nearest

TEST_DRAWERS = 4  # of the 20 people who drew every character
TEST_SUBJECTS = 8  # of the 40 faces; their pictures are never trained on


@dataclass(frozen=True)
class RecutPictures:
    """A set in one `.npz` file; it is opened like a named set.

    Attributes:
        name: of the set.
        file: in the mirror.
        cut: returns pictures and classes of a split from the arrays of the file.
        names: of the classes.
        original: the set that it is cut from, and where that is.
    """

    name: str
    file: RemoteFile
    cut: Callable[[Mapping[str, NDArray[Any]], str], tuple[NDArray[np.uint8], NDArray[Any]]]
    names: tuple[str, ...]
    original: str
    splits: tuple[str, ...] = ("train", "test")

    @property
    def about(self) -> str:
        """What it is."""
        return f"{self.original}, re-cut"

    @property
    def files(self) -> tuple[RemoteFile]:
        """The file."""
        return (self.file,)

    @property
    def version(self) -> str:
        """Stands for the content and the split."""
        return self.file.sha256

    def read(self, split: str, mirror: Path | None) -> Arrays:
        """Returns the pictures of a split.

        Raises:
            FileError: there is no mirror, or the file is not in it.
            DataError: the file has another content than expected, is damaged or lacks an array.
        """
        require_mirror(self.name, self.original, mirror)
        content = io.BytesIO(fetch(self.file, self.name, mirror))
        try:
            with np.load(content, allow_pickle=False) as arrays:
                x, y = self.cut(arrays, split)
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"{self.file.path} is damaged or lacks arrays ({error}): get it again.") from error
        return Arrays(x, y.astype(np.int64), self.names)


def _faces(arrays: Mapping[str, NDArray[Any]], split: str) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Splits by subject: nobody is on both sides."""
    subject = arrays["subject"]
    chosen = _among_last(subject, TEST_SUBJECTS) == (split == "test")
    return arrays["images64"][chosen], subject[chosen]


def _cifar(arrays: Mapping[str, NDArray[Any]], split: str) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    return arrays[f"x_{split}"], arrays[f"y_{split}"]


def _characters(arrays: Mapping[str, NDArray[Any]], split: str) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Splits by drawer: nobody's hand is on both sides."""
    chosen = _among_last(arrays["drawer"], TEST_DRAWERS) == (split == "test")
    return arrays["images28"][chosen], arrays["character"][chosen]


def _among_last(people: NDArray[Any], count: int) -> NDArray[np.bool_]:
    """Tells which pictures are of the last people, a quarter of them where they are few."""
    names = np.unique(people)
    return np.isin(people, names[-min(count, max(1, len(names) // 4)) :])


def _mirrored(path: str, sha256: str) -> RemoteFile:
    return RemoteFile(f"images/{path}.npz", (), sha256)


SETS: dict[str, RecutPictures] = {
    entry.name: entry
    for entry in (
        RecutPictures(
            name="orl-faces",
            file=_mirrored("orl-faces/orl-faces", "3d8180bbd88b047d325cff06f35ea6e9d5d44e59c555ca037d3e6d69a773bd2e"),
            cut=_faces,
            names=tuple(f"subject {number}" for number in range(40)),
            original="the ORL database of faces, AT&T Laboratories Cambridge",
        ),
        RecutPictures(
            name="cifar10-part",
            file=_mirrored(
                "cifar10-part/cifar10-part", "c42d66fad15b18059d597d20ff17a1a0d7b9edeca0d17a3ef3176facfa3ba4ce"
            ),
            cut=_cifar,
            names=(
                *("airplane", "automobile", "bird", "cat", "deer"),
                *("dog", "frog", "horse", "ship", "truck"),
            ),
            original="CIFAR-10, www.cs.toronto.edu/~kriz/cifar.html",
        ),
        RecutPictures(
            name="omniglot-small",
            file=_mirrored(
                "omniglot-small/omniglot-small1-small2",
                "c8cfdcd5acd47e3052cd068cbcc6e076d0f7785a9f95bdb0ce62beb2d54808c2",
            ),
            cut=_characters,
            names=tuple(f"character {number}" for number in range(242)),
            original="Omniglot, github.com/brendenlake/omniglot",
        ),
    )
}


N_HELD_OUT = 500


def held_out_rows(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns which training pictures of a set are held out: the last ones, or some from everywhere if it is sorted."""
    count = min(N_HELD_OUT, len(labels) // 5)
    return _of_all_classes(labels, np.arange(len(labels) - count, len(labels)))


def rows_to_test(labels: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Returns which test pictures of a set are looked at: the first ones, or some from everywhere if it is sorted."""
    return _of_all_classes(labels, np.arange(min(count, len(labels))))


def _of_all_classes(labels: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns rows as they are, or as many from everywhere where they are of less than half of all classes."""
    if 2 * len(np.unique(labels[rows])) >= min(len(rows), len(np.unique(labels))):
        return rows
    return np.random.default_rng(0).permutation(len(labels))[: len(rows)]  # in no order: some of them are mixed, too


def to_train_on(name: str, mirror: Path | None = None) -> tuple[Tensor, Tensor]:
    """Returns the training pictures of a set without those that are held out, and these; uint8 (N, C, H, W)."""
    train = open_pictures(name, mirror).read("train")
    pixels, rows = channels_first(train.x), held_out_rows(train.y)
    return pixels[np.setdiff1d(np.arange(len(pixels)), rows)], pixels[rows]


def channels_first(x: NDArray[np.uint8]) -> Tensor:
    """Returns pictures (N, H, W) or (N, H, W, C) as (N, C, H, W)."""
    return torch.from_numpy(x.reshape(*x.shape[:3], -1).copy()).permute(0, 3, 1, 2).contiguous()


def open_pictures(name: str, mirror: Path | None = None) -> Source:
    """Opens a set that is re-cut, or one that has a public home; nothing is read yet."""
    return open_recut_pictures(name, mirror) if name in SETS else open_source(name, mirror=mirror)


def open_recut_pictures(name: str, mirror: Path | None = None) -> Source:
    """Opens one of the sets; nothing is read yet.

    Raises:
        OptionError: no such set; the nearest is named.
    """
    if name not in SETS:
        raise OptionError(f"There is no re-cut set '{name}': {nearest(name, SETS)}")
    return as_source(name, SETS[name], mirror)
