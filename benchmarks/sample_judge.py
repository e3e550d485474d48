"""Compares pictures that were made with real ones, in the features of a classifier of their set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import features, mnist
from benchmarks.harness import Key, Options, Row
from benchmarks.picture_sets import held_out_rows, open_pictures, rows_to_test
from latentia.metrics import frechet_distance, precision_recall

N, QUICK = 10_000, 200  # pictures of each system
RESAMPLED = 50
DISTANCE, PRECISION, RECALL = "Frechet distance", "precision", "recall"

Features = NDArray[np.float32]


class Judge:
    """Compares pictures of a set with its test pictures.

    Args:
        name: of the set.
        options: of the run; quick ones look at few pictures.

    Attributes:
        n: how many pictures of each system are looked at.
        trained_on: what peers may be trained on, uint8 (N, 1, 28, 28).
        known: what their settings are chosen on.
        match: which classifier it is; figures of others cannot be compared.
        facts: that, and how good it is.
    """

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        source = open_pictures(name, options.mirror)
        train, test = (source.read(split) for split in source.splits)
        self.pixels, tested = mnist.grey_pictures(train.x), mnist.grey_pictures(test.x)
        self.n = min(QUICK if options.quick else N, len(self.pixels), len(tested))  # of each, since numbers matter
        rows = held_out_rows(train.y)
        self.known = self.pixels[rows]
        self.trained_on = self.pixels[np.setdiff1d(np.arange(len(self.pixels)), rows)]
        self.classifier = features.classifier(name, self.pixels, torch.from_numpy(train.y), quick=options.quick)
        accuracy = self.classifier.accuracy(tested, torch.from_numpy(test.y))
        self.match = {"classifier": self.classifier.digest}
        self.facts = {**self.match, "accuracy_of_the_classifier": accuracy}
        self.real = self.classifier.features(tested[rows_to_test(test.y, self.n)])
        self.learned = self.classifier.features(self.pixels[rows_to_test(train.y, self.n)])
        self.held_out = self.classifier.features(self.known)

    def rows(self, system: str, made: Tensor, seed: int, **details: Any) -> Iterator[Row]:
        """Yields the rows of a system that made some uint8 pictures (N, 1, 28, 28)."""
        return self.compared(system, self.real, self.classifier.features(made), seed, **details)

    def compared(self, system: str, real: Features, found: Features, seed: int, **details: Any) -> Iterator[Row]:
        """Yields the rows of pictures of which the features were found, beside those of real ones."""
        overlap = precision_recall(real, found)
        facts = {"n": len(found), **self.facts, **details}
        keys = self.keys(system, seed)
        spread = deviation(real, found, seed)
        yield Row(keys[0], frechet_distance(real, found), "", spread=spread, details=facts)
        yield Row(keys[1], overlap.precision, "")
        yield Row(keys[2], overlap.recall, "")

    def misfit(self, made: Tensor) -> float:
        """Returns the distance of uint8 pictures to held-out training pictures, by which settings are chosen."""
        return frechet_distance(self.held_out, self.classifier.features(made))

    def keys(self, system: str, seed: int) -> list[Key]:
        """Returns the keys of `rows`."""
        return [Key(system, metric, self.name, seed) for metric in (DISTANCE, PRECISION, RECALL)]


def deviation(real: Features, found: Features, seed: int) -> float:
    """Returns the standard deviation of the distance over bootstrap samples of both."""
    generator = np.random.default_rng(seed)

    def drawn(x: Features) -> Features:
        return x[generator.integers(len(x), size=len(x))]

    return float(np.std([frechet_distance(drawn(real), drawn(found)) for _ in range(RESAMPLED)], ddof=1))
