"""Our side of the benchmarks of damaged pictures: the sets, the preset trained on each, what it makes of damage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import mnist
from benchmarks.baselines.holes import Fill, Flags, Pixels
from benchmarks.harness import Options
from benchmarks.picture_sets import open_recut_pictures
from latentia.config import merge_settings
from latentia.core import Batch
from latentia.data import Mask, Source, open_source
from latentia.presets import resolve
from latentia.runs import TrainedModel
from latentia.tasks import complete
from latentia.training.fit import fit, prepare_training

OURS = "Latentia, inpainting preset"
MINUTES = 9.5
TESTED, VALIDATED = 500, 100
AT_ONCE = 50
# Settings beside the preset's own, chosen on training pictures that were held out.
SETTINGS: dict[str, dict[str, Any]] = {
    "mnist": {"model": {"decoder": {"dense": 128}}},
    "fashion-mnist": {"model": {"decoder": {"dense": 128}}, "training": {"mirror": True}},
    "orl-faces": {
        "model": {"decoder": {"dense": 32}},
        "training": {"mirror": True, "shift": 0.1, "zoom": 0.15, "turn": 8.0, "contrast": 0.3},
    },
    "cifar10-part": {"training": {"mirror": True}},
}


@dataclass(frozen=True)
class Pictures:
    """The pictures of a set.

    Attributes:
        train: trained on, uint8 (N, H, W, C).
        validation: settings of peers are chosen on, a part of `train`.
        test: tested on.
        groups: what is resampled together of those tested on: the subjects of faces, else each picture by itself.
    """

    train: Pixels
    validation: Pixels
    test: Pixels
    groups: NDArray[np.int64]


def open_set(name: str, options: Options) -> Source:
    """Opens one of the sets."""
    place = mnist.mirror(options)
    return open_source(name, mirror=place) if "mnist" in name else open_recut_pictures(name, place)


def read_pictures(name: str, options: Options) -> Pictures:
    """Reads what is trained and tested on."""
    source, most = open_set(name, options), 20 if options.quick else TESTED
    train, test = (source.read(split) for split in ("train", "test"))
    x, tested = (part.x.reshape(*part.x.shape[:3], -1) for part in (train, test))
    count = min(most, len(tested))
    groups = test.y[:count] if name == "orl-faces" else np.arange(count)
    return Pictures(x, x[-VALIDATED:], tested[:count], groups)


def train_model(name: str, options: Options, settings: Mapping[str, Any] | None = None) -> TrainedModel:
    """Trains the preset on all training pictures of a set, for the time that is allowed."""
    source = open_set(name, options)
    minutes = 0.15 if options.quick else MINUTES
    training = {"seed": options.seed, "max_minutes": minutes, "patience": None, "epochs": 100_000}
    fixed = {"training": training, "data": {"validation_fraction": 0.0}}
    chosen = merge_settings(merge_settings(SETTINGS[name], dict(settings or {})), fixed)
    config, form = resolve(source, "inpainting", chosen)
    return fit(prepare_training(source.load(form), form, config, name=name)).trained


def draw_masks(mask: Mask, images: Pixels, seed: int) -> Flags:
    """Returns what is missing of pictures, shape (N, H, W)."""
    generator = torch.Generator().manual_seed(1000 + seed)
    return ~mask(len(images), *images.shape[1:3], generator)[:, 0].numpy()


def our_fill(trained: TrainedModel) -> Fill:
    """Returns what is expected of missing pixels, on 8 bits."""

    def fill(images: Pixels, missing: Flags) -> Pixels:
        x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        given = ~torch.from_numpy(missing)[:, None]
        parts = [
            complete(trained, Batch(x[start : start + AT_ONCE], given=given[start : start + AT_ONCE]), n_samples=1).mean
            for start in range(0, len(x), AT_ONCE)
        ]
        return (torch.cat(parts).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()

    return fill
