"""Peak memory of training from folders of 500, 5000 and 20 000 JPEGs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import ours
from benchmarks.harness import Key, Options, Results, Row, floor_and_goal, parse

PROTOCOL = (
    "64x64 colour JPEGs (smooth random fields, made by the benchmark) in one folder; `latentia train FOLDER` with the "
    "same small model and batch for one pass over the data (more passes over the smaller folders), each in a "
    "process of its own with an empty cache. Peak memory: the larger of the process's own high-water mark of "
    "resident memory and the sampled sum over the process and its workers with shared pages counted once."
)
SIDE = 64
MEGABYTE = 1e6
FULL = {500: 4, 5000: 2, 20_000: 1}
QUICK = {100: 1, 200: 1, 400: 1}
SETTINGS = (
    f"data.size={SIDE}",
    "model.latent_dim=16",
    "model.encoder={name: residual, widths: [8, 16], blocks: [0, 1]}",
    "model.decoder={name: residual, widths: [8, 16], blocks: [0, 1]}",
    "training.batch_size=64",
)


def make_pictures(folder: Path, count: int, seed: int) -> None:
    """Writes smooth random pictures; the n-th is the same for any count."""
    folder.mkdir(parents=True)
    for number in range(count):
        coarse = np.random.default_rng([seed, number]).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        picture.save(folder / f"{number:05d}.jpg", quality=90)


def key(count: int) -> Key:
    """Returns the key of a folder's row."""
    return Key("Latentia", "peak memory of training", f"{count} JPEGs")


def rows(count: int, epochs: int, options: Options) -> Iterator[Row]:
    """Makes a folder, trains from it, and yields the peak."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        make_pictures(scratch / "pictures", count, options.seed)
        finished = ours.command(
            *("train", str(scratch / "pictures"), "-o", str(scratch / "run")),
            *("--epochs", str(epochs), "--seed", str(options.seed)),
            *(part for setting in SETTINGS for part in ("--set", setting)),
            environment={"LATENTIA_CACHE": str(scratch / "cache")},
        )
    yield Row(key(count), finished.peak_bytes / MEGABYTE, "MB", details={"seconds": finished.seconds})


def main(options: Options) -> None:
    """Runs the benchmark."""
    results = Results("memory", PROTOCOL, options)
    folders = QUICK if options.quick else FULL
    for count, epochs in folders.items():
        results.measure([key(count)], lambda count=count, epochs=epochs: rows(count, epochs, options))
    few, some, many = (results.value(key(count)) for count in folders)
    source = "the same training from fewer pictures, measured in the same run"
    results.finish(
        [
            *floor_and_goal(
                "peak memory, 20 000 above 500 JPEGs, MB",
                many - few,
                floor=200,
                goal=None,
                source=source,
                higher_is_better=False,
            ),
            *floor_and_goal(
                "peak memory, 20 000 above 5000 JPEGs, %",
                100 * (many / some - 1),
                floor=10,
                goal=None,
                source=source,
                higher_is_better=False,
            ),
        ]
    )


if __name__ == "__main__":
    main(parse(__doc__))
