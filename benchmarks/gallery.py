"""Pictures of what systems make of damaged pictures, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from latentia.data import write_picture
from latentia.files import synthetic_tag

Pixels = NDArray[np.uint8]
Flags = NDArray[np.bool_]
TILE, GAP, HEAD = 64, 4, 14


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
    sheet = Image.new("RGB", (len(columns) * (TILE + GAP) + GAP, len(damaged) * (TILE + GAP) + HEAD + GAP), "white")
    pen = ImageDraw.Draw(sheet)
    for column, name in enumerate(columns):
        pen.text((GAP + column * (TILE + GAP), 1), _short(name), fill="black")
    for row, (given, results) in enumerate(damaged):
        example = row % len(truth)
        tiles = [truth[example], given[example], *(results[system][example] for system in systems)]
        for column, tile in enumerate(tiles):
            place = (GAP + column * (TILE + GAP), HEAD + row * (TILE + GAP))
            sheet.paste(_drawn(tile), place)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, np.asarray(sheet), synthetic=synthetic_tag("inpaint"))


def greyed(images: Pixels, missing: Flags) -> Pixels:
    """Returns pictures (N, H, W, C) with grey where they are missing (N, H, W)."""
    return np.where(missing[..., None], np.uint8(128), images)


def _drawn(pixels: Pixels) -> Image.Image:
    flat = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    return Image.fromarray(flat).convert("RGB").resize((TILE, TILE), Image.Resampling.NEAREST)


def _short(name: str) -> str:
    """Returns as much of a name as fits above a tile."""
    return name.replace("OpenCV ", "").replace("scikit-image ", "").split(",")[0][:11]
