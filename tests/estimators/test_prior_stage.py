"""`fit_prior` of the estimators."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

import latentia
from latentia.distributions import MixtureOfGaussians
from latentia.errors import DataError, OptionError
from tests.conftest import CONV_GRU, DENSE, tones

QUICK = {"prior_stage": {"steps": 80, "learning_rate": 5e-3}}
IMAGES = load_digits().images[:400] / 16


@pytest.fixture(scope="module")
def fitted():
    return latentia.ImageVAE(latent_dim=4, epochs=2, encoder=DENSE, decoder=DENSE, random_state=0).fit(IMAGES)


def test_pictures(fitted, tmp_path):
    vae = clone(fitted).fit(IMAGES)
    codes, score = vae.transform(IMAGES), vae.score(IMAGES)
    before = vae.sample(4, random_state=0)
    assert vae.fit_prior(IMAGES, settings=QUICK) is vae
    prior, n = vae.trained_.config.model.prior, vae.trained_.data.n_train
    assert (prior.name, prior.arguments["components"]) == ("mixture", math.isqrt(n))
    assert np.array_equal(vae.transform(IMAGES), codes)
    assert vae.score(IMAGES) > score
    assert not np.array_equal(vae.sample(4, random_state=0), before)
    again = latentia.load(vae.save_pretrained(tmp_path / "run"))
    assert np.array_equal(again.sample(4, random_state=0), vae.sample(4, random_state=0))
    again.fit_prior(IMAGES, {"name": "mixture", "components": 3}, settings=QUICK)
    assert again.trained_.config.first_stage.model.prior.name == "standard-normal"
    (tmp_path / "run" / "report.html").write_text("of the mixture")
    again.save_pretrained(tmp_path / "run")
    assert not (tmp_path / "run" / "report.html").exists()


def test_parameters_stay_so_that_fit_and_clone_do_as_before(fitted):
    vae = clone(fitted).fit(IMAGES)
    parameters = vae.get_params()
    vae.fit_prior(IMAGES, "mixture", settings=QUICK)
    assert vae.get_params() == parameters
    with pytest.raises(NotFittedError):
        clone(vae).sample()
    assert np.array_equal(vae.fit(IMAGES).sample(2, random_state=1), fitted.sample(2, random_state=1))


def test_vectors_in_double_precision():
    x = np.random.default_rng(0).normal(size=(200, 4)) ** 3 * [1, 10, 100, 1000]
    vae = latentia.VAE(latent_dim=2, epochs=20).fit(x)
    score = vae.score(x)
    vae.fit_prior(x, MixtureOfGaussians(2, components=9), settings=QUICK)
    assert vae.trained_.config.model.prior.arguments == {"components": 9, "covariance": "diagonal"}
    assert vae.score(x) > score
    assert vae.score_samples(x[:1])[0] == pytest.approx(vae.score_samples(x)[0], abs=1e-9)


def test_the_classes_that_a_model_was_told_are_told_again():
    y = np.arange(len(IMAGES)) % 2
    classes = latentia.ImageVAE(latent_dim=4, epochs=1, encoder=DENSE, decoder=DENSE, random_state=0).fit(IMAGES, y)
    scores = {}
    for name, given in (("told", y), ("other way round", 1 - y), ("not told", None)):
        scores[name] = copy.deepcopy(classes).fit_prior(IMAGES, y=given, settings=QUICK).sample(4, 0, y=1)
    assert not np.array_equal(scores["told"], scores["not told"])
    assert not np.array_equal(scores["told"], scores["other way round"])
    with pytest.raises(DataError, match="y has the classes 0, 1, 2, and the model was trained with 0, 1"):
        classes.fit_prior(IMAGES, y=np.arange(len(IMAGES)) % 3)


def test_recordings():
    clips = tones(12)
    waves = [clips.read(n)[0] for n in range(12)]
    small = {"model": {"encoder": CONV_GRU, "decoder": CONV_GRU, "frame_prior": {"name": "recurrent", "width": 8}}}
    settings = {**small, "training": {"prior_steps": 5}}
    voice = latentia.SpeechVAE(latent_dim=2, sample_rate=8000, epochs=1, settings=settings).fit(waves)
    voice.fit_prior(waves, settings={"prior_stage": {"steps": 10}})
    assert len(voice.sample(2, random_state=0)) == 2


def test_what_is_wrong_is_said(fitted):
    with pytest.raises(NotFittedError):
        latentia.ImageVAE().fit_prior(IMAGES)
    vae = clone(fitted).fit(IMAGES)
    before = vae.trained_
    for prior, message in (
        ("flaw", "did you mean 'flow'"),
        ("standard-normal", "nothing to fit"),
        (MixtureOfGaussians(9), "latent_dim=9"),
    ):
        with pytest.raises(OptionError, match=message):
            vae.fit_prior(IMAGES, prior)
    with pytest.raises(OptionError, match="cannot be set"):
        vae.fit_prior(IMAGES, settings={"training": {"epochs": 3}})
    assert vae.trained_ is before


def test_a_loaded_model_is_trained_anew_as_it_was_trained_at_first(fitted, tmp_path):
    vae = clone(fitted).fit(IMAGES).fit_prior(IMAGES, settings=QUICK)
    again = latentia.load(vae.save_pretrained(tmp_path / "run")).fit(IMAGES)
    config = again.trained_.config
    assert config.first_stage is config
    assert config.model.prior.name == "standard-normal"
