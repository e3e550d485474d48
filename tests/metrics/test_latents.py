from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from latentia.metrics import active_units, aggregate_moments, gaussian_kl, information_per_latent

RANDOM = np.random.default_rng(0)


def test_active_units_have_varying_means():
    means = np.stack([RANDOM.normal(size=500), 0.05 * RANDOM.normal(size=500)], axis=1)
    assert active_units(means).tolist() == [True, False]


def test_information_is_the_rate_under_the_normal_of_the_aggregate_posterior():
    mean, std = RANDOM.normal(size=(20, 3)) + 4, RANDOM.uniform(0.1, 2, size=(20, 3))
    centre, covariance = aggregate_moments(mean, std)
    rates = kl_divergence(
        Normal(torch.tensor(mean), torch.tensor(std)),
        Normal(torch.tensor(centre), torch.tensor(np.sqrt(np.diag(covariance)))),
    )
    assert information_per_latent(mean, std) == pytest.approx(rates.mean(0).numpy())


def test_information_knows_no_scale_and_is_none_where_posteriors_are_alike():
    mean, std = RANDOM.normal(size=(50, 2)), RANDOM.uniform(0.1, 0.5, size=(50, 2))
    scale = np.array([100.0, 0.01])
    assert information_per_latent(scale * mean - 3, scale * std) == pytest.approx(information_per_latent(mean, std))
    assert information_per_latent(np.full((50, 2), 7.0), np.full((50, 2), 0.3)) == pytest.approx(0, abs=1e-12)


def test_moments_are_those_of_draws_from_the_posteriors():
    mean, std = RANDOM.normal(size=(40, 2)) @ np.array([[1.0, 0.8], [0.0, 0.5]]), RANDOM.uniform(0.2, 1, size=(40, 2))
    draws = (mean + std * RANDOM.normal(size=(20_000, 40, 2))).reshape(-1, 2)
    centre, covariance = aggregate_moments(mean, std)
    assert centre == pytest.approx(draws.mean(0), abs=0.01)
    assert covariance.ravel() == pytest.approx(np.cov(draws.T).ravel(), abs=0.01)


def test_gaussian_kl_agrees_with_torch():
    factors = RANDOM.normal(size=(2, 4, 4))
    first, second = (factor @ factor.T + np.eye(4) for factor in factors)
    shift = RANDOM.normal(size=4)
    expected = kl_divergence(
        MultivariateNormal(torch.tensor(shift), torch.tensor(first)),
        MultivariateNormal(torch.zeros(4, dtype=torch.float64), torch.tensor(second)),
    )
    assert gaussian_kl(shift, first, np.zeros(4), second) == pytest.approx(float(expected))
    assert gaussian_kl(shift, first, shift, first) == pytest.approx(0.0, abs=1e-9)
