from __future__ import annotations

import math

import pytest
import torch
from scipy.ndimage import gaussian_filter

from latentia.models.surfaces.shrunk import SHRINKAGES, ShrunkGuess
from latentia.models.surfaces.stationary import StationaryGuess

SHAPE = (2, 12, 10)


def rough(n: int, seed: int = 0, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    """Pictures that are the same everywhere: drawn in large ones, of which a part is cut out."""
    channels, rows, columns = shape
    white = torch.randn(n, channels, 3 * rows, 3 * columns, generator=torch.Generator().manual_seed(seed))
    smooth = torch.from_numpy(gaussian_filter(white.numpy(), (0, 0, 1.5, 1.5)))
    return 0.5 + 0.5 * smooth[:, :, rows : 2 * rows, columns : 2 * columns]


def alike(n: int, seed: int = 0, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    """Pictures of four parts, always the same ones at the same places, on a little of what is rough."""
    parts = torch.randn(4, *shape, generator=torch.Generator().manual_seed(99))
    shares = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed + 1))
    return 0.2 * torch.einsum("na,achw->nchw", shares, parts) + 0.1 * rough(n, seed, shape)


def some(n: int, share: float = 0.4) -> torch.Tensor:
    return torch.rand(n, 1, *SHAPE[1:], generator=torch.Generator().manual_seed(1)) < share


def started(x: torch.Tensor) -> ShrunkGuess:
    surface = ShrunkGuess(tuple(x.shape[1:]))
    surface.start_at(x)
    return surface


def error(found: torch.Tensor, x: torch.Tensor) -> float:
    return float((found - x).square().mean())


def covariance(surface: ShrunkGuess) -> torch.Tensor:
    """Of pictures as flat vectors."""
    frame = surface.stationary
    unit = torch.eye(math.prod(SHAPE)).view(-1, *SHAPE)
    waves = frame.to_waves(frame.colour(unit)).flatten(1).double()
    axes = surface.components.flatten(1).double()
    return waves @ (surface.rest.flatten().double().diag() + axes.T @ axes) @ waves.T


def test_it_is_the_mean_of_a_normal_distribution_given_a_part() -> None:
    x, given = alike(300), some(300)
    surface = started(x)
    found = surface(x.where(given, torch.tensor(torch.nan)), given, steps=200)
    of_all, mean = covariance(surface), surface.stationary.mean.flatten()
    for number in (0, 7):
        seen = given[number].expand(SHAPE).flatten()
        away = (x[number].flatten() - mean)[seen].double()
        expected = of_all[:, seen] @ torch.linalg.solve(of_all[seen][:, seen], away)
        assert found[number].flatten() == pytest.approx((mean + expected).float(), abs=5e-3)


def test_what_pictures_have_in_common_is_made_use_of() -> None:
    examples, x, given = alike(400), alike(40, seed=7), some(40, share=0.2)
    surface, other = started(examples), StationaryGuess(SHAPE)
    other.start_at(examples)
    assert surface.shrinkage < 0.5
    assert error(surface(x, given), x) < 0.3 * error(other(x, given), x)


def test_where_there_is_nothing_in_common_it_is_next_to_stationary() -> None:
    examples, x, given = rough(60), rough(60, seed=7), some(60)
    surface, other = started(examples), StationaryGuess(SHAPE)
    other.start_at(examples)
    assert surface.shrinkage > 0.8
    assert error(surface(x, given), x) < 1.1 * error(other(x, given), x)


def test_noisy_pictures_are_those_of_the_stationary_one_and_others_do_not_depend_on_them() -> None:
    x, given = alike(4), some(4)
    surface = started(alike(100))
    noise = torch.tensor([0.0, 0.2, 0.0, 0.1]).view(4, 1, 1, 1)
    mixed, noisy = surface(x, given, noise), noise.flatten() > 0
    assert torch.allclose(mixed[~noisy], surface(x, given)[~noisy], atol=1e-4)
    assert torch.allclose(mixed[noisy], surface.stationary(x[noisy], given[noisy], noise[noisy]), atol=1e-5)


def test_what_is_given_stays_and_what_is_not_does_not_matter() -> None:
    x, given = alike(100), some(100)
    surface = started(x)
    filled = surface(torch.where(given, x, math.nan), given)
    assert torch.equal(filled, surface(torch.where(given, x, 7.0), given))
    assert torch.allclose(torch.where(given, filled, 0), torch.where(given, x, 0), atol=1e-5)


def test_nothing_given_is_the_mean() -> None:
    x = alike(100)
    surface = started(x)
    nothing = torch.zeros(100, 1, *SHAPE[1:]).bool()
    assert torch.allclose(surface(x, nothing), surface.stationary.mean.expand_as(x), atol=1e-4)


@pytest.mark.parametrize("shape", [SHAPE, (1, 3, 3), (3, 1, 2)])
@pytest.mark.parametrize("n", [1, 2, 15, 16, 40])
def test_few_or_flat_examples_and_small_pictures_do_no_harm(n: int, shape: tuple[int, int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    given = torch.rand(n, 1, *shape[1:], generator=generator) < 0.5
    for x in (alike(n, shape=shape), torch.full((n, *shape), 0.3)):
        assert torch.isfinite(started(x)(x, given)).all()


def test_it_is_shrunk_as_suits_what_is_made_of_it() -> None:
    """Where nothing is made of the surface all shrinkages are as good, and the first is taken; else that of the least
    error that is left."""
    examples = torch.rand(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    perfect = ShrunkGuess((1, 8, 8))
    perfect.start_at(examples, after=lambda x, given, surface: x)
    assert float(perfect.shrinkage) == pytest.approx(SHRINKAGES[0])
    plain = ShrunkGuess((1, 8, 8))
    plain.start_at(examples)
    assert float(plain.shrinkage) > SHRINKAGES[0]
