from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    """Every test has a cache of its own and no mirror but the one that it names."""
    monkeypatch.setenv("LATENTIA_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("LATENTIA_MIRROR", raising=False)


def _find_mirror() -> Path | None:
    named = os.environ.get("LATENTIA_MIRROR")
    place = Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "data"
    return place if (place / "images" / "mnist").is_dir() else None


MIRROR = _find_mirror()  # before the fixture above takes the variable away


@pytest.fixture
def mirror() -> Path:
    if MIRROR is None:
        pytest.skip("there is no data mirror here")
    return MIRROR


@pytest.fixture
def noise():
    """Makes pictures that differ from each other."""

    def make(seed: int, height: int = 20, width: int = 30, mode: str = "RGB") -> Image.Image:
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        return Image.fromarray(pixels).convert(mode)

    return make


@pytest.fixture
def photos(tmp_path, noise) -> Path:
    """A folder of twelve pictures in two classes."""
    for seed in range(12):
        place = tmp_path / "photos" / ("cat" if seed < 7 else "dog")
        place.mkdir(parents=True, exist_ok=True)
        noise(seed).save(place / f"{seed:02}.png")
    return tmp_path / "photos"
