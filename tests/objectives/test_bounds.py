from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from latentia.core import Batch, Inference, LatentGroup
from latentia.distributions import Gaussian
from latentia.distributions.base import diagonal_normal
from latentia.errors import OptionError
from latentia.models import SingleLatentVAE
from latentia.nets import Decoder, Encoder
from latentia.objectives import Elbo, Iwae, group_rate, log_weights, sampled_rate

NOISE = 0.5


class Copy(Encoder):
    features = 1

    def forward(self, x: torch.Tensor, observed: torch.Tensor | None = None) -> torch.Tensor:
        return x


class Identity(Decoder):
    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z


class LinearPosterior(nn.Module):
    """The exact posterior of x = z + noise with a standard normal z, or a wrong one with a wider scale."""

    def __init__(self, widen: float) -> None:
        super().__init__()
        self.widen = widen

    def forward(self, features: torch.Tensor) -> torch.distributions.Distribution:
        variance = NOISE**2 / (1 + NOISE**2)
        return diagonal_normal(features / (1 + NOISE**2), torch.full_like(features, self.widen * variance**0.5))


def linear_model(widen: float = 1.0) -> SingleLatentVAE:
    from latentia.distributions import StandardNormal

    likelihood = Gaussian(initial_scale=NOISE - 1e-3)
    return SingleLatentVAE(Copy(), LinearPosterior(widen), StandardNormal(1), Identity(), likelihood)  # type: ignore[arg-type]


X = torch.tensor([[-2.0], [0.0], [0.7]])
EVIDENCE = torch.distributions.Normal(0.0, math.sqrt(1 + NOISE**2)).log_prob(X)[:, 0]


def test_elbo_is_tight_with_the_exact_posterior() -> None:
    torch.manual_seed(0)
    batch = Batch(X)
    terms = Elbo()(linear_model().infer(batch, 20_000), batch)
    assert torch.allclose(terms.elbo, EVIDENCE, atol=0.02)


def test_iwae_lies_between_elbo_and_evidence_and_closes_in() -> None:
    torch.manual_seed(0)
    batch, model = Batch(X), linear_model(widen=2.0)
    elbo = Elbo()(model.infer(batch, 20_000), batch).elbo
    bounds = [torch.stack([-Iwae(k)(model.infer(batch, k), batch).loss for _ in range(800)]).mean(0) for k in (2, 20)]
    assert (elbo < bounds[0]).all()
    assert (bounds[0] < bounds[1]).all()
    assert (bounds[1] < EVIDENCE + 0.02).all()
    assert torch.allclose(bounds[1], EVIDENCE, atol=0.1)


def test_importance_weights_average_to_the_evidence() -> None:
    torch.manual_seed(0)
    batch = Batch(X)
    weights = log_weights(linear_model(widen=1.5).infer(batch, 50_000), batch)
    assert torch.allclose(torch.logsumexp(weights, 0) - math.log(50_000), EVIDENCE, atol=0.02)


def test_beta_and_warm_up_weigh_the_rate_only() -> None:
    torch.manual_seed(0)
    batch = Batch(X)
    inference = linear_model().infer(batch, 1)
    for beta, step, weight in ((1.0, None, 1.0), (4.0, None, 4.0), (4.0, 0, 0.0), (4.0, 25, 1.0), (4.0, 100, 4.0)):
        terms = Elbo(beta=beta, warmup_steps=100)(inference, batch, step)
        assert torch.allclose(terms.loss, terms.distortion + weight * terms.rate)


def test_warm_up_may_start_above_the_weight_that_it_ends_at() -> None:
    objective = Elbo(beta=2.0, warmup_steps=100, warmup_start=30.0)
    assert [objective.weight(step) for step in (0, 50, 100, None)] == [60.0, 31.0, 2.0, 2.0]
    batch = Batch(X)
    inference = linear_model().infer(batch)
    terms = objective(inference, batch, 50)
    assert torch.allclose(terms.loss, terms.distortion + 31 * terms.rate)


@pytest.mark.parametrize(("step", "weight"), [(0, 0.0), (30, 0.3), (100, 1.0), (None, 1.0)])
def test_the_importance_weighted_bound_warms_up_too(step: int | None, weight: float) -> None:
    """Of one draw it is the distortion and a share of the rate of this draw."""
    torch.manual_seed(0)
    batch = Batch(X)
    inference = linear_model(widen=1.5).infer(batch, 1)
    terms = Iwae(n_samples=1, warmup_steps=100)(inference, batch, step)
    assert torch.equal(terms.rate, sampled_rate(inference.latents[0])[0])
    assert (terms.rate != 0).all()
    assert torch.allclose(terms.loss, terms.distortion + weight * terms.rate, atol=1e-6)


def test_sampled_rate_agrees_with_the_closed_form() -> None:
    torch.manual_seed(0)
    posterior = diagonal_normal(torch.randn(4, 3), torch.rand(4, 3) + 0.2)
    group = LatentGroup("z", posterior, diagonal_normal(torch.zeros(3), torch.ones(3)), posterior.rsample((40_000,)))
    assert torch.allclose(sampled_rate(group).mean(0), group_rate(group), atol=0.05)


def test_masked_positions_of_a_sequence_do_not_count() -> None:
    posterior = diagonal_normal(torch.randn(2, 5, 3), torch.rand(2, 5, 3) + 0.2)
    prior = diagonal_normal(torch.zeros(3), torch.ones(3))
    mask = torch.arange(5) < torch.tensor([5, 2])[:, None]
    sample = posterior.rsample((7,))
    full, short = LatentGroup("frames", posterior, prior, sample), LatentGroup("frames", posterior, prior, sample, mask)
    per_frame = torch.distributions.kl_divergence(posterior, prior)
    assert torch.allclose(group_rate(full), per_frame.sum(1))
    assert torch.allclose(group_rate(short), torch.stack([per_frame[0].sum(), per_frame[1, :2].sum()]))
    assert sampled_rate(short).shape == (7, 2)
    inference = Inference((short,), Gaussian()(torch.zeros(7, 2, 1)))
    assert Elbo()(inference, Batch(torch.zeros(2, 1))).rate.shape == (2,)


@pytest.mark.parametrize("wrong", [{"beta": -1.0}, {"beta": math.nan}, {"warmup_steps": -1}, {"n_samples": 0}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        Elbo(**wrong)  # type: ignore[arg-type]


def test_free_bits_are_free_group_by_group_and_in_the_mean_over_the_batch() -> None:
    busy = torch.tensor([[0.0], [1.0], [4.0]], requires_grad=True)  # rates: half of the squares
    idle = torch.tensor([[0.0], [0.2], [0.4]], requires_grad=True)
    prior = diagonal_normal(torch.zeros(1), torch.ones(1))
    groups = [LatentGroup("z", diagonal_normal(mean, torch.ones(3, 1)), prior, mean[None]) for mean in (busy, idle)]
    inference, batch = Inference(tuple(groups), Gaussian()(torch.zeros(1, 3, 1))), Batch(torch.zeros(3, 1))
    terms = Elbo(beta=2.0, free_bits=1.0)(inference, batch)
    assert torch.allclose(terms.rate, torch.tensor([0.0, 0.52, 8.08]))
    assert torch.allclose(terms.loss - terms.distortion, 2 * (torch.tensor([0.0, 0.5, 8.0]) + 1.0))
    terms.loss.sum().backward()
    assert torch.allclose(busy.grad, 2 * busy.detach())  # type: ignore[arg-type]
    assert not idle.grad.any()  # type: ignore[union-attr]


def test_without_free_bits_an_estimated_rate_may_be_negative() -> None:
    inference = linear_model().infer(Batch(X))
    group = inference.latents[0]
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(torch.ones(1)),
        diagonal_normal(group.posterior.mean[:1], torch.full((1, 1), 0.1)),
    )
    lucky = LatentGroup("z", group.posterior, mixture, group.posterior.mean[:1].expand(1, 3, 1))
    terms = Elbo()(Inference((lucky,), inference.likelihood), Batch(X))
    assert (terms.rate < 0).all()
    assert torch.equal(terms.loss, terms.distortion + terms.rate)
