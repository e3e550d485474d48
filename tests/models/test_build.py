from __future__ import annotations

import pytest
import torch

from latentia import ImageVAE
from latentia.config import ModelConfig, Part
from latentia.distributions import Gaussian, MixtureOfGaussians, StandardNormal
from latentia.errors import OptionError
from latentia.models import build_model, build_objective

VECTORS = ModelConfig(latent_dim=3, likelihood=Part(name="gaussian"))


@pytest.mark.parametrize(
    ("role", "name", "size"),
    [
        ("prior", "mixture", "latent_dim"),
        ("posterior", "diagonal-gaussian", "features"),
        ("encoder", "dense", "event_shape"),
    ],
)
def test_sizes_that_the_model_knows_cannot_be_set(role: str, name: str, size: str) -> None:
    config = ModelConfig.model_validate({"latent_dim": 3, "likelihood": "gaussian", role: {"name": name, size: 1}})
    with pytest.raises(OptionError, match=f"'{size}' of the {role} '{name}' follows from the model"):
        build_model(config, (4,))


def test_objects_take_the_place_of_parts() -> None:
    prior, likelihood = MixtureOfGaussians(3, components=2), Gaussian()
    model = build_model(VECTORS, (4,), {"prior": prior, "likelihood": likelihood})
    assert model.prior is prior
    assert model.likelihood is likelihood


@pytest.mark.parametrize("role", ["encoder", "decoder", "prior", "likelihood"])
def test_objects_of_another_kind_are_refused(role: str) -> None:
    with pytest.raises(OptionError, match=f"The {role} of this model is a .*, and Linear is none"):
        build_model(VECTORS, (4,), {role: torch.nn.Linear(2, 2)})


def test_an_objective_of_another_kind_is_refused() -> None:
    with pytest.raises(OptionError, match="The objective of this model is a Objective, and MSELoss is none"):
        build_objective(Part(name="elbo"), {"objective": torch.nn.MSELoss()})


def test_a_prior_of_another_size_is_refused_before_the_model_looks_at_data(digits) -> None:
    with pytest.raises(OptionError, match="The prior was made with latent_dim=1, but the model needs 4"):
        ImageVAE(latent_dim=4, epochs=1, prior=StandardNormal(1)).fit(digits[1].x[:40])


def test_a_posterior_is_not_shared_by_what_has_posteriors_of_its_own(masked) -> None:
    model = masked[0].model
    assert model.conditional_prior is not model.posterior
