"""Pictures of what systems make of damaged pictures, side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from latentia.data import write_picture
from latentia.files import synthetic_tag

Pixels = NDArray[np.uint8]
Flags = NDArray[np.bool_]
CELL, GAP, LINE, LINES = 84, 4, 12, 3  # pixels, and lines above each column
LETTERS = 13  # that fit above a picture


def write_gallery(
    path: Path, truth: Pixels, damaged: Sequence[tuple[Pixels, dict[str, Pixels]]], systems: Sequence[str]
) -> None:
    """Writes a picture with a row for each kind of damage: original, what is given, and what each system makes of it.

    Args:
        path: where to.
        truth: pictures, shape (N, H, W, C).
        damaged: for each kind of damage what is given, as pictures, and the results by the system's name.
        systems: in the order of the columns.
    """
    columns = ["original", "given", *systems]
    scale = max(1, round(CELL / truth.shape[2]))
    cell, head = max(CELL, scale * truth.shape[2]) + GAP, LINE * LINES + GAP
    sheet = Image.new("RGB", (len(columns) * cell + GAP, len(damaged) * cell + head), "white")
    pen = ImageDraw.Draw(sheet)
    for column, name in enumerate(columns):
        pen.multiline_text((GAP + column * cell, 1), _label(name), fill="black", spacing=1)
    for row, (given, results) in enumerate(damaged):
        example = row % len(truth)
        tiles = [truth[example], given[example], *(results[system][example] for system in systems)]
        for column, tile in enumerate(tiles):
            sheet.paste(_drawn(tile, scale), (GAP + column * cell, head + row * cell))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, np.asarray(sheet), synthetic=synthetic_tag("inpaint"))


def greyed(images: Pixels, missing: Flags) -> Pixels:
    """Returns pictures (N, H, W, C) with grey where they are missing (N, H, W)."""
    return np.where(missing[..., None], np.uint8(128), images)


def _drawn(pixels: Pixels, scale: int) -> Image.Image:
    flat = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    large = flat.repeat(scale, 0).repeat(scale, 1)
    return Image.fromarray(large).convert("RGB")


def _label(name: str) -> str:
    """Returns a name in lines that fit above a picture, without the library that a system is from."""
    plain = name.removeprefix("OpenCV ").removeprefix("scikit-image ").split(",")[0]
    return "\n".join(textwrap.wrap(plain, LETTERS, break_on_hyphens=False)[:LINES])
