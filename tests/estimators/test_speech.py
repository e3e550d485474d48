from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

import latentia
from latentia import SpeechVAE
from latentia.errors import DataError, OptionError
from tests.conftest import CONV_GRU, tones

SETTINGS = {
    "model": {
        "encoder": CONV_GRU,
        "decoder": CONV_GRU,
        "frame_dim": 3,
        "frame_prior": {"name": "recurrent", "width": 8},
    },
    "training": {"prior_steps": 5, "batch_size": 8},
}


def small(**arguments):
    return SpeechVAE(latent_dim=4, sample_rate=8000, epochs=1, settings=SETTINGS, random_state=0, **arguments)


@pytest.fixture(scope="module")
def waves():
    clips = tones(16)
    return [clips.read(number)[0] for number in range(16)]


@pytest.fixture(scope="module")
def voice(waves):
    return small().fit(waves)


def test_it_keeps_the_conventions_of_scikit_learn(voice, waves):
    fresh = clone(voice)
    assert fresh.get_params() == voice.get_params()
    again = fresh.fit(waves)
    assert np.array_equal(again.transform(waves), voice.transform(waves))  # fitting twice gives the same
    assert voice.transform(waves).shape == (16, 4)
    assert voice.get_feature_names_out().tolist() == [f"speechvae{n}" for n in range(4)]


def test_waveforms_come_back_as_they_went_in(voice, waves):
    back = voice.reconstruct(waves)
    assert [len(wave) for wave in back] == [len(wave) for wave in waves]
    assert all(np.isfinite(wave).all() and wave.dtype == np.float32 for wave in back)
    louder = voice.reconstruct([2 * wave for wave in waves])
    assert np.abs(louder[3]).mean() == pytest.approx(2 * np.abs(back[3]).mean(), rel=0.05)


def test_samples_are_functions_of_their_seed(voice):
    first, second = voice.sample(3, random_state=1), voice.sample(3, random_state=1)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(voice.sample(1, random_state=2)[0], first[0])
    assert len(voice.inverse_transform(np.zeros((2, 4)))) == 2
    assert voice.inverse_transform(np.zeros((0, 4))) == []


def test_scores_are_those_of_recordings_whatever_stands_beside_them(voice, waves):
    nats = voice.score_samples(waves)
    assert nats.shape == (16,)
    assert np.isfinite(nats).all()
    assert voice.score(waves) == pytest.approx(nats.mean())


def test_saved_and_loaded_it_is_the_same(voice, waves, tmp_path):
    again = latentia.load(voice.save_pretrained(tmp_path / "voice"))
    assert isinstance(again, SpeechVAE)
    assert again.sample_rate == again.model_rate_ == 8000
    assert np.array_equal(again.transform(waves), voice.transform(waves))


def test_power_spectra_are_modelled_too(waves):
    networks = {"encoder": {**CONV_GRU, "logarithm": True}, "decoder": CONV_GRU, "frame_dim": 3}
    voice = SpeechVAE(
        latent_dim=4,
        sample_rate=8000,
        epochs=8,
        preset="speech-power",
        settings={"model": networks, "training": {"prior_steps": 2, "batch_size": 8}},
    ).fit(waves)
    assert voice.trained_.config.model.likelihood.name == "itakura-saito"
    back = voice.reconstruct(waves)
    assert all(np.isfinite(wave).all() for wave in back)
    assert voice.history_[-1]["validation_elbo"] > voice.history_[0]["validation_elbo"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([np.zeros((10, 2), np.float32)] * 3, "mono waveforms"),
        ([np.zeros(10, np.int16)] * 3, "floats"),
        ([np.full(4000, np.nan, np.float32)] * 3, "finite"),
        ([np.zeros(4000, np.float32)] * 3, "silent"),
        ([np.random.default_rng(0).normal(size=80).astype(np.float32)] * 3, "too short"),
        ("digits", "takes recordings"),
    ],
)
def test_what_is_no_speech_is_said(wrong, words):
    with pytest.raises(DataError, match=words):
        small().fit(wrong)


def test_wrong_arguments_are_named(voice):
    with pytest.raises(DataError, match=r"shape \(N, 4\)"):
        voice.inverse_transform(np.zeros((2, 5)))
    with pytest.raises(OptionError, match="at least 1"):
        voice.sample(0)
