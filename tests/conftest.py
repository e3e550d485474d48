"""What all tests share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

from latentia.data import Arrays, ArraySource, open_source
from latentia.presets import resolve
from latentia.training.fit import prepare_training

# A slow or busy machine is no failure, and the same examples are tried everywhere.
settings.register_profile("latentia", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("latentia")

DENSE = {"name": "dense", "width": 16}


def build(source, changes):
    """Returns a model of a source, with weights at random, and the source's examples."""
    model = {"latent_dim": 4, "encoder": DENSE, "decoder": DENSE}
    config, preprocessing = resolve(source, None, {**changes, "model": {**model, **changes.get("model", {})}})
    dataset = source.load(preprocessing)
    training = prepare_training(dataset, preprocessing, config, name=source.name, fingerprint="f00d")
    with torch.no_grad():  # fresh models ignore their input
        noise = torch.Generator().manual_seed(0)
        for weights in training.model.requires_grad_(False).parameters():
            weights += 0.15 * torch.randn(weights.shape, generator=noise)
    return replace(training.trained, model=training.model.eval()), dataset


@pytest.fixture(scope="session")
def digits():
    """A model of digits, and the digits."""
    return build(open_source("digits"), {})


@pytest.fixture(scope="session")
def binary():
    """A model of digits that are binarised at random, with a mixture as prior."""
    model = {"likelihood": "bernoulli", "prior": {"name": "mixture", "components": 3}}
    return build(open_source("digits"), {"data": {"binarize": "dynamic"}, "model": model})


@pytest.fixture(scope="session")
def vectors():
    """A model of vectors with one latent, and vectors of uneven scales."""
    x = np.random.default_rng(0).normal(size=(120, 3)) * [2.0, 10.0, 0.5] + [5.0, 0.0, -1.0]
    source = ArraySource("vectors", lambda split: Arrays(x), lambda: "f00d")
    return build(source, {"model": {"latent_dim": 1}})
