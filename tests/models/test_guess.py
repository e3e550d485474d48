from __future__ import annotations

import pytest
import torch

from latentia.models.guess import CAUTION, LinearGuess


def pictures(n: int = 400, colours: int = 3) -> torch.Tensor:
    """Pictures that two axes span, with a little noise."""
    generator = torch.Generator().manual_seed(0)
    axes = 0.1 * torch.randn(2, colours, 6, 5, generator=generator)
    code = torch.randn(n, 2, generator=generator)
    noise = 0.01 * torch.randn(n, colours, 6, 5, generator=generator)
    return 0.5 + torch.einsum("nk,kchw->nchw", code, axes) + noise


def started(x: torch.Tensor, axes: int = 2) -> LinearGuess:
    torch.manual_seed(0)
    guess = LinearGuess(tuple(x.shape[1:]), axes)
    guess.start_at(x)
    return guess


def test_a_guess_is_the_mean_of_a_normal_distribution_given_a_part() -> None:
    x = pictures()
    guess, given = started(x), torch.rand(400, 1, 6, 5, generator=torch.Generator().manual_seed(1)) < 0.3
    found = guess(x.where(given, torch.tensor(torch.nan)), given)
    axes, size = guess.axes.flatten(1), x[0].numel()
    covariance = axes.T @ axes + guess.level * torch.eye(size)
    for number in (0, 7):
        seen = given[number].expand(3, 6, 5).flatten()
        away = (x[number] - guess.mean).flatten()[seen]
        # The picture without noise: of the noise on what is given nothing is kept.
        clean = axes.T @ axes[:, seen] @ torch.linalg.solve(covariance[seen][:, seen], away)
        assert found[number].flatten() == pytest.approx(guess.mean.flatten() + clean, abs=1e-4)
    assert (found - x).square().mean().sqrt() < 0.02


def test_nothing_given_is_the_mean_and_noise_brings_guesses_nearer_to_it() -> None:
    x = pictures()
    guess = started(x)
    assert torch.equal(guess(x, torch.zeros(400, 1, 6, 5).bool()), guess.mean.expand_as(x))
    everything = torch.ones(400, 1, 6, 5).bool()
    away = [(guess(x, everything, torch.full((400, 1, 1, 1), s)) - guess.mean).norm() for s in (0.0, 0.3, 3.0)]
    assert away[0] > away[1] > 5 * away[2]


def test_the_level_is_what_the_axes_leave_over_with_caution() -> None:
    assert started(pictures()).level.item() == pytest.approx(CAUTION * 0.01**2, rel=0.1)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_examples_leave_axes_unused(n: int) -> None:
    x = pictures(n)
    guess = started(x, axes=4)
    assert torch.isfinite(guess(x, torch.ones(n, 1, 6, 5).bool())).all()
    assert (guess.axes.flatten(1).norm(dim=1) > 0).sum() <= max(0, n - 1)
