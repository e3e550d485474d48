"""`interpolate`, `traverse` and `reconstruct`: options and files make the difference that they are said to make."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentia import tasks
from latentia.data import grid
from latentia.runs import read_model

WAYS = {"linear": (), "spherical": ("--way", "spherical"), "along-data": ("--way", "along-data", "--data", "digits")}


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.fixture
def ends(pictures) -> tuple[Path, Path]:
    return pictures / "even" / "digit0.png", pictures / "odd" / "digit1.png"


def test_each_way_leads_elsewhere_between_the_same_ends(cli, varied, ends, tmp_path):
    walked = []
    for way, options in WAYS.items():
        result = cli("interpolate", varied, *ends, *options, "-o", tmp_path / way)
        assert result.code == 0, result.err
        walked.append(np.stack([pixels(tmp_path / way / f"frame-{number:02}.png") for number in range(9)]))
    for one, other in combinations(walked, 2):
        assert np.array_equal(one[[0, -1]], other[[0, -1]])
        assert not np.array_equal(one[1:-1], other[1:-1])
    assert cli("reconstruct", varied, *ends, "-o", tmp_path / "back").code == 0
    for frame, end in zip(walked[0][[0, -1]], ends, strict=True):
        assert np.abs(frame.astype(int) - pixels(tmp_path / "back" / end.name)).max() <= 1  # other batches round apart


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--way", "along-data"), "--way along-data needs --data DATA, and no other way does"),
        (("--data", "digits"), "--way along-data needs --data DATA, and no other way does"),
        (("--way", "spherical", "--data", "digits"), "--way along-data needs --data DATA, and no other way does"),
        (("--way", "sperical"), "did you mean 'spherical'"),
    ],
)
def test_ways_that_cannot_be_walked_are_named(cli, varied, ends, tmp_path, options, said):
    result = cli("interpolate", varied, *ends, *options, "-o", tmp_path / "out")
    assert result.code == 2
    assert said in result.err
    assert not (tmp_path / "out").exists()


def test_files_of_a_traversal_are_named_after_their_latents(cli, varied, tmp_path):
    out = tmp_path / "out"
    result = cli("traverse", varied, "-o", out, "--json")
    assert result.code == 0, result.err
    names = [f"latent-{row['latent']:03}.png" for row in result.json["latents"]]
    assert sorted(names) == [f"latent-{latent:03}.png" for latent in range(4)]
    assert [Path(file).name for file in result.json["files"]] == [*names, "grid.png"]
    assert {path.name for path in out.iterdir()} == {*names, "grid.png"}
    trained = read_model(varied)
    made = tasks.traverse(trained, steps=9)
    for row, name in enumerate(names):
        assert np.array_equal(pixels(out / name), grid(tasks.present(trained, made.row(row)), 9)[..., 0])


def test_the_seed_of_a_traversal_decides(cli, varied, tmp_path, snapshot):
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        assert cli("traverse", varied, "--seed", seed, "-o", tmp_path / name).code == 0
    one, again, other = (snapshot(tmp_path / name) for name in ("one", "again", "other"))
    assert one == again
    assert one["grid.png"] != other["grid.png"]


def test_a_traversal_starts_from_the_file_that_is_given(cli, varied, ends, tmp_path):
    starts = {"typical": (), "first": ("--input", ends[0]), "second": ("--input", ends[1])}
    rows = []
    for name, options in starts.items():
        result = cli("traverse", varied, *options, "-o", tmp_path / name)
        assert result.code == 0, result.err
        rows.append([pixels(tmp_path / name / f"latent-{latent:03}.png") for latent in range(4)])
    for one, other in combinations(rows, 2):
        assert not any(np.array_equal(*pair) for pair in zip(one, other, strict=True))


def test_of_several_frames_the_first_is_reconstructed_and_people_are_told(cli, varied, tmp_path):
    random, out = np.random.default_rng(0), tmp_path / "out"
    frames = [Image.fromarray(random.integers(0, 256, (20, 20), dtype=np.uint8)) for _ in range(2)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    for name, frame in zip(("first.png", "second.png"), frames, strict=True):
        frame.save(tmp_path / name)
    for name in ("moving.gif", "first.png", "second.png"):
        result = cli("reconstruct", varied, tmp_path / name, "-o", out)
        assert result.code == 0, result.err
        notice = f"{tmp_path / name} has 2 frames; the first one is used."
        assert (notice in result.err) == (name == "moving.gif")
    moving, first, second = (pixels(out / f"{name}.png") for name in ("moving", "first", "second"))
    assert np.array_equal(moving, first)
    assert not np.array_equal(moving, second)


@pytest.mark.parametrize("side", [8, 20])  # that of the model's pictures, and one that is scaled
def test_colours_that_are_transparent_make_no_difference(cli, varied, tmp_path, side):
    opaque = np.random.default_rng(0).integers(0, 256, (side, side, 4), dtype=np.uint8)
    opaque[..., 3] = 255
    clear = opaque.copy()
    clear[: side // 2, :, 3] = 0
    other = clear.copy()
    other[: side // 2, :, :3] = 255 - clear[: side // 2, :, :3]
    made = []
    for name, picture in (("clear", clear), ("other", other), ("opaque", opaque)):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
        result = cli("reconstruct", varied, tmp_path / f"{name}.png", "-o", tmp_path / "out")
        assert result.code == 0, result.err
        made.append(pixels(tmp_path / "out" / f"{name}.png"))
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
