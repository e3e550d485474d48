from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentia.core import Batch
from latentia.data import Dataset, FrontEnd, Ragged, SpeechPreprocessing, dc_offset, level_gain, prepare
from latentia.errors import DataError
from latentia.metrics import active_level

FORMS = [
    SpeechPreprocessing(front_end=FrontEnd.for_rate(rate, feature))
    for rate, feature in ((8_000, "log-mel"), (16_000, "log-mel"), (16_000, "power"))
]


@given(
    samples=st.integers(1, 5000),
    seconds=st.floats(0.1, 0.4),
    level=st.sampled_from(["utterance", "none"]),
    loudness=st.floats(1e-4, 4.0),
)
def test_pieces_are_the_recording(samples, seconds, level, loudness):
    form = SpeechPreprocessing(front_end=FrontEnd.for_rate(8_000), piece_seconds=seconds, level=level)
    wave = (loudness * np.random.default_rng(samples).uniform(-1, 1, samples)).astype(np.float32)
    pieces, gain = form.apply(wave)
    longest = int(seconds * 8_000)
    lengths = [len(piece) for piece in pieces]
    hop = form.front_end.hop
    assert len(pieces) <= math.ceil(samples / (longest // hop * hop))
    assert lengths[-1] <= max(lengths) <= longest
    assert len(set(lengths[:-1])) <= 1
    assert all(length % hop == 0 for length in lengths[:-1])  # whole frames
    joined = np.concatenate(pieces)
    assert joined.dtype == np.int16
    np.testing.assert_allclose(joined / 32768, (wave - dc_offset(wave)) * gain, atol=0.51 / 32768, rtol=1e-5)
    if level == "none" and loudness <= 0.9:
        assert gain == 1.0


def test_level_is_that_of_active_speech(voice):
    wave = voice(0, 2.0, peak=0.2)
    silence = np.zeros(16_000 * 8, np.float32)
    mostly_silent = np.concatenate([silence, wave])
    gain = level_gain(wave, 16_000)
    assert active_level(wave * gain, 16_000) == pytest.approx(-26, abs=1e-3)
    assert level_gain(mostly_silent, 16_000) == pytest.approx(gain, rel=1e-3)
    assert level_gain(wave / 10, 16_000) == pytest.approx(10 * gain, rel=1e-4)


def test_level_never_clips_and_silence_stays():
    click = np.full(16_000, 0.002, np.float32)
    click[::320] = 0.9
    gain = level_gain(click, 16_000)
    assert np.abs(click * gain).max() <= 1.0
    for quiet in (np.zeros(800), np.full(800, 1e-5), np.zeros(1)):
        assert level_gain(quiet, 16_000) == 1.0
    edge = np.zeros(330)
    edge[-1] = 0.5
    assert 0 < level_gain(edge, 16_000) <= 2.0


def test_offset_is_removed_only_where_it_is_large():
    wave = np.sin(np.arange(16_000)) * 0.1
    form = SpeechPreprocessing(level="none")
    assert np.concatenate(form.apply(wave + 0.005)[0]).mean() / 32768 == pytest.approx(0.005, abs=1e-4)
    assert np.concatenate(form.apply(wave + 0.1)[0]).mean() / 32768 == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    "wave", [np.zeros((2, 3)), np.zeros(0), np.array([np.nan]), np.array([np.inf, 0]), np.zeros(3, np.int16)]
)
def test_other_waveforms_are_refused(wave):
    with pytest.raises(DataError):
        SpeechPreprocessing().apply(wave)


def dataset(waves, form) -> Dataset:
    pieces, gains = zip(*(form.apply(wave) for wave in waves), strict=True)
    store = Ragged.of([piece for part in pieces for piece in part])
    return Dataset(store, lengths=store.lengths, gains=np.array(gains, np.float32))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.sample_rate}-{form.front_end.feature}")
def test_features_are_the_same_alone_and_beside_longer_ones(form, voice):
    waves = [voice(seed, seconds, form.sample_rate) for seed, seconds in enumerate((0.11, 0.3333, 1.0, 2.5))]
    data = dataset(waves, form)
    together = prepare(data.batch(slice(None)), form)
    assert together.x.shape == (4, int(together.lengths.max()), *form.event_shape)
    assert together.observed.shape == (*together.x.shape[:2], 1)
    assert together.observed.dtype == torch.bool
    for row in range(4):
        alone = prepare(data.batch([row]), form)
        n = int(alone.lengths[0])
        assert alone.x.shape[1] == n == int(together.lengths[row]) == int(together.observed[row].sum())
        assert (alone.x[0] - together.x[row, :n]).abs().max() <= 1e-6 * max(1.0, float(alone.x.abs().max()))


def test_half_precision_around_it_changes_no_feature(voice):
    data = dataset([voice(1)], FORMS[1])
    with torch.autocast("cpu", torch.bfloat16):
        half = prepare(data.batch([0]), FORMS[1])
    assert half.x.equal(prepare(data.batch([0]), FORMS[1]).x)


def test_batches_need_lengths():
    with pytest.raises(DataError, match="length"):
        prepare(Batch(torch.zeros(1, 100)), FORMS[0])


def test_what_is_done_is_said():
    said = SpeechPreprocessing(piece_seconds=3).describe()
    for words in ("16000 Hz", "26 dB below full scale", "3 s", "one channel", "offset", "80 features"):
        assert words in said
    assert "left at their level" in SpeechPreprocessing(level="none").describe()
