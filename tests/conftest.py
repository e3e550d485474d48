"""What all tests share."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

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


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    """Every test has a cache of its own and no mirror but the one that it names."""
    monkeypatch.setenv("LATENTIA_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("LATENTIA_MIRROR", raising=False)


def _find_mirror() -> Path | None:
    named = os.environ.get("LATENTIA_MIRROR")
    place = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    return place if (place / "images" / "mnist").is_dir() else None


MIRROR = _find_mirror()  # before the fixture above takes the variable away


@pytest.fixture
def mirror() -> Path:
    if MIRROR is None:
        pytest.skip("there is no data mirror here")
    return MIRROR


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
