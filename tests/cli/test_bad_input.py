"""What people get wrong, and files that are broken or hostile: a sentence and an exit code, never a traceback."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from latentia.runs import RunFolder


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("no/such/folder",), "There is no file or folder no/such/folder"),
        (("",), "an empty name"),
        (("~nobody-of-this-name/photos",), "There is no file or folder ~nobody-of-this-name/photos"),
        (("digitz",), "did you mean 'digits'?"),
        (("digits", "--preset", "imagge"), "did you mean 'image'?"),
        (("digits", "--set", "training.epoch=3"), "did you mean 'epochs'?"),
        (("digits", "--set", "model.prior=mixtur"), "did you mean 'mixture'?"),
        (("digits", "--set", "model.prior={name: mixture, component: 3}"), "did you mean 'components'?"),
        (("digits", "--set", "training.epochs=many"), "'training.epochs'"),
        (("digits", "--set", "training"), "key.path=value"),
        (("digits", "--set", "preset=5"), "'preset'"),
        (("digits", "--set", "model.encoder={name: dense, width: -4}"), "'dense'"),
        (("digits", "--set", "model.encoder={name: dense, width: 1000000000000}"), "'dense'"),
        (("digits", "--set", "model.likelihood.initial_scale=0"), "initial_scale must be above 0"),
        (("digits", "--set", "objective.n_samples=2.5", "--set", "objective.name=iwae"), "'iwae'"),
        (("digits", "--preset", "inpainting", "--set", "training.masks=[{name: strokes, count: 2.5}]"), "'strokes'"),
        (("digits", "--set", "model.prior={name: mixture, components: 0}"), "at least 1 component"),
        (("digits", "--set", "model.prior={name: mixture, covariance: tied}"), "'diagonal' or 'full', not 'tied'"),
        (("digits", "--set", "model.prior={name: mixture, components: 1000000000}"), "take fewer components"),
        (("digits", "--set", "model.label=2024-13-01"), "'model.label' cannot be read"),
        (("digits", "--set", "model.label=" + "[" * 5000), "'model.label' cannot be read"),
        (("digits", "--epochs", "0"), "--epochs"),
        (("digits", "--max-minutes", "-1"), "training.max_minutes"),
        (("digits", "--config", "none.yaml"), "none.yaml"),
        (("digits", "--labels", "labels.csv"), "file names"),
        (
            (
                "digits",
                "--frobnicate",
            ),
            "--frobnicate",
        ),
    ],
)
def test_options_of_train(cli, tmp_path, monkeypatch, options, said):
    monkeypatch.chdir(tmp_path)
    result = cli("train", *options, "-o", tmp_path / "run", "--json")
    assert result.code == 2
    assert said in result.err
    assert result.json["ok"] is False
    assert result.json["error"]["message"] in result.err
    assert len(result.err.strip().splitlines()) == 1
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.parametrize(
    "content",
    [
        *("- a\n- b\n", "{: [", "training: 7\n", "training: {epochs: [1]}\n", "\x00\xff", "[" * 5000),
        "model: {label: 2024-13-01}\n",
    ],
)
def test_configuration_file_of_a_wrong_type(cli, tmp_path, content):
    path = tmp_path / "mine.yaml"
    path.write_text(content, "latin-1")
    result = cli("train", "digits", "-o", tmp_path / "run", "--config", path)
    assert result.code == 2
    assert result.err.startswith("Error: ")


def test_empty_folder_and_single_picture(cli, pictures, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty" in cli("train", tmp_path / "empty", "-o", tmp_path / "run").err
    (tmp_path / "one").mkdir()
    shutil.copy(pictures / "even" / "digit0.png", tmp_path / "one")
    result = cli("train", tmp_path / "one", "-o", tmp_path / "run")
    assert result.code == 2
    assert "at least 2" in result.err


def test_run_folder_among_the_data(cli, pictures, snapshot, monkeypatch):
    before = snapshot(pictures)
    monkeypatch.chdir(pictures.parent)
    for folder in (pictures, pictures.name):
        result = cli("train", folder, "-o", pictures / "even" / "run", "--epochs", "1")
        assert result.code == 2
        assert "would lie in the data folder" in result.err
    assert snapshot(pictures) == before


def test_existing_run_without_resume(cli, own_run, snapshot):
    before = snapshot(own_run)
    result = cli("train", "digits", "-o", own_run)
    assert result.code == 2
    assert "--resume" in result.err
    assert snapshot(own_run) == before


def test_output_is_a_file(cli, trained, tmp_path):
    (tmp_path / "file").write_text("mine")
    for command in (("train", "digits"), ("generate", trained)):
        result = cli(*command, "-o", tmp_path / "file")
        assert result.code == 2
        assert "is a file" in result.err
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--preset", "mnist"), "--preset"),
        (("--set", "objective.beta=2"), "--set"),
        (("--seed", "4"), "--seed"),
        (("--epochs", "1"), "only raise --epochs"),
        (("--max-minutes", "1"), "--max-minutes"),
    ],
)
def test_resume_keeps_the_recorded_settings(cli, own_run, snapshot, options, said):
    before = snapshot(own_run)
    result = cli("train", "digits", "-o", own_run, "--resume", *options)
    assert result.code == 2
    assert said in result.err
    assert snapshot(own_run) == before


def test_resume_with_other_data(cli, own_run, pictures):
    result = cli("train", pictures, "-o", own_run, "--resume")
    assert result.code == 2
    assert "digits" in result.err


def test_resume_of_nothing(cli, tmp_path):
    result = cli("train", "digits", "-o", tmp_path / "none", "--resume")
    assert result.code == 2
    assert "no run folder" in result.err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("content", ["truncated", "pickle", "a model"])
def test_resume_from_a_damaged_checkpoint(cli, own_run, tmp_path, content):
    checkpoint = own_run / "checkpoints" / "last.safetensors"
    if content == "truncated":
        checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    if content == "pickle":
        checkpoint.write_bytes(pickle.dumps(Bomb(tmp_path / "sprung")))
    if content == "a model":
        shutil.copy(own_run / "model.safetensors", checkpoint)
    result = cli("train", "digits", "-o", own_run, "--resume", "--epochs", 3)
    assert result.code == 2
    assert "last.safetensors" in result.err
    assert not (tmp_path / "sprung").exists()


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def damage(run: Path, kind: str, trap: Path) -> None:
    """Damages a run folder in one of many ways."""
    weights, config = run / "model.safetensors", run / "config.json"
    content = json.loads(config.read_text())
    if kind == "weights missing":
        weights.unlink()
        shutil.rmtree(run / "checkpoints")
    elif kind == "weights truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif kind == "pickle as weights":
        weights.write_bytes(pickle.dumps(Bomb(trap)))
    elif kind == "torch pickle as weights":
        torch.save({"a": Bomb(trap)}, weights)
    elif kind == "wrong shapes":
        save_file({"a": torch.zeros(3)}, weights)
    elif kind == "config missing":
        config.unlink()
    elif kind == "config truncated":
        config.write_text(config.read_text()[:100])
    elif kind == "config a list":
        config.write_text("[]")
    elif kind == "config nested deeply":
        config.write_text("[" * 100_000)
    elif kind == "no version":
        del content["format_version"]
    elif kind == "newer format":
        content["format_version"], content["library_version"] = 99, "9.9"
    elif kind == "no preprocessing":
        del content["preprocessing"]
    elif kind == "unknown part":
        content["config"]["model"]["prior"] = {"name": "os.system"}
    elif kind == "huge model":
        content["config"]["model"]["encoder"]["width"] = 10**9
    elif kind == "huge pictures":
        content["preprocessing"]["height"] = 10**9
    elif kind == "another size":
        content["config"]["model"]["latent_dim"] = 5
    if kind in DESCRIPTIONS:
        config.write_text(json.dumps(content))


DESCRIPTIONS = frozenset(
    {"no version", "newer format", "no preprocessing", "unknown part", "huge model", "huge pictures", "another size"}
)
FILES = (
    *("weights missing", "weights truncated", "pickle as weights", "torch pickle as weights", "wrong shapes"),
    *("config missing", "config truncated", "config a list", "config nested deeply"),
)


@pytest.mark.parametrize("kind", [*FILES, *sorted(DESCRIPTIONS)])
def test_damaged_and_hostile_run_folders(cli, own_run, tmp_path, kind):
    trap = tmp_path / "sprung"
    damage(own_run, kind, trap)
    result = cli("generate", own_run, "-o", tmp_path / "out", "--json")
    assert result.code == 2, result.err
    assert result.json["error"]["kind"] == "run"
    assert str(own_run) in result.err
    assert not trap.exists()
    assert not (tmp_path / "out").exists()
    if kind == "newer format":
        assert "9.9" in result.err


def test_labels_with_path_tricks_stay_labels(cli, pictures, tmp_path, tiny, snapshot):
    table = tmp_path / "labels.csv"
    table.write_text('file_name,label\neven/digit0.png,../../../escaped\nodd/digit1.png,"<script>alert(1)</script>"\n')
    outside = snapshot(tmp_path)
    result = cli("train", pictures, "-o", tmp_path / "run", "--epochs", 1, "--labels", table, *tiny)
    assert result.code == 0, result.err
    assert {path: content for path, content in snapshot(tmp_path).items() if not path.startswith("run/")} == outside
    assert "<script>alert(1)" not in (tmp_path / "run" / "report.html").read_text()


def test_labels_for_files_that_do_not_exist(cli, pictures, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("file_name,label\n../../etc/passwd,a\n")
    result = cli("train", pictures, "-o", tmp_path / "run", "--labels", table)
    assert result.code == 2
    assert "not in the data" in result.err


@pytest.mark.parametrize("kind", ["missing", "folder", "text", "truncated", "empty"])
def test_inputs_of_a_wrong_kind_are_named(cli, trained, pictures, tmp_path, kind):
    path = tmp_path / "input.png"
    if kind == "folder":
        path.mkdir()
    if kind in ("text", "empty"):
        path.write_text("not a picture" if kind == "text" else "")
    if kind == "truncated":
        noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[:1000])
    good = pictures / "even" / "digit0.png"
    for command in (("reconstruct", trained, good, path), ("interpolate", trained, good, path)):
        result = cli(*command, "-o", tmp_path / "out")
        assert result.code == 2
        assert "input.png" in result.err
    assert cli("traverse", trained, "--input", path, "-o", tmp_path / "out").code == 2
    assert not (tmp_path / "out").exists()


def test_data_of_another_kind(cli, trained, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((20, 5)))
    result = cli("embed", trained, tmp_path / "x.npy", "-o", tmp_path / "z.npz")
    assert result.code == 2
    assert "vectors" in result.err


def test_two_trainings_into_one_folder(cli, own_run, snapshot, pictures, tmp_path):
    before = snapshot(own_run)
    with RunFolder(own_run).locked():
        result = cli("train", "digits", "-o", own_run, "--resume", "--epochs", 3)
        assert result.code == 2
        assert "Another training" in result.err
    assert snapshot(own_run) == before
    with RunFolder(tmp_path / "new").locked():
        assert "Another training" in cli("train", pictures, "-o", tmp_path / "new").err


def test_our_own_faults_are_sentences_too(cli, monkeypatch):
    import latentia.cli.main as main

    def broken(**_: object) -> None:
        raise ZeroDivisionError("by design")

    monkeypatch.setattr(main, "app", broken)
    result = cli("doctor", "--json")
    assert result.code == 1
    assert "--debug" in result.err
    assert result.json["error"]["kind"] == "internal"


def test_a_failed_training_leaves_no_folder(cli, pictures, tmp_path):
    (tmp_path / "one").mkdir()
    shutil.copy(pictures / "even" / "digit0.png", tmp_path / "one")
    assert cli("train", tmp_path / "one", "-o", tmp_path / "run").code == 2
    assert not (tmp_path / "run").exists()


def test_another_training_came_and_went(cli, trained, pictures, tmp_path, monkeypatch, tiny, snapshot):
    import latentia.data

    run, open_source = tmp_path / "run", latentia.data.open_source

    def slow(*arguments, **options):
        shutil.copytree(trained, run)
        return open_source(*arguments, **options)

    monkeypatch.setattr(latentia.data, "open_source", slow)
    result = cli("train", pictures, "-o", run, "--epochs", 1, *tiny)
    assert result.code == 2
    assert "not empty" in result.err
    assert snapshot(run) == snapshot(trained)


def test_resume_with_other_labels(cli, pictures, tmp_path, tiny, snapshot):
    table, run = tmp_path / "labels.csv", tmp_path / "run"
    table.write_text("file_name,label\neven/digit0.png,zero\nodd/digit1.png,one\n")
    assert cli("train", pictures, "-o", run, "--epochs", 1, "--labels", table, *tiny).code == 0
    before = snapshot(run)
    result = cli("train", pictures, "-o", run, "--resume", "--epochs", 2)
    assert result.code == 2
    assert "--labels" in result.err
    assert snapshot(run) == before
    assert cli("train", pictures, "-o", run, "--resume", "--epochs", 2, "--labels", table).code == 0


@pytest.mark.parametrize("state", ['{"__items__": [["step", "x"], ["seconds", 1], ["history", []]]}', "[]", "7"])
def test_resume_from_a_checkpoint_that_says_nonsense(cli, own_run, state):
    save_file({"0": torch.zeros(1)}, own_run / "checkpoints" / "last.safetensors", {"state": state})
    result = cli("train", "digits", "-o", own_run, "--resume", "--epochs", 3)
    assert result.code == 2
    assert "last.safetensors" in result.err


@pytest.mark.parametrize(
    "options",
    [
        *(("--max-minutes", number) for number in ("nan", "inf", "0")),
        *(("--set", f"{key}=.inf") for key in ("training.learning_rate", "objective.beta")),
        ("--set", "training.learning_rate=.nan"),
        ("--seed", "-1"),
    ],
)
def test_numbers_beyond_all_bounds(cli, tmp_path, options):
    result = cli("train", "digits", "-o", tmp_path / "run", *options)
    assert result.code == 2, result.err
    assert not (tmp_path / "run").exists()
