from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentia.data import Dataset, epoch_order, holdout, require_trainable
from latentia.errors import DataError


def dataset(values) -> Dataset:
    return Dataset(np.array(values, np.uint8).reshape(-1, 1, 1, 1))


@settings(deadline=None)
@given(
    values=st.lists(st.integers(0, 255), min_size=2, max_size=60),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 5),
    shuffle=st.randoms(use_true_random=False),
)
def test_holdout_divides_by_content(values, fraction, seed, shuffle):
    train, held = holdout(dataset(values), fraction, seed)
    assert sorted([*train, *held]) == list(range(len(values)))
    assert len(train) >= 1
    assert len(held) >= 1
    kept, out = ({values[i] for i in part} for part in (train, held))
    if len(set(values)) > 1:
        assert not kept & out
    order = list(values)
    shuffle.shuffle(order)
    again = holdout(dataset(order), fraction, seed)[1]
    if len(set(values)) > 1:
        assert {order[i] for i in again} == out


def test_holdout_is_about_the_fraction_and_follows_the_seed():
    data = Dataset(np.random.default_rng(0).integers(0, 256, (500, 2, 2, 1), dtype=np.uint8))
    first, other = holdout(data, 0.1, 0)[1], holdout(data, 0.1, 1)[1]
    assert len(first) == len(other) == 50
    assert set(first.tolist()) != set(other.tolist())
    assert holdout(data, 0.1, 0)[1].tolist() == first.tolist()


def test_nothing_is_held_out_when_not_asked_or_not_possible():
    assert [len(part) for part in holdout(dataset([1, 2]), 0.0, 0)] == [2, 0]
    assert [len(part) for part in holdout(dataset([1]), 0.5, 0)] == [1, 0]


def test_minimum_to_train():
    require_trainable(dataset([1, 2]))
    with pytest.raises(DataError, match="at least 2"):
        require_trainable(dataset([1]))


def test_epoch_order_is_a_function_of_seed_and_epoch():
    order = epoch_order(100, 3, 7)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(100))
    assert order.tolist() == epoch_order(100, 3, 7).tolist()
    assert order.tolist() != epoch_order(100, 3, 8).tolist()
    assert order.tolist() != epoch_order(100, 7, 3).tolist()
