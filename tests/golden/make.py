"""Made the golden run folders of the current format: `python tests/golden/make.py`. Old folders are never made anew."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from latentia.data import open_source
from latentia.presets import resolve
from latentia.runs import FORMAT_VERSION, RunFolder, write_model
from latentia.tasks import generate
from latentia.training.fit import fit, prepare_training
from latentia.training.second_stage import fit_second_stage, second_stage_config

FEW = 200  # digits
TINY = {"name": "residual", "widths": [4], "blocks": [1]}
DOWN = {**TINY, "groups": [1], "latents": [1]}
UNET = {"name": "unet", "widths": [4], "blocks": [1], "dense": 4}
FLOW = {"name": "flow", "width": 4}
MIXTURE = {"name": "mixture", "components": 2}
KINDS: dict[str, dict[str, Any]] = {
    "single-latent": {"model": {"prior": MIXTURE}},
    "ladder": {
        "model": {"kind": "ladder", "decoder": DOWN, "prior": FLOW, "likelihood": "discretised-logistic-mixture"}
    },
    "conditional": {"model": {"kind": "conditional", "prior": "vamp"}, "objective": {"label_weight": 100.0}},
    "masked": {"model": {"kind": "masked", "decoder": UNET}, "training": {"masks": ["half"], "noise": 0.1}},
    "second-stage": {},
}


def main() -> None:
    """Makes those that are not there yet."""
    for kind in KINDS:
        folder = Path(__file__).parent / f"format-{FORMAT_VERSION}" / kind
        if not folder.exists():
            make(kind, folder)


def make(kind: str, folder: Path) -> None:
    """Trains a tiny model of digits for an epoch and notes what it generates."""
    source = open_source("digits")
    config, preprocessing = resolve(source, None, settings_of(kind))
    whole = source.load(preprocessing)
    labels = {head: values[:FEW] for head, values in whole.labels.items()}
    dataset = replace(whole, x=whole.x[np.arange(FEW)], labels=labels)
    trained = fit(prepare_training(dataset, preprocessing, config, name=source.name), RunFolder(folder)).trained
    if kind == "second-stage":
        stage = second_stage_config(trained.config, FEW, {"model": {"prior": MIXTURE}, "prior_stage": {"steps": 20}})
        trained = fit_second_stage(trained, dataset, stage).trained
        write_model(RunFolder(folder), trained)
    expected = generate(trained, 2, seed=0).x
    (folder / "expected.json").write_text(json.dumps(torch.round(expected, decimals=5).flatten().tolist()))
    shutil.rmtree(folder / "checkpoints")
    (folder / "train_log.jsonl").unlink()


def settings_of(kind: str) -> dict[str, Any]:
    """Returns the settings of a tiny model of a kind."""
    given = KINDS[kind]
    model = {"latent_dim": 3, "encoder": TINY, "decoder": TINY, **given.get("model", {})}
    return {**given, "model": model, "training": {"epochs": 1, **given.get("training", {})}}


if __name__ == "__main__":
    main()
