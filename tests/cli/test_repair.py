from __future__ import annotations

import json
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from latentia.cli.main import run

SMALL = (
    *("--preset", "inpainting", "--epochs", "1"),
    *("--set", "model.latent_dim=4"),
    *("--set", "model.encoder={name: dense, width: 16}"),
    *("--set", "model.decoder={name: unet, widths: [6], blocks: [1], dense: 8}"),
)


@pytest.fixture(scope="module")
def masked(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "masked"
    assert run(["train", "digits", "-o", str(folder), *SMALL]) == 0
    return folder


def draw_mask(path: Path, size: tuple[int, int] = (40, 30), box: tuple[int, int, int, int] = (10, 10, 25, 20)) -> Path:
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).rectangle(box, fill=255)
    mask.save(path)
    return path


def png_of_sixteen_bits(values: np.ndarray) -> bytes:
    """Returns a PNG file of colours (H, W, 3), which Pillow cannot write."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    )


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.mark.parametrize("model", ["masked", "trained"])
def test_inpaint_writes_what_the_contract_names(cli, model, photo, tmp_path, request) -> None:
    out, mask = tmp_path / "out", draw_mask(tmp_path / "mask.png")
    folder = request.getfixturevalue(model)
    result = cli("inpaint", folder, photo, "--mask", mask, "-n", 3, "-o", out, "--json")
    assert result.code == 0, result.err
    names = ["grid.png", "mean.png", *(f"sample-0{number}.png" for number in range(3)), "uncertainty.png"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert result.json["ok"]
    assert result.json["effective_size"] == [32, 32]
    assert result.json["missing_pixels"] == 16 * 11
    assert "each of the model's pixels stands for 4.0 x 4.0" in result.err
    given = pixels(mask) == 0
    for name in ("mean", "sample-00", "sample-01", "sample-02"):
        assert np.array_equal(pixels(out / f"{name}.png")[given], pixels(photo)[given])
        assert Image.open(out / f"{name}.png").mode == "RGB"
    assert not np.array_equal(pixels(out / "sample-00.png"), pixels(out / "sample-01.png"))
    uncertainty = pixels(out / "uncertainty.png")
    assert uncertainty.shape == (30, 40)
    assert uncertainty[given].max() == 0
    assert uncertainty[~given].max() > 0
    assert all("inpaint" in Image.open(path).text["synthetic"] for path in out.iterdir())


def test_the_seed_decides(cli, masked, photo, tmp_path) -> None:
    mask = draw_mask(tmp_path / "mask.png")
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        assert cli("inpaint", masked, photo, "--mask", mask, "--seed", seed, "-o", tmp_path / name).code == 0
    one, again, other = (pixels(tmp_path / name / "sample-02.png") for name in ("one", "again", "other"))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_what_is_transparent_needs_no_mask(cli, masked, tmp_path) -> None:
    picture = Image.new("RGBA", (8, 8), (200, 100, 50, 255))
    ImageDraw.Draw(picture).rectangle((2, 2, 4, 5), fill=(0, 0, 0, 0))
    picture.save(tmp_path / "hole.png")
    assert cli("inpaint", masked, tmp_path / "hole.png", "-o", tmp_path / "out").code == 0
    mean = pixels(tmp_path / "out" / "mean.png")
    assert mean.shape == (8, 8, 4)
    assert mean[..., 3].min() == 255


@pytest.mark.parametrize("verb", ["inpaint", "restore"])
def test_what_is_transparent_beside_the_mask_stays_so(cli, masked, tmp_path, verb) -> None:
    values = np.random.default_rng(0).integers(0, 256, (30, 40, 4), dtype=np.uint8)
    values[..., 3] = 255
    values[:15, :12, 3] = 0
    logo, mask, out = tmp_path / "logo.png", draw_mask(tmp_path / "mask.png"), tmp_path / "out"
    Image.fromarray(values).save(logo)
    inpaint = verb == "inpaint"
    command = (
        ("inpaint", masked, logo, "-o", out)
        if inpaint
        else ("restore", logo, "--model", masked, "-o", out / "mean.png")
    )
    result = cli(*command, "--mask", mask, "--json")
    assert result.code == 0, result.err
    assert result.json["missing_pixels"] == 16 * 11
    covered, filled = pixels(mask) > 0, pixels(out / "mean.png")
    assert (values[covered][:, 3] == 0).any()
    assert np.array_equal(filled[~covered], values[~covered])
    assert filled[covered][:, 3].min() == 255


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "I;16"])
def test_modes_come_back(cli, masked, tmp_path, mode) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    picture = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(grey).convert(mode)
    picture.save(tmp_path / "in.png")
    mask = draw_mask(tmp_path / "mask.png", (8, 8), (2, 2, 4, 5))
    result = cli("inpaint", masked, tmp_path / "in.png", "--mask", mask, "-o", tmp_path / "out")
    assert result.code == 0, result.err
    before, behind = Image.open(tmp_path / "in.png"), Image.open(tmp_path / "out" / "sample-00.png")
    assert behind.mode == ("RGB" if mode == "P" else before.mode)
    given = pixels(mask) == 0
    expected = before.convert("RGB") if mode == "P" else before
    assert np.array_equal(np.asarray(behind)[given], np.asarray(expected)[given])


def wrong_size(folder: Path) -> tuple[str, ...]:
    return ("--mask", str(draw_mask(folder / "mask.png", (20, 20))))


def all_black(folder: Path) -> tuple[str, ...]:
    Image.new("L", (40, 30)).save(folder / "mask.png")
    return ("--mask", str(folder / "mask.png"))


def all_white(folder: Path) -> tuple[str, ...]:
    Image.new("L", (40, 30), 255).save(folder / "mask.png")
    return ("--mask", str(folder / "mask.png"))


def in_colour(folder: Path) -> tuple[str, ...]:
    Image.new("RGB", (40, 30), "red").save(folder / "mask.png")
    return ("--mask", str(folder / "mask.png"))


def partly_in_colour(folder: Path) -> tuple[str, ...]:
    mask = Image.new("RGB", (40, 30))
    ImageDraw.Draw(mask).rectangle((3, 3, 5, 4), fill="lime")
    mask.save(folder / "mask.png")
    return ("--mask", str(folder / "mask.png"))


def animated(folder: Path) -> tuple[str, ...]:
    frames = [Image.new("L", (40, 30), level) for level in (255, 0)]
    frames[0].save(folder / "mask.gif", save_all=True, append_images=frames[1:])
    return ("--mask", str(folder / "mask.gif"))


def no_mask(folder: Path) -> tuple[str, ...]:
    return ()


def no_file(folder: Path) -> tuple[str, ...]:
    return ("--mask", str(folder / "none.png"))


def no_picture(folder: Path) -> tuple[str, ...]:
    (folder / "mask.png").write_text("white")
    return ("--mask", str(folder / "mask.png"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (wrong_size, "20 x 20 pixels, the picture 40 x 30"),
        (all_black, "nothing is missing"),
        (all_white, "use generate"),
        (all_white, "mask.png hides all of"),
        (in_colour, "in colour"),
        (partly_in_colour, "in colour"),
        (animated, "2 frames"),
        (no_mask, "--mask"),
        (no_file, "no file"),
        (no_picture, "not a picture"),
    ],
)
def test_masks_that_do_not_do(cli, masked, photo, tmp_path, options, said) -> None:
    result = cli("inpaint", masked, photo, *options(tmp_path), "-o", tmp_path / "out")
    assert result.code == 2
    assert said in result.err
    assert not (tmp_path / "out").exists()


def test_a_mask_of_another_size_is_resized_when_told_to(cli, masked, photo, tmp_path) -> None:
    mask = draw_mask(tmp_path / "mask.png", (20, 15), (5, 5, 9, 9))
    result = cli("inpaint", masked, photo, "--mask", mask, "--resize-mask", "-o", tmp_path / "out", "--json")
    assert result.json["missing_pixels"] == 100


def test_animations_and_huge_pictures_are_refused(cli, masked, tmp_path) -> None:
    frames = [Image.new("L", (40, 30), level) for level in (0, 100, 200)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    mask = draw_mask(tmp_path / "mask.png")
    result = cli("inpaint", masked, tmp_path / "moving.gif", "--mask", mask, "-o", tmp_path / "out")
    assert result.code == 2
    assert "3 frames" in result.err
    whole = (tmp_path / "moving.gif").read_bytes()
    (tmp_path / "cut.gif").write_bytes(whole[: len(whole) - 12])
    result = cli("restore", tmp_path / "cut.gif", "--model", masked, "-o", tmp_path / "out.png")
    assert result.code == 2
    assert "frames" in result.err
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    result = cli("inpaint", masked, tmp_path / "huge.png", "--mask", mask, "-o", tmp_path / "out")
    assert result.code == 2
    assert "decompression bomb" in result.err


def test_a_photograph_with_a_preview_is_no_animation(cli, masked, tmp_path) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8))
    picture.save(tmp_path / "camera.jpg", "MPO", save_all=True, append_images=[picture.resize((20, 15))])
    mask = draw_mask(tmp_path / "mask.png")
    result = cli("inpaint", masked, tmp_path / "camera.jpg", "--mask", mask, "-o", tmp_path / "out")
    assert result.code == 0, result.err


@pytest.mark.parametrize(("model", "said"), [("masked", True), ("trained", False)])
def test_models_that_need_no_refining_say_so(cli, model, said, photo, tmp_path, request) -> None:
    mask, folder = draw_mask(tmp_path / "mask.png"), request.getfixturevalue(model)
    result = cli("inpaint", folder, photo, "--mask", mask, "--refine", 2, "-n", 1, "-o", tmp_path / "out")
    assert result.code == 0, result.err
    assert ("nothing to refine" in result.err) == said


def test_results_never_replace_the_picture_or_the_mask(cli, masked, photo, tmp_path, snapshot) -> None:
    shutil.copy(photo, tmp_path / "mean.png")
    draw_mask(tmp_path / "uncertainty.png")
    before = snapshot(tmp_path)
    for picture, mask in (
        (tmp_path / "mean.png", draw_mask(tmp_path / "uncertainty.png")),
        (photo, tmp_path / "uncertainty.png"),
    ):
        result = cli("inpaint", masked, picture, "--mask", mask, "-o", tmp_path)
        assert result.code == 2
        assert "would replace" in result.err
        assert snapshot(tmp_path) == before


def test_models_of_other_data_are_refused(cli, photo, tmp_path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(60, 5)))
    assert cli("train", tmp_path / "x.npy", "-o", tmp_path / "run", "--epochs", 1).code == 0
    mask = draw_mask(tmp_path / "mask.png")
    result = cli("inpaint", tmp_path / "run", photo, "--mask", mask, "-o", tmp_path / "out")
    assert result.code == 2
    assert "model of pictures" in result.err


@pytest.fixture
def noisy(tmp_path) -> Path:
    """A smooth colour picture with noise of ten grey levels."""
    ramp = np.add.outer(np.linspace(80, 120, 30), np.linspace(0, 50, 40))[..., None]
    levels = ramp + np.random.default_rng(0).normal(0, 10, (30, 40, 3))
    Image.fromarray(levels.round().astype(np.uint8)).save(tmp_path / "noisy.png")
    return tmp_path / "noisy.png"


@pytest.mark.parametrize("model", ["masked", "trained"])
def test_restore_takes_noise_off(cli, model, noisy, tmp_path, request) -> None:
    out = tmp_path / "clean.png"
    result = cli("restore", noisy, "--model", request.getfixturevalue(model), "-o", out, "--json")
    assert result.code == 0, result.err
    assert 10 / 1.5 < result.json["noise_level"] < 10 * 1.5
    assert pixels(out).shape == (30, 40, 3)
    assert not np.array_equal(pixels(out), pixels(noisy))
    assert "restore" in Image.open(out).text["synthetic"]


def test_people_are_told_of_noise_that_the_model_never_saw(cli, masked, noisy, tmp_path) -> None:
    assert "stronger than any" not in cli("restore", noisy, "--model", masked, "-o", tmp_path / "clean.png").err
    for learned, code, said in ((0.01, 0, "The noise is stronger than any"), (0.0, 2, "was trained without noise")):
        folder = tmp_path / f"run-{learned}"
        shutil.copytree(masked, folder)
        document = json.loads((folder / "config.json").read_text())
        document["config"]["training"]["noise"] = learned
        (folder / "config.json").write_text(json.dumps(document))
        result = cli("restore", noisy, "--model", folder, "-o", tmp_path / "out.png")
        assert result.code == code, result.err
        assert said in result.err


def test_noise_is_taken_off_around_what_is_transparent(cli, masked, tmp_path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (30, 40, 4), dtype=np.uint8)
    values[..., 3] = 255
    values[5:20, 8:30, 3] = 0
    Image.fromarray(values).save(tmp_path / "logo.png")
    out = tmp_path / "clean.png"
    result = cli("restore", tmp_path / "logo.png", "--model", masked, "-o", out)
    assert result.code == 0, result.err
    clear = values[..., 3] == 0
    assert np.array_equal(pixels(out)[clear], values[clear])
    assert not np.array_equal(pixels(out)[~clear], values[~clear])


def test_restore_takes_out_what_a_mask_covers_and_nothing_else(cli, masked, photo, tmp_path) -> None:
    mask, out = draw_mask(tmp_path / "mask.png"), tmp_path / "new" / "without.png"
    result = cli("restore", photo, "--model", masked, "--mask", mask, "-o", out, "--json")
    assert result.code == 0, result.err
    assert result.json["missing_pixels"] == 16 * 11
    covered = pixels(mask) > 0
    assert np.array_equal(pixels(out)[~covered], pixels(photo)[~covered])
    assert not np.array_equal(pixels(out)[covered], pixels(photo)[covered])


def test_restore_writes_jpeg_where_it_is_asked_to(cli, masked, photo, tmp_path) -> None:
    out, mask = tmp_path / "without.jpg", draw_mask(tmp_path / "mask.png")
    result = cli("restore", photo, "--model", masked, "--mask", mask, "-o", out)
    assert result.code == 0, result.err
    assert "PNG keeps bit for bit" in result.err
    with Image.open(out) as picture:
        assert (picture.format, picture.size) == ("JPEG", (40, 30))
        assert b"synthetic: latentia" in picture.info["comment"]
    kept = pixels(mask) == 0
    assert np.abs(pixels(out)[kept].astype(int) - pixels(photo)[kept]).mean() < 4
    Image.open(photo).convert("RGBA").save(photo)
    result = cli("restore", photo, "--model", masked, "--mask", mask, "-o", tmp_path / "other.jpg")
    assert result.code == 2
    assert "end with .png" in result.err
    assert not (tmp_path / "other.jpg").exists()


def test_a_picture_of_which_nothing_is_seen_is_refused(cli, masked, tmp_path) -> None:
    Image.new("RGBA", (20, 20), (9, 9, 9, 0)).save(tmp_path / "clear.png")
    result = cli("restore", tmp_path / "clear.png", "--model", masked, "-o", tmp_path / "out.png")
    assert result.code == 2
    assert "All of the picture is missing" in result.err
    result = cli("reconstruct", masked, tmp_path / "clear.png", "-o", tmp_path / "out")
    assert result.code == 2
    assert "transparent all over" in result.err


def test_people_are_told_where_sixteen_bits_of_colours_become_eight(cli, masked, tmp_path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (20, 20, 3)).astype(np.uint16)
    (tmp_path / "deep.png").write_bytes(png_of_sixteen_bits(values))
    result = cli("restore", tmp_path / "deep.png", "--model", masked, "-o", tmp_path / "out.png")
    assert result.code == 0, result.err
    assert "of which 8 are kept" in result.err
    Image.fromarray(values[..., 0]).save(tmp_path / "grey.png")
    result = cli("restore", tmp_path / "grey.png", "--model", masked, "-o", tmp_path / "out.png")
    assert "of which 8 are kept" not in result.err
    assert Image.open(tmp_path / "out.png").mode == "I;16"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("clean.bmp", "clean.bmp end with .png or .jpg"),
        ("taken.png", "taken.png is a folder where a file is needed"),
        ("photo.png", "photo.png is an input, and the results would replace it"),
    ],
)
def test_restore_says_where_it_cannot_write(cli, masked, photo, tmp_path, snapshot, name, said) -> None:
    (tmp_path / "taken.png").mkdir()
    before = snapshot(tmp_path)
    result = cli("restore", photo, "--model", masked, "-o", tmp_path / name)
    assert result.code == 2
    assert said in result.err
    assert snapshot(tmp_path) == before


def test_restore_needs_a_model(cli, photo, tmp_path) -> None:
    result = cli("restore", photo, "-o", tmp_path / "clean.png")
    assert result.code == 2
    assert "--model" in result.err


def test_a_place_that_cannot_be_written_is_known_before_the_work(cli, masked, photo, tmp_path, monkeypatch) -> None:
    from latentia import tasks

    monkeypatch.setattr(tasks, "inpaint", lambda *_, **__: pytest.fail("worked for nothing"))
    mask = draw_mask(tmp_path / "mask.png")
    taken = tmp_path / "result.png"
    taken.write_bytes(b"mine")
    result = cli("inpaint", masked, photo, "--mask", mask, "-o", taken)
    assert result.code == 2
    assert "is a file where a folder is needed" in result.err
    assert taken.read_bytes() == b"mine"
    shutil.copy(photo, tmp_path / "mean.png")
    result = cli("inpaint", masked, tmp_path / "mean.png", "--mask", mask, "-o", tmp_path)
    assert result.code == 2
    assert (tmp_path / "mean.png").read_bytes() == photo.read_bytes()
