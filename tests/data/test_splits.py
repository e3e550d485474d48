from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentia.data import Dataset, Ragged, epoch_order, holdout, require_trainable
from latentia.data.splits import row_hashes
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


def recordings(names, groups) -> Dataset:
    """Short recordings, each of other samples."""
    store = Ragged.of([np.array([1, *name.encode()], np.int16) for name in names])
    return Dataset(store, lengths=store.lengths, file_names=tuple(names), groups=tuple(groups))


@given(
    speakers=st.lists(st.integers(0, 6), min_size=2, max_size=40),
    fraction=st.floats(0.01, 0.6),
    seed=st.integers(0, 5),
    shuffle=st.randoms(use_true_random=False),
)
def test_groups_stay_on_one_side(speakers, fraction, seed, shuffle):
    order = list(range(len(speakers)))
    shuffle.shuffle(order)
    sides = []
    for rows in (range(len(speakers)), order):
        data = recordings([f"{row}.wav" for row in rows], [f"speaker {speakers[row]}" for row in rows])
        train, held = holdout(data, fraction, seed)
        assert len(train)
        assert len(held)
        if len(set(speakers)) > 1:
            assert not {data.groups[i] for i in train} & {data.groups[i] for i in held}
        sides.append({data.file_names[i] for i in held})
    assert sides[0] == sides[1]


def test_a_large_group_is_not_held_out_for_a_small_fraction():
    data = recordings([f"{i}.wav" for i in range(100)], ["ann"] * 80 + ["bob"] * 10 + ["cid"] * 10)
    for seed in range(10):
        assert len(holdout(data, 0.1, seed)[1]) in (10, 20)


def test_one_speaker_is_split_by_file_and_one_file_by_piece():
    data = recordings(["a", "b", "c", "d"], ["ann"] * 4)
    assert [len(part) for part in holdout(data, 0.25, 0)] == [3, 1]
    store = Ragged.of([np.array([value], np.int16) for value in (1, 2, 3, 4)])
    one = Dataset(store, lengths=store.lengths, file_names=("a",) * 4, groups=("a",) * 4)
    assert [len(part) for part in holdout(one, 0.25, 0)] == [3, 1]


def test_equal_recordings_join_groups_but_silence_does_not():
    store = Ragged.of([np.array(values, np.int16) for values in ([1, 2], [1, 2], [3], [0, 0], [0, 0], [5])])
    groups = ("a", "b", "c", "c", "d", "d")
    data = Dataset(store, lengths=store.lengths, file_names=groups, groups=groups)
    seen = set()
    for seed in range(20):
        held = holdout(data, 0.4, seed)[1]
        sides = {groups[i]: "held" if i in held else "train" for i in range(6)}
        assert sides["a"] == sides["b"]
        seen.add((sides["c"], sides["d"]))
    assert ("held", "train") in seen or ("train", "held") in seen


def test_the_length_of_a_batch_is_not_in_the_hash():
    short = recordings(["a", "b"], [])
    long = recordings(["a", "a much longer one"], [])
    assert row_hashes(short.x, 0, short.lengths)[0] == row_hashes(long.x, 0, long.lengths)[0]


def test_seeds_may_be_as_large_as_people_like():
    dataset = Dataset(np.random.default_rng(0).integers(0, 256, (20, 4, 4, 1), dtype=np.uint8))
    assert len(holdout(dataset, 0.2, 10**80)[1]) == 4
