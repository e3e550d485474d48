from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies
from hypothesis.extra import numpy as arrays
from PIL import Image

from latentia.data import Box, Canvas, from_channels, read_mask, to_channels
from latentia.errors import DataError, OptionError

TYPES = strategies.sampled_from([np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.bool_), np.dtype(np.float32)])


@strategies.composite
def pictures(draw: Any) -> np.ndarray:
    kind = draw(TYPES)
    shape = (draw(strategies.integers(1, 9)), draw(strategies.integers(1, 9)))
    channels = draw(strategies.sampled_from([None, 1, 2, 3, 4]))
    elements = {"elements": strategies.floats(0, 1, width=32)} if kind.kind == "f" else {}
    return draw(arrays.arrays(kind, shape if channels is None else (*shape, channels), **elements))


@given(pictures(), strategies.integers(0, 2**32 - 1))
def test_what_is_given_comes_back_bit_for_bit(image: np.ndarray, seed: int) -> None:
    missing = np.random.default_rng(seed).random(image.shape[:2]) < 0.5
    canvas = Canvas.from_array(image, missing)
    values, _ = canvas.crop(Box(0, 0, *canvas.size))
    filled = canvas.with_values(canvas.missing, values + 0.3)
    assert filled.dtype == image.dtype
    assert filled.shape == image.shape
    assert np.array_equal(filled[~canvas.missing], image[~canvas.missing])
    if canvas.has_opacity:
        assert (filled[canvas.missing][..., -1] == canvas.white).all()


@given(pictures())
def test_values_survive_the_way_to_the_unit_range_and_back(image: np.ndarray) -> None:
    canvas = Canvas.from_array(image)
    everywhere = np.ones(canvas.size, np.bool_)
    values, seen = canvas.crop(Box(0, 0, *canvas.size))
    again = Canvas.from_array(canvas.with_values(everywhere, values))
    assert np.array_equal(again.pixels[..., : canvas.channels][seen], canvas.pixels[..., : canvas.channels][seen])
    assert values.min() >= 0
    assert values.max() <= 1


@given(
    *(strategies.integers(-12, 12) for _ in range(2)),
    *(strategies.integers(1, 9) for _ in range(4)),
)
def test_a_crop_beyond_the_edge_is_missing_there(top: int, left: int, tall: int, wide: int, h: int, w: int) -> None:
    image = np.arange(1, tall * wide + 1, dtype=np.uint8).reshape(tall, wide)
    values, seen = Canvas.from_array(image).crop(Box(top, left, h, w))
    for row in range(h):
        for column in range(w):
            y, x = top + row, left + column
            inside = 0 <= y < tall and 0 <= x < wide
            assert seen[row, column] == inside
            assert values[row, column, 0] == pytest.approx(image[y, x] / 255 if inside else 0.0)


def test_nan_and_transparency_are_missing() -> None:
    image = np.full((4, 4, 3), 0.5)
    image[1, 2, 0] = np.nan
    assert np.argwhere(Canvas.from_array(image).missing).tolist() == [[1, 2]]
    picture = Image.new("RGBA", (4, 4), (9, 9, 9, 255))
    picture.putpixel((3, 0), (9, 9, 9, 100))
    assert np.argwhere(Canvas.from_picture(picture).missing).tolist() == [[0, 3]]


@pytest.mark.parametrize(
    ("mode", "kept"),
    [
        *((mode, mode) for mode in ("1", "L", "LA", "RGB", "RGBA", "I;16")),
        *(("P", "RGB"), ("CMYK", "RGB"), ("HSV", "RGB"), ("F", "L"), ("I", "I;16")),
        *((mode, "I;16") for mode in ("I;16B", "I;16L")),
    ],
)
def test_modes(mode: str, kept: str) -> None:
    canvas = Canvas.from_picture(Image.new(mode, (5, 4)))
    array = canvas.with_values(np.zeros((4, 5), np.bool_), np.zeros((4, 5, canvas.channels), np.float32))
    assert Image.fromarray(array).mode == kept


def test_palettes_with_transparency_become_rgba() -> None:
    picture = Image.new("RGB", (6, 6), "red").convert("P")
    picture.info["transparency"] = 0
    assert Canvas.from_picture(picture).pixels.shape == (6, 6, 4)


@pytest.mark.parametrize(("mode", "key", "kept"), [("L", 7, "LA"), ("1", 0, "LA"), ("RGB", (7, 7, 7), "RGBA")])
def test_a_colour_that_stands_for_transparency_is_missing(tmp_path, mode: str, key: Any, kept: str) -> None:
    picture = Image.new(mode, (6, 4), "white")
    picture.putpixel((2, 1), key)
    picture.save(tmp_path / "keyed.png", transparency=key)
    canvas = Canvas.from_picture(Image.open(tmp_path / "keyed.png"))
    assert np.argwhere(canvas.missing).tolist() == [[1, 2]]
    assert Image.fromarray(canvas.pixels).mode == kept


@pytest.mark.parametrize(("name", "kind"), [("wide.tif", ">u2"), ("wide.pgm", "<i4"), ("wide.png", "<u2")])
def test_sixteen_bits_of_any_file_stay_bit_for_bit(tmp_path, name: str, kind: str) -> None:
    values = np.arange(12).reshape(3, 4) * 5003
    Image.fromarray(values.astype(kind)).save(tmp_path / name)
    canvas = Canvas.from_picture(Image.open(tmp_path / name))
    assert canvas.pixels.dtype == np.uint16
    assert np.array_equal(canvas.pixels[..., 0], values)


def test_a_value_of_sixteen_bits_that_stands_for_transparency_is_missing(tmp_path) -> None:
    values = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5003
    Image.fromarray(values).save(tmp_path / "keyed.png", transparency=10006)
    canvas = Canvas.from_picture(Image.open(tmp_path / "keyed.png"))
    assert np.argwhere(canvas.missing).tolist() == [[0, 2]]
    assert np.array_equal(canvas.pixels[..., 0], values)


def test_nan_in_a_file_of_floats_is_missing(tmp_path) -> None:
    values = np.full((3, 4), 0.5, np.float32)
    values[1, 2] = np.nan
    Image.fromarray(values).save(tmp_path / "holes.tif")
    canvas = Canvas.from_picture(Image.open(tmp_path / "holes.tif"))
    assert np.argwhere(canvas.missing).tolist() == [[1, 2]]
    assert (canvas.pixels[..., 0][~canvas.missing] == 128).all()


def test_numbers_of_an_unknown_range_are_refused() -> None:
    with pytest.raises(DataError, match="range cannot be known"):
        Canvas.from_picture(Image.fromarray(np.full((3, 4), 200, np.int32)))


def test_sixteen_bits_keep_their_depth() -> None:
    image = np.full((3, 3), 12345, np.uint16)
    canvas = Canvas.from_array(np.asarray(Image.fromarray(image)), np.eye(3, dtype=bool))
    filled = canvas.with_values(canvas.missing, np.full((3, 3, 1), 0.5, np.float32))
    assert filled[0, 0] == 32768
    assert filled[0, 1] == 12345


def test_pictures_stand_upright() -> None:
    picture = Image.new("L", (6, 4))
    picture.getexif()[0x0112] = 6
    assert Canvas.from_picture(picture).size == (6, 4)


@pytest.mark.parametrize(("mode", "name"), [("CMYK", "photo.jpg"), ("P", "drawing.png"), ("RGB", "photo.png")])
@pytest.mark.parametrize("turn", [3, 6])
def test_pictures_of_all_modes_are_turned_once(tmp_path: Path, mode: str, name: str, turn: int) -> None:
    values = np.zeros((8, 16, 3), np.uint8)
    values[:, :8] = 255  # white on the left
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(values).convert(mode).save(tmp_path / name, exif=exif)
    with Image.open(tmp_path / name) as picture:
        found = Canvas.from_picture(picture).pixels[..., 0] > 127
    expected = values[..., 0] > 127
    assert np.array_equal(found, expected[::-1, ::-1] if turn == 3 else np.rot90(expected, -1))


def test_channels_there_and_back() -> None:
    colour = np.random.default_rng(0).random((4, 5, 3)).astype(np.float32)
    assert np.array_equal(from_channels(to_channels(colour, 1), 3), colour)
    assert np.array_equal(from_channels(to_channels(colour, 3), 3), colour)
    grey = colour[..., :1]
    assert from_channels(to_channels(grey, 3), 1) == pytest.approx(grey, abs=1e-6)
    assert np.array_equal(from_channels(to_channels(grey, 1), 1), grey)


@pytest.mark.parametrize(
    ("image", "missing", "said"),
    [
        (np.zeros(5), None, "shape"),
        (np.zeros((3, 3, 5)), None, "channels"),
        (np.zeros((3, 0)), None, "shape"),
        (np.zeros((3, 3), np.int64), None, "int64"),
        (np.full((3, 3), 1.5), None, "1.5"),
        (np.full((3, 3), -0.5), None, "-0.5"),
        (np.zeros((3, 3)), np.zeros((3, 4), bool), r"\(3, 4\).*\(3, 3\)"),
    ],
)
def test_wrong_arrays_are_explained(image: np.ndarray, missing: np.ndarray | None, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Canvas.from_array(image, missing)


def drawn(size: tuple[int, int] = (6, 4)) -> Image.Image:
    picture = Image.new("L", size, 0)
    picture.paste(255, (0, 0, 3, size[1]))
    return picture


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "P", "LA", "I;16", "CMYK"])
def test_masks_of_any_mode(tmp_path, mode: str) -> None:
    path = tmp_path / ("mask.tif" if mode == "CMYK" else "mask.png")
    picture = Image.fromarray(np.asarray(drawn(), np.uint16) * 257) if mode == "I;16" else drawn().convert(mode)
    picture.save(path)
    assert read_mask(path, (4, 6)).tolist() == [[True, True, True, False, False, False]] * 4


def test_what_is_transparent_in_a_mask_is_not_missing(tmp_path) -> None:
    picture = Image.new("RGBA", (6, 4), (255, 255, 255, 0))
    picture.putpixel((2, 1), (255, 255, 255, 255))
    picture.save(tmp_path / "mask.png")
    assert np.argwhere(read_mask(tmp_path / "mask.png", (4, 6))).tolist() == [[1, 2]]


def test_masks_of_another_size_are_resized_only_when_told_to(tmp_path) -> None:
    drawn().save(tmp_path / "mask.png")
    with pytest.raises(OptionError, match=r"6 x 4.*12 x 8"):
        read_mask(tmp_path / "mask.png", (8, 12))
    bigger = read_mask(tmp_path / "mask.png", (8, 12), resize=True)
    assert bigger.shape == (8, 12)
    assert bigger.mean() == 0.5


@pytest.mark.parametrize("times", [2, 3, 30])
def test_fine_scratches_survive_a_smaller_mask(tmp_path, times: int) -> None:
    for place in range(times):
        mask = np.zeros((4 * times, 6 * times), np.uint8)
        mask[times + place] = mask[:, 2 * times + place] = 255
        Image.fromarray(mask).save(tmp_path / "mask.png")
        small = read_mask(tmp_path / "mask.png", (4, 6), resize=True)
        assert small.all(1).tolist() == [False, True, False, False]
        assert small.all(0).tolist() == [False, False, True, False, False, False]


def test_masks_in_colour_are_refused(tmp_path) -> None:
    Image.new("RGB", (6, 4), "red").save(tmp_path / "mask.png")
    with pytest.raises(DataError, match="in colour"):
        read_mask(tmp_path / "mask.png", (4, 6))


@pytest.mark.parametrize("mode", ["L", "RGB", "LA"])
def test_missing_begins_at_half_brightness(tmp_path, mode: str) -> None:
    levels = np.array([[0, 127, 128, 255]], np.uint8)
    Image.fromarray(levels).convert(mode).save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png", (1, 4)).tolist() == [[False, False, True, True]]
