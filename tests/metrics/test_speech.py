from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from latentia.metrics import (
    active_level,
    log_spectral_distance,
    mel_cepstral_distortion,
    pitch,
    si_sdr,
    spectral_centroid,
)

RANDOM = np.random.default_rng(0)


def tone(frequency: float, sample_rate: int, seconds: float = 0.5) -> NDArray[np.float64]:
    return 0.3 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * sample_rate)) / sample_rate)


def buzz(frequency: float, sample_rate: int, seconds: float = 0.5) -> NDArray[np.float64]:
    """Many harmonics, the second louder than the first, as in many voices."""
    parts = [(2.0 if k == 2 else 1.0 / k) * tone(k * frequency, sample_rate, seconds) for k in range(1, 8)]
    return np.sum(parts, axis=0)


@given(decibels=st.floats(-20, 40), scale=st.floats(0.01, 100), negative=st.booleans())
def test_si_sdr_is_the_ratio_whatever_the_scale(decibels, scale, negative):
    reference, noise = RANDOM.normal(size=(2, 3, 1000))
    reference, noise = (x - x.mean(-1, keepdims=True) for x in (reference, noise))
    noise -= (noise * reference).sum(-1, keepdims=True) / (reference**2).sum(-1, keepdims=True) * reference
    noise *= np.sqrt((reference**2).sum(-1, keepdims=True) / (noise**2).sum(-1, keepdims=True))
    estimate = (-scale if negative else scale) * (reference + 10 ** (-decibels / 20) * noise) + 0.3
    assert si_sdr(reference, estimate) == pytest.approx(np.full(3, decibels), abs=1e-6)


def test_si_sdr_of_silence_is_no_number():
    assert np.isnan(si_sdr(np.zeros(100), RANDOM.normal(size=100)))


@given(coefficient=st.integers(1, 13), amplitude=st.floats(0.1, 10))
def test_mel_cepstral_distortion_is_the_difference_of_envelopes_in_decibels(coefficient, amplitude):
    bands = RANDOM.normal(size=(6, 80))
    wave = amplitude * np.cos(np.pi * coefficient * (np.arange(80) + 0.5) / 80)
    decibels = 10 / np.log(10) * np.sqrt((wave**2).mean())
    assert mel_cepstral_distortion(bands, bands + wave) == pytest.approx(decibels)
    assert mel_cepstral_distortion(bands + wave, bands) == pytest.approx(decibels)


def test_mel_cepstral_distortion_knows_neither_loudness_nor_fine_structure():
    bands = RANDOM.normal(size=(6, 80))
    fine = np.cos(np.pi * 14 * (np.arange(80) + 0.5) / 80)
    assert mel_cepstral_distortion(bands, bands + 3 * fine - 2) == pytest.approx(0, abs=1e-9)


def test_log_spectral_distance_stops_at_its_floor():
    power = np.array([[1.0, 1e-5]])
    assert log_spectral_distance(power, power * [1, 1e-9]) == pytest.approx(20 / np.sqrt(2))
    assert log_spectral_distance(np.zeros((2, 3)), np.zeros((2, 3))) == 0


@given(level=st.floats(-60, -1), pause=st.floats(0, 3), sample_rate=st.sampled_from([8000, 16000, 44100]))
def test_active_level_leaves_pauses_out(level, pause, sample_rate):
    speech = 10 ** (level / 20) * np.where(np.arange(sample_rate) % 2, 1.0, -1.0)
    quiet = np.zeros(round(pause * sample_rate))
    assert active_level(np.concatenate([speech, quiet]), sample_rate) == pytest.approx(level, abs=0.2)


def test_active_level_of_silence_and_of_nothing():
    assert active_level(np.zeros(500), 16000) == -np.inf
    assert active_level(np.zeros(0), 16000) == -np.inf


@given(frequency=st.floats(100, 3900), sample_rate=st.sampled_from([8000, 16000, 48000]))
def test_spectral_centroid_of_a_tone_is_its_frequency(frequency, sample_rate):
    assert spectral_centroid(tone(frequency, sample_rate), sample_rate) == pytest.approx(frequency, rel=0.02)


def test_spectral_centroid_lies_between_two_tones_and_silence_has_none():
    both = tone(500, 16000) + tone(1500, 16000)
    assert spectral_centroid(both, 16000) == pytest.approx(1000, rel=0.01)
    assert np.isnan(spectral_centroid(np.zeros(100), 16000))


@given(frequency=st.floats(75, 400), sample_rate=st.sampled_from([8000, 16000, 44100]))
def test_pitch_of_a_buzz_is_its_fundamental(frequency, sample_rate):
    track = pitch(buzz(frequency, sample_rate), sample_rate)
    assert len(track) == 50
    assert np.nanmedian(track) == pytest.approx(frequency, rel=0.005)
    assert np.isfinite(track[3:-3]).all()
    assert track[3:-3] == pytest.approx(np.full(44, frequency), rel=0.02)


def test_pitch_follows_a_glide_and_finds_none_in_noise_or_silence():
    sample_rate = 16000
    true = np.linspace(100, 200, sample_rate)
    glide = np.concatenate([np.sign(np.sin(2 * np.pi * np.cumsum(true) / sample_rate)), np.zeros(sample_rate // 2)])
    track = pitch(0.2 * glide, sample_rate)
    assert track[5:95] == pytest.approx(true[80::160][5:95], rel=0.03)
    assert np.isnan(track[103:]).all()
    assert np.isnan(pitch(RANDOM.normal(size=sample_rate), sample_rate)).mean() > 0.9
    assert np.isnan(pitch(np.zeros(1000), sample_rate)).all()


def test_pitch_has_a_value_for_each_frame_of_the_front_end():
    for samples in (0, 1, 159, 160, 161, 5000):
        assert len(pitch(0.1 * RANDOM.normal(size=samples), 16000, hop=160)) == -(-samples // 160)
    assert len(pitch(buzz(100, 8000), 8000, hop=1000)) == 4
