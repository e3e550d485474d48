"""Our side of every benchmark: the `latentia` command in a process of its own, and the same training in this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import psutil
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.harness import Claim, Key, Options, Results, floor_and_goal
from benchmarks.picture_sets import open_pictures
from latentia.config import merge_settings
from latentia.data import Dataset
from latentia.data.fetch import MIRROR
from latentia.models import LatentModel
from latentia.presets import resolve
from latentia.runs import TrainedModel, read_model
from latentia.training.fit import Fit, Training, fit, prepare_training

SAMPLE_SECONDS = 0.1
TRAINING = "minutes of training"  # and of all that comes before it


@dataclass(frozen=True)
class Finished:
    """A command that has ended well.

    Attributes:
        seconds: wall-clock time of the whole process.
        peak_bytes: most memory that the process and its children held at once; shared pages count once.
        output: its standard output.
    """

    seconds: float
    peak_bytes: int
    output: str


def command(*arguments: str, environment: Mapping[str, str] | None = None) -> Finished:
    """Runs `latentia ARGUMENTS`, waits for it and watches its memory.

    Raises:
        SystemExit: it failed; with what it said.
    """
    start = time.perf_counter()
    # A file, not a pipe: progress can be long, and nobody reads a pipe while the process runs.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "latentia", *arguments],
            stdout=output,
            stderr=errors,
            env={**os.environ, **(environment or {})},
        )
        watch = _MemoryWatch(process.pid)
        watch.start()
        code = process.wait()
        seconds = time.perf_counter() - start
        watch.stop()
        output.seek(0)
        errors.seek(0)
        if code:
            raise SystemExit(f"latentia {' '.join(arguments)} ended with {code}: {errors.read()[-2000:]}")
        return Finished(seconds, watch.peak, output.read())


def train_mnist(run: Path, options: Options, *, minutes: float) -> Finished:
    """Trains MNIST's default preset for a time by the command; the run folder must not exist."""
    return command(
        *("train", "mnist", "-o", str(run), "--max-minutes", str(minutes), "--seed", str(options.seed)),
        environment=_mirror(options),
    )


def evaluate_mnist(run: Path, out: Path, options: Options) -> dict[str, Any]:
    """Evaluates on the MNIST test set by the command and returns `metrics.json`."""
    command("evaluate", str(run), "mnist", "-o", str(out), environment=_mirror(options))
    return json.loads((out / "metrics.json").read_text(encoding="utf-8"))


def model(run: Path) -> LatentModel:
    """Loads a run's model."""
    return read_model(run).model


def prepare_mnist(options: Options, **training: Any) -> Training:
    """Makes MNIST's default preset on this machine ready to train; `training` are settings of that section."""
    return prepare_pictures("mnist", None, options, {"training": training})


def prepare_pictures(
    name: str,
    preset: str | None,
    options: Options,
    settings: Mapping[str, Any] | None = None,
    change: Callable[[Dataset], Dataset] | None = None,
) -> Training:
    """Makes a preset on a set of pictures ready to train.

    Args:
        name: of the set.
        preset: its name; None means the default of the data.
        options: seed and place of the data.
        settings: nested, laid over the preset.
        change: what is done to the training pictures before.
    """
    source = open_pictures(name, options.mirror)
    shape = source.read("train").x.shape
    as_they_are = {"size": list(shape[1:3]), "channels": 3 if shape[3:] == (3,) else 1}
    seeded = {"training": {"seed": options.seed}, "data": as_they_are}
    config, preprocessing = resolve(source, preset, merge_settings(seeded, settings or {}))
    dataset = source.load(preprocessing)
    return prepare_training(dataset if change is None else change(dataset), preprocessing, config, name=name)


def fit_within(
    minutes: float,
    name: str,
    preset: str,
    options: Options,
    settings: Mapping[str, Any] | None = None,
    change: Callable[[Dataset], Dataset] | None = None,
) -> TrainedModel:
    """Trains a preset on a set of pictures, all that comes before the gradient steps included in the minutes.

    The arguments are those of `prepare_pictures`.
    """
    start = time.perf_counter()
    training = prepare_pictures(name, preset, options, merge_settings(for_minutes(minutes), settings or {}), change)
    left = max(0.01, minutes - (time.perf_counter() - start) / 60)
    config = training.config
    timed = config.model_copy(update={"training": config.training.model_copy(update={"max_minutes": left})})
    return ended(fit(replace(training, trained=replace(training.trained, config=timed))))


def ended(result: Fit) -> TrainedModel:
    """Returns the model of a training.

    Raises:
        KeyboardInterrupt: somebody stopped it, so that its figures are not what its row says.
    """
    if result.ending == "interrupted":
        raise KeyboardInterrupt
    return result.trained


def for_minutes(minutes: float) -> dict[str, Any]:
    """Returns the settings of a training that nothing but the clock ends."""
    return {"training": {"max_minutes": minutes, "epochs": 100_000, "patience": None}}


def without(dataset: Dataset, rows: NDArray[np.int64]) -> Dataset:
    """Returns pictures without some of them."""
    kept = np.setdiff1d(np.arange(len(dataset)), rows)
    return replace(dataset, x=dataset.x[kept], labels={head: y[kept] for head, y in dataset.labels.items()})


def longest_training(results: Results, keys: Sequence[Key]) -> list[Claim]:
    """Returns the claim that no data set took longer than ten minutes."""
    minutes = [results.value(key) for key in keys]
    return floor_and_goal(
        "longest training, all that comes before it included, min",
        None if None in minutes else max(value for value in minutes if value is not None),
        floor=10.0,
        goal=None,
        source="set for this project",
        higher_is_better=False,
    )


class Stopwatch(Callback):
    """Notes the time after each step, keeps weights along the way, and stops after a number of steps.

    Times are seconds since the first step began.

    Args:
        steps: after how many to stop; None leaves that to the training.
        snapshot_every: seconds between two kept weights.

    Attributes:
        stamps: time after each step.
        snapshots: times, and the averaged weights as they were then.
    """

    def __init__(self, steps: int | None = None, snapshot_every: float = float("inf")) -> None:
        self.stamps: list[float] = []
        self.snapshots: list[tuple[float, dict[str, Tensor]]] = []
        self._steps = steps
        self._every = snapshot_every

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        elapsed = time.perf_counter() - self._start
        self.stamps.append(elapsed)
        if elapsed >= self._every * (len(self.snapshots) + 1):
            self.snapshots.append((elapsed, deepcopy(pl_module.averaged.state_dict())))
        if self._steps is not None and len(self.stamps) >= self._steps:
            trainer.should_stop = True


def _mirror(options: Options) -> dict[str, str]:
    return {} if options.mirror is None else {MIRROR: str(options.mirror)}


class _MemoryWatch(threading.Thread):
    """Watches the memory of a process and its children.

    Sampled is the sum of their proportional set sizes, in which shared pages count once; between samples the
    system's own high-water mark of the process counts. (`ru_maxrss` would not do: a child starts with its
    parent's.)
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._pid = pid
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self.peak = max(self.peak, self._now())

    def stop(self) -> None:
        self._done.set()
        self.join()

    def _now(self) -> int:
        try:
            parent = psutil.Process(self._pid)
            together = sum(_proportional(process) for process in (parent, *parent.children(recursive=True)))
        except psutil.Error:
            return 0
        return max(together, _high_water(self._pid))


def _proportional(process: psutil.Process) -> int:
    try:
        memory = process.memory_full_info()
    except psutil.Error:
        return 0
    return int(getattr(memory, "pss", 0) or memory.uss)


def _high_water(pid: int) -> int:
    """Returns the largest resident size of a process so far, bytes; 0 where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)
