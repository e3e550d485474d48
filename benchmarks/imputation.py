"""Training on pictures of which half is missing, and a classifier's accuracy on what is filled in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from benchmarks import features, mnist, ours
from benchmarks.baselines import holes
from benchmarks.filling import ALL_PICTURES, filling_minutes
from benchmarks.harness import Claim, Key, Options, Results, Row, floor_and_goal
from benchmarks.picture_sets import open_pictures
from latentia.core import Batch
from latentia.data import Dataset
from latentia.tasks import expect

MISSING = 0.5
QUICK = 1000  # training pictures of a quick run
SETTING = "mnist, half of the pixels missing"
METRIC = "accuracy of a classifier"
COMPLETE, ZERO, BIHARMONIC, OURS = (
    "complete pictures",
    "zero filling",
    "scikit-image biharmonic",
    "Latentia, trained on pictures with holes",
)


def imputation_keys(seed: int) -> list[Key]:
    """Returns the keys of the rows."""
    scored = [Key(system, METRIC, SETTING, seed) for system in (COMPLETE, ZERO, BIHARMONIC, OURS)]
    return [training_key(seed), *scored]


def training_key(seed: int) -> Key:
    """Returns the key of the time of our training."""
    return Key(OURS, ours.TRAINING, SETTING, seed)


def imputation_rows(options: Options) -> Iterator[Row]:
    """Trains the classifier on complete pictures and our model on pictures with holes; scores what is filled in."""

    def damaged(dataset: Dataset) -> Dataset:
        few = ours.without(dataset, np.arange(QUICK, len(dataset))) if options.quick else dataset
        return with_holes(few, options.seed)

    start = time.perf_counter()
    minutes = filling_minutes(options)
    trained = ours.fit_within(minutes, "mnist", "inpainting", options, ALL_PICTURES, damaged)
    yield Row(training_key(options.seed), (time.perf_counter() - start) / 60, "min")
    source = open_pictures("mnist", options.mirror)
    test, labelled = source.load(trained.preprocessing, "test"), source.read("train")
    drawn = mnist.grey_pictures(labelled.x)
    judge = features.classifier("mnist", drawn, torch.from_numpy(labelled.y), quick=options.quick)
    count = 100 if options.quick else len(test)
    whole = test.batch(slice(0, count))
    given = with_holes(test, options.seed + 1).batch(slice(0, count)).observed
    assert given is not None
    filled = {
        COMPLETE: whole.x,
        ZERO: torch.where(given, whole.x, 0.0),
        BIHARMONIC: _biharmonic(whole.x, given),
        OURS: torch.cat(
            [
                expect(trained, Batch(x, given=seen), seed=options.seed)
                for x, seen in zip(whole.x.split(50), given.split(50), strict=True)
            ]
        ),
    }
    for system, x in filled.items():
        pixels = (x.clamp(0, 1) * 255).round().byte()
        yield Row(Key(system, METRIC, SETTING, options.seed), 100 * judge.accuracy(pixels, whole.labels["label"]), "%")


def with_holes(dataset: Dataset, seed: int) -> Dataset:
    """Returns pictures of which half of the pixels are missing, each at random; nothing else stands in their place."""
    rows = dataset.x[np.arange(len(dataset))]
    observed = np.random.default_rng(seed).random(rows.shape[:3]) >= MISSING
    return replace(dataset, x=rows * observed[..., None], observed=observed)


def imputation_claims(results: Results) -> list[Claim]:
    """Returns the claims of the issue."""
    seed = results.options.seed
    whole, zero, filled = (results.value(Key(system, METRIC, SETTING, seed)) for system in (COMPLETE, ZERO, OURS))
    if whole is None or zero is None or filled is None or whole == zero:
        share = None
    else:
        share = (filled - zero) / (whole - zero)
    return floor_and_goal(
        "share of the classifier's loss by holes that is made good, trained on holes only",
        share,
        floor=0.5,
        goal=1.0,
        source="zero filling to complete pictures, in the same run",
        higher_is_better=True,
    )


def _biharmonic(x: Tensor, given: Tensor) -> Tensor:
    images = (x.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return torch.from_numpy(holes.biharmonic(images, ~given[:, 0].numpy())).permute(0, 3, 1, 2).float() / 255
