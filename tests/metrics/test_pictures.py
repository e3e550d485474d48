from __future__ import annotations

import math

import numpy as np
import pytest

from latentia.metrics import noise_level, psnr


def smooth(side: int = 64) -> np.ndarray:
    down, across = np.mgrid[0:side, 0:side] / side
    return (0.5 + 0.3 * np.sin(4 * down) * np.cos(3 * across))[..., None]


def test_psnr_counts_what_it_is_told_to() -> None:
    truth, guess = np.zeros((4, 4)), np.zeros((4, 4))
    guess[0] = 0.5
    where = np.zeros((4, 4), bool)
    where[0] = True
    assert psnr(truth, guess, where) == pytest.approx(10 * math.log10(4))
    assert psnr(truth, guess) == pytest.approx(10 * math.log10(16))
    assert math.isnan(psnr(truth, guess, np.zeros_like(truth, bool)))
    assert psnr(truth, guess, ~where) == math.inf
    assert psnr(np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8)) == 0.0  # not wrapped around


@pytest.mark.parametrize("level", [0.01, 0.05, 0.2])
def test_noise_is_found_under_smooth_surfaces(level: float) -> None:
    noise = level * np.random.default_rng(0).normal(size=(64, 64, 1))
    assert noise_level(smooth() + noise) == pytest.approx(level, rel=0.15)


@pytest.mark.parametrize("level", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("base", [0.0, 0.03, 0.1, 0.5, 0.95, 1.0])
def test_noise_is_found_on_paper_and_on_black(base: float, level: float) -> None:
    noise = level * np.random.default_rng(0).normal(size=(128, 128, 1))
    assert noise_level((base + noise).clip(0, 1)) == pytest.approx(level, rel=0.12)


def test_large_pictures_are_looked_at_in_bands_that_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = smooth(77) + 0.1 * np.random.default_rng(0).normal(size=(77, 77, 1))
    seen = np.random.default_rng(1).random((77, 77)) < 0.9
    whole = noise_level(picture), noise_level(picture, seen)
    monkeypatch.setattr("latentia.metrics.pictures.BAND", 10)
    assert (noise_level(picture), noise_level(picture, seen)) == whole


def test_shapes_on_black_are_no_noise() -> None:
    picture = np.zeros((64, 64, 1))
    picture[10:30, 10:30] = smooth()[:20, :20]
    assert noise_level(picture) == 0.0


def test_noise_counts_only_where_the_picture_was_seen() -> None:
    picture = smooth()
    picture[:32] += np.random.default_rng(0).normal(0, 0.5, (32, 64, 1))
    seen = np.ones((64, 64), bool)
    seen[:32] = False
    assert noise_level(picture, seen) < 0.005
    assert noise_level(picture, np.zeros((64, 64), bool)) == 0.0
    assert noise_level(picture[:1]) == 0.0
