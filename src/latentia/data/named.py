"""Named data sets. Another one is a class with `read`, registered under its name; of recordings, with `kind` too."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from latentia.data.arrays import Arrays, ArraySource
from latentia.data.clip_source import ClipSource
from latentia.data.clips import Clips
from latentia.data.fetch import RemoteFile, fetch, other_content
from latentia.errors import DataError
from latentia.registry import Registry

TRAIN_TEST = ("train", "test")


class NamedSet(Protocol):
    """A data set with a name; registered classes are built without arguments.

    Attributes:
        splits: names of its splits, the one to train on first.
        about: what it is, where it is from and its licence, in a sentence.
        version: changes when the content or the split changes.
        files: those that it is read from, if it comes from elsewhere; it may lack the attribute.
    """

    splits: tuple[str, ...]
    about: str
    version: str

    def read(self, split: str, mirror: Path | None) -> Arrays:
        """Returns the arrays of a split, taken from the mirror if there is one."""
        ...


class ClipSet(Protocol):
    """A data set of recordings with a name; registered classes are built without arguments.

    Attributes:
        kind: tells it from a set of arrays without reading it.
        splits: names of its splits, the one to train on first.
        about: what it is, where it is from and its licence, in a sentence.
        version: changes when the content or the split changes.
        files: those that it is read from, if it comes from elsewhere; it may lack the attribute.
    """

    @property
    def kind(self) -> Literal["speech"]: ...

    @property
    def splits(self) -> tuple[str, ...]: ...

    @property
    def about(self) -> str: ...

    @property
    def version(self) -> str: ...

    def read(self, split: str, mirror: Path | None) -> Clips:
        """Returns the recordings of a split, taken from the mirror if there is one."""
        ...


named_sets: Registry[NamedSet | ClipSet] = Registry("data set")


def open_named(name: str, mirror: Path | None = None) -> ArraySource | ClipSource:
    """Opens a named set; nothing is read or downloaded yet.

    Raises:
        OptionError: no such set; the nearest is named.
    """
    return as_source(name, named_sets.build(name, {}), mirror)


def as_source(name: str, entry: NamedSet | ClipSet, mirror: Path | None = None) -> ArraySource | ClipSource:
    """Makes a source of a set, registered or not."""
    read, identity = partial(_read, entry, mirror), cache(partial(_fingerprint, name, entry, mirror))
    if getattr(entry, "kind", "image") == "speech":
        return ClipSource(name, cast(Callable[[str], Clips], read), identity, entry.splits)
    return ArraySource(name, cast(Callable[[str], Arrays], read), identity, entry.splits)


def _fingerprint(name: str, entry: NamedSet | ClipSet, mirror: Path | None) -> str:
    """Returns a hash of what the set is: as published, or what the mirror holds instead."""
    version = entry.version + other_content(getattr(entry, "files", ()), mirror)
    return hashlib.blake2b(f"{name}\0{version}".encode(), digest_size=16).hexdigest()


def fetch_named(name: str, mirror: Path | None = None) -> dict[str, int]:
    """Gets all of a named set and checks it; returns the number of examples of each split.

    Raises:
        OptionError: no such set.
        FileError: a file cannot be found or downloaded.
        DataError: a file has another content than expected.
    """
    entry = named_sets.build(name, {})
    return {split: len(entry.read(split, mirror)) for split in entry.splits}


def list_named() -> dict[str, str]:
    """Returns what each named set is."""
    return {name: named_sets.build(name, {}).about for name in named_sets}


def _read(entry: NamedSet | ClipSet, mirror: Path | None, split: str) -> Arrays | Clips:
    return entry.read(split, mirror)


@named_sets.register("digits")
class Digits:
    """The handwritten digits that come with scikit-learn; a fifth of each class is the test split.

    The test split is chosen by content, so that it is the same everywhere.
    """

    splits = TRAIN_TEST
    about = (
        "1797 handwritten digits, 8x8 grey, part of scikit-learn (E. Alpaydin, C. Kaynak; CC BY 4.0); needs no network"
    )
    version = "1"

    def read(self, split: str, mirror: Path | None) -> Arrays:  # part of scikit-learn
        """Returns the arrays of a split."""
        from sklearn.datasets import load_digits  # pyright: ignore[reportMissingTypeStubs]

        digits: Any = load_digits()  # pyright: ignore[reportUnknownVariableType]
        levels: NDArray[Any] = digits.images
        images = np.round(levels * (255.0 / 16.0)).astype(np.uint8)
        classes: NDArray[np.int64] = np.asarray(digits.target, np.int64)
        chosen = np.isin(np.arange(len(images)), list(_fifth_of_each(images, classes)))
        if split == "train":
            chosen = ~chosen
        return Arrays(images[chosen], classes[chosen], tuple("0123456789"))


def _fifth_of_each(images: NDArray[np.uint8], classes: NDArray[np.int64]) -> Iterator[int]:
    """Finds a fifth of each class, those whose content has the smallest hashes."""
    for number in np.unique(classes):
        members: list[int] = np.flatnonzero(classes == number).tolist()
        members.sort(key=lambda member: hashlib.blake2b(images[member].tobytes(), digest_size=16).digest())
        yield from members[: round(len(members) / 5)]


class IdxSet:
    """A set in the four IDX files of MNIST.

    Args:
        folder: of the files in the mirror.
        homes: public homes, each ending with a slash.
        sha256: of the unpacked files, in the order of `FILES`.
        names: of the classes.
        about: what it is.
    """

    FILES: tuple[str, ...] = tuple(
        f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
    )
    splits = TRAIN_TEST

    def __init__(
        self, folder: str, homes: tuple[str, ...], sha256: tuple[str, str, str, str], names: tuple[str, ...], about: str
    ) -> None:
        self.files = tuple(
            RemoteFile(f"{folder}/{file}", tuple(home + file for home in homes), checksum)
            for file, checksum in zip(self.FILES, sha256, strict=True)
        )
        self.names = names
        self.about = about
        self.version = "".join(sha256)

    def read(self, split: str, mirror: Path | None) -> Arrays:
        """Returns the arrays of a split."""
        images, labels = self.files[:2] if split == "train" else self.files[2:]
        name = images.path.split("/")[-2]
        x = read_idx(fetch(images, name, mirror), images.path)
        y = read_idx(fetch(labels, name, mirror), labels.path)
        return Arrays(x, y.astype(np.int64), self.names)


def read_idx(content: bytes, name: str) -> NDArray[np.uint8]:
    """Reads the unsigned bytes of an IDX file.

    Raises:
        DataError: it is no IDX file of bytes, or cut off.

    Example:
        >>> read_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), "two")
        array([7, 9], dtype=uint8)
    """
    header = 4 + 4 * content[3] if len(content) >= 4 else 0
    if content[:3] != b"\0\0\x08" or len(content) < header:
        raise DataError(f"{name} is not an IDX file of bytes.")
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, header, 4))
    if len(content) - header != int(np.prod(shape)):
        raise DataError(f"{name} is cut off: it should hold {shape}.")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


@named_sets.register("mnist")
class Mnist(IdxSet):
    """MNIST: Y. LeCun, C. Cortes, C. Burges, 1998."""

    def __init__(self) -> None:
        super().__init__(
            folder="images/mnist",
            homes=(
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
            ),
            sha256=(
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
            names=tuple("0123456789"),
            about="60 000 + 10 000 handwritten digits, 28x28 grey (LeCun, Cortes, Burges; CC BY-SA 3.0)",
        )


@named_sets.register("fashion-mnist")
class FashionMnist(IdxSet):
    """Fashion-MNIST: H. Xiao, K. Rasul, R. Vollgraf, 2017."""

    def __init__(self) -> None:
        super().__init__(
            folder="images/fashion-mnist",
            homes=(
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            ),
            sha256=(
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
            names=(
                *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
                *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
            ),
            about="60 000 + 10 000 pictures of clothes, 28x28 grey (Zalando; MIT)",
        )
