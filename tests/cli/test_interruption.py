"""Ctrl-C, kills, full disks: what was there stays whole, and the training goes on where it stood."""

from __future__ import annotations

import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import latentia
from latentia.errors import FileError
from latentia.tensors import read_tensors

PROGRAM = (sys.executable, "-c", "import sys; from latentia.cli.main import run; sys.exit(run())")
LONG = 400


def start(*arguments: object, **options: object) -> subprocess.Popen[str]:
    command = [*PROGRAM, *(str(argument) for argument in arguments)]
    # Tests in the background of a shell ignore SIGINT, and their children would too.
    options = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **options}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def wait_for(condition, process: subprocess.Popen[str], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory, tiny) -> tuple[Path, str]:
    """A run that Ctrl-C stopped after a few epochs, and what was said."""
    folder = tmp_path_factory.mktemp("interrupted") / "run"
    process = start("train", "digits", "-o", folder, "--epochs", LONG, "--no-media", "--json", *tiny)
    wait_for(lambda: lines(folder / "train_log.jsonl") >= 2, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert json.loads(out)["error"]["kind"] == "interrupted"
    assert "Traceback" not in err
    return folder, err


def test_ctrl_c_leaves_a_checkpoint_and_says_how_to_go_on(interrupted):
    folder, err = interrupted
    assert (folder / "checkpoints" / "last.safetensors").exists()
    assert not (folder / "model.safetensors").exists()
    assert f"latentia train digits -o {folder} --resume --no-media" in err


def test_an_unfinished_run_says_so(cli, interrupted, tmp_path):
    result = cli("generate", interrupted[0], "-o", tmp_path)
    assert result.code == 2
    assert "--resume" in result.err


def test_resume_finishes_then_says_so_then_goes_on_longer(cli, interrupted, tmp_path, snapshot):
    run = Path(shutil.copytree(interrupted[0], tmp_path / "run"))
    config = json.loads((run / "config.json").read_text())
    done = lines(run / "train_log.jsonl")
    config["config"]["training"]["epochs"] = done + 2  # a shorter way to the end than 400 epochs
    (run / "config.json").write_text(json.dumps(config))
    result = cli("train", "digits", "-o", run, "--resume", "--json")
    assert result.code == 0, result.err
    assert "going on from step" in result.err
    assert result.json["epochs"] == done + 2

    finished = snapshot(run)
    result = cli("train", "digits", "-o", run, "--resume", "--json")
    assert result.code == 0
    assert result.json["ending"] == "finished"
    assert snapshot(run) == finished

    result = cli("train", "digits", "-o", run, "--resume", "--epochs", done + 3, "--json")
    assert result.json["epochs"] == done + 3
    assert json.loads((run / "config.json").read_text())["config"]["training"]["epochs"] == done + 3
    assert snapshot(run)["model.safetensors"] != finished["model.safetensors"]


def test_killed_between_training_and_report(cli, own_run, snapshot):
    before = snapshot(own_run)
    (own_run / "report.html").unlink()
    (own_run / "model.safetensors").unlink()
    assert cli("train", "digits", "-o", own_run, "--resume").code == 0
    after = snapshot(own_run)
    for name in ("model.safetensors", "metrics.json", "train_log.jsonl", "checkpoints/last.safetensors"):
        assert after[name] == before[name]
    assert b"<html" in after["report.html"]


def test_ctrl_c_before_the_training(cli, monkeypatch, tmp_path):
    import latentia.data

    def pressed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(latentia.data, "open_source", pressed)
    result = cli("train", "digits", "-o", tmp_path / "run")
    assert result.code == 130
    assert result.err.startswith("Error: Interrupted")


def limit_file_size() -> None:
    # Beyond the limit a write fails as it does on a full disk, once its signal is ignored.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


@pytest.mark.parametrize("where", ["configure_optimizers", "training_step"])
def test_ctrl_c_in_a_fit_leaves_the_interpreter_and_its_signals_alive(monkeypatch, where):
    """Lightning answers it before the first step, and a second one, with SystemExit, and would ignore SIGINT then."""
    from latentia.training.module import VAEModule

    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(VAEModule, where, pressed)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        latentia.VAE(latent_dim=2, epochs=1).fit(np.random.default_rng(0).normal(size=(40, 5)))
    assert signal.getsignal(signal.SIGINT) == before


def test_a_second_ctrl_c_stops_at_once(cli, monkeypatch, tmp_path, tiny):
    from latentia.training.module import VAEModule

    def pressed_again(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(VAEModule, "training_step", pressed_again)
    result = cli("train", "digits", "-o", tmp_path / "run", "--json", *tiny)
    assert result.code == 130
    assert "--resume" in result.err
    assert result.json["error"]["kind"] == "interrupted"


def test_the_command_to_go_on_with_has_all_that_is_needed(cli, monkeypatch, pictures, tmp_path, tiny):
    from latentia.training.module import VAEModule

    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    names = [path.relative_to(pictures) for path in sorted(pictures.rglob("*.png"))]
    table = tmp_path / "my labels.csv"
    table.write_text("file_name,label\n" + "\n".join(f"{name},{'ab'[i % 2]}" for i, name in enumerate(names)))
    with monkeypatch.context() as patch:
        patch.setattr(VAEModule, "training_step", pressed)
        train = ("train", pictures, "-o", tmp_path / "run", "--epochs", 1)
        stopped = cli(*train, "--labels", table, "--skip-bad", *tiny)
    assert stopped.code == 130
    again = shlex.split(stopped.err.strip().rpartition("Go on with: ")[2])
    assert again[:3] == ["latentia", "train", str(pictures)]
    assert again[-4:] == ["--resume", "--labels", str(table), "--skip-bad"]
    assert cli(*again[1:]).code == 0


def test_ctrl_c_between_two_epochs_writes_no_line_twice(cli, monkeypatch, tmp_path, tiny):
    from latentia.training.module import VAEModule

    def pressed(module: VAEModule) -> None:
        if module.epoch == 1:
            os.kill(os.getpid(), signal.SIGINT)

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(VAEModule, "on_train_epoch_start", pressed)
        assert cli("train", "digits", "-o", run, "--epochs", 3, *tiny).code == 130
    assert cli("train", "digits", "-o", run, "--resume").code == 0
    log = [json.loads(line) for line in (run / "train_log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log] == [1, 2, 3]


def test_a_longer_training_that_fails_leaves_the_report(cli, own_run, monkeypatch, snapshot):
    import latentia.training.fit as fit

    def full(*_: object, **__: object) -> None:
        raise FileError("The disk is full.")

    before = snapshot(own_run)
    with monkeypatch.context() as patch:
        patch.setattr(fit, "_run", full)
        assert cli("train", "digits", "-o", own_run, "--resume", "--epochs", 3).code == 2
    assert {name for name, content in snapshot(own_run).items() if content != before[name]} == {"config.json"}
    assert set(snapshot(own_run)) == set(before)


def test_a_report_older_than_the_weights_is_written_anew(cli, own_run):
    old = (own_run / "model.safetensors").stat().st_mtime - 10
    os.utime(own_run / "report.html", (old, old))
    assert cli("train", "digits", "-o", own_run, "--resume").code == 0
    assert (own_run / "report.html").stat().st_mtime > old + 10


@pytest.mark.parametrize(
    ("verb", "redirection", "code"),
    [
        ("data list --json", ">&-", 0),
        ("data list --json", "2>&-", 0),
        ("data list", "| true", 0),
        ("--help", "| true", 0),
        ("--help", "> /dev/full", 2),
        ("data check /none --json", ">&- 2>&-", 2),
        ("data check /none --json", "> /dev/full", 2),
        ("data check /none --json", "2> /dev/full", 2),
        ("data check /none --json", "2>&1 | true", 2),
    ],
)
def test_streams_that_nobody_reads(verb, redirection, code):
    command = f"exec 3>&2; {{ {shlex.join(PROGRAM)} {verb}; echo code $? >&3; }} {redirection}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert f"code {code}" in done.stderr.splitlines()


@pytest.mark.skipif(sys.platform == "darwin", reason="RLIMIT_FSIZE kills the process there")
def test_no_room_while_saving(own_run, snapshot):
    before = snapshot(own_run)
    process = start("train", "digits", "-o", own_run, "--resume", "--epochs", 3, preexec_fn=limit_file_size)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    assert "Traceback" not in err
    error = err.strip().splitlines()[-1]
    assert error.startswith("Error: ")
    assert "could not be written" in error or "Cannot write" in error
    after = snapshot(own_run)
    for name in ("model.safetensors", "checkpoints/last.safetensors"):
        assert after[name] == before[name]
        read_tensors(own_run / name)
    assert not [name for name in after if Path(name).name.startswith(".")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_no_room_for_the_result_on_stdout():
    with Path("/dev/full").open("w") as full:
        command = [*PROGRAM, "data", "list"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "Error: " in done.stderr
