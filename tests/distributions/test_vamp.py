"""The prior that is made of posteriors: where it starts, whose posteriors they are, and that it learns."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

import latentia
from latentia.core import Batch
from latentia.data import open_source
from latentia.distributions import VampPrior
from latentia.errors import OptionError
from latentia.presets import resolve
from latentia.runs import RunFolder, read_model
from latentia.tasks import generate
from latentia.training.fit import Training, fit, prepare_training
from tests.conftest import DENSE, build, tone_source


def training(**settings: object) -> Training:
    source = open_source("digits")
    model = {"latent_dim": 3, "encoder": DENSE, "decoder": DENSE, "prior": {"name": "vamp", "components": 20}}
    config, form = resolve(source, None, {"model": model, "training": {"epochs": 2, "batch_size": 64}, **settings})
    return prepare_training(source.load(form), form, config)


def made_up(prior: VampPrior) -> Tensor:
    """Returns the pseudo-inputs, as an encoder is given them."""
    seen: list[Tensor] = []

    def encode(examples: Tensor) -> torch.distributions.Distribution:
        seen.append(examples)
        return torch.distributions.Independent(torch.distributions.Normal(examples.flatten(1), 1.0), 1)

    prior.given(encode)
    return seen[0].detach()


def test_it_starts_at_different_training_examples() -> None:
    prepared = training()
    pseudo = made_up(prepared.model.prior)
    data = prepared.dataset.batch(prepared.train).x
    distance, nearest = torch.cdist(pseudo.flatten(1), data.flatten(1)).min(1)
    assert len(set(nearest.tolist())) == 20
    assert float(distance.max()) < 0.5  # two examples are 2.9 apart on average


def test_the_range_is_that_of_the_data_whatever_training_does() -> None:
    prior = training().model.prior
    for drift in (-40.0, 40.0):
        with torch.no_grad():
            prior.pseudo_inputs.add_(drift)
        pseudo = made_up(prior)
        assert 0.0 <= float(pseudo.min()) <= float(pseudo.max()) <= 1.0
    vectors = VampPrior(2, (3,), components=5)
    examples = torch.randn(50, 3) * 10 - 20
    vectors.start_at(examples)
    assert float(examples.min()) <= float(made_up(vectors).min()) <= float(made_up(vectors).max()) <= 10.0


def test_fewer_examples_than_components_start_apart() -> None:
    prior = VampPrior(2, (3,), components=9)
    prior.start_at(torch.rand(2, 3))
    pseudo = made_up(prior)
    assert len(torch.unique(pseudo, dim=0)) == 9
    constant = VampPrior(2, (3,), components=2)
    constant.start_at(torch.full((4, 3), 0.3))
    assert made_up(constant).flatten().tolist() == pytest.approx([0.3] * 6)


def test_what_was_not_seen_starts_at_the_mean() -> None:
    model = training().model
    x = torch.rand(30, 1, 8, 8)
    hidden = torch.zeros(30, 1, 8, 8, dtype=torch.bool)
    hidden[:15, :, :4] = True
    model.start_at(Batch(torch.where(hidden, torch.nan, x), ~hidden))
    assert torch.isfinite(made_up(model.prior)).all()


def test_the_density_is_the_mean_of_those_of_the_posteriors() -> None:
    model = training().model.eval()
    z = torch.randn(4, 3)
    posteriors = model.posterior_of(Batch(made_up(model.prior)))
    parts = torch.stack([posteriors.log_prob(row) for row in z])
    assert torch.allclose(model.code_prior().log_prob(z), parts.exp().mean(1).log(), atol=1e-4)


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda model: AveragedModel(model).module])
def test_a_copy_uses_its_own_encoder(copier: object) -> None:
    model = training().model
    copied = copier(model)  # type: ignore[operator]
    before = model.code_prior().mean
    with torch.no_grad():
        for weights in copied.encoder.parameters():
            weights.add_(0.3)
    assert not torch.allclose(copied.code_prior().mean, before)
    assert torch.equal(model.code_prior().mean, before)
    assert list(model.prior.state_dict()) == ["pseudo_inputs", "low", "high"]
    assert copied.state_dict().keys() == model.state_dict().keys()


def test_pseudo_inputs_are_encoded_once_a_step() -> None:
    prepared = training()
    calls: list[int] = []
    prepared.model.encoder.register_forward_hook(lambda module, inputs, output: calls.append(len(inputs[0])))
    prepared.model.infer(prepared.dataset.batch(range(7)), 5)
    assert calls == [7, 20]
    calls.clear()
    prepared.model.draw(50)
    assert calls == [20]


def test_training_improves_it_and_a_run_folder_brings_it_back(tmp_path: object) -> None:
    prepared = training()
    before = made_up(prepared.model.prior)
    result = fit(prepared, RunFolder(tmp_path / "run"))  # type: ignore[operator]
    elbos = [line["train_elbo"] for line in result.history]
    assert elbos[-1] > elbos[0]
    again = read_model(tmp_path / "run")  # type: ignore[operator]
    assert not torch.equal(made_up(again.model.prior), before)
    assert torch.equal(generate(again, 3).x, generate(result.trained, 3).x)


def test_a_prior_that_a_person_made_stays_as_it_is() -> None:
    source = open_source("digits")
    config, form = resolve(source, None, {"model": {"latent_dim": 3, "encoder": DENSE, "decoder": DENSE}})
    own = VampPrior(3, (1, 8, 8), components=5)
    before = copy.deepcopy(own.state_dict())
    prepared = prepare_training(source.load(form), form, config, parts={"prior": own})
    assert prepared.model.prior is own
    assert all(torch.equal(value, before[name]) for name, value in own.state_dict().items())
    assert isinstance(prepared.model.decoder.offset, nn.Parameter)
    assert float(prepared.model.decoder.offset.detach().abs().max()) > 0  # the rest has looked at the data


def test_recordings_have_one_of_excerpts() -> None:
    trained, dataset = build(
        tone_source(), {"model": {"frame_dim": 3, "prior": {"name": "vamp", "components": 6}}}, 0.02
    )
    prior = trained.model.prior
    assert made_up(prior).shape[:2] == (6, 64)
    assert torch.isfinite(made_up(prior)).all()
    assert generate(replace(trained), 2).x.shape[0] == 2
    assert len(dataset) == 24


def test_vectors_have_one_too() -> None:
    x = np.random.default_rng(0).normal(size=(60, 4)) * [1, 10, 100, 1000]
    vae = latentia.VAE(latent_dim=2, epochs=2, prior={"name": "vamp", "components": 7}).fit(x)
    assert vae.trained_.config.model.prior.arguments == {"components": 7}
    assert vae.sample(5, random_state=0).shape == (5, 4)
    assert np.isfinite(vae.score_samples(x)).all()


def test_wrong_sizes_and_missing_encoders_are_named() -> None:
    with pytest.raises(OptionError, match="at least 1"):
        VampPrior(2, (3,), components=0)
    with pytest.raises(OptionError, match="at most"):
        VampPrior(2, (3, 4096, 4096), components=100)
    with pytest.raises(OptionError, match="hand it what encodes"):
        VampPrior(2, (3,))()
    x = np.random.default_rng(0).normal(size=(30, 4))
    with pytest.raises(OptionError, match="example_shape"):
        latentia.VAE(latent_dim=2, epochs=1, prior=VampPrior(2, (1,), components=3)).fit(x)
