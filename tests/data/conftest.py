from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


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
