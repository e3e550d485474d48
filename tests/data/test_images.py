from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from latentia.data import grid, read_picture, write_picture
from latentia.data.images import read_header
from latentia.data.pixels import plain
from latentia.errors import DataError, FileError


def huge_png(side: int) -> bytes:
    """A few bytes that claim side x side pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_bad_files_are_explained(tmp_path, noise):
    path = tmp_path / "bad.png"
    with pytest.raises(FileError, match="no file"):
        read_picture(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="empty"):
        read_picture(path)
    path.write_text("dear diary")
    with pytest.raises(DataError, match="not a picture"):
        read_picture(path)
    buffer = io.BytesIO()
    noise(0, 200, 200).save(buffer, format="JPEG")
    path.write_bytes(buffer.getvalue()[:3000])
    with pytest.raises(DataError, match="damaged or cut off"):
        read_picture(path)
    with pytest.raises(FileError):
        read_picture(tmp_path)


@pytest.mark.parametrize("side", [10_000, 50_000])  # Pillow's warning, Pillow's error
def test_decompression_bombs_are_refused(tmp_path, side, recwarn):
    path = tmp_path / "bomb.png"
    path.write_bytes(huge_png(side))
    with pytest.raises(DataError, match="decompression bomb"):
        read_picture(path)
    with pytest.raises(DataError, match="decompression bomb"):
        read_header(path)
    assert not recwarn.list


def test_formats_that_start_other_programs_are_not_opened(tmp_path):
    path = tmp_path / "page.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")
    with pytest.raises(DataError, match="not a picture"):
        read_picture(path)


def test_header_has_the_upright_size(tmp_path, noise):
    picture = noise(1, 20, 30)
    exif = picture.getexif()
    exif[0x0112] = 8
    picture.save(tmp_path / "a.jpg", exif=exif)
    header = read_header(tmp_path / "a.jpg")
    assert (header.height, header.width, header.mode) == (30, 20, "RGB")


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3), (4, 5, 4)])
def test_pictures_are_written_exactly_and_tagged(tmp_path, shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    write_picture(tmp_path / "a.png", pixels, synthetic="latentia 0 generate")
    again = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(again).reshape(shape), pixels)
    assert again.info["synthetic"] == "latentia 0 generate"
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_failed_writing_leaves_the_old_file(tmp_path):
    with pytest.raises(FileError, match="Cannot write"):
        write_picture(tmp_path / "gone" / "a.png", np.zeros((4, 4), np.uint8))
    place = tmp_path / "a.png"
    place.mkdir()  # cannot be replaced by a file
    (place / "kept").touch()
    with pytest.raises(FileError, match="is a folder"):
        write_picture(place, np.zeros((4, 4), np.uint8))
    assert [p.name for p in tmp_path.rglob("*")] == ["a.png", "kept"]


def test_grid_places_pictures_in_reading_order():
    pictures = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 40, 70, 1), np.uint8)
    sheet = grid(pictures, columns=2, gap=1)
    assert sheet.shape == (3 * 41 + 1, 2 * 71 + 1, 1)
    assert [sheet[1, 1, 0], sheet[1, 72, 0], sheet[42, 1, 0], sheet[83, 1, 0], sheet[83, 72, 0]] == [0, 1, 2, 4, 255]
    with pytest.raises(DataError):
        grid(pictures[:0])


def test_grid_enlarges_small_pictures_by_whole_factors():
    digit = np.arange(28 * 28, dtype=np.uint8).reshape(1, 28, 28, 1)
    sheet = grid(digit, gap=3)
    assert sheet.shape == (2 * 28 + 6, 2 * 28 + 6, 1)
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        assert (sheet[3 + row : -3 : 2, 3 + column : -3 : 2] == digit[0]).all()
    assert grid(np.zeros((1, 33, 64, 3), np.uint8), gap=3).shape == (33 + 6, 64 + 6, 3)


@pytest.mark.parametrize("turn", [1, 3, 6, 8])
@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_header_and_pixels_agree_about_the_size(tmp_path, noise, ending, turn):
    picture = noise(1, 20, 30)
    exif = picture.getexif()
    exif[0x0112] = turn
    picture.save(tmp_path / f"a.{ending}", exif=exif)
    header = read_header(tmp_path / f"a.{ending}")
    assert (header.width, header.height) == plain(read_picture(tmp_path / f"a.{ending}"), 3).size
    assert (header.height < header.width) == (turn in (1, 3))


def test_a_mode_without_a_way_to_rgb_is_explained():
    with pytest.raises(DataError, match="mode La"):
        plain(Image.new("La", (8, 8)), 1)
