from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import (
    Categorical,
    Independent,
    Laplace,
    MixtureSameFamily,
    MultivariateNormal,
    kl_divergence,
)

from latentia.distributions import CorrelatedMixture, NormalMixture
from latentia.distributions import mixture as module
from latentia.distributions.base import diagonal_normal
from latentia.distributions.mixture import mixture_of


@pytest.mark.parametrize("narrow", [1.0, 0.01])
def test_densities_and_gradients_are_those_of_pytorchs_mixture(narrow: float) -> None:
    torch.manual_seed(0)
    logits, mean = torch.randn(7, requires_grad=True), (3 * torch.randn(7, 20)).requires_grad_()
    scale = (narrow * (0.5 + torch.rand(7, 20))).requires_grad_()
    z = (mean[torch.randint(7, (2, 5))] + scale[0] * torch.randn(2, 5, 20)).detach().requires_grad_()
    plain = MixtureSameFamily(Categorical(logits=logits), diagonal_normal(mean, scale))
    inputs = (z, logits, mean, scale)
    expected = plain.log_prob(z)
    found = NormalMixture(logits, mean, scale).log_prob(z)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4)
    wanted, own = (torch.autograd.grad(nats.sum(), inputs) for nats in (expected, found))
    for one, other in zip(own, wanted, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-3 * float(other.abs().max()))


@pytest.mark.parametrize("components", [3, 3000])
def test_draws_have_the_moments_of_the_mixture(components: int) -> None:
    """Whether all components are drawn from, or only those that were chosen."""
    torch.manual_seed(0)
    mixture = NormalMixture(torch.randn(components), torch.randn(components, 2), 0.1 + torch.rand(components, 2))
    drawn = mixture.sample((200, 100))
    assert drawn.shape == (200, 100, 2)
    assert torch.allclose(drawn.mean((0, 1)), mixture.mean, atol=0.03)
    assert torch.allclose(drawn.var((0, 1)), mixture.variance, rtol=0.05)
    assert not drawn.requires_grad


def correlated(components: int = 7, size: int = 5) -> tuple[CorrelatedMixture, tuple[Tensor, Tensor, Tensor]]:
    whitening = torch.randn(components, size, size).tril(-1) + (0.5 + torch.rand(components, size)).diag_embed()
    parameters = torch.randn(components), 3 * torch.randn(components, size), whitening
    return CorrelatedMixture(*parameters), parameters


def test_densities_of_correlated_components_are_those_of_pytorchs_mixture() -> None:
    torch.manual_seed(0)
    mixture, (logits, means, whitening) = correlated()
    parts = MultivariateNormal(means, scale_tril=torch.linalg.inv(whitening).tril())
    plain = MixtureSameFamily(Categorical(logits=logits), parts)
    z = plain.sample((4, 6))
    assert torch.allclose(mixture.log_prob(z), plain.log_prob(z), rtol=1e-4, atol=1e-4)
    assert torch.allclose(mixture.mean, plain.mean, atol=1e-5)
    assert torch.allclose(mixture.variance, plain.variance, rtol=1e-4)
    many = mixture.expand((6,))
    assert many.sample((4,)).shape == z.shape
    assert torch.equal(many.log_prob(z), mixture.log_prob(z))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(mixture.log_prob(z), plain.log_prob(z), rtol=1e-4, atol=1e-4)


def test_narrow_components_far_from_zero_have_exact_densities() -> None:
    torch.manual_seed(0)
    means, factors = 1000 + torch.randn(4, 3), 0.01 * torch.eye(3).expand(4, 3, 3)
    mixture = CorrelatedMixture(torch.zeros(4), means, torch.linalg.inv(factors))
    plain = MixtureSameFamily(
        Categorical(torch.ones(4)), MultivariateNormal(means.double(), scale_tril=factors.double())
    )
    z = plain.sample((50,))
    found = mixture.log_prob(z)
    assert found.dtype == torch.float64
    assert torch.allclose(found, plain.log_prob(z), atol=0.1)


def test_draws_of_correlated_components_have_their_covariance() -> None:
    torch.manual_seed(0)
    mixture, (_, means, whitening) = correlated(components=3, size=2)
    drawn = mixture.sample((400, 100))
    assert drawn.shape == (400, 100, 2)
    assert torch.allclose(drawn.mean((0, 1)), mixture.mean, atol=0.05)
    assert torch.allclose(drawn.var((0, 1)), mixture.variance, rtol=0.05)
    alone = CorrelatedMixture(torch.zeros(1), means[:1], whitening[:1])
    expected = torch.linalg.inv(whitening[0].mT @ whitening[0])
    assert torch.allclose(alone.sample((40_000,)).T.cov(), expected, atol=0.04 * float(expected.max()))


@pytest.mark.parametrize(
    "mixture",
    [
        NormalMixture(torch.zeros(2), torch.zeros(2, 3), torch.ones(2, 3)),
        CorrelatedMixture(torch.zeros(2), torch.zeros(2, 3), torch.eye(3).expand(2, 3, 3)),
    ],
)
def test_rates_under_mixtures_are_estimated(mixture: NormalMixture | CorrelatedMixture) -> None:
    with pytest.raises(NotImplementedError):
        kl_divergence(diagonal_normal(torch.zeros(3), torch.ones(3)), mixture)


def test_parts_of_another_kind_make_a_mixture_too() -> None:
    parts = Independent(Laplace(torch.tensor([[-1.0], [2.0]]), torch.ones(2, 1)), 1)
    mixture = mixture_of(parts, torch.tensor([0.0, 1.0]))
    grid = torch.linspace(-30, 30, 6001)[:, None]
    assert mixture.log_prob(grid).exp().sum().item() * 0.01 == pytest.approx(1.0, abs=1e-3)
    assert mixture.mean.item() == pytest.approx(-0.2689 + 2 * 0.7311, abs=1e-3)


def test_many_draws_of_full_covariances_take_little_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    mixture, _ = correlated()
    torch.manual_seed(0)
    at_once = mixture.sample((40, 3))
    monkeypatch.setattr(module, "DRAWN_AT_ONCE", 7 * 5**2)
    torch.manual_seed(0)
    assert torch.allclose(mixture.sample((40, 3)), at_once, atol=1e-6)
    assert mixture.sample().shape == (5,)
