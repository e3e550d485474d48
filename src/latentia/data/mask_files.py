"""Masks that people draw: white where something is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentia.data.images import further_frames, read_picture
from latentia.data.pixels import on_black, plain
from latentia.errors import DataError, OptionError

HALF = 128
COLOURED = 48  # levels between the channels of a pixel, which JPEG does not bring about in grey
MOST_COLOURED = 0.01  # of what is not black


def read_mask(path: Path | str, size: tuple[int, int], *, resize: bool = False) -> NDArray[np.bool_]:
    """Reads a mask.

    Pixels of at least half brightness are white. Transparent ones are black, as where a program shows a drawing without
    its background.

    Args:
        path: the file.
        size: height and width of the picture that it is for.
        resize: whether a mask of another size is brought to that of the picture; in a larger one nothing white is lost,
            however fine it is.

    Returns:
        True where a pixel is missing, shape (H, W).

    Raises:
        FileError: the file is missing or cannot be read.
        DataError: it is no picture, animated, or in colour.
        OptionError: it has another size.
    """
    picture = read_picture(path)
    frames = further_frames(picture)
    if frames is not None:
        raise DataError(f"The mask {path} {frames}, as an animation does: save the one that is meant by itself.")
    try:
        drawn = on_black(plain(picture, 3))
    except DataError as error:
        raise DataError(f"The mask {path} cannot be used: {error}") from error
    if _is_coloured(drawn):
        raise DataError(
            f"The mask {path} is in colour, so what is missing cannot be told: draw it in white on black, or give the "
            "picture itself with what is missing transparent."
        )
    grey = drawn.convert("L")
    height, width = size
    if grey.size != (width, height):
        if not resize:
            raise OptionError(
                f"The mask {path} has {grey.width} x {grey.height} pixels, the picture {width} x {height}: give one "
                "of the same size, or --resize-mask."
            )
        white = Image.fromarray((np.asarray(grey) >= HALF).astype(np.float32))
        return np.asarray(white.resize((width, height), Image.Resampling.BOX)) > 0
    return np.asarray(grey) >= HALF


def _is_coloured(picture: Image.Image) -> bool:
    """Tells whether more than a trace of what is drawn on black is in colour."""
    levels = np.asarray(picture)
    brightest = levels.max(-1)
    coloured = brightest - levels.min(-1) > COLOURED
    return int(coloured.sum()) > MOST_COLOURED * int((brightest > COLOURED).sum())
