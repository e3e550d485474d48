"""`ImageVAE` with the classes of all pictures, or of some."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.svm import SVC

import latentia
from latentia import ImageVAE
from latentia.core import Batch
from latentia.errors import DataError, OptionError
from latentia.estimators.target import classes_of
from latentia.objectives import Elbo, Iwae

SMALL = {
    "latent_dim": 3,
    "epochs": 2,
    "encoder": {"name": "dense", "width": 16},
    "decoder": {"name": "dense", "width": 16},
}
X, Y = load_digits(return_X_y=True)
X = (X.reshape(-1, 8, 8) / 16).astype(np.float32)


@pytest.fixture(scope="module")
def fitted() -> ImageVAE:
    return ImageVAE(**SMALL).fit(X[:90], np.where(np.arange(90) < 60, Y[:90], -1))


def test_digits_of_each_class_are_recognised_though_few_are_labelled():
    """Thirty labels a class; a classifier of real digits reads what is made."""
    known = np.zeros(len(Y), bool)
    for number in range(10):
        known[np.flatnonzero(number == Y)[:30]] = True
    networks = {"encoder": {"name": "dense", "width": 128}, "decoder": {"name": "dense", "width": 128}}
    settings = {"objective": {"warmup_steps": 400}}
    model = ImageVAE(latent_dim=8, epochs=40, learning_rate=3e-3, settings=settings, **networks)
    model.fit(X, np.where(known, Y, -1))
    wanted = np.repeat(np.arange(10), 30)
    made = model.sample(len(wanted), random_state=0, y=wanted)
    reader = SVC(gamma=0.001, C=10).fit(16 * X.reshape(-1, 64), Y)
    assert reader.score(16 * made.reshape(-1, 64), wanted) > 0.85
    assert (model.predict(X[~known]) == Y[~known]).mean() > 0.85


def test_classes_are_predicted_as_they_were_given(fitted):
    probabilities = fitted.predict_proba(X[90:120])
    assert probabilities.shape == (30, 10)
    assert probabilities.sum(1) == pytest.approx(1.0, abs=1e-5)
    assert np.array_equal(fitted.classes_, np.arange(10))
    assert np.array_equal(fitted.predict(X[90:120]), probabilities.argmax(1))
    with torch.no_grad():
        guess = fitted.trained_.model.infer(Batch(torch.from_numpy(X[90:120])[:, None])).latents[0].guess
    assert probabilities == pytest.approx(guess.probs.numpy(), abs=1e-5)
    named = ImageVAE(**SMALL).fit(X[:40], np.where(Y[:40] % 2, "odd", "even"))
    assert named.classes_.tolist() == ["even", "odd"]
    assert set(named.predict(X[:40])) <= {"even", "odd"}


def test_a_model_without_classes_predicts_none():
    plain = ImageVAE(**SMALL).fit(X[:40])
    with pytest.raises(OptionError, match="knows no classes"):
        plain.predict(X[:2])
    assert not hasattr(plain, "classes_")


def test_labels_are_recorded_and_saved(fitted, tmp_path):
    config = fitted.trained_.config
    assert (config.preset, config.model.label, config.model.classes) == ("conditional", "label", 10)
    assert fitted.trained_.label_names == {"label": tuple("0123456789")}
    again = latentia.load(fitted.save_pretrained(tmp_path / "run"))
    assert np.array_equal(again.sample(3, random_state=0, y=7), fitted.sample(3, random_state=0, y=7))
    assert "trained with the labels label: 0, 1" in (tmp_path / "run" / "README.md").read_text("utf-8")


def test_samples_of_a_class_share_the_latents_of_others(fitted):
    ones, mixed = fitted.sample(2, random_state=0, y=1), fitted.sample(2, random_state=0, y=[1, 8])
    assert np.array_equal(ones[0], mixed[0])
    assert not np.array_equal(ones[1], mixed[1])
    assert fitted.sample(4, random_state=0).shape == (4, 8, 8)


def test_the_code_is_decoded_with_a_class(fitted):
    z = fitted.transform(X[:5])
    assert z.shape == (5, 3)
    assert fitted.inverse_transform(z, Y[:5]).shape == (5, 8, 8)
    assert fitted.reconstruct(X[:5]).shape == (5, 8, 8)
    with pytest.raises(OptionError, match="as y"):
        fitted.inverse_transform(z)


def test_labels_change_nothing_about_what_is_known_of_a_picture(fitted):
    assert np.isfinite(fitted.score_samples(X[:4])).all()
    assert fitted.score_samples(X[:1]) == pytest.approx(fitted.score_samples(X[:4])[:1], rel=1e-4)


def test_another_preset_learns_without_labels():
    model = ImageVAE(**SMALL, preset="image").fit(X[:90], Y[:90])
    assert model.trained_.config.model.label is None
    with pytest.raises(OptionError, match="did not learn the labels"):
        model.sample(1, y=3)


def test_names_and_unknown_classes():
    numbers, names = classes_of(["cat", None, "dog", "", float("nan")], 5)
    assert numbers.tolist() == [0, -1, 1, -1, -1]
    assert names == ("cat", "dog")
    assert classes_of(np.array([2.0, -1.0, 10.0]), 3)[1] == ("2", "10")


@pytest.mark.parametrize(
    ("y", "error", "said"),
    [
        (Y[:89], DataError, "each of the 90"),
        (np.linspace(0, 1, 90), DataError, "whole numbers"),
        (np.zeros((90, 2)), DataError, "shape"),
        (np.full(90, -1), OptionError, "two classes"),
        (np.zeros(90, int), OptionError, "two classes"),
    ],
)
def test_labels_that_are_none(y, error, said):
    with pytest.raises(error, match=said):
        ImageVAE(**SMALL).fit(X[:90], y)


def test_other_wrong_input(fitted):
    with pytest.raises(DataError, match="y goes with arrays"):
        ImageVAE(**SMALL).fit("digits", Y)
    with pytest.raises(OptionError, match="knows no label '11': did you mean '1'"):
        fitted.sample(1, y=11)
    with pytest.raises(DataError, match="each sample"):
        fitted.sample(2, y=[1, -1])
    with pytest.raises(DataError, match="of the 2"):
        fitted.sample(2, y=[1, 2, 3])


@pytest.mark.parametrize("objective", [Elbo(), Iwae()])
def test_an_objective_that_teaches_no_label_is_refused_where_all_are_known(objective):
    with pytest.raises(OptionError, match=r"objective\.label_weight"):
        ImageVAE(**SMALL, objective=objective).fit(X[:60], Y[:60])
    ImageVAE(**SMALL, objective=objective).fit(X[:60], np.where(np.arange(60) < 50, Y[:60], -1))
