"""Every verb, end to end, on real digits."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import latentia

FINISHED = {"model.safetensors", "config.json", "README.md", "metrics.json", "report.html", "train_log.jsonl"}
FIGURES = {"elbo_nats", "distortion_nats", "rate_nats", "active_units", "bits_per_dim", "n_examples"}


def test_train_writes_a_whole_run_folder(trained):
    assert {path.name for path in trained.iterdir()} >= FINISHED | {"checkpoints"}
    metrics = json.loads((trained / "metrics.json").read_text())
    assert set(metrics) >= FIGURES
    assert metrics["elbo_nats"] == pytest.approx(-(metrics["distortion_nats"] + metrics["rate_nats"]))
    assert metrics["n_examples"] == 144
    assert len((trained / "train_log.jsonl").read_text().splitlines()) == 2
    assert latentia.load(trained).sample(2, random_state=0).shape == (2, 8, 8)


def test_train_says_what_it_will_do(cli, pictures, tmp_path):
    result = cli("train", pictures, "-o", tmp_path / "run", "--epochs", 1, "--seed", 3, "--no-media", "--json")
    assert result.code == 0
    for said in ("40 pictures", "36 to train on and 4 held out", "at most 1 epoch", "MB of memory", "epoch 1/1: ELBO"):
        assert said in result.err
    assert result.json["ok"] is True
    assert set(result.json["metrics"]) >= FIGURES
    assert result.json["ending"] == "finished"
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["config"]["training"]["seed"] == 3
    assert config["label_names"] == {"label": ["even", "odd"]}
    report = (tmp_path / "run" / "report.html").read_text()
    assert "data:image" not in report
    assert "that was held out from training" in report


def test_options_stand_over_set_and_set_over_the_file(cli, pictures, tmp_path):
    settings = tmp_path / "mine.yaml"
    settings.write_text("preset: image\nobjective: iwae\ntraining: {epochs: 9, learning_rate: 0.01, batch_size: 8}\n")
    given = ("--set", "training.epochs=8", "--set", "training.batch_size=16", "--set", "objective.n_samples=2")
    result = cli("train", pictures, "-o", tmp_path / "run", "--config", settings, *given, "--epochs", 1)
    assert result.code == 0, result.err
    config = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    chosen = config["training"]
    assert (chosen["epochs"], chosen["batch_size"], chosen["learning_rate"]) == (1, 16, 0.01)
    assert config["objective"] == {"name": "iwae", "n_samples": 2}


def test_generate(cli, trained, tmp_path):
    assert cli("generate", trained, "-n", 3, "-o", tmp_path / "a").code == 0
    assert cli("generate", trained, "-n", 5, "-o", tmp_path / "b", "--seed", 0).code == 0
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {"sample-0000.png", "sample-0001.png", "sample-0002.png", "grid.png"}
    with Image.open(tmp_path / "a" / "sample-0002.png") as one:
        assert one.size == (8, 8)
        assert "synthetic" in one.text
        # A sample depends on the seed and its number alone.
        with Image.open(tmp_path / "b" / "sample-0002.png") as same:
            assert np.array_equal(np.asarray(one), np.asarray(same))
    assert cli("generate", trained, "-n", 3, "-o", tmp_path / "c", "--seed", 1).code == 0
    assert (tmp_path / "c" / "sample-0002.png").read_bytes() != (tmp_path / "a" / "sample-0002.png").read_bytes()


def test_reconstruct_keeps_names_apart(cli, trained, pictures, tmp_path):
    twin = tmp_path / "digit0.png"
    shutil.copy(pictures / "odd" / "digit1.png", twin)
    shutil.copy(pictures / "odd" / "digit1.png", tmp_path / "grid.png")
    inputs = (pictures / "even" / "digit0.png", twin, tmp_path / "grid.png")
    result = cli("reconstruct", trained, *inputs, "-o", tmp_path / "out", "--json")
    assert result.code == 0
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"digit0.png", "digit0-2.png", "grid-2.png", "grid.png"}
    assert len(result.json["files"]) == 4


def test_reconstruct_never_replaces_its_input(cli, trained, pictures, tmp_path):
    mine = tmp_path / "me.png"
    shutil.copy(pictures / "even" / "digit0.png", mine)
    before = mine.read_bytes()
    result = cli("reconstruct", trained, mine, "-o", tmp_path)
    assert result.code == 2
    assert "would replace" in result.err
    assert mine.read_bytes() == before


def test_interpolate(cli, trained, pictures, tmp_path):
    ends = (pictures / "even" / "digit0.png", pictures / "odd" / "digit1.png")
    assert cli("interpolate", trained, *ends, "-o", tmp_path / "out").code == 0
    assert len(list((tmp_path / "out").glob("frame-*.png"))) == 9
    assert (tmp_path / "out" / "grid.png").exists()


@pytest.mark.parametrize("start", [False, True])
def test_traverse(cli, trained, pictures, tmp_path, start):
    options = ("--input", pictures / "even" / "digit0.png") if start else ()
    result = cli("traverse", trained, *options, "-o", tmp_path / "out", "--json")
    assert result.code == 0
    scores = [row["score"] for row in result.json["latents"]]
    assert len(scores) == 4
    assert scores == sorted(scores, reverse=True)
    assert (tmp_path / "out" / "grid.png").exists()


def test_embed_named_set(cli, trained, tmp_path):
    assert cli("embed", trained, "digits", "-o", tmp_path / "latents.npz").code == 0
    with np.load(tmp_path / "latents.npz") as latents:
        assert latents["mean"].shape == latents["std"].shape == (1797, 4)
        assert set(latents["split"]) == {"train", "test"}
        assert set(latents["label"]) == set("0123456789")
        assert latents["file_name"].shape == (1797,)


def test_embed_of_a_named_set_replaces_an_earlier_result(cli, trained, tmp_path):
    for _ in range(2):
        result = cli("embed", trained, "digits", "-o", tmp_path / "latents.npz")
        assert result.code == 0, result.err


def test_embed_folder_with_labels(cli, trained, pictures, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("file_name,../../evil,mean\neven/digit0.png,a,b\nodd/digit1.png,,c\n")
    result = cli("embed", trained, pictures, "-o", tmp_path / "deep" / "latents.npz", "--labels", table)
    assert result.code == 0, result.err
    with np.load(tmp_path / "deep" / "latents.npz") as latents:
        names = list(latents["file_name"])
        row = names.index("even/digit0.png")
        assert latents["label"][row] == "even"
        assert latents["______evil"][row] == "a"
        assert latents["______evil"][names.index("odd/digit1.png")] == ""
        assert latents["mean"].shape == (40, 4)
        assert latents["mean_"][row] == "b"
        z = latentia.load(trained).transform(pictures)
        assert np.allclose(latents["mean"], z, atol=1e-6)


def test_files_that_were_left_out_are_named(cli, trained, pictures, tmp_path):
    data = Path(shutil.copytree(pictures, tmp_path / "data"))
    (data / "even" / "digit0.png").write_bytes(b"")
    ends = [data / "even" / "digit2.png", data / "odd" / "digit1.png"]
    latents = cli("embed", trained, data, "-o", tmp_path / "z.npz", "--json")
    assert latents.json["left_out"] == ["even/digit0.png"]
    along = cli("interpolate", trained, *ends, "-o", tmp_path / "out", "--way", "along-data", "--data", data)
    measured = cli("evaluate", trained, data, "-o", tmp_path / "evaluation")
    for result in (latents, along, measured):
        assert result.code == 0, result.err
        assert "even/digit0.png" in result.err
    assert "digit" not in cli("embed", trained, pictures, "-o", tmp_path / "z.npz").err


def test_a_wrong_labels_file_is_what_is_blamed(cli, trained, pictures, tmp_path):
    mixed = Path(shutil.copytree(pictures, tmp_path / "mixed"))
    (mixed / "voice.wav").write_bytes(b"not even a recording")
    (tmp_path / "wrong.csv").write_text("file_name,label\nno-such.png,a\n")
    for verb in (("embed", "-o", tmp_path / "z.npz"), ("evaluate", "-o", tmp_path / "out")):
        result = cli(verb[0], trained, mixed, *verb[1:], "--labels", tmp_path / "wrong.csv")
        assert result.code == 2
        assert "no-such.png" in result.err


def test_a_single_example_is_no_collapse(cli, trained, pictures, tmp_path):
    """Of one example nothing varies, whatever the latents say of it."""
    (tmp_path / "one").mkdir()
    shutil.copy(pictures / "odd" / "digit1.png", tmp_path / "one")
    result = cli("evaluate", trained, tmp_path / "one", "-o", tmp_path / "out", "--json")
    assert result.code == 0, result.err
    assert result.json["metrics"]["active_units"] is None
    assert "in use" not in (tmp_path / "out" / "report.html").read_text()


def test_examples_beyond_all_numbers_are_named(cli, tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    assert cli("train", tmp_path / "x.npy", "-o", tmp_path / "run", "--epochs", 1).code == 0
    x[7, 1] = 9.97e36  # as some formats mark what is missing
    np.save(tmp_path / "x.npy", x)
    result = cli("evaluate", tmp_path / "run", tmp_path / "x.npy", "-o", tmp_path / "out")
    assert result.code == 2
    assert "example 7" in result.err


def test_evaluate_a_named_set_uses_its_test_split(cli, trained, tmp_path):
    result = cli("evaluate", trained, "digits", "-o", tmp_path / "out", "--is-samples", 8, "--json")
    assert result.code == 0
    assert "the test split" in result.err
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics == result.json["metrics"]
    assert metrics["n_examples"] == 359
    assert -metrics["nll_nats"] > metrics["elbo_nats"]
    assert "the test split of digits" in (tmp_path / "out" / "report.html").read_text()


def test_evaluate_the_training_folder_uses_what_was_held_out(cli, pictures, tmp_path):
    assert cli("train", pictures, "-o", tmp_path / "run", "--epochs", 1).code == 0
    result = cli("evaluate", tmp_path / "run", pictures, "-o", tmp_path / "out", "--json")
    assert "held out" in result.err
    assert result.json["metrics"]["n_examples"] == 4
    other = shutil.copytree(pictures, tmp_path / "other")
    (other / "even" / "digit0.png").touch()
    result = cli("evaluate", tmp_path / "run", other, "-o", tmp_path / "out", "--json")
    assert "all of" in result.err
    assert result.json["metrics"]["n_examples"] == 40


def test_vectors(cli, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(60, 5)))
    assert cli("train", tmp_path / "x.npy", "-o", tmp_path / "run", "--epochs", 1).code == 0
    assert cli("embed", tmp_path / "run", tmp_path / "x.npy", "-o", tmp_path / "z.npz").code == 0
    assert cli("evaluate", tmp_path / "run", tmp_path / "x.npy", "-o", tmp_path / "out").code == 0
    result = cli("generate", tmp_path / "run", "-o", tmp_path / "out")
    assert result.code == 2
    assert "vectors" in result.err


def test_data_verbs(cli, pictures):
    listed = cli("data", "list", "--json")
    assert {"digits", "mnist"} <= {entry["name"] for entry in listed.json["sets"]}
    assert cli("data", "fetch", "digits").out.startswith("The data set digits is complete: 1438 in train")
    checked = cli("data", "check", pictures)
    assert checked.code == 0
    assert "40 picture files, 40 usable" in checked.out
    assert cli("data", "check", pictures, "--json").json["n_files"] == 40


def test_doctor(cli):
    result = cli("doctor")
    assert result.code == 0
    for topic in ("processor", "cores", "bfloat16", "memory", "GPU"):
        assert topic in result.out
    assert cli("doctor", "--json").json["cores"] >= 1


def test_demo(cli, monkeypatch, tmp_path):
    from latentia.report.demo import run_demo

    for name in run_demo.__kwdefaults__.keys() & {"epochs", "classes_epochs", "filling_epochs", "speech_epochs"}:
        monkeypatch.setitem(run_demo.__kwdefaults__, name, 1)
    monkeypatch.setitem(run_demo.__kwdefaults__, "prior_steps", 2)
    result = cli("demo", "-o", tmp_path / "demo", "--json")
    assert result.code == 0, result.err
    assert "Training an image model" in result.err
    assert "<html" in Path(result.json["report"]).read_text()
    assert (tmp_path / "demo" / "samples" / "grid.png").exists()


def test_version_and_help(cli):
    assert cli("--version").out == f"latentia {latentia.__version__}\n"
    for arguments in ((), ("--help",), ("train", "--help"), ("data", "--help"), ("data", "check", "--help")):
        result = cli(*arguments)
        assert result.code == 0
        assert "Usage" in result.out


def test_help_and_import_load_nothing_heavy():
    heavy = "{'torch', 'numpy', 'lightning', 'sklearn', 'PIL', 'yaml', 'latentia.config'}"
    script = (
        f"import sys, latentia; heavy = {heavy}; first = heavy & set(sys.modules)\n"
        "from latentia.cli.main import run; run(['train', '--help'])\n"
        "print(first, heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set() set()"


def test_a_folder_of_both_kinds_is_used_as_it_was_trained_on(cli, pictures, tiny, tmp_path):
    mixed = Path(shutil.copytree(pictures, tmp_path / "mixed"))
    (mixed / "voice.wav").write_bytes(b"not even a recording")
    kind = ("--set", "data.kind=image")
    assert cli("train", mixed, "-o", tmp_path / "run", "--epochs", 1, *kind, *tiny).code == 0
    for verb in (("embed", "-o", tmp_path / "z.npz"), ("evaluate", "-o", tmp_path / "out")):
        result = cli(verb[0], tmp_path / "run", mixed, *verb[1:])
        assert result.code == 0, result.err
    assert "--kind" in cli("data", "check", mixed).err


def test_embed_never_replaces_its_input(cli, trained, tmp_path):
    data = tmp_path / "pictures.npz"
    np.savez(data, x=np.zeros((4, 8, 8), np.uint8))
    before = data.read_bytes()
    assert cli("embed", trained, data, "-o", data).code == 2
    assert data.read_bytes() == before


def test_how_to_go_on_fits_how_it_ended(cli, tiny, tmp_path):
    run = tmp_path / "run"
    assert cli("train", "digits", "-o", run, "--epochs", 2, "--max-minutes", 1e-6, *tiny).code == 0
    assert "give more --max-minutes" in cli("train", "digits", "-o", run, "--resume").out
    result = cli("train", "digits", "-o", run, "--resume", "--epochs", 3)
    assert result.code == 2
    assert "give more --max-minutes" in result.err
    result = cli("train", "digits", "-o", run, "--resume", "--max-minutes", 5, "--json")
    assert (result.code, result.json["ending"]) == (0, "finished")


def test_files_that_may_not_be_read_are_not_called_damaged(cli, own_run, monkeypatch):
    opened = Path.open

    def refuse(path, *args, **kwargs):
        if path.name == "model.safetensors":
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    result = cli("generate", own_run, "-o", own_run / "out")
    assert result.code == 2
    assert "Permission denied" in result.err
    assert "damaged" not in result.err


def test_lack_of_memory_is_the_users_to_mend(cli, monkeypatch, trained, tmp_path):
    def fail(*_args, **_kwargs):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes.")

    monkeypatch.setattr("latentia.tasks.generate", fail)
    result = cli("generate", trained, "-o", tmp_path / "out")
    assert result.code == 2
    assert "not enough memory" in result.err
