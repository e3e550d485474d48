"""A training that is killed at any moment and resumed ends with the same weights, bit for bit."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import sys
from pathlib import Path
from latentia.data import open_source
from latentia.presets import resolve
from latentia.runs import RunFolder
from latentia.training.fit import fit, prepare_training

out, resume = Path(sys.argv[1]), sys.argv[2] == "resume"
settings = {
    "data": {"binarize": "dynamic"},
    "model": {
        "latent_dim": 4,
        "likelihood": "bernoulli",
        "prior": {"name": "flow", "transforms": 1, "width": 8},
        "encoder": {"name": "residual", "widths": [24], "blocks": [1]},
        "decoder": {"name": "residual", "widths": [24], "blocks": [1]},
    },
    "objective": {"name": "elbo", "beta": 1.0, "warmup_steps": 50},
    "training": {"epochs": 8, "batch_size": 64, "checkpoint_minutes": 0.0005, "patience": 50, "optimizer": "muon"},
}
source = open_source("digits")
config, preprocessing = resolve(source, None, settings)
training = prepare_training(source.load(preprocessing, "train"), preprocessing, config)
print("ready", flush=True)
result = fit(training, RunFolder(out), resume=resume)
print(result.ending)
"""
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def start(out: Path, mode: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(out), mode]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)


def finish(out: Path, mode: str) -> None:
    process = start(out, mode)
    text, _ = process.communicate(timeout=200)
    assert process.returncode == 0
    assert text.split()[-1] == "finished"


def digest(out: Path) -> str:
    return hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest()


def epochs(out: Path) -> list[str]:
    """The log without what the clock decides."""
    lines = (out / "train_log.jsonl").read_text().splitlines()
    return [line.split('"minutes"')[0] + line.split("train_loss")[1].split('"examples_per')[0] for line in lines]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    finish(out, "new")
    return out


def kill_after_checkpoints(out: Path, count: int, number: signal.Signals) -> int:
    """Waits until the checkpoint was written `count` times, then signals; returns the exit code."""
    process = start(out, "new")
    checkpoint, seen, last = out / "checkpoints" / "last.safetensors", 0, 0
    while seen < count and process.poll() is None:
        changed = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        seen, last = (seen + 1, changed) if changed != last else (seen, last)
        time.sleep(0.001)
    assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(number)
    process.communicate(timeout=100)
    return process.returncode


@pytest.mark.parametrize("checkpoints", [1, 23])
def test_killed_and_resumed_is_bit_equal(uninterrupted: Path, tmp_path: Path, checkpoints: int) -> None:
    out = tmp_path / "run"
    assert kill_after_checkpoints(out, checkpoints, signal.SIGKILL) == -signal.SIGKILL
    assert not (out / "model.safetensors").exists()
    finish(out, "resume")
    assert digest(out) == digest(uninterrupted)
    assert epochs(out) == epochs(uninterrupted)


def test_interrupted_leaves_a_checkpoint_and_resumes_bit_equal(uninterrupted: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert kill_after_checkpoints(out, 5, signal.SIGINT) == 0
    assert not (out / "model.safetensors").exists()
    finish(out, "resume")
    assert digest(out) == digest(uninterrupted)
