"""What a page is made of: sections of blocks, plain records that the template turns into HTML.

Text in blocks is text: the template escapes all of it. Only charts are markup, and they hold no words of the data.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from latentia.evaluation import Finding

Pixels = NDArray[np.uint8]
TILE = 60


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    kind: ClassVar[str] = "prose"
    text: str


@dataclass(frozen=True)
class Notes:
    """What was found out, with advice."""

    kind: ClassVar[str] = "notes"
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Picture:
    """A picture inside the page.

    Attributes:
        uri: the picture itself, `data:image/png;base64,...`.
        alt: what it shows, for those who cannot see it.
        width: at which it is shown, CSS pixels; narrower where the window is.
        label: a word or two beside it; may be empty.
        enlarged: whether pixels are shown larger than they are, and so with sharp edges.
    """

    kind: ClassVar[str] = "picture"
    uri: str
    alt: str
    width: int
    label: str = ""
    enlarged: bool = False


@dataclass(frozen=True)
class Strips:
    """Labelled pictures below each other."""

    kind: ClassVar[str] = "strips"
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Sound:
    """A player below a picture of the sound.

    Attributes:
        uri: the sound itself, `data:audio/flac;base64,...`.
        picture: what it looks like.
        label: what it is.
    """

    uri: str
    picture: Picture
    label: str


@dataclass(frozen=True)
class Sounds:
    """Sounds side by side, a number of them in a row."""

    kind: ClassVar[str] = "sounds"
    sounds: tuple[Sound, ...]
    columns: int


@dataclass(frozen=True)
class Chart:
    """A drawing.

    Attributes:
        svg: markup that matplotlib wrote; its colours are those of the page.
        title: above it.
        legend: number of the colour and what it stands for.
    """

    svg: Markup
    title: str
    legend: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Charts:
    """Charts side by side, or below each other on a narrow screen.

    Attributes:
        charts: at least one.
        titled: whether the title of one alone is shown.
    """

    kind: ClassVar[str] = "charts"
    charts: tuple[Chart, ...]
    titled: bool = False


@dataclass(frozen=True)
class Table:
    """A table; the first column names its row."""

    kind: ClassVar[str] = "table"
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Folded:
    """Something long that is opened by a click: preformatted text."""

    kind: ClassVar[str] = "folded"
    summary: str
    text: str


Block = Prose | Notes | Picture | Strips | Sounds | Charts | Table | Folded


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        anchor: short name for links within the page, letters and hyphens.
        title: its heading.
        blocks: its content.
    """

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Tile:
    """One figure at the top of a page."""

    value: str
    name: str


def mosaic(pictures: Pixels, columns: int) -> Pixels:
    """Puts pictures side by side, with transparent gaps.

    Args:
        pictures: uint8, shape (N, H, W, C), C 1 or 3, N at least 1.
        columns: pictures in a row.

    Returns:
        RGBA, shape (H', W', 4).

    Example:
        >>> mosaic(np.zeros((5, 8, 8, 1), np.uint8), columns=3).shape
        (17, 26, 4)
    """
    count, height, width, _ = pictures.shape
    gap = 1 if width <= 24 else 4
    across, down = min(count, columns), -(-count // columns)
    sheet = np.zeros((down * (height + gap) - gap, across * (width + gap) - gap, 4), np.uint8)
    for position, picture in enumerate(pictures):
        top, left = position // columns * (height + gap), position % columns * (width + gap)
        sheet[top : top + height, left : left + width, :3] = picture
        sheet[top : top + height, left : left + width, 3] = 255
    return sheet


def picture(pictures: Pixels, columns: int, alt: str, *, label: str = "", synthetic: str = "") -> Picture:
    """Makes one picture of many; small ones are shown enlarged.

    Args:
        pictures: uint8, shape (N, H, W, C).
        columns: pictures in a row.
        alt: what it shows.
        label: a word or two beside it.
        synthetic: what generated it, for the PNG tag of that name; empty for pictures of data.
    """
    sheet = mosaic(pictures, columns)
    tags = PngImagePlugin.PngInfo()
    if synthetic:
        tags.add_text("synthetic", synthetic)
    stream = io.BytesIO()
    Image.fromarray(sheet).save(stream, format="PNG", pnginfo=tags, optimize=True)
    uri = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
    scale = max(1, round(TILE / pictures.shape[2]))
    return Picture(uri, alt, scale * sheet.shape[1], label, enlarged=scale > 1)


def sound(
    waveform: NDArray[np.floating[Any]], sample_rate: int, drawn: Picture, label: str, synthetic: str = ""
) -> Sound:
    """Makes a player.

    Args:
        waveform: mono, shape (S,); scaled down if it would clip.
        sample_rate: Hz.
        drawn: what it looks like.
        label: what it is.
        synthetic: what generated it, for the comment of the file; empty for recordings.
    """
    import soundfile

    loudest = max(1.0, float(np.abs(waveform).max(initial=0.0)))
    stream = io.BytesIO()
    file: Any = soundfile.SoundFile(stream, "w", sample_rate, 1, "PCM_16", format="FLAC")
    with file:
        if synthetic:
            file.comment = f"synthetic: {synthetic}"
        file.write(waveform / loudest)
    return Sound("data:audio/flac;base64," + base64.b64encode(stream.getvalue()).decode("ascii"), drawn, label)
