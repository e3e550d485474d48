"""From any picture that Pillow opens to 8-bit grey or colour, with or without alpha."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentia.errors import DataError

ORIENTATION = 0x0112
ORIENTED = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")  # where formats keep it
OPAQUE = 128
INVISIBLE = "It is transparent all over, so that nothing of it can be seen."
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation(picture: Image.Image) -> int:
    """Returns the EXIF orientation, 1 to 8; 1 (upright) where there is none or where it is damaged."""
    try:
        value = picture.getexif().get(ORIENTATION, 1)
    except (OSError, SyntaxError, ValueError, LookupError, TypeError, struct.error):
        return 1  # damaged EXIF does not make the pixels unreadable
    return value if value in _TURNS else 1


def upright(picture: Image.Image) -> Image.Image:
    """Returns the picture turned as its EXIF orientation says."""
    turn = _TURNS.get(orientation(picture))
    if turn is None:
        return picture
    turned = picture.transpose(turn)
    for key in ORIENTED:  # or it would be turned again
        turned.info.pop(key, None)
    return turned


def plain(picture: Image.Image, channels: int) -> Image.Image:
    """Returns an upright 8-bit picture of mode L or RGB, or LA or RGBA where it has transparency or NaN.

    Args:
        picture: of any mode; 16 bit is scaled by its full range, floats must lie in [0, 1] or [0, 255].
        channels: 1 for grey, 3 for colour.

    Raises:
        DataError: numbers of an unknown range (32-bit integers, large or negative floats), or a mode unlike RGB.

    Example:
        >>> plain(Image.new("CMYK", (4, 4)), 1).mode
        'L'
    """
    picture = upright(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        key, values = picture.info.get("transparency"), np.asarray(picture)
        unseen = values == key if isinstance(key, int) else np.isnan(values)
        picture = Image.fromarray(_eight_bits(values))
        if unseen.any():
            picture.putalpha(Image.fromarray(np.where(unseen, 0, 255).astype(np.uint8)))
    try:
        return _converted(picture, channels)
    except ValueError as error:  # Pillow knows no way from some rare modes, such as La
        raise DataError(f"Pictures of the mode {picture.mode} cannot be converted to RGB: save it as RGB.") from error


def on_black(picture: Image.Image) -> Image.Image:
    """Lays an RGB or RGBA picture on black."""
    black = Image.new("RGB", picture.size)
    black.paste(picture, mask=picture.getchannel("A") if picture.mode == "RGBA" else None)
    return black


def is_grey(picture: Image.Image) -> bool:
    """Tells whether at least 99 % of the pixels are grey up to the colour noise of JPEG."""
    if picture.mode in ("1", "L", "LA", "La", "F") or picture.mode.startswith("I"):
        return True
    small = plain(picture, 3).convert("RGB").resize((48, 48), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.int16)
    spread = pixels.max(-1) - pixels.min(-1)
    return bool((spread <= 10).mean() >= 0.99)


def _converted(picture: Image.Image, channels: int) -> Image.Image:
    if picture.has_transparency_data:
        colour = picture.convert("RGBA")
        return colour if channels == 3 else colour.convert("LA")
    if channels == 3:
        return picture.convert("RGB")
    # Pillow has no direct way from some modes (CMYK) to grey.
    return picture.convert("L") if picture.mode in ("1", "L", "RGB") else picture.convert("RGB").convert("L")


def require_known_range(pixels: NDArray[Any]) -> float:
    """Returns what number stands for white in a picture's pixels of 16 or 32 bits or floats.

    Raises:
        DataError: it cannot be known.
    """
    low, high = float(np.fmin.reduce(pixels, None)), float(np.fmax.reduce(pixels, None))  # NaN only where all are
    is_float = pixels.dtype.kind == "f"
    white = 65535.0 if not is_float else 1.0 if high <= 1.0 else 255.0
    # Floats a little above 1, and 32-bit integers that would fit into 8, may be meant in either way.
    doubtful = 1.0 < high < 2.0 if is_float else pixels.dtype.itemsize > 2 and 0.0 < high <= 255.0
    if doubtful or not (low >= 0.0 and high <= white):
        raise DataError(
            f"The picture has pixel values from {low:g} to {high:g}, whose range cannot be known: save it with 8 or 16 "
            f"bits, or as floats in [0, 1]."
        )
    return white


def _eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Scales pixels of 16 or 32 bits or floats to 8 bits; NaN becomes 0."""
    levels = pixels.astype(np.float64) * (255.0 / require_known_range(pixels))
    return np.round(np.nan_to_num(levels)).astype(np.uint8)
