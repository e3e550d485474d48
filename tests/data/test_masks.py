from __future__ import annotations

import pytest
import torch
from hypothesis import given, strategies

from latentia.core import Batch
from latentia.data import MASKS, Mask, give, spoil
from latentia.data.masks import Blocks, Centre, Everything, Half, Nothing, Rectangles, Scattered, Scratches, Strokes
from latentia.errors import OptionError

SIZES = strategies.integers(8, 40)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", list(MASKS))
@given(n=strategies.integers(1, 4), height=SIZES, width=SIZES, seed=strategies.integers(0, 2**32 - 1))
def test_masks_are_functions_of_the_generator(name: str, n: int, height: int, width: int, seed: int) -> None:
    mask = MASKS.build(name, {})
    drawn = mask(n, height, width, generator(seed))
    assert drawn.shape == (n, 1, height, width)
    assert drawn.dtype == torch.bool
    assert name in ("blocks", "everything") or not drawn.all((1, 2, 3)).any()  # something is missing of each
    assert torch.equal(drawn, mask(n, height, width, generator(seed)))


@pytest.mark.parametrize("name", [name for name in MASKS if name not in ("centre", "nothing", "everything")])
def test_another_seed_gives_other_masks(name: str) -> None:
    mask = MASKS.build(name, {})
    assert not torch.equal(mask(8, 24, 24, generator(0)), mask(8, 24, 24, generator(1)))


def shares(mask: Mask, n: int = 64, side: int = 32) -> torch.Tensor:
    """What is missing of each picture."""
    return 1 - mask(n, side, side, generator(0)).float().mean((1, 2, 3))


def test_shares_of_what_is_missing() -> None:
    assert shares(Scattered(0.8, 0.8)) == pytest.approx(torch.full((64,), 0.8), abs=0.06)
    drawn = shares(Scattered(0.2, 0.9), n=400)
    assert drawn.min() < 0.25
    assert drawn.max() > 0.85
    assert (shares(Centre(0.5)) == 0.25).all()
    assert (shares(Half()) == 0.5).all()
    assert (shares(Nothing()) == 1).all()
    assert shares(Rectangles(0.3)).min() >= 0.3
    assert shares(Rectangles(0.3)).max() < 0.65  # one rectangle more than needed
    assert 0.02 < shares(Scratches()).mean() < 0.15
    assert 0.08 < shares(Strokes()).mean() < 0.35


def test_blocks_are_missing_as_a_whole() -> None:
    drawn = Blocks(0.3, 0.3, side=0.125)(64, 32, 40, generator(0))
    squares = drawn.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4).float().mean(-1)
    assert set(squares.unique().tolist()) == {0.0, 1.0}
    assert squares.mean() == pytest.approx(0.7, abs=0.03)


def test_centre_leaves_an_even_frame() -> None:
    missing = ~Centre(0.5)(1, 28, 20, generator(0))[0, 0]
    rows, columns = missing.any(1).nonzero()[:, 0], missing.any(0).nonzero()[:, 0]
    assert (rows.min(), rows.max()) == (7, 20)
    assert (columns.min(), columns.max()) == (5, 14)
    assert torch.equal(missing, missing.flip(0, 1))


def test_halves_are_all_four() -> None:
    drawn = Half()(64, 6, 6, generator(0))
    assert len(torch.unique(drawn.flatten(1), dim=0)) == 4


def test_scratches_are_thin() -> None:
    """Hardly any pixel has only missing neighbours."""
    missing = (~Scratches(count=1)(64, 64, 64, generator(0))).float()
    inside = torch.nn.functional.avg_pool2d(missing, 5, stride=1) > 0.99
    assert inside.float().mean() == 0


def test_given_is_a_part_of_what_was_observed() -> None:
    observed = torch.rand(50, 1, 12, 12, generator=generator(0)) < 0.5
    batch = give(Batch(torch.zeros(50, 3, 12, 12), observed), [Scattered(0.1, 0.5), Half()], generator(1))
    assert batch.given is not None
    assert not (batch.given & ~observed).any()
    assert (batch.given != observed).flatten(1).any(1).all()


def test_each_family_gets_its_share() -> None:
    batch = give(Batch(torch.zeros(300, 1, 8, 8)), [Nothing(), Centre(), Half()], generator(0))
    assert batch.given is not None
    counts = torch.bincount(batch.given.flatten(1).sum(1), minlength=65)
    assert counts[[0, 32, 48]].min() > 70
    assert counts.sum() == counts[[0, 32, 48]].sum()


def test_without_masks_a_batch_stays_as_it_is() -> None:
    batch = Batch(torch.zeros(2, 1, 8, 8))
    assert give(batch, []) is batch


def test_noise_is_on_some_of_the_pictures() -> None:
    x = torch.full((400, 1, 12, 12), 0.5)
    batch = spoil(give(Batch(x), [Centre()], generator(1)), 0.2, generator(2))
    assert batch.noise is not None
    assert batch.told is not None
    level = batch.noise.flatten()
    assert 0.6 < (level == 0).float().mean() < 0.8
    assert level.max() == pytest.approx(0.2, abs=0.01)
    measured = (batch.told - x).flatten(1).std(1)
    assert measured == pytest.approx(level, abs=0.05)
    assert measured[level == 0].max() == 0
    assert spoil(give(Batch(x + 0.5), [Centre()]), 0.2).told.max() == 1  # as in a file


def test_there_is_noise_on_all_of_which_everything_is_given() -> None:
    batch = spoil(give(Batch(torch.zeros(100, 1, 8, 8)), [Everything()]), 0.2)
    assert batch.noise is not None
    assert (batch.noise > 0).all()


def test_there_is_noise_on_all_of_which_what_was_observed_is_given() -> None:
    observed = torch.ones(100, 1, 8, 8, dtype=torch.bool)
    observed[:, :, :, 0] = False  # as of pictures that were moved
    batch = spoil(give(Batch(torch.zeros(100, 1, 8, 8), observed=observed), [Everything()]), 0.2)
    assert batch.noise is not None
    assert (batch.noise > 0).all()


def test_no_noise_leaves_a_batch_as_it_is() -> None:
    batch = give(Batch(torch.zeros(2, 1, 8, 8)), [Half()])
    assert spoil(batch, 0.0) is batch


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("scattered", {"least": 0.9, "most": 0.5}),
        ("scattered", {"most": 1.5}),
        ("centre", {"share": -0.1}),
        ("rectangles", {"area": 0.95}),
        ("rectangles", {"shortest": 0.0}),
        ("scratches", {"count": 0}),
        ("blocks", {"side": 0.001}),
        ("strokes", {"thinnest": 0.5, "broadest": 0.1}),
    ],
)
def test_impossible_settings_are_refused(name: str, settings: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=r"in order|at least|needs (share|area) in"):
        MASKS.build(name, settings)


def test_rectangles_reach_every_pixel_and_any_area():
    drawn = Rectangles(0.9)(200, 8, 8, torch.Generator().manual_seed(0))
    assert (~drawn).any(0).all()
    assert (1 - drawn.float().mean((1, 2, 3))).min() >= 0.9
