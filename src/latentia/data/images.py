"""Single pictures: opening them safely, writing them in one piece, putting them into a grid."""

from __future__ import annotations

import io
import math
import struct
import threading
import warnings
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from latentia.data.pixels import orientation
from latentia.errors import DataError, FileError
from latentia.files import regular_size, replacing

# Raster formats that Pillow decodes itself; EPS and the like would start other programs.
FORMATS = (
    *("PNG", "JPEG", "JPEG2000", "WEBP", "AVIF", "GIF", "BMP", "DIB"),
    *("TIFF", "PPM", "TGA", "PCX", "ICO", "SGI"),
)
EXTENSIONS = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".webp", ".avif", ".gif", ".bmp", ".dib", ".tif", ".tiff"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".pcx", ".ico", ".sgi"}
)
# What Pillow's decoders raise on damaged files.
DECODE_ERRORS = (
    *(OSError, SyntaxError, ValueError, LookupError, TypeError, ArithmeticError, RuntimeError),
    *(AttributeError, EOFError, struct.error, zlib.error, Image.DecompressionBombError, Image.DecompressionBombWarning),
)
LARGEST_FILE = 2**30  # bytes; what Pillow's limit of pixels takes, uncompressed in four channels of 16 bits, and a half
DEEP = "16 bits for each colour"
SEEN = 64  # pixels; of a grid, smaller pictures are enlarged towards it
# Warning filters belong to the whole process, so that only one thread at a time may change them.
_opening = threading.Lock()


@dataclass(frozen=True)
class Header:
    """What a picture says of itself before its pixels are decoded; sizes are those of the upright picture."""

    height: int
    width: int
    mode: str


def read_bytes(path: Path) -> bytes:
    """Returns the content of a file.

    Raises:
        FileError: the file is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise FileError(f"There is no file {path}.") from error
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror or error}.") from error


def read_picture(path: Path | str) -> Image.Image:
    """Opens a picture and decodes all of it, so that damage shows here and not later.

    Of colours with 16 bits each Pillow keeps 8; `info` then has the entry `DEEP`.

    Raises:
        FileError: the file is missing or cannot be read.
        DataError: it is empty, cut off, no picture, or a decompression bomb.
    """
    return decode_picture(picture_bytes(Path(path)), str(path))


def picture_bytes(path: Path) -> bytes:
    """Returns the content of a picture file; pipes and devices, which may never end, are not opened.

    Raises:
        FileError: the file is missing, no regular file, or cannot be read.
        DataError: it is larger than any picture that would be decoded.
    """
    _size_of(path)
    return read_bytes(path)


def decode_picture(content: bytes, name: str) -> Image.Image:
    """Decodes a picture from the content of a file.

    Args:
        content: the bytes of the file.
        name: the file's name, for messages.

    Raises:
        DataError: it is empty, cut off, no picture, a decompression bomb, or larger than the memory that is left.
    """
    if not content:
        raise DataError(f"{name} is empty (0 bytes).")
    picture = _open(io.BytesIO(content), name)
    if _is_deep(picture):
        picture.info[DEEP] = True
    try:
        picture.load()
    except MemoryError as error:
        width, height = picture.size
        raise DataError(f"{name} has {width} x {height} pixels, too many for the memory: scale it down.") from error
    except DECODE_ERRORS as error:
        raise DataError(f"{name} is damaged or cut off: {_reason(error)}.") from error
    return picture


def read_header(path: Path) -> Header:
    """Reads size and mode of a picture without decoding its pixels.

    Raises:
        FileError: the file is missing or cannot be read.
        DataError: it is empty, no picture, or a decompression bomb.
    """
    if _size_of(path) == 0:
        raise DataError(f"{path} is empty (0 bytes).")
    try:
        with path.open("rb") as stream:
            picture = _open(stream, str(path))
            width, height = picture.size
            if orientation(picture) >= 5 and picture.format != "TIFF":  # Pillow turns TIFF files itself
                width, height = height, width
            return Header(height, width, picture.mode)
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror or error}.") from error


def further_frames(picture: Image.Image) -> str | None:
    """Says what frames a picture has, as an animation does; None where there is only one.

    Example:
        >>> further_frames(Image.new("L", (4, 4))) is None
        True
    """
    try:
        frames = getattr(picture, "n_frames", 1)
    except DECODE_ERRORS:
        return "has further frames that are damaged"
    # The further frames of a camera's MPO are previews.
    return None if frames == 1 or picture.format == "MPO" else f"has {frames} frames"


def write_picture(path: Path | str, array: NDArray[Any], **text: str) -> None:
    """Writes a file in one piece: a crash leaves either the old file or the new one.

    It is a JPEG file, which changes all pixels a little, if its name ends like one, and a PNG file otherwise.

    Args:
        path: where to; the folder must exist.
        array: uint8, shape (H, W) or (H, W, C) with 1 to 4 channels; or uint16 or bool, shape (H, W). For JPEG uint8
            without opacity.
        text: PNG text tags, for example `synthetic="latentia 0.1.0 generate"`; a comment in JPEG.

    Raises:
        FileError: the file cannot be written.
    """
    path = Path(path)
    picture = Image.fromarray(array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array)
    if is_jpeg(path):
        comment = "; ".join(f"{key}: {value}" for key, value in text.items())
        settings: dict[str, Any] = {"format": "JPEG", "quality": 95, "subsampling": 0, "comment": comment}
    else:
        tags = PngImagePlugin.PngInfo()
        for key, value in text.items():
            tags.add_text(key, value)
        settings = {"format": "PNG", "pnginfo": tags}
    with replacing(path) as temporary:
        picture.save(temporary, **settings)


def is_jpeg(path: Path) -> bool:
    """Tells whether a file's name ends like that of a JPEG file.

    Example:
        >>> is_jpeg(Path("a.JPG")), is_jpeg(Path("a.png"))
        (True, False)
    """
    return path.suffix.lower() in (".jpg", ".jpeg")


def grid(pictures: NDArray[np.uint8], columns: int | None = None, gap: int = 2) -> NDArray[np.uint8]:
    """Puts pictures side by side and below each other on white; small ones enlarged by a whole factor.

    Args:
        pictures: uint8, shape (N, H, W, C), N at least 1.
        columns: pictures in a row; about the square root of N if None.
        gap: pixels between pictures and around them.

    Returns:
        One picture, uint8, shape (H', W', C).

    Raises:
        DataError: no picture.

    Example:
        >>> grid(np.zeros((5, 28, 28, 1), np.uint8), columns=3).shape
        (118, 176, 1)
    """
    if len(pictures) == 0:
        raise DataError("A grid needs at least one picture.")
    pictures = _enlarged(pictures)
    count, height, width, channels = pictures.shape
    across = min(count, columns or math.ceil(math.sqrt(count)))
    down = math.ceil(count / across)
    sheet = np.full((down * (height + gap) + gap, across * (width + gap) + gap, channels), 255, np.uint8)
    for position, picture in enumerate(pictures):
        top = gap + (position // across) * (height + gap)
        left = gap + (position % across) * (width + gap)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def _enlarged(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns pictures (N, H, W, C) so large that a person sees what is on them."""
    factor = max(1, SEEN // max(pictures.shape[1:3]))
    return pictures.repeat(factor, 1).repeat(factor, 2)


def _size_of(path: Path) -> int:
    """Returns the size of a picture file, once it is known to be a file of a size that pictures have."""
    size = regular_size(path)
    if size > LARGEST_FILE:
        raise DataError(f"{path} has {size:,} bytes, more than any picture needs: remove it.")
    return size


@cache
def _formats() -> tuple[str, ...]:
    """Returns those formats that this build of Pillow can open."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _open(stream: BinaryIO, name: str) -> Image.Image:
    try:
        with _opening, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(stream, formats=_formats())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(
            f"{name} claims more than {Image.MAX_IMAGE_PIXELS or 0:,} pixels and may be a decompression bomb: scale it "
            f"down with a program that you trust, or remove it."
        ) from error
    except Image.UnidentifiedImageError as error:
        raise DataError(f"{name} is not a picture, whatever its name says.") from error
    except DECODE_ERRORS as error:
        raise DataError(f"{name} cannot be read as a picture: {_reason(error)}.") from error


def _is_deep(picture: Image.Image) -> bool:
    """Tells whether a file that is not decoded yet has 16 bits for each of several channels."""
    layouts = [str(part[3]) for part in getattr(picture, "tile", [])]
    return not picture.mode.startswith("I") and any(";16" in layout and "BGR" not in layout for layout in layouts)


def _reason(error: Any) -> str:
    """Returns the decoder's own words, without a full stop."""
    return str(error).rstrip(". ") or type(error).__name__
