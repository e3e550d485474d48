from __future__ import annotations

import functools
import http.server
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
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


@pytest.fixture
def server(tmp_path):
    """A web server that shows the folder `tmp_path / "site"`."""
    (tmp_path / "site").mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}/"
        running.shutdown()


@pytest.fixture
def voice():
    """Makes something like speech: noise in syllables, which differ from each other."""

    def make(seed: int, seconds: float = 0.5, rate: int = 16_000, peak: float = 0.5) -> np.ndarray:
        steps = np.arange(round(seconds * rate)) / rate
        noise = np.random.default_rng(seed).normal(size=len(steps))
        wave = noise * np.sin(np.pi * 4 * steps) ** 2 * np.exp(np.sin(2 * np.pi * (seed % 7 + 1) * steps))
        return (wave * (peak / np.abs(wave).max())).astype(np.float32)

    return make


@pytest.fixture
def voices(tmp_path, voice) -> Path:
    """A folder of twelve recordings in two classes, of several rates, formats and numbers of channels."""
    for seed in range(12):
        place = tmp_path / "voices" / ("yes" if seed < 7 else "no")
        place.mkdir(parents=True, exist_ok=True)
        rate, ending = ((16_000, "wav"), (44_100, "flac"), (48_000, "ogg"))[seed % 3]
        wave = voice(seed, 0.5 + seed / 10, rate)
        soundfile.write(place / f"{seed:02}.{ending}", np.stack([wave] * (1 + seed % 2), 1), rate)
    return tmp_path / "voices"
