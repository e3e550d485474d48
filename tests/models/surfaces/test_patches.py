from __future__ import annotations

import math

import pytest
import torch

from latentia.models.surfaces import patches as module
from latentia.models.surfaces.patch_mixture import PatchMixture
from latentia.models.surfaces.patches import PatchGuess
from latentia.models.surfaces.stationary import StationaryGuess
from latentia.models.surfaces.tiles import TILE, Tiles
from latentia.training.average import moving_average

SHAPE = (1, 24, 20)


@pytest.fixture(autouse=True)
def of_few_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Edges are simple: what there is to learn of them is learned soon."""
    monkeypatch.setattr(module, "LEARNED_FROM", 10_000)


def edges(n: int, shape: tuple[int, ...] = SHAPE, seed: int = 0) -> torch.Tensor:
    """Half planes of any direction, one level on each side, a little blurred: nothing that a power spectrum knows."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*size: int) -> torch.Tensor:
        return torch.rand(n, *size, 1, 1, generator=generator)

    angle, offset, levels = 2 * math.pi * drawn(1), drawn(1) - 0.5, drawn(2, shape[0])
    rows, columns = (torch.linspace(-1, 1, length) for length in shape[1:])
    along = torch.cos(angle) * rows[:, None] + torch.sin(angle) * columns + offset
    share = torch.sigmoid(20 * along)
    return share * levels[:, 0] + (1 - share) * levels[:, 1]


def some(n: int, shape: tuple[int, ...] = SHAPE, share: float = 0.3) -> torch.Tensor:
    return torch.rand(n, 1, *shape[1:], generator=torch.Generator().manual_seed(1)) < share


def started(x: torch.Tensor) -> PatchGuess:
    surface = PatchGuess(tuple(x.shape[1:])).eval()
    surface.start_at(x)
    return surface


def error(found: torch.Tensor, x: torch.Tensor) -> float:
    return float((found - x).square().mean())


def test_of_one_kind_it_is_the_mean_of_a_normal_distribution() -> None:
    generator = torch.Generator().manual_seed(0)
    patches = torch.randn(4000, 6, generator=generator) @ torch.randn(6, 6, generator=generator) + 0.3
    mixture = PatchMixture(6, kinds=1)
    mixture.start_at(patches)
    mean, covariance = patches.mean(0), torch.cov(patches.T, correction=0)
    noise = torch.tensor([1e-3, 10.0, 0.5, 1e-3, 1e4, 1e4])
    for patch, found in zip(patches[:5], mixture(patches[:5], noise.expand(5, 6)), strict=True):
        expected = mean + covariance @ torch.linalg.solve(covariance + noise.diag(), patch - mean)
        assert found == pytest.approx(expected, abs=2e-3)


def test_kinds_are_told_from_each_other_and_chosen_in_spite_of_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    along = torch.stack([torch.tensor([1.0, 1, 0, 0]), torch.tensor([0.0, 0, 1, -1])])
    kind = torch.randint(2, (2000,), generator=generator)
    patches = torch.randn(2000, 1, generator=generator) * along[kind] + 2.0 * kind[:, None]
    noisy = patches + 0.2 * torch.randn(patches.shape, generator=generator)
    mixture = PatchMixture(4, kinds=2, rank=1)
    mixture.start_at(patches)
    chosen = mixture.most_probable(noisy, torch.full((2000,), 0.04))
    agree = (chosen == kind).float().mean()
    assert max(agree, 1 - agree) > 0.85
    assert error(mixture(noisy, torch.full_like(noisy, 0.04)), patches) < 0.45 * error(noisy, patches)


@pytest.mark.parametrize("shape", [SHAPE, (3, 16, 16)])
def test_edges_are_filled_in_better_than_by_what_is_the_same_everywhere(shape: tuple[int, int, int]) -> None:
    examples, x, given = edges(300, shape), edges(40, shape, seed=7), some(40, shape)
    other = StationaryGuess(shape)
    other.start_at(examples)
    first = other(x, given)
    surface = started(examples)
    found = surface(x, given, start=first)
    assert error(found, x) < 0.4 * error(first, x)
    assert error(surface.train()(x, given, start=first), x) < 0.6 * error(first, x)


def test_noise_is_taken_off() -> None:
    x = edges(40, seed=7)
    noisy = x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(3))
    given, noise = torch.ones_like(x, dtype=torch.bool), torch.full((40, 1, 1, 1), 0.1)
    examples = edges(300)
    other = StationaryGuess(SHAPE)
    other.start_at(examples)
    found = started(examples)(noisy, given, noise, start=noisy)
    assert error(found, x) < 0.25 * error(noisy, x)
    assert error(found, x) < 0.7 * error(other(noisy, given, noise, noisy), x)


def test_what_is_given_stays_and_what_is_not_does_not_matter() -> None:
    x, given = edges(20), some(20)
    surface, start = started(edges(100)), torch.full_like(x, 0.5)
    filled = surface(torch.where(given, x, math.nan), given, start=start)
    assert torch.equal(filled, surface(torch.where(given, x, 7.0), given, start=start))
    assert torch.equal(filled[given], x[given])
    assert torch.isfinite(filled).all()


def test_noise_of_one_picture_is_no_matter_of_the_others() -> None:
    x, given = edges(4), some(4)
    surface, start = started(edges(100)), torch.full_like(x, 0.5)
    noise = torch.tensor([0.0, 0.2, 0.0, 0.0]).view(4, 1, 1, 1)
    plain, mixed = (surface(x, given, level, start=start) for level in (None, noise))
    same = torch.tensor([True, False, True, True])
    assert torch.allclose(plain[same], mixed[same], atol=1e-5)
    assert not torch.allclose(plain[1], mixed[1], atol=1e-2)


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 8, 10), (4, 9, 7), (1, 2, 2), (16, 6, 6)])
@pytest.mark.parametrize("n", [1, 30])
def test_few_or_flat_examples_and_small_pictures_do_no_harm(shape: tuple[int, int, int], n: int) -> None:
    for x in (edges(n, shape), torch.full((n, *shape), 0.3)):
        for given in (some(n, shape), torch.zeros(n, 1, *shape[1:], dtype=torch.bool)):
            assert torch.isfinite(started(x)(x, given, start=torch.full_like(x, 0.5))).all()


def test_kinds_that_few_examples_leave_unused_bear_averaging_of_weights() -> None:
    surface = started(edges(1, (1, 16, 16)))
    assert (surface.kinds.log_shares < -1e5).any()
    averages, currents = ([buffer.clone() for buffer in surface.buffers()] for _ in range(2))
    moving_average(0.9)(averages, currents, 100)
    assert all(torch.equal(average, current) for average, current in zip(averages, currents, strict=True))


def test_pictures_come_out_as_they_do_alone() -> None:
    x, given = edges(60), some(60)
    surface, start = started(edges(100)), torch.full_like(x, 0.5)
    parts = [surface(x[rows], given[rows], start=start[rows]) for rows in torch.arange(60).split(7)]
    assert torch.allclose(torch.cat(parts), surface(x, given, start=start), atol=1e-4)


def test_where_a_patch_lies_tells_what_it_may_be() -> None:
    """Pictures are dark on the left and bright on the right, and next to nothing of them is given."""
    levels = 0.2 * torch.rand(200, 1, 1, 2, generator=torch.Generator().manual_seed(0)) + torch.tensor([0.3, 0.5])
    pictures = levels.repeat_interleave(12, 3).expand(200, 1, 24, 24)
    examples, x = pictures[:160], pictures[160:]
    given, start = some(40, x.shape[1:], share=0.01), torch.full_like(x, 0.5)
    surface, blind = started(examples), started(examples)
    blind.kinds.start_at(_with_places_of_nothing(examples, blind.side))
    errors = [error(each(x, given, start=start), x) for each in (surface, blind)]
    assert errors[0] < 0.9 * errors[1]


def _with_places_of_nothing(examples: torch.Tensor, side: int) -> torch.Tensor:
    """Patches whose places are drawn, so that nothing can be learned from them."""
    drawn = module._drawn(examples, side)
    return torch.cat([drawn[:, :-2], torch.rand(len(drawn), 2, generator=torch.Generator().manual_seed(2))], 1)


def test_places_of_patches_are_on_the_device_of_the_pictures() -> None:
    """Of no device with values, so that this needs no GPU."""
    assert module._Grid(torch.zeros(1, 1, 8, 8, device="meta"), 4, 2, 1).places.device.type == "meta"


def test_rows_come_out_of_tiles_as_they_went_in() -> None:
    kinds = torch.tensor([0] * 3 + [4] * (TILE + 1) + [5] + [9] * TILE)
    rows = torch.arange(2.0 * len(kinds)).view(-1, 2) + 1
    tiles = Tiles.of(kinds)
    laid = tiles.lay(rows)
    assert tiles.kinds.tolist() == [0, 4, 4, 5, 9]
    assert torch.equal(tiles.lift(laid), rows)
    assert int((laid != 0).any(2).sum()) == len(rows)
    assert torch.equal(tiles.lift(tiles.kinds[:, None, None].expand(-1, TILE, 1))[:, 0], kinds)


def test_kinds_compare_by_their_densities_under_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    mixture = PatchMixture(5, kinds=3)
    parts = [
        torch.randn(900, 5, generator=generator) @ torch.randn(5, 5, generator=generator) + 2 * n for n in range(3)
    ]
    patches = torch.cat(parts)[torch.randperm(2700, generator=generator)]
    mixture.start_at(patches)
    noise = 0.25 * torch.eye(5)
    scores = []
    for kind in range(3):
        directions = mixture.directions[kind]
        covariance = directions @ mixture.variances[kind].diag() @ directions.T + mixture.rest[kind] * torch.eye(5)
        density = torch.distributions.MultivariateNormal(mixture.means[kind], covariance + noise)
        scores.append(density.log_prob(patches) + mixture.log_shares[kind])
    best = torch.stack(scores, 1).argmax(1)
    assert (mixture.most_probable(patches, torch.full((2700,), 0.25)) == best).float().mean() > 0.99


@pytest.mark.parametrize("number", [0, 1, 3])
def test_patches_join_to_what_they_were_cut_from_and_their_middles_count_most(number: int) -> None:
    x = edges(3, (2, 13, 11))
    grid = module._Grid(x, 6, 3, number)
    patches = grid.cut(x)
    assert torch.allclose(grid.join(patches), x, atol=1e-6)
    middle, rim = (torch.zeros(6, 6) for _ in range(2))
    middle[2:4, 2:4] = 1
    rim[0], rim[-1] = 1, 1
    middles, rims = ((grid.join(patches + part.flatten().repeat(2)) - x).sum() / part.sum() for part in (middle, rim))
    assert middles > 3 * rims
