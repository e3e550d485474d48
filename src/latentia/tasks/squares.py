"""Which parts of a picture a model is shown to fill it in: squares around holes, each with its context."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from latentia.data import Box

Flags = NDArray[np.bool_]
Numbers = NDArray[np.int32]
Size = tuple[int, int]
Place = tuple[slice, slice]
CONTEXT = 2.0  # side of a square, in sides of its hole
THIN = 8.0  # a hole so many times longer than thick is filled in piece by piece
POROUS = 0.02  # so is one with so much more, as a share of it, given inside: were it scaled, that would be lost
RIM = 0.25  # of the side of the largest square that is not scaled: what is so near to a thick hole is a part of it
TOUCHING = np.ones((3, 3), np.int64)  # holes that meet at a corner are one


@dataclass(frozen=True)
class Square:
    """A part of a picture that a model is shown; it has the aspect of the model's pictures, which mostly are square.

    Attributes:
        box: the part; what of it is outside of the picture is missing.
        holes: what is filled in from it, shape (box.height, box.width).
        factor: pixels of the picture, along a side, for one of the model's.
    """

    box: Box
    holes: Flags
    factor: float


def squares_around(missing: Flags, model: Size) -> list[Square]:
    """Covers what is missing of a picture by squares: for each hole the smallest with twice its size.

    A picture that is no larger than the model's is one square. In a larger one no square is smaller than the model's
    pictures, and small holes share squares; long thin holes, as scratches are, and those with pixels that are given all
    over them are cut into pieces, and the size of the squares follows from their thickness. What is thin of a hole that
    elsewhere is too thick for the model's own size, a scratch that ends in a stain, is a hole of its own.

    Args:
        missing: True where a pixel is missing, shape (H, W).
        model: height and width of the model's pictures.

    Returns:
        Squares whose holes together are all that is missing, each pixel once.

    Example:
        >>> missing = np.zeros((200, 300), bool)
        >>> missing[20:80, 100:160] = True
        >>> squares_around(missing, (64, 64))[0].box
        Box(top=0, left=70, height=120, width=120)
    """
    size = cast(Size, missing.shape)
    largest = max(size[0] / model[0], size[1] / model[1])
    if largest <= 1:
        box = _box((size[0] / 2, size[1] / 2), largest, model, size)
        return [Square(box, _cut(missing, box), largest)]
    labels = _numbered(missing, model)
    places = cast(list[Place], ndimage.find_objects(labels))
    squares: list[Square] = []
    small: list[int] = []
    thin: dict[float, list[int]] = {}
    for number, place in enumerate(places, start=1):
        sides = rows, columns = _sides(place)
        thickness = _thickness(labels[place] == number)
        is_thin = max(sides) > THIN * thickness or _is_porous(labels[place] == number)
        if is_thin:
            rows = columns = thickness
        scale = min(largest, max(1.0, CONTEXT * rows / model[0], CONTEXT * columns / model[1]))
        if is_thin:
            thin.setdefault(scale, []).append(number)
        elif scale == 1.0:
            small.append(number)
        else:
            box = _box(_middle(place), scale, model, size)
            squares.append(Square(box, _cut(labels, box) == number, scale))
    squares += _of_small_holes(labels, small, places, model)
    for scale, numbers in thin.items():
        squares += _of_pieces(np.isin(labels, numbers), scale, model)
    return squares


def tiles(size: Size, model: Size) -> list[Square]:
    """Covers a whole picture by overlapping squares of one size; each pixel is of the one whose middle is nearest.

    Args:
        size: height and width of the picture.
        model: height and width of the model's pictures.

    Example:
        >>> [square.box.left for square in tiles((64, 128), (64, 64))]
        [0, 32, 64]
    """
    return list(_of_pieces(np.ones(size, np.bool_), 1.0, model))


def _numbered(missing: Flags, model: Size) -> Numbers:
    """Numbers holes from 1; what is thick and what is thin of one are two."""
    sides = [2 * math.floor(length / CONTEXT / 2) + 1 for length in model]  # odd, the smallest that are scaled
    core = _grown(~_grown(~missing, sides, beyond=True), sides)
    thick = missing & _grown(core, [2 * round(RIM * side) + 1 for side in sides])
    labels, count = cast(tuple[Numbers, int], ndimage.label(thick, TOUCHING, output=np.int32))
    others, _ = cast(tuple[Numbers, int], ndimage.label(missing & ~thick, TOUCHING, output=np.int32))
    return np.where(others > 0, others + count, labels)


def _grown(flags: Flags, sides: list[int], *, beyond: bool = False) -> Flags:
    """Tells where something is within a rectangle around a pixel; `beyond` says what is outside of the picture."""
    return cast(Flags, ndimage.maximum_filter(flags, sides, mode="constant", cval=int(beyond)))


def _of_small_holes(labels: Numbers, numbers: list[int], places: list[Place], model: Size) -> Iterator[Square]:
    """Puts whole holes into squares of the model's own size, each into the one whose middle is nearest."""
    down, across = (_Row.along(extent, length) for extent, length in zip(labels.shape, model, strict=True))
    homes: dict[tuple[int, int], list[int]] = {}
    for number in numbers:
        row, column = _middle(places[number - 1])
        homes.setdefault((down.nearest(row), across.nearest(column)), []).append(number)
    for (row, column), members in homes.items():
        box = Box(down.starts[row], across.starts[column], *model)
        yield Square(box, np.isin(_cut(labels, box), members), 1.0)


def _of_pieces(missing: Flags, scale: float, model: Size) -> Iterator[Square]:
    """Covers pixels by overlapping squares of one size, each pixel by the one whose middle is nearest."""
    height, width = (max(1, round(scale * length)) for length in model)
    down, across = _Row.along(missing.shape[0], height), _Row.along(missing.shape[1], width)
    for row, top in enumerate(down.starts):
        for column, left in enumerate(across.starts):
            rows, columns = down.nearest_to(row), across.nearest_to(column)
            if missing[rows, columns].any():
                holes = np.zeros((height, width), np.bool_)
                there = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
                holes[there] = missing[rows, columns]
                yield Square(Box(top, left, height, width), holes, scale)


@dataclass(frozen=True)
class _Row:
    """Stretches of one length along a side, which overlap by half or more."""

    starts: list[int]
    length: int
    extent: int

    @classmethod
    def along(cls, extent: int, length: int) -> _Row:
        rest = extent - length
        if rest <= 0:
            return cls([rest // 2], length, extent)
        count = math.ceil(2 * rest / length) + 1
        return cls([round(rest * number / (count - 1)) for number in range(count)], length, extent)

    @property
    def _borders(self) -> list[float]:
        """Where one stretch's middle is as near as the next one's."""
        return [(one + other + self.length) / 2 for one, other in zip(self.starts, self.starts[1:], strict=False)]

    def nearest(self, position: float) -> int:
        """Returns the stretch whose middle is nearest."""
        return int(np.searchsorted(self._borders, position, side="right"))

    def nearest_to(self, number: int) -> slice:
        """Returns the positions to which the middle of a stretch is nearest."""
        borders = [0, *(math.ceil(border) for border in self._borders), self.extent]
        return slice(borders[number], borders[number + 1])


def _box(middle: tuple[float, float], scale: float, model: Size, size: Size) -> Box:
    """Returns the box of a scale around a place, moved into the picture as far as it fits there."""
    lengths = [max(1, round(scale * length)) for length in model]
    starts = [
        (extent - length) // 2 if length >= extent else min(max(0, round(place - length / 2)), extent - length)
        for place, length, extent in zip(middle, lengths, size, strict=True)
    ]
    return Box(starts[0], starts[1], lengths[0], lengths[1])


def _cut(values: NDArray[Any], box: Box) -> NDArray[Any]:
    """Cuts a box out of values (H, W); outside of them it is 0."""
    inside, there = box.overlap(cast(Size, values.shape))
    result = np.zeros_like(values, shape=(box.height, box.width))
    result[there] = values[inside]
    return result


def _is_porous(hole: Flags) -> bool:
    inside = cast(Flags, ndimage.binary_fill_holes(hole))
    return int(inside.sum()) > (1 + POROUS) * int(hole.sum())


def _thickness(hole: Flags) -> int:
    """Returns the largest odd side of a square within a hole, pixels."""
    depth = cast(Numbers, ndimage.distance_transform_cdt(np.pad(hole, 1), "chessboard"))
    return 2 * int(depth.max()) - 1


def _sides(place: Place) -> Size:
    rows, columns = place
    return rows.stop - rows.start, columns.stop - columns.start


def _middle(place: Place) -> tuple[float, float]:
    rows, columns = place
    return (rows.start + rows.stop) / 2, (columns.start + columns.stop) / 2
