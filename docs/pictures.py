"""Makes the pictures of the README: `python docs/pictures.py RUN`.

RUN is of `mnist`, of `mnist` with the preset `inpainting`, or of `spoken-digits`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from latentia.core import Batch, join
from latentia.data import grid, open_source, write_picture
from latentia.models import MaskedVAE
from latentia.report.repairs import SHOWN_MASKS, completed_rows
from latentia.report.spectrogram import spectrograms
from latentia.runs import TrainedModel, read_model
from latentia.tasks import encode, generate, interpolate, present, reconstruct

GAP = 24
ENCODED = 5000
SPOKEN = 6
COMPLETED = 11


def main(run: str) -> None:
    """Draws what a model makes."""
    trained = read_model(run)
    if trained.preprocessing.kind == "speech":
        name, picture = "speech", spoken(trained)
    elif isinstance(trained.model, MaskedVAE):
        name, picture = "filling", filled(trained)
    else:
        name, picture = "mnist", drawn(trained)
    target = Path(__file__).parent / "images" / f"{name}.png"
    target.parent.mkdir(exist_ok=True)
    write_picture(target, picture, synthetic="latentia docs/pictures.py")


def drawn(trained: TrainedModel) -> np.ndarray:
    """Puts reconstructions, samples and ways from digit to digit side by side."""
    test = open_source("mnist").load(trained.preprocessing, "test")
    pairs = reconstruct(trained, test, range(32))
    original, mean = present(trained, pairs.original), present(trained, pairs.mean)
    rows = [part for start in range(0, 32, 8) for part in (original[start : start + 8], mean[start : start + 8])]
    known = encode(trained, test, range(ENCODED))
    ways = [interpolate(trained, test, (row, row + 1), steps=8, way="along-data", along=known) for row in range(8)]
    panels = [
        grid(np.concatenate(rows), columns=8),
        grid(present(trained, generate(trained, 64)), columns=8),
        grid(present(trained, join(ways)), columns=8),
    ]
    return side_by_side(panels)


def filled(trained: TrainedModel) -> np.ndarray:
    """Puts digits with holes, what is expected of them and different completions side by side, twice."""
    test = open_source("mnist").load(trained.preprocessing, "test")
    panels: list[np.ndarray] = []
    for first in (0, len(SHOWN_MASKS)):
        rows = completed_rows(trained, test, np.arange(first, first + len(SHOWN_MASKS)), COMPLETED)
        panels.append(grid(present(trained, Batch(rows.flatten(0, 1))), columns=COMPLETED))
    return side_by_side(panels)


def side_by_side(panels: list[np.ndarray]) -> np.ndarray:
    """Joins pictures of one height with white between them."""
    white = np.full((panels[0].shape[0], GAP, panels[0].shape[2]), 255, np.uint8)
    return np.concatenate([part for panel in panels for part in (white, panel)][1:], axis=1)


def spoken(trained: TrainedModel) -> np.ndarray:
    """Puts spectrograms of recordings, of what is given back, and of new utterances below each other."""
    test = open_source("spoken-digits").load(trained.preprocessing, "test")
    pairs = reconstruct(trained, test, np.linspace(0, len(test) - 1, SPOKEN).round().astype(np.int64))
    rows = join([pairs.original, pairs.mean, generate(trained, SPOKEN)])
    return grid(spectrograms(trained.speech.front_end, rows), columns=SPOKEN, gap=6)


if __name__ == "__main__":
    main(sys.argv[1])
