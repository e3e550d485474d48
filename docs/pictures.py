"""Makes the pictures of the README: `python docs/pictures.py RUN`, for a run of `mnist` or of `spoken-digits`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from latentia.core import join
from latentia.data import grid, open_source, write_picture
from latentia.report.spectrogram import spectrograms
from latentia.runs import TrainedModel, read_model
from latentia.tasks import encode, generate, present, reconstruct, traverse

GAP = 24
SPOKEN = 6


def main(run: str) -> None:
    """Draws what a model makes."""
    trained = read_model(run)
    name, picture = ("speech", spoken(trained)) if trained.preprocessing.kind == "speech" else ("mnist", drawn(trained))
    target = Path(__file__).parent / "images" / f"{name}.png"
    target.parent.mkdir(exist_ok=True)
    write_picture(target, picture, synthetic="latentia docs/pictures.py")


def drawn(trained: TrainedModel) -> np.ndarray:
    """Puts reconstructions, samples and traversals side by side."""
    test = open_source("mnist").load(trained.preprocessing, "test")
    pairs = reconstruct(trained, test, range(32))
    original, mean = present(trained, pairs.original), present(trained, pairs.mean)
    rows = [part for start in range(0, 32, 8) for part in (original[start : start + 8], mean[start : start + 8])]
    frames = traverse(trained, encode(trained, test, range(2000)), steps=8).frames
    panels = [
        grid(np.concatenate(rows), columns=8),
        grid(present(trained, generate(trained, 64)), columns=8),
        grid(present(trained, frames), columns=8),
    ]
    white = np.full((panels[0].shape[0], GAP, panels[0].shape[2]), 255, np.uint8)
    return np.concatenate([panels[0], white, panels[1], white, panels[2]], axis=1)


def spoken(trained: TrainedModel) -> np.ndarray:
    """Puts spectrograms of recordings, of what is given back, and of new utterances below each other."""
    test = open_source("spoken-digits").load(trained.preprocessing, "test")
    pairs = reconstruct(trained, test, np.linspace(0, len(test) - 1, SPOKEN).round().astype(np.int64))
    rows = join([pairs.original, pairs.mean, generate(trained, SPOKEN)])
    return grid(spectrograms(trained.speech.front_end, rows), columns=SPOKEN, gap=6)


if __name__ == "__main__":
    main(sys.argv[1])
