"""Masks that people draw: white where something is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentia.data.images import read_picture
from latentia.data.pixels import is_grey, plain
from latentia.errors import DataError, OptionError

HALF = 128


def read_mask(path: Path | str, size: tuple[int, int], *, resize: bool = False) -> NDArray[np.bool_]:
    """Reads a mask.

    Pixels of at least half brightness are white. Transparent ones are black, as where a program shows a drawing without
    its background.

    Args:
        path: the file.
        size: height and width of the picture that it is for.
        resize: whether a mask of another size is brought to that of the picture.

    Returns:
        True where a pixel is missing, shape (H, W).

    Raises:
        FileError: the file is missing or cannot be read.
        DataError: it is no picture, or in colour.
        OptionError: it has another size.
    """
    picture = read_picture(path)
    if not is_grey(picture):
        raise DataError(
            f"The mask {path} is in colour, so what is missing cannot be told: draw it in white on black, or give the "
            "picture itself with what is missing transparent."
        )
    try:
        grey = plain(picture, 1)
    except DataError as error:
        raise DataError(f"The mask {path} cannot be used: {error}") from error
    if grey.mode == "LA":
        black = Image.new("L", grey.size)
        black.paste(grey.getchannel("L"), mask=grey.getchannel("A"))
        grey = black
    height, width = size
    if grey.size != (width, height):
        if not resize:
            raise OptionError(
                f"The mask {path} has {grey.width} x {grey.height} pixels, the picture {width} x {height}: give one "
                "of the same size, or --resize-mask."
            )
        grey = grey.resize((width, height), Image.Resampling.NEAREST)
    return np.asarray(grey) >= HALF
