from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from latentia.metrics import active_units, aggregate_moments, gaussian_kl, rate_per_latent

RANDOM = np.random.default_rng(0)


def test_active_units_have_varying_means():
    means = np.stack([RANDOM.normal(size=500), 0.05 * RANDOM.normal(size=500)], axis=1)
    assert active_units(means).tolist() == [True, False]


def test_rates_add_up_to_the_kl_divergence():
    mean, std = RANDOM.normal(size=(20, 3)), RANDOM.uniform(0.1, 2, size=(20, 3))
    centre, scale = np.array([0.5, -1.0, 0.0]), np.array([1.0, 2.0, 0.5])
    posterior = Independent(Normal(torch.tensor(mean), torch.tensor(std)), 1)
    prior = Independent(Normal(torch.tensor(centre), torch.tensor(scale)), 1)
    expected = float(kl_divergence(posterior, prior).mean())
    assert rate_per_latent(mean, std, centre, scale).sum() == pytest.approx(expected)


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
