"""A picture that is to be filled in or repaired: as it came, value by value, and what of it is missing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentia.data.pixels import OPAQUE, plain, require_known_range, upright
from latentia.errors import DataError

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow converts to grey
TRACE = 2.5 / 255  # between the channels of a pixel that is grey
WHOLE = {"1", "L", "LA", "RGB", "RGBA"}  # modes that are kept as they are
OPEN_TO_OPACITY = {"1": "LA", "L": "LA", "RGB": "RGBA"}  # what those become of which one colour is transparent
Values = NDArray[Any]
Flags = NDArray[np.bool_]
Unit = NDArray[np.float32]
Place = tuple[slice, slice]


class Box(NamedTuple):
    """A rectangle of pixels, which may reach beyond a picture."""

    top: int
    left: int
    height: int
    width: int

    def overlap(self, size: tuple[int, int]) -> tuple[Place, Place]:
        """Returns the part that is inside of a picture (height, width): where in the picture, and where in the box.

        Example:
            >>> Box(-2, 1, 4, 4).overlap((10, 3))
            ((slice(0, 2, None), slice(1, 3, None)), (slice(2, 4, None), slice(0, 2, None)))
        """
        (rows, down), (columns, across) = (
            _shared(start, length, extent)
            for start, length, extent in ((self.top, self.height, size[0]), (self.left, self.width, size[1]))
        )
        return (rows, columns), (down, across)


@dataclass(frozen=True)
class Canvas:
    """A picture and what of it is missing.

    Attributes:
        pixels: as they came, bool, uint8, uint16 or floats in [0, 1], shape (H, W, C) with 1 to 4 channels; an even
            number of them includes the opacity.
        missing: True where a pixel is missing, shape (H, W).
        flat: whether the picture came without an axis of channels.
        asked: True where it is to be filled in, of what is missing, shape (H, W); None for all of that.

    Example:
        >>> canvas = Canvas.from_array(np.array([[0.2, np.nan], [0.4, 0.6]]))
        >>> canvas.missing.tolist()
        [[False, True], [False, False]]
        >>> canvas.with_values(canvas.missing, np.full((2, 2, 1), 0.3, np.float32)).tolist()
        [[0.2, 0.30000001192092896], [0.4, 0.6]]
    """

    pixels: Values
    missing: Flags
    flat: bool
    asked: Flags | None = None

    @classmethod
    def from_picture(cls, picture: Image.Image) -> Canvas:
        """Takes a picture of any mode, upright; what is less than half opaque is missing.

        Palettes become RGB or RGBA, and modes that PNG files cannot have become grey or RGB. 16 bits stay 16 bits,
        however they were stored. A colour that stands for transparency becomes opacity; in 16 bits, which have none,
        it is just missing.

        Args:
            picture: as it was read.

        Raises:
            DataError: pixels of an unknown range.
        """
        picture = upright(picture)
        if picture.mode.startswith("I"):
            pixels = np.asarray(picture)
            require_known_range(pixels)
            return cls._of(pixels.astype(np.uint16), _keyed(picture, pixels))
        if picture.mode in OPEN_TO_OPACITY and "transparency" in picture.info:
            picture = picture.convert(OPEN_TO_OPACITY[picture.mode])
        if picture.mode not in WHOLE:
            grey = picture.mode in ("F", "La")
            picture = plain(picture, 1 if grey else 3)
        return cls._of(np.asarray(picture), None)

    @classmethod
    def from_array(cls, image: Values, missing: Flags | None = None) -> Canvas:
        """Takes an array; NaN and what is less than half opaque is missing.

        Args:
            image: uint8, uint16, bool or floats in [0, 1], shape (H, W) or (H, W, C) with 1 to 4 channels.
            missing: what is missing too, shape (H, W).

        Raises:
            DataError: an array of another shape or type, floats outside of [0, 1], or a mask of another size.
        """
        if image.ndim not in (2, 3) or 0 in image.shape or (image.ndim == 3 and image.shape[2] > 4):
            raise DataError(f"Expected a picture of shape (H, W) or (H, W, C) with 1 to 4 channels, not {image.shape}.")
        image = image.astype(image.dtype.newbyteorder("="), copy=False)  # TIFF files have either order
        if image.dtype.kind != "f" and str(image.dtype) not in ("uint8", "uint16", "bool"):
            raise DataError(f"Expected a picture as uint8, uint16, or floats in [0, 1], not {image.dtype}.")
        if image.dtype.kind == "f":
            low, high = _range(image)
            if low < 0 or high > 1:
                raise DataError(f"Float pictures must lie in [0, 1], but values from {low:g} to {high:g} were found.")
        return cls._of(image, missing)

    @classmethod
    def _of(cls, image: Values, missing: Flags | None) -> Canvas:
        pixels = image[..., None] if image.ndim == 2 else image
        canvas = cls(pixels, np.zeros(pixels.shape[:2], np.bool_), image.ndim == 2)
        holes = canvas._absent()
        if missing is not None:
            if missing.shape != holes.shape:
                raise DataError(f"The mask has the shape {missing.shape}, and the picture {holes.shape}.")
            holes |= missing.astype(np.bool_)
        return cls(pixels, holes, canvas.flat)

    def _absent(self) -> Flags:
        """Returns what the picture itself says is missing."""
        holes = np.zeros(self.size, np.bool_)
        if self.pixels.dtype.kind == "f":
            holes |= np.isnan(self.pixels).any(-1)
        if self.has_opacity:
            holes |= self.pixels[..., -1] < OPAQUE / 255 * self.white
        return holes

    def masked(self, mask: Flags) -> Canvas:
        """Hides what a mask covers (H, W), and asks for that only: what is transparent beside it stays so."""
        return replace(self, missing=self.missing | mask, asked=mask)

    @property
    def holes(self) -> Flags:
        """What is to be filled in, shape (H, W)."""
        return self.missing if self.asked is None else self.asked

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return cast(tuple[int, int], self.pixels.shape[:2])

    @property
    def has_opacity(self) -> bool:
        """Whether the last channel is the opacity."""
        return self.pixels.shape[2] % 2 == 0

    @property
    def channels(self) -> int:
        """Channels of colour: 1 or 3."""
        return self.pixels.shape[2] - self.has_opacity

    @property
    def white(self) -> float:
        """The value of white."""
        return float(np.iinfo(self.pixels.dtype).max) if self.pixels.dtype.kind == "u" else 1.0

    def is_grey(self) -> bool:
        """Tells whether there is no colour in what is seen, but for the trace that JPEG leaves of grey."""
        values, given = self.crop_all()
        return bool((np.ptp(values, axis=-1)[given] <= TRACE).all())

    def crop(self, box: Box) -> tuple[Unit, Flags]:
        """Cuts out a part.

        Returns:
            Colours in [0, 1], shape (h, w, channels), 0 where they are missing; and where they are given, shape (h, w).
            What is outside of the picture is not.
        """
        values = np.zeros((box.height, box.width, self.channels), np.float32)
        given = np.zeros((box.height, box.width), np.bool_)
        inside, there = box.overlap(self.size)
        given[there] = ~self.missing[inside]
        values[there] = self.pixels[inside][..., : self.channels].astype(np.float32) / self.white
        values[~given] = 0.0
        return values, given

    def crop_all(self) -> tuple[Unit, Flags]:
        """Returns all of the picture, as `crop` does a part."""
        return self.crop(Box(0, 0, *self.size))

    def with_values(self, chosen: Flags, values: Unit) -> Values:
        """Returns the picture with other colours in some places; the rest is as it came, bit for bit.

        What was missing there becomes opaque.

        Args:
            chosen: where, shape (H, W).
            values: colours in [0, 1], shape (H, W, channels).
        """
        result = self.pixels.copy()
        result[..., : self.channels][chosen] = self.native(values[chosen])
        if self.has_opacity:
            result[..., -1][chosen & self.missing] = self.white
        return result[..., 0] if self.flat else result

    def native(self, values: Unit) -> Values:
        """Brings colours in [0, 1] into the values that the picture has."""
        clipped = values.clip(0, 1)
        if self.pixels.dtype.kind == "f":
            return clipped.astype(self.pixels.dtype)
        return np.round(clipped * self.white).astype(self.pixels.dtype)


def to_channels(values: Unit, channels: int) -> list[Unit]:
    """Brings colours (..., C) to a model's channels: grey as three equal ones, colour as three grey pictures.

    Example:
        >>> [part.shape for part in to_channels(np.zeros((4, 4, 3), np.float32), 1)]
        [(4, 4, 1), (4, 4, 1), (4, 4, 1)]
    """
    if values.shape[-1] == channels:
        return [values]
    if channels == 3:
        return [values.repeat(3, -1)]
    return [values[..., number : number + 1] for number in range(3)]


def from_channels(parts: list[Unit], channels: int) -> Unit:
    """Brings what a model made of `to_channels` back to a picture's channels."""
    if len(parts) > 1:
        return np.concatenate(parts, -1)
    made = parts[0]
    return made if made.shape[-1] == channels else (made @ LUMINANCE)[..., None]


def _keyed(picture: Image.Image, pixels: Values) -> Flags | None:
    """Tells where a picture of 16 bits has the value that stands for transparency; None where none does."""
    key = picture.info.get("transparency")
    return pixels == key if isinstance(key, int) else None


def _shared(start: int, length: int, extent: int) -> tuple[slice, slice]:
    first = min(max(0, start), extent)
    last = max(first, min(extent, start + length))
    return slice(first, last), slice(first - start, last - start)


def _range(image: Values) -> tuple[float, float]:
    seen = image[~np.isnan(image)]
    return (float(seen.min()), float(seen.max())) if seen.size else (0.0, 0.0)
