"""How a model that was trained without holes is best told of them: by gradient steps, or by resampling its draws."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from benchmarks import ours
from benchmarks.baselines.holes import Flags, Pixels
from benchmarks.filling import UNITS, as_levels, draw_masks, filling_minutes, for_all_metrics, given_pictures, scored
from benchmarks.harness import Key, Options, Row
from benchmarks.picture_sets import held_out_rows, open_pictures
from latentia.core import Batch, Latents
from latentia.data import Mask
from latentia.noise import Stream, seeded
from latentia.runs import TrainedModel
from latentia.tasks import expect
from latentia.tasks.observation import observation_of

SET, PRESET = "fashion-mnist", "image"
SYSTEM = f"Latentia, preset {PRESET}"
STEPS = (0, 20, 60, 200)
DRAWS = 256
DRAWN_AT_ONCE = 32
SHOWN, AT_ONCE = 100, 50
RESAMPLED = f"importance resampling of {DRAWS} draws"
SECONDS = "seconds a picture"


def ways() -> dict[str, Callable[[TrainedModel, Batch], Tensor]]:
    """Returns the ways, by name."""
    steps: dict[str, Callable[[TrainedModel, Batch], Tensor]] = {
        f"{SYSTEM}, {count} steps of gradient": partial(expect, steps=count) for count in STEPS
    }
    return {**steps, f"{SYSTEM}, {RESAMPLED}": resampled}


def resampled(trained: TrainedModel, batch: Batch) -> Tensor:
    """Returns what is expected of pictures: draws of q(z|given), weighted by what is given (importance sampling).

    Args:
        trained: a model that was trained without holes.
        batch: pictures (N, C, H, W), and what is given of them.
    """
    model, seen = trained.model, observation_of(batch)
    weights: list[Tensor] = []
    means: list[Tensor] = []
    with torch.no_grad(), seeded(0, Stream.COMPLETE):
        looked = model.look(batch)
        proposal, prior = model.posterior_given(looked), model.code_prior()
        for _ in range(DRAWS // DRAWN_AT_ONCE):
            z = proposal.sample((DRAWN_AT_ONCE,))
            likelihood = model.complete(Latents(z), looked)
            weights.append(seen.nats(likelihood) + prior.log_prob(z) - proposal.log_prob(z))
            means.append(seen.view(likelihood).mean)
        shares = torch.cat(weights).softmax(0)[..., None, None, None]
        return (shares * torch.cat(means)).sum(0)


def refinement_keys(masks: dict[str, Mask], seed: int) -> list[Key]:
    """Returns the keys of the rows."""
    systems, metrics = ways(), (*UNITS, SECONDS)
    return [training_key(seed)] + [
        Key(system, metric, f"{SET}, {name}", seed) for name in masks for system in systems for metric in metrics
    ]


def training_key(seed: int) -> Key:
    """Returns the key of the time of the training."""
    return Key(SYSTEM, ours.TRAINING, SET, seed)


def refinement_rows(masks: dict[str, Mask], options: Options) -> Iterator[Row]:
    """Trains a model without holes, and scores what all ways of telling it of some make of pictures.

    They are training pictures that were held out, since a choice is made by them.
    """
    seed, start = options.seed, time.perf_counter()
    train = open_pictures(SET, options.mirror).read("train")
    rows = held_out_rows(train.y)
    trained = ours.fit_within(
        filling_minutes(options), SET, PRESET, options, change=lambda dataset: ours.without(dataset, rows)
    )
    yield Row(training_key(seed), (time.perf_counter() - start) / 60, "min")
    shown = train.x[rows[: 10 if options.quick else SHOWN]]
    x = shown.reshape(*shown.shape[:3], -1)
    for name, mask in masks.items():
        missing, setting, filled = draw_masks(mask, x, seed), f"{SET}, {name}", {}
        for system, way in ways().items():
            start = time.perf_counter()
            filled[system] = for_all_metrics(filled_in(partial(way, trained), x, missing))
            yield Row(Key(system, SECONDS, setting, seed), (time.perf_counter() - start) / len(x), "s")
        for metric, systems in scored(x, filled, missing).items():
            for system, scores in systems.items():
                yield Row(Key(system, metric, setting, seed), scores.figure, UNITS[metric])


def filled_in(way: Callable[[Batch], Tensor], images: Pixels, missing: Flags) -> Pixels:
    """Returns what a way expects of missing pixels, on 8 bits."""
    return as_levels(torch.cat([way(batch) for batch in given_pictures(images, missing, AT_ONCE)]))
