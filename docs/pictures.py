"""Makes the picture of the README: `python docs/pictures.py RUN`, for a run trained with `latentia train mnist`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from latentia.data import grid, open_source, write_picture
from latentia.runs import read_model
from latentia.tasks import encode, generate, present, reconstruct, traverse

GAP = 24


def main(run: str) -> None:
    """Puts reconstructions, samples and traversals side by side."""
    trained = read_model(run)
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
    picture = np.concatenate([panels[0], white, panels[1], white, panels[2]], axis=1)
    target = Path(__file__).parent / "images" / "mnist.png"
    target.parent.mkdir(exist_ok=True)
    write_picture(target, picture, synthetic="latentia docs/pictures.py")


if __name__ == "__main__":
    main(sys.argv[1])
