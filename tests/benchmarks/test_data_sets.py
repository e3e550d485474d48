"""Benchmarks run on other data than the published ones, and say so."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.data_sets import other_data
from benchmarks.harness import Key, Options, Results, Row, parse
from benchmarks.picture_sets import SETS, open_recut_pictures
from latentia.data.fetch import MIRROR_CONTENT
from latentia.errors import DataError


def keep_faces(folder: Path, seed: int, subjects: int = 12) -> None:
    """Puts noise where the mirror has faces, two pictures of each subject, counted from 100 on."""
    path = folder / SETS["orl-faces"].file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(seed).integers(0, 256, (2 * subjects, 64, 64), dtype=np.uint8)
    np.savez_compressed(path, images64=images, subject=100 + np.arange(2 * subjects) // 2)


def test_other_faces_are_refused_unless_any_content_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_faces(tmp_path, 0)
    published = open_recut_pictures("orl-faces").fingerprint()
    source = open_recut_pictures("orl-faces", tmp_path)
    assert source.fingerprint() == published
    with pytest.raises(DataError, match=f"another content.*{MIRROR_CONTENT}=any"):
        source.read("train")
    assert other_data(tmp_path) == ""

    monkeypatch.setenv(MIRROR_CONTENT, "any")
    source = open_recut_pictures("orl-faces", tmp_path)
    train, test = (source.read(split) for split in ("train", "test"))
    assert set(test.y.tolist()) == {109, 110, 111}  # a quarter, where they are few
    assert set(train.y.tolist()) == set(range(100, 109))
    assert source.fingerprint() != published
    before = other_data(tmp_path)
    assert before.startswith("orl-faces ")
    keep_faces(tmp_path, 1)
    assert other_data(tmp_path) != before


def test_damage_is_said_by_those_who_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MIRROR_CONTENT, "any")
    keep_faces(tmp_path, 0)
    path = tmp_path / SETS["orl-faces"].file.path
    whole = path.read_bytes()
    path.write_bytes(whole[:-200])
    with pytest.raises(DataError, match="damaged or lacks"):
        open_recut_pictures("orl-faces", tmp_path).read("train")
    np.savez_compressed(path, subject=np.arange(20))
    with pytest.raises(DataError, match="images64"):
        open_recut_pictures("orl-faces", tmp_path).read("train")
    archive = tmp_path / "speech" / "noise_cc.tar"
    archive.parent.mkdir()
    archive.write_bytes(b"no archive")
    assert "noise_cc damaged" in other_data(tmp_path)


def test_published_data_are_the_same_whatever_is_taken(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strict = open_recut_pictures("omniglot-small", mirror).fingerprint()
    monkeypatch.setenv(MIRROR_CONTENT, "any")
    assert open_recut_pictures("omniglot-small", mirror).fingerprint() == strict
    assert other_data(mirror) == ""


def test_benchmarks_take_what_a_mirror_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (MIRROR_CONTENT, "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(variable, "")
    keep_faces(tmp_path, 0)
    assert parse("A benchmark.", ["--data", str(tmp_path)]).mirror == tmp_path
    assert os.environ[MIRROR_CONTENT] == "any"


def test_figures_of_other_data_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key, folder, data = Key("ours", "PSNR"), tmp_path / "results", tmp_path / "mirror"
    keep_faces(data, 0)
    Results("trial", "", Options(), folder).measure([key], lambda: [Row(key, 1.0, "dB")])
    monkeypatch.setenv(MIRROR_CONTENT, "any")
    Results("trial", "", Options(data=data), folder).measure([key], lambda: [Row(key, 2.0, "dB")])
    assert "1 rows of other data; they are measured anew" in capsys.readouterr().out
    row = json.loads((folder / "trial.json").read_text())["rows"][0]
    assert row["data"] == other_data(data)
    Results("trial", "", Options(data=data), folder).measure([key], lambda: pytest.fail("measured twice"))
