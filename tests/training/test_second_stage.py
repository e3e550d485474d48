"""The second stage: a prior that is fitted to a finished model."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from latentia.config import Config, PriorStageConfig
from latentia.core import Batch
from latentia.data import Arrays, ArraySource, Canvas
from latentia.distributions import PRIORS
from latentia.errors import DataError, OptionError, TrainingError
from latentia.evaluation import evaluate
from latentia.models import build_model
from latentia.presets import resolve
from latentia.tasks import complete, generate, inpaint
from latentia.training.fit import prepare_training
from latentia.training.prior import Posteriors, fit_prior, mean_prior_nats, read_posteriors
from latentia.training.second_stage import fit_second_stage, second_stage_config

QUICK = {"steps": 120, "batch_size": 128, "learning_rate": 5e-3}


def staged(model, settings=None, **options):
    trained, dataset = model
    config = second_stage_config(trained.config, trained.data.n_train, {"prior_stage": QUICK, **(settings or {})})
    return fit_second_stage(trained, dataset, config, **options)


def test_the_prior_fits_the_latents_and_nothing_else_changes(digits):
    trained, dataset = digits
    before = {name: value.clone() for name, value in trained.model.state_dict().items()}
    seen = []
    result = staged(digits, progress=lambda done, total: seen.append((done, total)))
    assert result.after < 0.7 * result.before
    assert result.costs[-1] < result.costs[0]
    assert seen[-1][1] == 120
    assert all(torch.equal(value, trained.model.state_dict()[name]) for name, value in before.items())
    after = result.trained.model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items() if not name.startswith("prior"))
    assert result.trained.config.model.prior.name == "mixture"
    assert result.trained.config.first_stage.model.prior.name == "standard-normal"
    old, new = (evaluate(each, dataset, rows=np.arange(500)) for each in (trained, result.trained))
    assert new.elbo_nats > old.elbo_nats + 0.3 * old.rate_nats
    assert new.distortion_nats == pytest.approx(old.distortion_nats)
    assert not torch.equal(generate(trained, 3).x, generate(result.trained, 3).x)


def test_the_same_data_and_seed_give_the_same_prior(digits):
    first, second, other = (staged(digits, {"prior_stage": {**QUICK, "seed": seed}}) for seed in (0, 0, 1))
    one, two, three = (result.trained.model.prior.state_dict() for result in (first, second, other))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], three[name]) for name in one)


def test_the_callers_random_state_is_left_alone(digits):
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    staged(digits, {"prior_stage": {**QUICK, "steps": 2}})
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("name", [name for name in PRIORS if name != "standard-normal"])
@pytest.mark.parametrize("model", ["digits", "binary", "vectors", "ladder", "labelled"])
def test_every_prior_that_learns_can_be_fitted(model, name, request):
    result = staged(request.getfixturevalue(model), {"model": {"prior": name}})
    assert result.trained.config.model.prior.name == name
    assert result.after < result.before


def test_of_a_hierarchy_the_prior_of_the_top_alone_is_fitted(ladder):
    trained, dataset = ladder
    result = staged(ladder)
    posteriors = read_posteriors(trained.model, [dataset.batch(np.arange(5))])
    assert posteriors.code.shape == (2, 5, trained.config.model.latent_dim)
    assert result.trained.model.latent_dim == trained.model.latent_dim > posteriors.code.shape[-1]
    rows = np.arange(len(dataset))
    posteriors = read_posteriors(trained.model, [dataset.batch(rows)])
    before, after = (mean_prior_nats(each.model, posteriors) for each in (trained, result.trained))
    old, new = (evaluate(each, dataset, rows=rows) for each in (trained, result.trained))
    assert after < before
    assert old.rate_nats - new.rate_nats == pytest.approx(before - after, rel=0.1)
    assert new.distortion_nats == pytest.approx(old.distortion_nats)


@pytest.mark.parametrize("prior", [{"name": "mixture", "components": 64}, "flow"])
def test_a_model_that_fills_in_says_something_else_only_where_nothing_is_given(masked, prior):
    trained, dataset = masked
    result = staged(masked, {"model": {"prior": prior}, "prior_stage": {**QUICK, "steps": 300}})
    assert result.after < result.before
    torch.manual_seed(0)
    x, z = dataset.batch(range(3)).x, torch.randn(5, 3, 4)
    part, nothing = Batch(x, given=torch.rand(x.shape) < 0.5), Batch(x, given=torch.zeros_like(x).bool())
    old, new = trained.model, result.trained.model
    assert torch.allclose(new.posterior_given(part).log_prob(z), old.posterior_given(part).log_prob(z))
    assert torch.allclose(new.posterior_given(nothing).log_prob(z), new.code_prior().log_prob(z), atol=1e-4)
    for batch in (part, nothing):
        before, after = (complete(each, batch, n_samples=2) for each in (trained, result.trained))
        assert after.samples.shape == (2, 3, 1, 8, 8)
        assert after.samples.isfinite().all()
        assert torch.allclose(after.mean, before.mean, atol=1e-5)  # which takes no latents
    assert not torch.allclose(after.samples, before.samples, atol=1e-3)
    canvas = Canvas.from_array(dataset.x[np.array([5])][0, ..., 0], np.eye(8, dtype=bool))
    assert np.array_equal(*(inpaint(each, canvas, n_samples=1).mean() for each in (trained, result.trained)))


def test_a_prior_of_recordings_and_that_of_their_frames(speech):
    trained, _ = speech
    stage = {"steps": 60, "batch_size": 8, "learning_rate": 5e-3}
    result = staged(speech, {"model": {"prior": "flow"}, "prior_stage": stage})
    assert result.after < result.before
    changed = {
        name.split(".")[0]
        for name, value in result.trained.model.state_dict().items()
        if name not in trained.model.state_dict() or not torch.equal(value, trained.model.state_dict()[name])
    }
    assert changed == {"prior", "frame_prior"}
    assert len(generate(result.trained, 2)) == 2


def test_it_stops_when_held_out_data_fit_no_better():
    """Many components on a handful of latents learn them by heart."""
    torch.manual_seed(0)
    x = torch.randn(60, 4).numpy()
    source = ArraySource("few", lambda split: Arrays(x), lambda: "f")
    model = {"latent_dim": 3, "encoder": {"name": "dense", "width": 8}, "decoder": {"name": "dense", "width": 8}}
    config, form = resolve(source, None, {"model": model})
    dataset = source.load(form)
    trained = replace((made := prepare_training(dataset, form, config)).trained, model=made.model.eval())
    with torch.no_grad():
        trained.model.posterior.head.bias[3:] = -4.0  # posteriors without overlap
    many = {"prior": {"name": "mixture", "components": 50}}
    result = staged((trained, dataset), {"model": many, "prior_stage": {**QUICK, "steps": 3000, "patience": 2}})
    assert 3 < len(result.costs) < 30
    assert len(result.costs) - 1 - result.costs.index(min(result.costs)) == 2
    assert result.after == pytest.approx(min(result.costs), abs=1e-4)


def test_without_held_out_data_it_runs_to_the_end(digits):
    trained, dataset = digits
    data = trained.config.data.model_copy(update={"validation_fraction": 0.0})
    whole = replace(trained, config=trained.config.model_copy(update={"data": data}))
    result = staged((whole, dataset))
    assert (result.costs, result.before, result.after) == ((), None, None)


def test_a_second_second_stage_keeps_the_first_prior_in_mind(digits):
    first = staged(digits).trained
    second = staged((first, digits[1]), {"model": {"prior": "mixture"}}).trained
    assert second.config.model.prior.name == "mixture"
    assert second.config.first_stage.model.prior.name == "standard-normal"
    assert first.config.prior_stage.steps == QUICK["steps"]
    assert second_stage_config(first.config, 9, {}).prior_stage.steps == PriorStageConfig().steps


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": {"latent_dim": 3}}, r"'model\.latent_dim' cannot be set in the second stage"),
        ({"training": {"epochs": 3}}, "'training' cannot be set"),
        ({"model": {"frame_prior": "independent"}}, r"only model\.prior and prior_stage can"),
        ({"model": 3}, "'model'"),
        ({"prior_stage": {"step": 3}}, "did you mean 'steps'"),
        ({"model": {"prior": "flaw"}}, "did you mean 'flow'"),
        ({"model": {"prior": "standard-normal"}}, "has nothing to fit"),
    ],
)
def test_wrong_settings_are_named(digits, settings, message):
    trained, dataset = digits
    with pytest.raises(OptionError, match=message):
        fit_second_stage(trained, dataset, second_stage_config(trained.config, 9, settings))


def test_too_few_examples_are_named(digits):
    trained, dataset = digits
    with pytest.raises(DataError, match="1 example"):
        staged((trained, replace(dataset, x=dataset.x[np.arange(1)])))


@pytest.mark.parametrize(
    ("n", "latent_dim", "components", "covariance"),
    [
        (1, 3, 1, "full"),
        (400, 16, 20, "full"),
        (10**6, 64, 200, "full"),
        (10**6, 512, 4, "full"),
        (400, 4000, 20, "diagonal"),
    ],
)
def test_without_a_name_the_prior_has_as_many_components_as_suit(n, latent_dim, components, covariance):
    config = Config().with_settings({"model": {"latent_dim": latent_dim}})
    prior = second_stage_config(config, n, {}).model.prior
    assert prior.arguments == {"components": components, "covariance": covariance}
    fewer = second_stage_config(config, n, {"model": {"prior": {"components": 1}}}).model.prior
    assert fewer.arguments == {"components": 1, "covariance": covariance}


def test_of_recordings_only_those_count_that_are_read():
    config = Config().with_settings({"model": {"kind": "sequence"}})
    assert second_stage_config(config, 10**6, {}).model.prior.arguments["components"] == 64


@pytest.mark.parametrize("prior", ["mixture", {"name": "mixture"}, {"name": "mixture", "components": 9}])
def test_a_prior_that_is_named_starts_from_its_own_defaults(prior):
    config = Config().with_settings({"model": {"prior": {"name": "mixture", "components": 7}}})
    named = build_model(second_stage_config(config, 400, {"model": {"prior": prior}}).model, (1, 8, 8)).prior
    assert (named.covariance, named.components) == ("diagonal", 9 if "components" in prior else 64)


def test_where_it_starts_is_kept_if_no_step_makes_it_better(digits):
    model = deepcopy(digits[0].model).requires_grad_(False)
    torch.manual_seed(0)
    posteriors = Posteriors(torch.stack([torch.randn(200, 4), torch.full((200, 4), 0.1)]))
    model.prior = PRIORS.build("mixture", {"components": 1, "covariance": "full"}, latent_dim=4)
    model.prior.start_near(posteriors.code[0])
    start = {name: value.clone() for name, value in model.prior.state_dict().items()}
    costs = fit_prior(model, posteriors, PriorStageConfig(steps=60, learning_rate=5.0, patience=3), held_out=posteriors)
    assert costs.index(min(costs)) == 0
    assert all(torch.equal(value, start[name]) for name, value in model.prior.state_dict().items())


def test_a_cost_that_is_no_number_is_said(digits):
    model = deepcopy(digits[0].model).requires_grad_(False)
    code = torch.stack([torch.full((5, 4), torch.nan), torch.ones(5, 4)])
    model.prior = PRIORS.build("mixture", {}, latent_dim=4)
    with pytest.raises(TrainingError, match="At step 0 the cost"):
        fit_prior(model, Posteriors(code), PriorStageConfig(steps=3))


@pytest.mark.parametrize("settings", [{}, {"model": {"prior": "flow"}}])
def test_a_model_that_makes_no_numbers_is_named(digits, settings):
    trained, dataset = digits
    model = deepcopy(trained.model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(torch.nan)
    with pytest.raises(TrainingError, match="What the model says of its training data is no longer a number"):
        staged((replace(trained, model=model), dataset), settings)


def test_decay_does_not_draw_components_away_from_distant_latents(digits):
    model = deepcopy(digits[0].model).requires_grad_(False)
    torch.manual_seed(0)
    mean = 1000 + torch.randn(400, 4)
    model.prior = PRIORS.build("mixture", {"components": 1}, latent_dim=4)
    model.prior.start_near(mean)
    fit_prior(
        model, Posteriors(torch.stack([mean, torch.full((400, 4), 0.1)])), PriorStageConfig(**{**QUICK, "steps": 600})
    )
    assert model.prior.mean[0] == pytest.approx(mean.mean(0), abs=1.5)


def test_the_mean_cost_is_the_rate():
    """Of a normal posterior under a standard normal prior, with draws enough."""
    source = ArraySource("x", lambda split: Arrays(np.random.default_rng(0).normal(size=(20, 3))), lambda: "f")
    config, form = resolve(source, None, {"model": {"latent_dim": 2}})
    model = prepare_training(source.load(form), form, config).model.eval()
    mean, scale = torch.tensor([0.5, -1.0]), torch.tensor([0.7, 0.2])
    rate = (0.5 * (mean**2 + scale**2 - 1) - scale.log()).sum().item()
    posteriors = Posteriors(torch.stack([mean, scale])[:, None].expand(2, 30_000, 2))
    assert mean_prior_nats(model, posteriors) == pytest.approx(rate, abs=0.03)
