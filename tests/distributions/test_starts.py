"""Where priors start before they are fitted to latents."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch

from latentia.distributions import PRIORS, DiagonalGaussian, FlowPrior, MixtureOfGaussians


@pytest.mark.parametrize("latent_dim", [1, 3])
@pytest.mark.parametrize(("name", "settings"), [("flow", {}), ("mixture", {}), ("mixture", {"covariance": "full"})])
def test_they_start_close_to_the_latents(name: str, settings: dict[str, Any], latent_dim: int) -> None:
    torch.manual_seed(0)
    shift, scale = torch.linspace(-30, 40, latent_dim), torch.logspace(-2, 1, latent_dim)
    latents = shift + scale * torch.randn(20_000, latent_dim)
    prior = PRIORS.build(name, settings, latent_dim=latent_dim)
    prior.start_near(latents)
    entropy = -torch.distributions.Normal(shift, scale).log_prob(latents).sum(1).mean()
    divergence = float(-prior().log_prob(latents).detach().mean() - entropy)
    assert -0.05 < divergence < 0.35 * latent_dim
    drawn = prior().sample((20_000,))
    assert float(((drawn.mean(0) - shift) / scale).abs().max()) < 0.5
    assert torch.allclose(drawn.std(0), scale, rtol=0.35)


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_components_start_where_the_latents_are(covariance: Literal["diagonal", "full"]) -> None:
    torch.manual_seed(0)
    latents = torch.cat([torch.randn(100, 2) - 50, torch.randn(300, 2) + 50])
    prior = MixtureOfGaussians(2, components=40, covariance=covariance)
    prior.start_near(latents)
    share = (prior.logits.softmax(0) * (prior.mean[:, 0] > 0)).sum().item()
    assert share == pytest.approx(0.75, abs=0.2)
    assert (prior.mean.abs() > 40).all()


def test_components_with_full_covariances_lie_along_the_latents() -> None:
    torch.manual_seed(0)
    mixing = torch.tensor([[1.0, 0.0], [3.0, 0.1]])
    latents = torch.randn(4000, 2) @ mixing.mT + torch.tensor([[-40.0, 0.0], [40.0, 0.0]]).repeat_interleave(2000, 0)
    prior = MixtureOfGaussians(2, components=2, covariance="full")
    prior.start_near(latents)
    expected = torch.distributions.MultivariateNormal(torch.zeros(2), scale_tril=mixing)
    divergence = -expected.entropy() - torch.tensor(2.0).log() - prior().log_prob(latents).mean()
    assert divergence.item() == pytest.approx(0.0, abs=0.03)


def test_there_may_be_fewer_latents_than_components_and_dimensions() -> None:
    torch.manual_seed(0)
    latents = torch.randn(12, 20) + 100
    prior = MixtureOfGaussians(20, components=50, covariance="full")
    prior.start_near(latents)
    assert (prior.mean > 90).all()
    assert prior.logits.softmax(0).min() > 1e-3
    assert len(prior.mean.unique(dim=0)) > 12 // 4  # those beyond the clusters have places of their own
    assert -prior().log_prob(torch.randn(1000, 20) + 100).mean() < 200


@pytest.mark.parametrize("n", [1, 50])
def test_latents_that_do_not_vary_have_a_density_nevertheless(n: int) -> None:
    full = MixtureOfGaussians(2, components=3, covariance="full")
    for prior in (FlowPrior(2), MixtureOfGaussians(2, components=3), full):
        prior.start_near(torch.tensor([[1.0, 2.0]]).expand(n, 2))
        assert torch.isfinite(prior().log_prob(torch.tensor([1.0, 2.0])))
        assert torch.isfinite(prior().sample((5,))).all()
        if isinstance(prior, MixtureOfGaussians):
            assert prior.log_scale.exp().min() >= 0.99e-6


@pytest.mark.parametrize("latent_dim", [1, 4])
def test_flows_start_near_the_standard_normal(latent_dim: int) -> None:
    torch.manual_seed(0)
    z = torch.randn(1000, latent_dim)
    standard = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    assert FlowPrior(latent_dim)().log_prob(z).detach() == pytest.approx(standard, abs=0.2)


@pytest.mark.parametrize("latent_dim", [1, 3])
def test_flows_are_not_turned_inside_out_by_latents_of_any_spread(latent_dim: int) -> None:
    torch.manual_seed(0)
    for spread in (1e3, 2e3, 1e5):
        z = spread * torch.randn(1000, latent_dim)
        prior = FlowPrior(latent_dim)
        before = prior().log_prob(z).detach().mean()
        prior.start_near(z)
        after = prior().log_prob(z).detach().mean()
        assert after > before + 1e3
        assert prior().sample((1000,)).std() > 100


def test_a_posterior_starts_with_the_scales_that_it_is_told() -> None:
    posterior, scale = DiagonalGaussian(4, 3), torch.tensor([0.05, 1.0, 20.0])
    posterior.start_along(torch.zeros(3, 4), scale)
    assert posterior(torch.zeros(2, 4)).stddev[0].tolist() == pytest.approx(scale.tolist(), rel=1e-4)
