from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies

from latentia.tasks.squares import Square, squares_around, tiles

MODEL = (16, 16)


def covered(squares: list[Square], size: tuple[int, int]) -> np.ndarray:
    """How often each pixel is filled in; nothing is filled in outside of the picture."""
    counts = np.zeros(size, int)
    for square in squares:
        inside, there = square.box.overlap(size)
        assert square.holes.shape == (square.box.height, square.box.width)
        assert square.holes[there].sum() == square.holes.sum() > 0
        counts[inside] += square.holes[there]
    return counts


@given(
    strategies.integers(4, 90),
    strategies.integers(4, 90),
    strategies.sampled_from([MODEL, (12, 20)]),
    strategies.floats(0.02, 0.9),
    strategies.integers(1, 9),
    strategies.integers(0, 2**32 - 1),
)
def test_each_missing_pixel_is_filled_in_once(
    height: int, width: int, model: tuple[int, int], share: float, grain: int, seed: int
) -> None:
    coarse = np.random.default_rng(seed).random((height // grain + 1, width // grain + 1)) < share
    missing = coarse.repeat(grain, 0).repeat(grain, 1)[:height, :width]
    if missing.any():
        squares = squares_around(missing, model)
        assert np.array_equal(covered(squares, missing.shape), missing)
        for square in squares:
            assert square.box.height / model[0] == pytest.approx(square.factor, abs=0.5 / model[0])


@pytest.mark.parametrize(("tall", "wide"), [(20, 20), (10, 30), (40, 12)])
def test_a_hole_has_the_smallest_square_with_twice_its_size(tall: int, wide: int) -> None:
    missing = np.zeros((100, 120), np.bool_)
    missing[35 : 35 + tall, 50 : 50 + wide] = True
    (square,) = squares_around(missing, MODEL)
    side = 2 * max(tall, wide)
    assert (square.box.height, square.box.width) == (side, side)
    assert square.factor == side / 16
    middle = square.box.top + side / 2, square.box.left + side / 2
    assert middle == pytest.approx((35 + tall / 2, 50 + wide / 2), abs=0.5)


def test_squares_stay_within_the_picture_as_far_as_they_fit() -> None:
    missing = np.zeros((100, 120), np.bool_)
    missing[:20, -20:] = True
    assert squares_around(missing, MODEL)[0].box == (0, 80, 40, 40)
    missing[:, -80:] = True
    assert squares_around(missing, MODEL)[0].box == (-10, 0, 120, 120)  # no larger than the whole picture needs


def test_small_holes_share_squares_of_the_models_own_size() -> None:
    missing = np.zeros((64, 64), np.bool_)
    missing[20:24, 20:24] = missing[25:27, 22:25] = True
    (square,) = squares_around(missing, MODEL)
    assert square.factor == 1
    assert square.holes.sum() == 22


def test_scratches_are_filled_in_at_full_detail() -> None:
    missing = np.zeros((200, 200), np.bool_)
    for row in range(200):
        missing[row, max(0, row - 1) : row + 2] = True
    assert {square.factor for square in squares_around(missing, MODEL)} == {1.0}


def test_holes_far_apart_have_squares_of_their_own() -> None:
    missing = np.zeros((300, 300), np.bool_)
    missing[10:40, 10:40] = missing[200:260, 220:260] = True
    assert sorted(square.box.height for square in squares_around(missing, MODEL)) == [60, 120]


@pytest.mark.parametrize("size", [(16, 16), (12, 16), (9, 5)])
def test_a_picture_no_larger_than_the_model_is_one_square(size: tuple[int, int]) -> None:
    missing = np.eye(*size, dtype=np.bool_)
    (square,) = squares_around(missing, MODEL)
    assert square.box.height == square.box.width == max(size)
    assert square.factor == max(size) / 16


@pytest.mark.parametrize("size", [(16, 16), (40, 64), (7, 100)])
def test_tiles_cover_a_picture_once_and_have_context(size: tuple[int, int]) -> None:
    squares = tiles(size, MODEL)
    assert (covered(squares, size) == 1).all()
    for square in squares:
        rows = square.holes.any(1).nonzero()[0]
        inner = square.box.top > 0 and square.box.top + 16 < size[0]
        assert not inner or (rows.min() >= 3 and rows.max() <= 12)  # a quarter of the context on each side


def factors(missing: np.ndarray, model: tuple[int, int]) -> np.ndarray:
    """By how much each missing pixel was scaled."""
    result = np.zeros(missing.shape)
    for square in squares_around(missing, model):
        inside, there = square.box.overlap(missing.shape)
        result[inside][square.holes[there]] = square.factor
    return result


def test_a_scratch_that_ends_in_a_stain_keeps_its_detail() -> None:
    missing = np.zeros((300, 500), np.bool_)
    missing[120:180, 20:80] = missing[149:152, 80:480] = True
    found = factors(missing, (64, 64))
    assert (found[149:152, 90:480] == 1).all()
    assert found[150, 50] == pytest.approx(2 * 60 / 64, rel=0.3)


def test_a_large_hole_among_scattered_ones_is_scaled_alone() -> None:
    missing = np.random.default_rng(0).random((256, 256)) < 0.8
    missing[100:160, 100:160] = True
    found = factors(missing, (64, 64))
    assert found[130, 130] == pytest.approx(2 * 60 / 64, rel=0.3)
    found[90:170, 90:170] = 0
    assert set(np.unique(found)) == {0.0, 1.0}


@pytest.mark.parametrize("side", [40, 60, 90])
def test_a_round_hole_is_one(side: int) -> None:
    rows, columns = np.ogrid[-120:120, -120:120]
    missing = rows**2 + columns**2 <= (side / 2) ** 2
    (square,) = squares_around(missing, (32, 32))
    assert square.factor == pytest.approx(2 * side / 32, rel=0.05)


def test_what_is_given_all_over_a_hole_is_not_scaled_away() -> None:
    missing = np.random.default_rng(0).random((80, 80)) < 0.95
    assert {square.factor for square in squares_around(missing, (64, 64))} == {1.0}
