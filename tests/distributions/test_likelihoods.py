from __future__ import annotations

import math

import pytest
import torch

from latentia.distributions import Bernoulli, DiscretisedGaussian, DiscretisedLogisticMixture, Gaussian
from latentia.errors import OptionError


def test_bernoulli_is_binary_cross_entropy() -> None:
    logits = torch.randn(2, 3, 1, 4, 4)
    x = (torch.rand(3, 1, 4, 4) < 0.5).float()
    p = logits.sigmoid()
    expected = (x * p.log() + (1 - x) * (1 - p).log()).flatten(2).sum(-1)
    assert torch.allclose(Bernoulli()(logits).log_prob(x), expected, atol=1e-4)


@pytest.mark.parametrize("scale", [1e-3, 0.05, 1.0, 30.0])
@pytest.mark.parametrize("location", [-2.0, 0.0, 0.4, 1.0, 3.0])
def test_discretised_gaussian_against_double_precision(location: float, scale: float) -> None:
    likelihood = DiscretisedGaussian(initial_scale=scale).eval()
    distribution = likelihood(torch.full((1, 256, 1, 1, 1), location - 0.5))
    levels = torch.arange(256.0).reshape(256, 1, 1, 1) / 255
    found = distribution.log_prob(levels)[0].double()
    exact = torch.distributions.Normal(torch.tensor(location).double(), distribution.scale.double())
    upper = torch.where(levels.flatten() > 0.999, 1.0, exact.cdf(levels.flatten().double() + 0.5 / 255))
    lower = torch.where(levels.flatten() < 0.001, 0.0, exact.cdf(levels.flatten().double() - 0.5 / 255))
    mass = upper - lower
    likely = mass > 1e-9  # where double precision itself does not cancel
    assert torch.isfinite(found).all()
    assert torch.allclose(found[likely], mass[likely].log(), atol=0.02)


def test_closed_form_scale_is_the_error_in_training_and_its_average_afterwards() -> None:
    likelihood = DiscretisedGaussian(scale="closed-form")
    x = torch.full((4, 1, 2, 2), 0.7)
    parameters = torch.zeros(1, 4, 1, 2, 2)
    for _ in range(1000):
        in_training = likelihood(parameters).log_prob(x)
    likelihood.eval()
    distribution = likelihood(parameters)
    assert distribution.scale.item() == pytest.approx(0.2 + 1e-3, abs=1e-3)
    assert torch.allclose(distribution.log_prob(x), in_training, atol=0.05)


def test_closed_form_scale_beats_any_fixed_one() -> None:
    torch.manual_seed(0)
    x = (torch.rand(64, 1, 4, 4) * 255).round() / 255
    closed = DiscretisedGaussian(scale="closed-form")(torch.zeros(1, 64, 1, 4, 4)).log_prob(x).mean()
    for scale in (0.1, 0.2, 0.5, 1.0):
        fixed = DiscretisedGaussian(initial_scale=scale)(torch.zeros(1, 64, 1, 4, 4)).log_prob(x).mean()
        assert closed >= fixed - 0.5


def test_gaussian_against_torch() -> None:
    mean, x = torch.randn(2, 3, 5), torch.randn(3, 5)
    likelihood = Gaussian(initial_scale=0.7)
    expected = torch.distributions.Normal(mean, likelihood(mean).scale).log_prob(x).sum(-1)
    assert torch.allclose(likelihood(mean).log_prob(x), expected, atol=1e-5)


def test_colour_mixture_sums_to_one_over_the_cube() -> None:
    """All colours whose red, green and blue take 256 levels, one channel free at a time, by the chain rule."""
    torch.manual_seed(0)
    likelihood = DiscretisedLogisticMixture(components=3, channels=3)
    parameters = torch.randn(1, 1, *likelihood.parameter_shape((3, 1, 1)))
    coarse = torch.arange(0, 256.0) / 255
    # Integrate blue exactly and red, green by sampling: the mean of p(r, g) / q(r, g) is 1.
    red, green = (torch.randint(0, 256, (400,)).float() / 255 for _ in range(2))
    colours = torch.stack(
        [red[:, None].expand(-1, 256), green[:, None].expand(-1, 256), coarse.expand(400, 256)], dim=-1
    ).reshape(-1, 3, 1, 1)
    distribution = likelihood(parameters.expand(1, len(colours), *parameters.shape[2:]))
    mass = distribution.log_prob(colours)[0].exp().reshape(400, 256).sum(1) * 256 * 256
    # log p(r, g) from the same mixture, by brute force over blue, must integrate to one
    assert mass.mean().item() == pytest.approx(1.0, abs=4 * mass.std().item() / math.sqrt(400))


def test_colour_mixture_mean_follows_its_samples() -> None:
    torch.manual_seed(0)
    likelihood = DiscretisedLogisticMixture(components=2, channels=3)
    parameters = 0.5 * torch.randn(1, 1, *likelihood.parameter_shape((3, 1, 1)))
    distribution = likelihood(parameters.expand(1, 20_000, *parameters.shape[2:]))
    difference = distribution.sample().mean(1) - distribution.mean[:, 0]
    assert difference.abs().max() < 0.05


def test_unknown_scale_is_refused() -> None:
    with pytest.raises(OptionError, match="closed-form"):
        Gaussian(scale="learned")  # type: ignore[arg-type]


def mixture_of(channels: int, spread: float, scale: float) -> tuple[DiscretisedLogisticMixture, torch.Tensor]:
    """A mixture of three components for one pixel, wide or narrow, in the middle or beyond the ends."""
    torch.manual_seed(3)
    likelihood = DiscretisedLogisticMixture(components=3, channels=channels)
    shape = likelihood.parameter_shape((channels, 1, 1))
    parameters = torch.randn(3, likelihood._per_component) * 0.7
    parameters[:, 1 : 1 + channels] *= spread
    parameters[:, 1 + channels : 1 + 2 * channels] += scale
    return likelihood, parameters.reshape(1, 1, *shape)


def test_colours_sum_to_one_by_the_chain_rule() -> None:
    """Blue over its levels and then green give the mass of red, which is that of a grey mixture, and so sums to one."""
    likelihood, parameters = mixture_of(3, spread=0.3, scale=0.0)
    levels = torch.arange(256.0) / 255
    red = torch.tensor([0.0, 90.0, 200.0, 255.0]) / 255
    grey = DiscretisedLogisticMixture(components=3, channels=1)
    first = parameters.reshape(3, 10)[:, [0, 1, 4]].reshape(1, 1, 9, 1, 1)
    expected = grey(first.expand(1, 4, -1, -1, -1)).log_prob(red.reshape(4, 1, 1, 1))[0].exp()
    for own, mass in zip(red, expected, strict=True):
        colours = torch.cartesian_prod(own[None], levels, levels).reshape(-1, 3, 1, 1)
        found = likelihood(parameters.expand(1, len(colours), -1, -1, -1)).log_prob(colours)[0].double().exp().sum()
        assert found.item() == pytest.approx(mass.item(), rel=2e-3)
    everything = grey(first.expand(1, 256, -1, -1, -1)).log_prob(levels.reshape(256, 1, 1, 1))[0].exp().sum()
    assert everything.item() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("spread", [0.1, 0.5, 1.5])
@pytest.mark.parametrize("scale", [-3.0, 0.0, 1.5])
def test_the_mean_of_a_grey_mixture_is_the_sum_over_its_levels(spread: float, scale: float) -> None:
    likelihood, parameters = mixture_of(1, spread, scale)
    levels = torch.arange(256.0).reshape(256, 1, 1, 1) / 255
    mass = likelihood(parameters.expand(1, 256, -1, -1, -1)).log_prob(levels)[0].double().exp()
    exact = (mass * levels.flatten()).sum().item()
    assert likelihood(parameters).mean.item() == pytest.approx(exact, abs=1e-3)


@pytest.mark.parametrize("scale", [-3.0, 0.0, 1.5])
def test_the_mean_of_a_colour_mixture_is_close_to_that_of_its_draws(scale: float) -> None:
    likelihood, parameters = mixture_of(3, 0.3, scale)
    torch.manual_seed(0)
    drawn = likelihood(parameters.expand(1, 200_000, -1, -1, -1)).sample()[0].mean(0)
    assert likelihood(parameters).mean[0, 0].flatten().tolist() == pytest.approx(drawn.flatten().tolist(), abs=0.01)


def test_nothing_observed_leaves_the_closed_form_scale_as_it_is() -> None:
    likelihood = DiscretisedGaussian(scale="closed-form")
    before = likelihood.mean_square.clone()
    x = torch.rand(2, 1, 4, 4)
    nats = likelihood(torch.zeros(1, 2, 1, 4, 4)).log_prob(x, torch.zeros(2, 1, 1, 1).bool())
    assert torch.equal(nats, torch.zeros(1, 2))
    assert torch.equal(likelihood.mean_square, before)


@pytest.mark.parametrize("components", [1, 2, 5])
def test_a_mixture_of_logistics_starts_around_its_centre(components: int) -> None:
    likelihood = DiscretisedLogisticMixture(components=components, channels=1)
    parameters = likelihood.centre(torch.full((1, 4, 4), 0.5))
    assert likelihood(parameters[None, None]).mean.mean().item() == pytest.approx(0.5, abs=0.01)
