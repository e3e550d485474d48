"""What completions are worth beside their mean: how probable the truth is, how they differ, what they promise."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.baselines.holes import Flags, Pixels
from benchmarks.harness import Key, Row
from latentia.core import Batch
from latentia.evaluation import log_likelihood
from latentia.noise import Stream, seeded
from latentia.runs import TrainedModel
from latentia.tasks import complete

MOST, AT_ONCE = 100, 25
COMPLETIONS, IS_SAMPLES = 8, 20
UNITS = {
    "bits per missing value": "bits",
    f"PSNR of the best of {COMPLETIONS} completions": "dB",
    "PSNR of one completion": "dB",
    "distance between completions : to the truth": "",
    "values within 2 standard deviations of the mean": "%",
}


def completion_keys(system: str, setting: str, seed: int) -> list[Key]:
    """Returns the keys of the rows."""
    return [Key(system, metric, setting, seed) for metric in UNITS]


def completion_rows(
    system: str, trained: TrainedModel, images: Pixels, missing: Flags, setting: str, seed: int
) -> Iterator[Row]:
    """Measures completions of the first of some pictures.

    Args:
        system: the name of the model.
        trained: a model that learned to fill in.
        images: the truth, uint8 (N, H, W, C).
        missing: what is filled in, shape (N, H, W).
        setting: names set and holes.
        seed: of the run.
    """
    x = torch.from_numpy(images[:MOST]).permute(0, 3, 1, 2).float() / 255
    holes = torch.from_numpy(missing[:MOST])[:, None].expand_as(x)
    parts = zip(x.split(AT_ONCE), holes.split(AT_ONCE), strict=True)
    total = torch.stack([_sums(trained, truth, hole, seed) for truth, hole in parts]).sum(0)
    nats, best, one, between, inside = (total / int(holes.sum())).tolist()
    values = (nats / math.log(2), _decibels(best), _decibels(one), math.sqrt(between / one), 100 * inside)
    facts = {"n": len(x), "samples": IS_SAMPLES}
    for key, value in zip(completion_keys(system, setting, seed), values, strict=True):
        yield Row(key, value, UNITS[key.metric], details=facts)


def _sums(trained: TrainedModel, x: Tensor, holes: Tensor, seed: int) -> Tensor:
    """Returns sums over missing values, shape (5,).

    They are nats, squared errors of the best completion and of one, squared distances between completions, and how many
    values lie within two standard deviations.
    """
    batch = Batch(x, given=~holes[:, :1])
    made = complete(trained, batch, n_samples=COMPLETIONS, seed=seed)
    with torch.no_grad(), seeded(seed, Stream.COMPLETE):
        nats = -log_likelihood(trained.model, trained.model.look(batch), IS_SAMPLES).sum()
    squares = ((made.samples - x).square() * holes).flatten(2).sum(-1)
    between = 2 * (made.samples.var(0) * holes).sum()
    inside = (((x - made.mean).abs() <= 2 * made.std) & holes).sum()
    return torch.stack([nats, squares.amin(0).sum(), squares.mean(0).sum(), between, inside]).double()


def _decibels(square: float) -> float:
    return -10 * math.log10(square)
