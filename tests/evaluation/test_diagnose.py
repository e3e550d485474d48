from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from latentia.config import Config, Part, TrainingConfig
from latentia.evaluation import Finding, Metrics, diagnose, evaluate, verdict
from latentia.evaluation.diagnose import (
    find_bad_files,
    find_collapse,
    find_early_end,
    find_little_data,
    find_no_whole_pictures,
    find_nothing_held_out,
    find_overfitting,
    find_prior_gap,
    find_small_sample,
    find_tiny_sigma,
    find_worse_than_none,
    likelihood_sigma,
    prior_gap,
)
from latentia.runs import DataRecord
from latentia.tasks import Encoding, encode

GOOD = Metrics(n_examples=1000, elbo_nats=-90.0, distortion_nats=65.0, rate_nats=25.0, active_units=18, latent_dim=20)
ELBO, IWAE = Part(name="elbo"), Part(name="iwae")
TRAINING = TrainingConfig(epochs=40)
PATIENT = TrainingConfig(epochs=40, patience=5)


def history(train, validation=None):
    lines = [{"train_elbo": float(value)} for value in train]
    for line, value in zip(lines, validation if validation is not None else [], strict=False):
        line["validation_elbo"], line["validation_loss"] = float(value), -float(value)
    return lines


def test_worse_than_no_model():
    assert find_worse_than_none(GOOD) is None
    assert find_worse_than_none(replace(GOOD, bits_per_dim=3.9)) is None
    assert find_worse_than_none(replace(GOOD, bits_per_dim=12.0)).severity == "problem"


def test_collapse():
    beta = Part.model_validate({"name": "elbo", "beta": 8.0})
    assert find_collapse(GOOD, ELBO) is None
    assert find_collapse(GOOD, beta) is None
    assert find_collapse(replace(GOOD, active_units=0), ELBO).severity == "problem"
    assert find_collapse(replace(GOOD, active_units=None), ELBO) is None  # of a single example
    assert find_collapse(replace(GOOD, active_units=None, rate_nats=0.01), ELBO).severity == "problem"
    assert "uses its 20 latents" in verdict(replace(GOOD, active_units=None), ())
    assert find_collapse(replace(GOOD, rate_nats=0.01), ELBO).severity == "problem"
    assert "-" not in find_collapse(replace(GOOD, rate_nats=-0.03), ELBO).text.split("about")[0]  # an estimate
    assert find_collapse(replace(GOOD, active_units=3), ELBO).severity == "note"
    assert find_collapse(replace(GOOD, active_units=3), beta).severity == "warning"


def test_latents_that_vary_but_say_next_to_nothing():
    """With beta = 50 all posterior means still vary a little, which makes all latents 'active'."""
    faint = replace(GOOD, rate_nats=1.4, active_units=20)
    beta = Part.model_validate({"name": "elbo", "beta": 50.0})
    found = find_collapse(faint, beta)
    assert found.severity == "warning"
    assert "objective.beta = 50 the latents tell 1.4 nats" in found.text
    assert "Lower objective.beta" in found.advice
    assert find_collapse(faint, ELBO).severity == "warning"


def test_advice_names_only_settings_that_there_are():
    """The importance-weighted bound has no beta."""
    for changes in ({"active_units": 0}, {"rate_nats": 1.4}):
        assert "beta" not in find_collapse(replace(GOOD, **changes), IWAE).advice
    mixture = Config().with_settings({"model": {"prior": "mixture"}, "objective": "iwae"})
    advice = find_prior_gap(9.0, GOOD, mixture).advice
    assert "beta" not in advice
    assert "mixture" not in advice
    assert "model.prior=flow" in find_prior_gap(9.0, GOOD, Config()).advice
    assert "--stage prior" in find_prior_gap(9.0, GOOD, Config()).advice


def test_overfitting():
    flat = np.linspace(-200, -90, 20)
    assert find_overfitting(history(flat, flat - 3), TRAINING) is None
    assert find_overfitting(history(flat), TRAINING) is None
    assert find_overfitting([], TRAINING) is None
    falling = history(flat, np.r_[flat[:10] - 3, np.linspace(-140, -180, 10)])
    found = find_overfitting(falling, TRAINING)
    assert found is not None
    assert "better earlier" in found.text
    assert "training.patience" in found.advice


def test_overfitting_is_judged_in_the_epoch_that_was_kept():
    train, validation = np.linspace(-200, -90, 20), np.r_[np.linspace(-203, -150, 10), np.linspace(-160, -250, 10)]
    assert find_overfitting(history(train, validation), PATIENT) is None
    found = find_overfitting(history(train + 30, validation), PATIENT)
    assert "32.1 nats worse" in found.text
    assert "patience" not in found.advice


def test_early_end():
    settled = -90 - 100 * np.exp(-np.arange(40) / 4)
    rising = np.linspace(-300, -100, 40)
    assert find_early_end(history(settled, settled - 2), TRAINING) is None
    assert find_early_end(history(settled), TRAINING) is None
    assert find_early_end(history(rising[:1]), TRAINING) is None
    assert find_early_end(history(rising), TRAINING) is not None
    # what counts is the held-out bound, where there is one
    assert find_early_end(history(rising, settled), TRAINING) is None
    assert "epochs=80" in find_early_end(history(settled, rising), TRAINING).advice
    timed = TrainingConfig(epochs=100, max_minutes=15)
    assert "max_minutes=30" in find_early_end(history(settled, rising), timed).advice


def test_prior_gap_of_posteriors_that_fill_the_prior(digits):
    trained, _ = digits
    random = np.random.default_rng(0)
    mean = 0.8 * random.normal(size=(400, 4))
    fitting = Encoding(mean.astype(np.float32), np.full((400, 4), 0.6, np.float32))
    assert prior_gap(trained, fitting) < 0.1
    shifted = Encoding(fitting.mean + 2, fitting.std)
    assert prior_gap(trained, shifted) == pytest.approx(8.0, abs=0.8)  # 4 dimensions, half a square of 2 each
    line = random.normal(size=(400, 1)).astype(np.float32) * np.ones((1, 4), np.float32)
    assert prior_gap(trained, Encoding(line, np.full((400, 4), 0.1, np.float32))) > 2  # correlated


def test_prior_gap_is_judged_by_the_rate():
    assert find_prior_gap(1.5, GOOD, Config()) is None
    assert find_prior_gap(4.0, GOOD, Config()) is not None


def test_the_prior_of_a_model_that_has_not_learned_is_not_judged(digits):
    trained, _ = digits
    far = Encoding(np.full((400, 4), 5, np.float32), np.ones((400, 4), np.float32))

    def titles(metrics):
        return [finding.title for finding in diagnose(trained, metrics, [], far)]

    assert any("prior is far" in title for title in titles(GOOD))
    assert not any("prior is far" in title for title in titles(replace(GOOD, bits_per_dim=9.0)))


def test_tiny_sigma(digits, binary):
    assert find_tiny_sigma(None, "vector") is None
    assert find_tiny_sigma(0.05, "image") is None
    assert find_tiny_sigma(0.001, "image") is not None
    assert find_tiny_sigma(0.01, "vector") is not None
    assert likelihood_sigma(digits[0]) == pytest.approx(float(digits[0].model.likelihood.log_scale.exp()) + 1e-3)
    assert likelihood_sigma(binary[0]) is None


def test_data():
    record = DataRecord("photos", "", 5000, 500)
    assert find_little_data(record) is None
    assert "trained on 40" in find_little_data(replace(record, n_train=40)).text
    assert find_small_sample(GOOD) is None
    assert "12 examples" in find_small_sample(replace(GOOD, n_examples=12)).text
    assert find_nothing_held_out(record) is None
    assert "validation_fraction" in find_nothing_held_out(replace(record, n_validation=0)).advice
    assert find_bad_files(record) is None
    assert find_bad_files(replace(record, problems={"unreadable": 20})) is None
    assert "900 unreadable" in find_bad_files(replace(record, problems={"unreadable": 900})).text


def test_a_model_that_was_always_told_a_part(masked):
    assert find_no_whole_pictures(Config()) is None
    trained, _ = masked
    assert "Add the family nothing" in find_no_whole_pictures(trained.config).advice
    whole = trained.config.with_settings({"training": {"masks": ["half", "nothing"]}})
    assert find_no_whole_pictures(whole) is None


def test_the_gravest_comes_first_and_something_is_always_said(digits):
    trained, dataset = digits
    encoding = encode(trained, dataset)
    findings = diagnose(trained, replace(evaluate(trained, dataset), active_units=0), [], encoding)
    assert findings[0].severity == "problem"
    assert [finding.severity for finding in findings] == sorted(
        (finding.severity for finding in findings), key=["problem", "warning", "note", "good"].index
    )
    fitting = Encoding(torch.randn(400, 4).numpy() * 0.8, np.full((400, 4), 0.6, np.float32))
    assert [finding.severity for finding in diagnose(trained, GOOD, [], fitting)] == ["good"]


@pytest.mark.parametrize(
    ("severity", "words"),
    [("problem", "of little use"), ("warning", "could be better"), ("note", "a remark"), ("good", "went well.")],
)
def test_the_verdict_follows_the_gravest_finding(severity, words):
    assert words in verdict(GOOD, [Finding("good", "", ""), Finding(severity, "", "")])
