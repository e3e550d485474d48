"""What all tests share."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

from latentia.data import Arrays, ArraySource, Clips, ClipSource, open_source
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
CONV_GRU = {"name": "conv-gru", "width": 16, "blocks": 1}


def build(source, changes, size=0.15):
    """Returns a model of a source, with weights at random, and the source's examples.

    Fresh models of pictures ignore their input, and need noise of some size on their weights. Those of speech start as
    linear models, of which much noise leaves nothing that can be heard; in a ladder it adds up on the way down.
    """
    networks = CONV_GRU if source.kind == "speech" else DENSE
    model = {"latent_dim": 4, "encoder": networks, "decoder": networks}
    config, preprocessing = resolve(source, None, {**changes, "model": {**model, **changes.get("model", {})}})
    dataset = source.load(preprocessing)
    training = prepare_training(dataset, preprocessing, config, name=source.name, fingerprint="f00d")
    with torch.no_grad():
        noise = torch.Generator().manual_seed(0)
        for weights in training.model.requires_grad_(False).parameters():
            weights += size * torch.randn(weights.shape, generator=noise)
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
def masked():
    """A model that completes digits, and the digits."""
    decoder = {"name": "unet", "widths": [6, 8], "blocks": [1, 1], "dense": 8}
    changes = {"model": {"kind": "masked", "decoder": decoder}, "training": {"masks": ["half"], "noise": 0.3}}
    return build(open_source("digits"), changes, 0.06)


@pytest.fixture(scope="session")
def ladder():
    """A hierarchical model of digits, and the digits."""
    network = {"name": "residual", "widths": [4, 6], "blocks": [1, 1]}
    return build(open_source("digits"), {"model": {"kind": "ladder", "encoder": network, "decoder": network}}, 0.05)


@pytest.fixture(scope="session")
def labelled():
    """A model of digits with their classes, and the digits."""
    return build(open_source("digits"), {"model": {"kind": "conditional"}, "objective": {"label_weight": 100.0}})


@pytest.fixture(scope="session")
def vectors():
    """A model of vectors with one latent, and vectors of uneven scales."""
    x = np.random.default_rng(0).normal(size=(120, 3)) * [2.0, 10.0, 0.5] + [5.0, 0.0, -1.0]
    source = ArraySource("vectors", lambda split: Arrays(x), lambda: "f00d")
    return build(source, {"model": {"latent_dim": 1}})


def tones(n: int = 24, rate: int = 8000, seed: int = 0) -> Clips:
    """Recordings of two voices, each of which says one of three words that differ in pitch movement."""
    random = np.random.default_rng(seed)
    waves, words, speakers = [], [], []
    for number in range(n):
        word, speaker = number % 3, number // 3 % 2
        time = np.arange(int(rate * random.uniform(0.25, 0.6))) / rate
        glide = 1 + (word - 1) * 0.4 * time / time[-1]
        phase = 2 * np.pi * np.cumsum((120 + 90 * speaker) * glide) / rate
        wave = sum(np.sin(k * phase) / k for k in range(1, 8)) * np.hanning(len(time))
        waves.append((0.1 * wave + 1e-3 * random.normal(size=len(time))).astype(np.float32))
        words.append(("down", "flat", "up")[word])
        speakers.append(("low", "high")[speaker])
    names = tuple(f"{number:02}.wav" for number in range(n))
    return Clips(names, lambda n: (waves[n], rate), {"word": tuple(words), "speaker": tuple(speakers)})


def tone_source(n: int = 24) -> ClipSource:
    return ClipSource("tones", lambda _split: tones(n), lambda: "f00d")


@pytest.fixture(scope="session")
def speech():
    """A model of speech with weights at random, and recordings."""
    return build(tone_source(), {"model": {"frame_dim": 3, "frame_prior": {"name": "recurrent", "width": 16}}}, 0.02)
