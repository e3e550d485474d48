"""`VAE` keeps scikit-learn's conventions, and its figures are right."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import latentia
from latentia import VAE
from latentia.distributions import PRIORS, LazyPrior, StandardNormal
from latentia.distributions.base import diagonal_normal
from latentia.errors import LatentiaError, OptionError
from latentia.objectives import Iwae


@parametrize_with_checks([VAE(epochs=2)])
def test_conventions_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    """Vectors with two factors, and features of very different units."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 5))
    return (factors + 0.3 * rng.normal(size=(300, 5))) * [1, 10, 100, 1000, 0.1] + [0, 5, -50, 0, 1]


@pytest.fixture(scope="module")
def fitted(data) -> VAE:
    return VAE(latent_dim=2, epochs=60).fit(data)


def test_results_are_in_the_units_of_the_data(fitted, data):
    error = ((fitted.reconstruct(data) - data) ** 2).mean(0)
    assert (error < 0.5 * data.var(0)).all()
    drawn = fitted.sample(4000, random_state=0)
    assert drawn.shape == (4000, 5)
    assert (np.abs(drawn.mean(0) - data.mean(0)) < 0.5 * data.std(0)).all()
    assert (np.abs(np.log(drawn.std(0) / data.std(0))) < 0.5).all()


def test_score_is_a_density_of_the_data(fitted, data):
    """A linear Gaussian model has a density in closed form, which a good VAE comes near to and hardly exceeds."""
    mean, covariance = data.mean(0), np.cov(data.T)
    best = torch.distributions.MultivariateNormal(torch.tensor(mean), torch.tensor(covariance))
    exact = best.log_prob(torch.tensor(data)).mean().item()
    assert exact - 2.5 < fitted.score(data) < exact + 0.5
    scaled = VAE(latent_dim=2, epochs=2).fit(data)
    other = VAE(latent_dim=2, epochs=2).fit(data * 1000)
    assert other.score(data * 1000) == pytest.approx(scaled.score(data) - 5 * np.log(1000), abs=1e-2)


def test_sampling_follows_its_random_state(fitted):
    assert np.array_equal(fitted.sample(3, random_state=1), fitted.sample(3, random_state=1))
    assert not np.array_equal(fitted.sample(3, random_state=1), fitted.sample(3, random_state=2))
    assert not np.array_equal(fitted.sample(3), fitted.sample(3))


def test_the_callers_random_state_stays(data):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    VAE(epochs=1).fit(data).sample(2, random_state=0)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("parts", [{"prior": "mixture"}, {"prior": {"name": "mixture", "components": 3}}])
def test_parts_by_name(data, parts):
    model = VAE(epochs=1, **parts).fit(data)
    assert model.trained_.config.model.prior.name == "mixture"


def test_registered_objects_are_saved_and_left_alone(data, tmp_path):
    prior, objective = PRIORS.build("mixture", {"components": 3}, latent_dim=2), Iwae(n_samples=3)
    before = {name: value.clone() for name, value in prior.state_dict().items()}
    model = VAE(latent_dim=2, epochs=1, prior=prior, objective=objective).fit(data)
    assert all(torch.equal(value, before[name]) for name, value in prior.state_dict().items())
    config = model.trained_.config
    assert config.model.prior.arguments == {"components": 3, "covariance": "diagonal"}
    plain = {"warmup_steps": 0, "gradient": "doubly-reparameterised", "label_weight": 0.0}
    assert config.objective.arguments == {"n_samples": 3, **plain}
    again = latentia.load(model.save_pretrained(tmp_path / "run"))
    assert np.array_equal(again.transform(data), model.transform(data))
    assert np.array_equal(again.score_samples(data), model.score_samples(data))
    assert again.history_ == model.history_


class Wide(LazyPrior):
    """A prior of a class that nobody registered."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    def forward(self):
        return diagonal_normal(torch.zeros(self.latent_dim), torch.full((self.latent_dim,), 2.0))


def test_unregistered_objects_work_but_are_not_saved(data, tmp_path):
    model = clone(VAE(latent_dim=2, epochs=1, prior=Wide(2))).fit(data)
    assert model.transform(data).shape == (300, 2)
    with pytest.raises(OptionError, match="not a registered prior"):
        model.save_pretrained(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_object_of_another_size_is_refused(data):
    with pytest.raises(OptionError, match="latent_dim=1"):
        VAE(latent_dim=2, epochs=1, prior=StandardNormal(1)).fit(data)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"preset": "vektor"}, "did you mean 'vector'"),
        ({"settings": {"trainning": {}}}, "did you mean 'training'"),
        ({"epochs": 0}, "training.epochs"),
        ({"latent_dim": "two"}, "model.latent_dim"),
        ({"prior": "mixtur"}, "did you mean 'mixture'"),
        ({"random_state": "zero"}, "random_state"),
        ({"likelihood": "discretised-gaussian"}, "8-bit pictures"),
    ],
)
def test_wrong_arguments_are_said_when_fitting(data, arguments, said):
    model = VAE(**arguments)
    with pytest.raises(ValueError, match=said) as caught:
        model.fit(data)
    assert isinstance(caught.value, LatentiaError)


def test_loading_what_is_not_there(tmp_path):
    with pytest.raises(LatentiaError, match="There is no run folder"):
        latentia.load(tmp_path / "none")
