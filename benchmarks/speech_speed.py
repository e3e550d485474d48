"""Speed of training and embedding recordings, memory, and results that padding must not change."""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import ours
from benchmarks.harness import Key, Options, Results, Row, floor_and_goal, parse
from latentia.core import Batch
from latentia.data import Clips, ClipSource, Dataset, prepare, write_recording
from latentia.hardware import tuned_cpu
from latentia.presets import resolve
from latentia.runs import RunFolder
from latentia.training.fit import Training, fit, prepare_training

PROTOCOL = (
    "Synthetic speech-like recordings of 1 to 4 s at 16 kHz (harmonics and noise with moving pitch and level, made by "
    "the benchmark; what is said does not change the time). Training: the default `speech` preset in its own trainer, "
    "seconds of audio per second in steady state, features included; three rounds in processes of their own, median. "
    "Embedding: `latentia embed` of an hour in files of 30 s, the whole command; memory against ten minutes. Padding: "
    "largest difference of any posterior mean, decoded mean or term between each recording alone and in one batch."
)
PRESET = "Latentia, default speech preset"
TRAINING = Key(PRESET, "training speed")
EMBEDDING = Key(PRESET, "embedding an hour, the whole command")
MEMORY = Key(PRESET, "peak memory of embedding", "an hour")
SHORTER = Key(PRESET, "peak memory of embedding", "ten minutes")
PADDING = Key(PRESET, "largest difference by padding")
RATE = 16_000
MEGABYTE = 1e6


def recording(seconds: float, seed: int) -> np.ndarray:
    """Makes something whose spectrum moves as that of speech does, float32 (S,)."""
    random = np.random.default_rng(seed)
    size = int(seconds * RATE)
    knots = np.linspace(0, size, max(4, int(4 * seconds)))

    def moving(low: float, high: float) -> np.ndarray:
        return np.interp(np.arange(size), knots, random.uniform(low, high, len(knots)))

    phase = 2 * np.pi * np.cumsum(moving(80, 260)) / RATE
    voiced = sum(np.sin(k * phase) * moving(0, 1) / k for k in range(1, 20))
    noise = random.normal(size=size) * moving(0, 0.3)
    return (0.1 * moving(0.02, 1) * (voiced + noise)).astype(np.float32)


def prepared(count: int, seed: int, **training: Any) -> Training:
    """Makes the preset ready to train on so many recordings."""
    seconds = np.random.default_rng(seed).uniform(1, 4, count)
    waves = [recording(length, seed + number) for number, length in enumerate(seconds)]
    clips = Clips(tuple(f"{number}.wav" for number in range(count)), lambda number: (waves[number], RATE))
    source = ClipSource("synthetic", lambda _split: clips, lambda: str(seed))
    config, preprocessing = resolve(source, "speech", {"training": {"seed": seed, **training}})
    return prepare_training(source.load(preprocessing), preprocessing, config, name=source.name)


def _training_speed(quick: bool, seed: int) -> float:
    training = prepared(80 if quick else 600, seed, epochs=1000)
    watch = ours.Stopwatch(steps=6 if quick else 60)
    fit(training, callbacks=[watch])
    skipped = 2 if quick else 12
    lengths = training.dataset.lengths
    batch = training.config.training.batch_size
    audio = float(lengths[training.train].mean()) / RATE * min(batch, len(training.train))
    return audio * (len(watch.stamps) - skipped) / (watch.stamps[-1] - watch.stamps[skipped - 1])


def training_rows(options: Options) -> Iterator[Row]:
    """Measures training in processes of their own."""
    rounds = 1 if options.quick else 3
    speeds: list[float] = []
    for number in range(rounds):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            speeds.append(pool.submit(_training_speed, options.quick, options.seed + number).result())
    spread = statistics.stdev(speeds) if rounds > 1 else None
    yield Row(TRAINING, statistics.median(speeds), "s of audio per s", rounds, spread, speeds)


def embedding_rows(options: Options) -> Iterator[Row]:
    """Trains for a step, then embeds an hour, and ten minutes, by the command."""
    minutes = {SHORTER: 1, MEMORY: 3} if options.quick else {SHORTER: 10, MEMORY: 60}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        training = prepared(64, options.seed, epochs=1, prior_steps=1)
        fit(training, RunFolder(place / "run"))
        for key, length in minutes.items():
            folder = place / f"{length}"
            folder.mkdir()
            for number in range(2 * length):
                write_recording(folder / f"{number:03}.wav", recording(30, options.seed + number % 20), RATE)
            finished = ours.command(
                *("embed", str(place / "run"), str(folder), "-o", str(place / "latents.npz")),
                environment={"LATENTIA_CACHE": str(place / f"cache-{length}")},
            )
            if key == MEMORY:
                yield Row(EMBEDDING, finished.seconds * 60 / length, "s")
            yield Row(key, finished.peak_bytes / MEGABYTE, "MB", details={"minutes": length})


def padding_rows(options: Options) -> Iterator[Row]:
    """Compares each recording alone with the same in a batch of different lengths."""
    training = prepared(12, options.seed, epochs=30, prior_steps=1)
    fit(training)  # branches that start at zero would hide what is behind them
    with tuned_cpu(), torch.no_grad():
        together = _results(training.dataset, np.arange(12), training)
        worst = max(
            _difference(together, row, _results(training.dataset, np.array([row]), training)) for row in range(12)
        )
    yield Row(PADDING, worst, "largest absolute difference, terms relative")


def _results(dataset: Dataset, rows: np.ndarray, training: Training) -> tuple[torch.Tensor, Batch, torch.Tensor]:
    """Returns codes, decoded features, and the distortion of the posterior means."""
    batch = prepare(dataset.batch(rows), training.trained.preprocessing)
    posterior, latents = training.model.encode(batch)
    likelihood = training.model.decode(latents)
    distortion = -likelihood.log_prob(batch.x, batch.observed)[0]
    return posterior.mean, Batch(likelihood.mean[0], lengths=batch.lengths), distortion


def _difference(
    together: tuple[torch.Tensor, Batch, torch.Tensor], row: int, alone: tuple[torch.Tensor, Batch, torch.Tensor]
) -> float:
    codes = (together[0][row] - alone[0][0]).abs().max()
    decoded = (together[1].sequence(row) - alone[1].sequence(0)).abs().max()
    terms = ((together[2][row] - alone[2][0]) / alone[2][0]).abs()
    return float(torch.stack([codes, decoded, terms]).max())


def main(options: Options) -> None:
    """Runs the benchmark."""
    results = Results("speech_speed", PROTOCOL, options)
    results.measure([TRAINING], lambda: training_rows(options))
    results.measure([SHORTER, EMBEDDING, MEMORY], lambda: embedding_rows(options))
    results.measure([PADDING], lambda: padding_rows(options))
    long, short = results.value(MEMORY), results.value(SHORTER)
    ratio = None if long is None or not short else 100 * (long / short - 1)
    source = "set for this project"

    def lower(claim: str, ours: float | None, floor: float, goal: float | None) -> list[Any]:
        return floor_and_goal(claim, ours, floor=floor, goal=goal, source=source, higher_is_better=False)

    results.finish(
        [
            *floor_and_goal(
                "training, seconds of audio per second",
                results.value(TRAINING),
                floor=60,
                goal=200,
                source=source,
                higher_is_better=True,
            ),
            *lower("embedding an hour of speech, s", results.value(EMBEDDING), 120, 30),
            *lower("memory of embedding an hour above ten minutes, %", ratio, 10, None),
            *lower(
                "a file alone and in a batch with longer ones, largest difference", results.value(PADDING), 1e-5, None
            ),
        ]
    )


if __name__ == "__main__":
    main(parse(__doc__))
