from __future__ import annotations

import math

import pytest
import torch
from scipy.fft import dctn, idctn

from latentia.models.surfaces.stationary import StationaryGuess

SHAPE = (3, 8, 6)
TURN = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(5))).Q


def powers() -> torch.Tensor:
    """Less at high frequencies, as in pictures, and different for each colour."""
    down, across = torch.arange(8.0)[:, None], torch.arange(6.0)
    return torch.tensor([1.0, 0.3, 0.05]).view(3, 1, 1) / (1 + down**2 + across**2)


def pictures(n: int = 300) -> torch.Tensor:
    white = torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(0))
    turned = torch.from_numpy(idctn((white * powers().sqrt()).numpy(), axes=(2, 3), norm="ortho"))
    return 0.5 + torch.einsum("cd,ndhw->nchw", TURN, turned).float()


def started(x: torch.Tensor) -> StationaryGuess:
    surface = StationaryGuess(tuple(x.shape[1:]))
    surface.start_at(x)
    return surface


def some(n: int, share: float = 0.5) -> torch.Tensor:
    return torch.rand(n, 1, *SHAPE[1:], generator=torch.Generator().manual_seed(1)) < share


def covariance(surface: StationaryGuess) -> torch.Tensor:
    """Of pictures as flat vectors, column by column from scipy's transform."""
    unit = torch.eye(math.prod(SHAPE)).view(-1, *SHAPE).double()
    turned = torch.einsum("dc,nchw->ndhw", surface.colours.double(), unit)
    shaped = dctn(turned.numpy(), axes=(2, 3), norm="ortho") * surface.power.double().numpy()
    back = torch.from_numpy(idctn(shaped, axes=(2, 3), norm="ortho"))
    return torch.einsum("dc,ndhw->nchw", surface.colours.double(), back).flatten(1)


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_it_is_the_mean_of_a_normal_distribution_given_a_part(noise: float) -> None:
    x, given = pictures(), some(300)
    surface = started(x)
    found = surface(x.where(given, torch.tensor(torch.nan)), given, torch.full((300, 1, 1, 1), noise), steps=100)
    of_all = covariance(surface)
    for number in (0, 7):
        seen = given[number].expand(SHAPE).flatten()
        away = (x[number] - surface.mean).flatten()[seen].double()
        of_seen = of_all[seen][:, seen] + noise**2 * torch.eye(int(seen.sum()))
        expected = of_all[:, seen] @ torch.linalg.solve(of_seen, away)
        assert found[number].flatten() == pytest.approx((surface.mean.flatten() + expected).float(), abs=2e-3)


def test_powers_and_colours_are_those_of_the_examples() -> None:
    surface = started(pictures(3000))
    order = surface.power.sum((1, 2)).argsort(descending=True)
    assert (surface.colours[order] @ TURN).abs() == pytest.approx(torch.eye(3), abs=0.1)
    ratio = surface.power[order] / powers()
    assert ratio[:, 2:, 2:] == pytest.approx(torch.ones(3, 6, 4), rel=0.5)
    assert surface.power[order][0, 0, 0] > 20 * surface.power[order][0, -1, -1]


def test_what_is_given_stays_and_what_is_not_does_not_matter() -> None:
    x, given = pictures(), some(300)
    surface = started(x)
    filled = surface(torch.where(given, x, math.nan), given)
    assert torch.equal(filled, surface(torch.where(given, x, 7.0), given))
    assert torch.allclose(torch.where(given, filled, 0), torch.where(given, x, 0), atol=1e-5)


def test_nothing_given_is_the_mean() -> None:
    x = pictures()
    surface = started(x)
    assert torch.allclose(surface(x, torch.zeros(300, 1, 8, 6).bool()), surface.mean.expand_as(x), atol=1e-5)


def test_a_good_start_spares_steps() -> None:
    x, given = pictures(), some(300)
    surface = started(x)
    goal = surface(x, given, steps=100)
    near = goal + 0.01 * torch.randn(goal.shape, generator=torch.Generator().manual_seed(2))
    errors = [(surface(x, given, start=start, steps=2) - goal).norm() for start in (None, near)]
    assert errors[1] < 0.5 * errors[0]
    assert torch.allclose(surface(x, given, start=near, steps=100), goal, atol=1e-3)


@pytest.mark.parametrize("n", [1, 2])
def test_few_or_flat_examples_do_no_harm(n: int) -> None:
    for x in (pictures(n), torch.full((n, *SHAPE), 0.3)):
        assert torch.isfinite(started(x)(x, some(n))).all()
