"""Made the golden run folder of the current format: `python tests/golden/make.py`. Old folders are never made anew."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from latentia.data import open_source
from latentia.presets import resolve
from latentia.runs import FORMAT_VERSION, RunFolder
from latentia.tasks import generate
from latentia.training.fit import fit, prepare_training

SETTINGS = {
    "model": {
        "latent_dim": 3,
        "prior": {"name": "mixture", "components": 2},
        "encoder": {"name": "residual", "widths": [4], "blocks": [1], "neck": 2},
        "decoder": {"name": "residual", "widths": [4], "blocks": [1]},
    },
    "training": {"epochs": 1},
}


def main() -> None:
    """Trains a tiny model of digits for an epoch and notes what it generates."""
    folder = Path(__file__).parent / f"format-{FORMAT_VERSION}"
    source = open_source("digits")
    config, preprocessing = resolve(source, None, SETTINGS)
    training = prepare_training(source.load(preprocessing), preprocessing, config, name=source.name)
    trained = fit(training, RunFolder(folder)).trained
    expected = generate(trained, 2, seed=0).x
    (folder / "expected.json").write_text(json.dumps(torch.round(expected, decimals=5).flatten().tolist()))
    for extra in (*folder.glob("checkpoints/*"), folder / "train_log.jsonl"):
        extra.unlink()
    (folder / "checkpoints").rmdir()


if __name__ == "__main__":
    main()
