from __future__ import annotations

import pytest
import torch

from latentia.models.surfaces.guess import CAUTION, LinearGuess


def pictures(n: int = 400, colours: int = 3) -> torch.Tensor:
    """Pictures that two axes span, with a little noise."""
    generator = torch.Generator().manual_seed(0)
    axes = 0.1 * torch.randn(2, colours, 6, 5, generator=generator)
    code = torch.randn(n, 2, generator=generator)
    noise = 0.01 * torch.randn(n, colours, 6, 5, generator=generator)
    return 0.5 + torch.einsum("nk,kchw->nchw", code, axes) + noise


def started(x: torch.Tensor, axes: int = 2, latent_dim: int = 2) -> LinearGuess:
    torch.manual_seed(0)
    guess = LinearGuess(tuple(x.shape[1:]), axes, latent_dim)
    guess.start_at(x)
    return guess


def test_a_guess_is_the_mean_of_a_normal_distribution_given_a_part() -> None:
    x = pictures()
    guess, given = started(x), torch.rand(400, 1, 6, 5, generator=torch.Generator().manual_seed(1)) < 0.3
    found = guess(x.where(given, torch.tensor(torch.nan)), given).mean
    axes, size = guess.axes.flatten(1), x[0].numel()
    covariance = axes.T @ axes + guess.level * torch.eye(size)
    for number in (0, 7):
        seen = given[number].expand(3, 6, 5).flatten()
        away = (x[number] - guess.mean).flatten()[seen]
        # The picture without noise: of the noise on what is given nothing is kept.
        clean = axes.T @ axes[:, seen] @ torch.linalg.solve(covariance[seen][:, seen], away)
        assert found[number].flatten() == pytest.approx(guess.mean.flatten() + clean, abs=1e-4)
    assert (found - x).square().mean().sqrt() < 0.02


@pytest.mark.parametrize("colours", [1, 3])
def test_pictures_of_few_degrees_of_freedom(colours: int) -> None:
    halves = torch.rand(300, colours, 2, 1, generator=torch.Generator().manual_seed(0))
    x = halves.repeat_interleave(32, 2).expand(-1, -1, -1, 64)
    given = torch.zeros(300, 1, 64, 64, dtype=torch.bool)
    given[:, :, :32] = True  # where all axes look alike
    found = started(x, 2 * colours, 2).forward(x, given).mean
    assert (found - x)[:, :, :32].abs().max() < 0.02


@pytest.mark.parametrize("latent_dim", [1, 2, 5])
def test_standard_latents_draw_from_that_distribution(latent_dim: int) -> None:
    """With fewer latents than components the first of these vary, the others staying what they are expected to be."""
    x = pictures(colours=1)
    guess, given = started(x, latent_dim=latent_dim), torch.zeros(400, 1, 6, 5).bool()
    given[:, :, :1, :2] = True
    found = guess(x, given)
    axes = guess.axes.flatten(1)
    seen = given[0].flatten()
    precision = torch.eye(2) + axes[:, seen] @ axes[:, seen].T / guess.level
    covariance = torch.linalg.inv(precision)
    if latent_dim == 1:
        covariance = torch.tensor([[1 / precision[0, 0], 0.0], [0.0, 0.0]])
    z = torch.eye(latent_dim)[:, None].expand(-1, 400, -1)
    directions = found.change(z)[:, 0].flatten(1)
    assert directions.T @ directions == pytest.approx(axes.T @ covariance @ axes, abs=1e-4)
    assert (directions[2:] == 0).all()


def test_the_latents_of_a_picture_that_is_seen_lead_to_it() -> None:
    x = pictures(colours=1)
    guess, given = started(x), torch.zeros(400, 1, 6, 5).bool()
    given[:, :, 0, 0] = True
    found = guess(x, given)
    posterior = found.posterior(x, ~given, torch.tensor(1 / CAUTION))
    there = (found.mean + found.change(posterior.mean[None])[0] - x)[~given]
    before = (found.mean - x)[~given]
    assert there.square().mean().sqrt() < 0.015 < 0.25 * before.square().mean().sqrt()
    # The true posterior, by the rules of normal distributions.
    directions = torch.stack([found.change(way.expand(1, 400, -1))[0, 3] for way in torch.eye(2)]).flatten(1)
    open_there = (~given)[3].flatten()
    rest, noise = directions[:, open_there], guess.level / CAUTION
    precision = torch.eye(2) + rest @ rest.T / noise
    mean = torch.linalg.solve(precision, rest @ (x - found.mean)[3].flatten()[open_there] / noise)
    assert posterior.mean[3] == pytest.approx(mean, rel=1e-3)
    assert posterior.stddev[3] == pytest.approx(precision.diagonal().rsqrt(), rel=1e-3)
    blind = found.posterior(x, torch.zeros(400, 1, 6, 5).bool(), torch.tensor(1.0))
    assert torch.equal(blind.mean, torch.zeros(400, 2))
    assert torch.equal(blind.stddev, torch.ones(400, 2))


def test_nothing_given_is_the_mean_and_noise_brings_guesses_nearer_to_it() -> None:
    x = pictures()
    guess = started(x)
    assert torch.equal(guess(x, torch.zeros(400, 1, 6, 5).bool()).mean, guess.mean.expand_as(x))
    everything = torch.ones(400, 1, 6, 5).bool()
    away = [(guess(x, everything, torch.full((400, 1, 1, 1), s)).mean - guess.mean).norm() for s in (0.0, 0.3, 3.0)]
    assert away[0] > away[1] > 5 * away[2]


def test_the_level_is_what_the_axes_leave_over_with_caution() -> None:
    assert started(pictures()).level.item() == pytest.approx(CAUTION * 0.01**2, rel=0.1)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_examples_leave_axes_unused(n: int) -> None:
    x = pictures(n)
    guess = started(x, axes=4)
    assert torch.isfinite(guess(x, torch.ones(n, 1, 6, 5).bool()).mean).all()
    assert (guess.axes.flatten(1).norm(dim=1) > 0).sum() <= max(0, n - 1)
