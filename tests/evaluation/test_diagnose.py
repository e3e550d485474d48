from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from latentia.config import Part
from latentia.evaluation import Finding, Metrics, diagnose, evaluate, verdict
from latentia.evaluation.diagnose import (
    find_bad_files,
    find_collapse,
    find_early_end,
    find_little_data,
    find_overfitting,
    find_prior_gap,
    find_tiny_sigma,
    find_worse_than_none,
    likelihood_sigma,
    prior_gap,
)
from latentia.runs import DataRecord
from latentia.tasks import Encoding, encode

GOOD = Metrics(n_examples=1000, elbo_nats=-90.0, distortion_nats=65.0, rate_nats=25.0, active_units=18, latent_dim=20)
ELBO = Part(name="elbo")


def history(train, validation=None):
    lines = [{"train_elbo": float(value)} for value in train]
    for line, value in zip(lines, validation if validation is not None else [], strict=False):
        line["validation_elbo"] = float(value)
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
    assert find_collapse(replace(GOOD, rate_nats=0.01), ELBO).severity == "problem"
    assert find_collapse(replace(GOOD, active_units=3), ELBO).severity == "note"
    assert find_collapse(replace(GOOD, active_units=3), beta).severity == "warning"


def test_overfitting():
    flat = np.linspace(-200, -90, 20)
    assert find_overfitting(history(flat, flat - 3)) is None
    assert find_overfitting(history(flat)) is None
    assert find_overfitting([]) is None
    found = find_overfitting(history(flat, np.r_[flat[:10] - 3, np.linspace(-140, -180, 10)]))
    assert found is not None
    assert "better earlier" in found.text


def test_early_end():
    settled = -90 - 100 * np.exp(-np.arange(40) / 4)
    rising = np.linspace(-300, -100, 40)
    assert find_early_end(history(settled, settled - 2)) is None
    assert find_early_end(history(settled)) is None
    assert find_early_end(history(rising[:1])) is None
    assert find_early_end(history(rising)) is not None
    # what counts is the held-out bound, where there is one
    assert find_early_end(history(rising, settled)) is None
    assert "80" in find_early_end(history(settled, rising)).advice


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
    assert find_prior_gap(1.5, GOOD) is None
    assert find_prior_gap(4.0, GOOD) is not None


def test_tiny_sigma(digits, binary):
    assert find_tiny_sigma(None, False) is None
    assert find_tiny_sigma(0.05, True) is None
    assert find_tiny_sigma(0.001, True) is not None
    assert find_tiny_sigma(0.01, False) is not None
    assert likelihood_sigma(digits[0]) == pytest.approx(float(digits[0].model.likelihood.log_scale.exp()) + 1e-3)
    assert likelihood_sigma(binary[0]) is None


def test_data():
    record = DataRecord("photos", "", 5000, 500)
    assert find_little_data(record, 500) is None
    assert "trained on 40" in find_little_data(replace(record, n_train=40), 500).text
    assert "12 examples" in find_little_data(record, 12).text
    assert find_bad_files(record) is None
    assert find_bad_files(replace(record, problems={"unreadable": 20})) is None
    assert "900 unreadable" in find_bad_files(replace(record, problems={"unreadable": 900})).text


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
