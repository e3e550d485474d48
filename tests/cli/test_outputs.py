"""What is written where: odd names, inputs that stay as they were, one JSON object on stdout."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def test_names_that_are_no_text(cli, pictures, tmp_path, tiny, trained):
    data = Path(shutil.copytree(pictures, tmp_path / "data"))
    odd = data / os.fsdecode(b"odd\xff\n\x1b[31m")
    (data / "odd").rename(odd)
    (odd / "bad\n.png").write_text("no picture")
    for verb in (("train", data, "-o", tmp_path / "run", "--epochs", 1, *tiny), ("data", "check", data)):
        result = cli(*verb)
        assert result.code == 0, result.err
        assert "\x1b" not in result.out + result.err
        assert "bad\\n.png" in result.out + result.err
    assert cli("data", "check", data, "--json").json["n_usable"] == 40
    assert json.loads((tmp_path / "run" / "config.json").read_text("utf-8"))["label_names"]["label"][1] == odd.name
    assert (tmp_path / "run" / "report.html").read_text("utf-8")
    assert cli("embed", trained, data, "-o", tmp_path / "z.npz").code == 0
    with np.load(tmp_path / "z.npz") as latents:
        assert odd.name in latents["label"]


def test_results_never_replace_an_input(cli, trained, pictures, tmp_path, snapshot):
    for name, source in (("grid", "even/digit0"), ("frame-03", "odd/digit1"), ("latent-000", "even/digit2")):
        shutil.copy(pictures / f"{source}.png", tmp_path / f"{name}.png")
    (tmp_path / "other").mkdir()
    shutil.copy(pictures / "odd" / "digit3.png", tmp_path / "other" / "frame-03.png")
    before = snapshot(tmp_path)
    one, two, three = (tmp_path / f"{name}.png" for name in ("grid", "frame-03", "latent-000"))
    for verb in (
        ("reconstruct", trained, one),
        ("reconstruct", trained, tmp_path / "other" / "frame-03.png", two),
        ("interpolate", trained, two, three),
        ("traverse", trained, "--input", three),
    ):
        result = cli(*verb, "-o", tmp_path)
        assert result.code == 2
        assert "would replace" in result.err
        assert snapshot(tmp_path) == before


def test_pictures_that_cannot_be_converted_are_named(cli, trained, tmp_path):
    Image.fromarray(np.full((8, 8), np.nan, np.float32)).save(tmp_path / "nan.tif")
    result = cli("reconstruct", trained, tmp_path / "nan.tif", "-o", tmp_path / "out")
    assert result.code == 2
    assert "nan.tif" in result.err


def test_heads_may_have_any_name(cli, trained, pictures, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("file_name,file,allow_pickle,self\neven/digit0.png,a,b,c\n")
    result = cli("embed", trained, pictures, "-o", tmp_path / "z.npz", "--labels", table)
    assert result.code == 0, result.err
    with np.load(tmp_path / "z.npz") as latents:
        assert {"file", "allow_pickle", "self"} <= set(latents.files)


@pytest.mark.parametrize("place", [".", "/", "folder"])
def test_latents_in_the_place_of_a_folder(cli, trained, tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    result = cli("embed", trained, "digits", "-o", place)
    assert result.code == 2
    assert "is a folder" in result.err


def test_an_object_on_stdout_is_json_for_every_parser(cli, monkeypatch):
    import latentia.cli.main as main

    monkeypatch.setattr(main, "app", lambda **_: main.Outcome("", {"name": "\u00fc\udcff"}))
    result = cli("doctor", "--json")
    assert result.out.isascii()
    assert result.json["name"] == "\u00fc\udcff"
    monkeypatch.setattr(main, "app", lambda **_: main.Outcome("", {"value": float("nan")}))
    result = cli("doctor", "--json")
    assert result.code == 1
    assert result.json["ok"] is False
