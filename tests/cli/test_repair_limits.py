"""`inpaint` and `restore`: what figures mean, and pictures, holes and models that do not do."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFile

from latentia import tasks
from latentia.data import Canvas
from latentia.runs import RunFolder, read_model, write_model
from tests.cli.test_repair import draw_mask, pixels


def test_the_map_of_uncertainty_is_white_at_half_of_the_full_range(cli, varied, photo, tmp_path) -> None:
    mask = draw_mask(tmp_path / "mask.png")
    result = cli("inpaint", varied, photo, "--mask", mask, "-n", 2, "-o", tmp_path / "out")
    assert result.code == 0, result.err
    canvas = Canvas.from_picture(Image.open(photo)).masked(pixels(mask) > 0)
    std = tasks.inpaint(read_model(varied), canvas, n_samples=2, seed=0).std().mean(-1)
    expected = 255 * (std / 0.5).clip(0, 1)
    assert expected.max() > 10
    assert np.abs(pixels(tmp_path / "out" / "uncertainty.png") - expected).max() <= 1


def test_more_steps_of_refinement_give_other_completions(cli, varied, photo, tmp_path) -> None:
    mask = draw_mask(tmp_path / "mask.png")
    for steps in (1, 40):
        out = tmp_path / str(steps)
        result = cli("inpaint", varied, photo, "--mask", mask, "--refine", steps, "-n", 1, "-o", out)
        assert result.code == 0, result.err
    for name in ("mean.png", "sample-00.png"):
        few, many = (pixels(tmp_path / steps / name) for steps in ("1", "40"))
        assert not np.array_equal(few, many)


@pytest.mark.parametrize("verb", ["inpaint", "restore"])
@pytest.mark.parametrize(("side", "factor"), [(8, 2.0), (9, 2.25)])
def test_people_are_warned_of_blur_only_where_detail_is_lost(cli, varied, photo, tmp_path, verb, side, factor) -> None:
    mask = draw_mask(tmp_path / "mask.png", box=(10, 10, 9 + side, 9 + side))
    commands = {
        "inpaint": ("inpaint", varied, photo, "-n", 1, "-o", tmp_path / "out"),
        "restore": ("restore", photo, "--model", varied, "-o", tmp_path / "out.png"),
    }
    result = cli(*commands[verb], "--mask", mask, "--json")
    assert result.code == 0, result.err
    assert result.json["missing_pixels"] == side**2
    assert result.json["factor"] == factor
    assert ("The hole is large for this model" in result.err) == (factor > 2)


@pytest.mark.parametrize("verb", ["inpaint", "restore"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_what_is_too_large_for_the_memory_is_named(cli, varied, photo, tmp_path, monkeypatch, verb, mode) -> None:
    mask, out, load = draw_mask(tmp_path / "mask.png"), tmp_path / "out", ImageFile.ImageFile.load

    def fail(picture: ImageFile.ImageFile) -> object:
        if picture.mode == mode:
            raise MemoryError
        return load(picture)

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    commands = {
        "inpaint": ("inpaint", varied, photo, "-o", out),
        "restore": ("restore", photo, "--model", varied, "-o", out / "clean.png"),
    }
    result = cli(*commands[verb], "--mask", mask)
    assert result.code == 2
    assert f"{photo if mode == 'RGB' else mask} has 40 x 30 pixels, too many for the memory" in result.err
    assert not out.exists()


@pytest.mark.parametrize(("name", "noun"), [("vectors", "vectors"), ("speech", "recordings")])
@pytest.mark.parametrize("with_mask", [False, True])
def test_restore_refuses_models_of_other_data(cli, photo, tmp_path, request, name, noun, with_mask) -> None:
    write_model(RunFolder(tmp_path / "run"), request.getfixturevalue(name)[0])
    options = ("--mask", draw_mask(tmp_path / "mask.png")) if with_mask else ()
    result = cli("restore", photo, "--model", tmp_path / "run", *options, "-o", tmp_path / "out.png")
    assert result.code == 2
    assert f"This takes a model of pictures, and run is one of {noun}." in result.err
    assert not (tmp_path / "out.png").exists()
