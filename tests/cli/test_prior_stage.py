"""`train --stage prior`: a finished run gets a new prior, and everything that tells about it is written anew."""

from __future__ import annotations

import json
import os
import signal
import sys

import numpy as np
import pytest
from PIL import Image

from tests.cli.test_interruption import start, wait_for

STEPS = ("--set", "prior_stage.steps=60", "--set", "prior_stage.learning_rate=0.005")
UNCHANGED = {"train_log.jsonl", "checkpoints/last.safetensors"}


@pytest.fixture
def staged(cli, own_run):
    """A run after its second stage, what it was before, and what was said."""
    result = cli("train", "digits", "-o", own_run, "--stage", "prior", "--json", *STEPS)
    assert result.code == 0, result.err
    return own_run, result


def test_all_documents_are_of_the_new_prior(trained, staged, snapshot):
    run, result = staged
    before, after = snapshot(trained), snapshot(run)
    assert {name for name in after if after[name] == before[name]} == UNCHANGED
    facts = result.json
    assert (facts["stage"], facts["prior"]) == ("prior", "mixture")
    assert facts["rate_after_nats"] < facts["rate_before_nats"]
    assert json.loads(after["metrics.json"])["elbo_nats"] == facts["metrics"]["elbo_nats"]
    assert facts["metrics"]["elbo_nats"] > json.loads(before["metrics.json"])["elbo_nats"]
    config = json.loads(after["config.json"])["config"]
    assert config["model"]["prior"]["name"] == "mixture"
    assert config["prior_stage"]["first"]["prior"]["name"] == "standard-normal"
    assert b"fitted in a second stage" in after["README.md"]
    assert b"--stage prior --config prior.yaml" in after["report.html"]
    assert "is fitted to the latents" in result.err


def test_every_verb_uses_it(cli, staged, pictures, tmp_path):
    run, _ = staged
    assert cli("generate", run, "-n", 3, "-o", tmp_path / "samples").code == 0
    assert cli("embed", run, "digits", "-o", tmp_path / "latents.npz").code == 0
    result = cli("evaluate", run, "digits", "-o", tmp_path / "figures", "--is-samples", 3, "--json")
    assert result.code == 0
    first = next(pictures.rglob("*.png"))
    assert cli("reconstruct", run, first, "-o", tmp_path / "back").code == 0


def test_it_can_be_done_again_with_another_prior(cli, staged):
    run, _ = staged
    result = cli(
        *("train", "digits", "-o", run, "--stage", "prior", "--json", "--seed", 3, *STEPS),
        *("--set", "model.prior.name=vamp", "--set", "model.prior.components=6"),
    )
    assert result.code == 0, result.err
    config = json.loads((run / "config.json").read_text())["config"]
    assert config["model"]["prior"] == {"name": "vamp", "components": 6}
    assert config["prior_stage"]["seed"] == 3
    assert config["prior_stage"]["first"]["prior"]["name"] == "standard-normal"


def test_resume_afterwards(cli, staged, snapshot):
    run, _ = staged
    before = snapshot(run)
    result = cli("train", "digits", "-o", run, "--resume", "--json")
    assert result.code == 0
    assert result.json["stage"] == "prior"
    assert snapshot(run) == before
    (run / "report.html").unlink()
    assert cli("train", "digits", "-o", run, "--resume").code == 0
    assert snapshot(run).keys() == before.keys()
    assert snapshot(run)["model.safetensors"] == before["model.safetensors"]
    longer = cli("train", "digits", "-o", run, "--resume", "--epochs", 9)
    assert longer.code == 2
    assert "cannot go on" in longer.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--resume",), "--resume cannot be given"),
        (("--preset", "image"), "--preset cannot be given"),
        (("--epochs", "3", "--max-minutes", "1"), "--epochs and --max-minutes cannot be given"),
        (("--set", "model.latent_dim=3"), "'model.latent_dim' cannot be set in the second stage"),
        (("--set", "objective.beta=3"), "'objective' cannot be set"),
        (("--set", "model.prior=standard-normal"), "has nothing to fit"),
        (("--set", "model.prior=flaw"), "did you mean 'flow'"),
    ],
)
def test_wrong_options(cli, own_run, snapshot, options, message):
    before = snapshot(own_run)
    result = cli("train", "digits", "-o", own_run, "--stage", "prior", *options)
    assert result.code == 2
    assert message in result.err
    assert snapshot(own_run) == before


def test_unknown_stages(cli, own_run):
    result = cli("train", "digits", "-o", own_run, "--stage", "prio")
    assert result.code == 2
    assert "did you mean 'prior'" in result.err


def test_other_data(cli, own_run, pictures, tmp_path, snapshot):
    np.save(tmp_path / "vectors.npy", np.random.default_rng(0).normal(size=(30, 5)))
    np.save(tmp_path / "larger.npy", np.random.default_rng(0).integers(0, 255, (30, 16, 16), dtype=np.uint8))
    before = snapshot(own_run)
    for data, message in (
        (tmp_path / "vectors.npy", "holds vectors, but the model takes pictures"),
        (tmp_path / "larger.npy", "is not what the training in"),
        (pictures, "is not what the training in"),
    ):
        result = cli("train", data, "-o", own_run, "--stage", "prior", *STEPS)
        assert result.code == 2
        assert message in result.err
    assert snapshot(own_run) == before


def test_other_labels(cli, tiny, tmp_path):
    for index in range(24):
        pixels = np.random.default_rng(index).integers(0, 255, (8, 8), dtype=np.uint8)
        place = tmp_path / "pictures"
        place.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(place / f"{index:02}.png")
    rows = [f"{index:02}.png,{'ab'[index % 2]}" for index in range(24)]
    (tmp_path / "labels.csv").write_text("file_name,label\n" + "\n".join(rows))
    train = ("train", tmp_path / "pictures", "-o", tmp_path / "run")
    labels = ("--labels", tmp_path / "labels.csv")
    assert cli(*train, *labels, "--epochs", 1, *tiny).code == 0
    result = cli(*train, "--stage", "prior", *STEPS)
    assert result.code == 2
    assert "give the same labels" in result.err
    assert cli(*train, *labels, "--stage", "prior", *STEPS).code == 0
    report = tmp_path / "run" / "report.html"
    report.unlink()  # as if it had been stopped before this was written
    result = cli(*train, "--resume")
    assert result.code == 2
    assert "give the same labels" in result.err
    assert not report.exists()
    assert cli(*train, *labels, "--resume").code == 0
    assert report.exists()


def test_runs_that_are_not_finished(cli, own_run, tmp_path):
    result = cli("train", "digits", "-o", tmp_path / "none", "--stage", "prior")
    assert result.code == 2
    assert "There is no run folder" in result.err
    assert not (tmp_path / "none").exists()
    (own_run / "model.safetensors").unlink()
    result = cli("train", "digits", "-o", own_run, "--stage", "prior")
    assert result.code == 2
    assert "has not finished" in result.err


def test_a_training_that_goes_on_longer_is_finished_first(cli, own_run):
    description = json.loads((own_run / "config.json").read_text())
    description["config"]["training"]["epochs"] = 99
    (own_run / "config.json").write_text(json.dumps(description))
    result = cli("train", "digits", "-o", own_run, "--stage", "prior", *STEPS)
    assert result.code == 2
    assert "has not finished" in result.err


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_one_leaves_the_run_as_it_was(own_run, snapshot, number):
    before = snapshot(own_run)
    process = start(
        *("train", "digits", "-o", own_run, "--stage", "prior", "--set", "prior_stage.steps=1000000"),
        *("--set", "prior_stage.patience=1000"),
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stderr is not None
    wait_for(lambda: "Second stage" in process.stderr.readline(), process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in err
    if number == signal.SIGINT:
        assert "is as it was" in err
    assert snapshot(own_run) == before


def test_what_was_left_out_of_the_report_stays_out(cli, pictures, tmp_path, tiny):
    run = tmp_path / "run"
    for more in (("--epochs", 1, "--no-media", *tiny), ("--resume", "--epochs", 2), ("--stage", "prior", *STEPS)):
        result = cli("train", pictures, "-o", run, *more)
        assert result.code == 0, result.err
        assert "data:image" not in (run / "report.html").read_text()


def test_a_second_stage_whose_report_shows_nothing_is_recorded_as_such(cli, own_run):
    assert "data:image" in (own_run / "report.html").read_text()
    assert cli("train", "digits", "-o", own_run, "--stage", "prior", "--no-media", *STEPS).code == 0
    (own_run / "report.html").unlink()  # as if it had been interrupted
    assert cli("train", "digits", "-o", own_run, "--resume").code == 0
    assert "data:image" not in (own_run / "report.html").read_text()
