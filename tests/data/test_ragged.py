from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentia.data import Problem, Ragged, RaggedFile, cache_folder
from latentia.data.ragged import WaveChunk, keep_waves
from latentia.errors import FileError

LENGTHS = st.lists(st.integers(0, 40), min_size=1, max_size=20)


def waves_of(lengths) -> list[np.ndarray]:
    random = np.random.default_rng(sum(lengths))
    return [random.integers(-32768, 32768, length, dtype=np.int16) for length in lengths]


@given(lengths=LENGTHS, data=st.data())
def test_rows_are_the_waveforms_and_zeros(lengths, data, tmp_path_factory):
    waves = waves_of(lengths)
    chosen = np.array(data.draw(st.lists(st.integers(0, len(waves) - 1), max_size=8)), np.int64)
    path = tmp_path_factory.mktemp("ragged") / "x"
    path.write_bytes(b"".join(wave.tobytes() for wave in waves))
    for store in (Ragged.of(waves), RaggedFile(path, np.array(lengths, np.int64))):
        assert (len(store), store.shape) == (len(waves), (len(waves), max(lengths)))
        assert store.lengths.tolist() == lengths
        rows = store[chosen]
        assert rows.dtype == store.dtype == np.int16
        assert rows.shape == (len(chosen), max((lengths[index] for index in chosen), default=0))
        for row, index in zip(rows, chosen.tolist(), strict=True):
            np.testing.assert_array_equal(row[: lengths[index]], waves[index])
            assert not row[lengths[index] :].any()


def chunks(waves, taken=None):
    for number, wave in enumerate(waves):
        if taken is not None:
            taken.append(number)
        problems = (Problem(f"{number}.wav", "clipping", "clips", skipped=False),) if number % 2 else ()
        yield WaveChunk((wave,), (1.0 + number,), (f"{number}.wav",), problems)


@pytest.mark.parametrize("limit", [10_000, 100])
def test_many_are_kept_in_a_file_and_made_once(limit, monkeypatch):
    monkeypatch.setattr("latentia.data.cache.IN_MEMORY_BYTES", limit)
    waves, taken = waves_of([30, 5, 40, 17]), []
    kept = [keep_waves("key", chunks(waves, taken)) for _ in range(2)]
    assert len(taken) == (8 if limit > 1000 else 4)
    for each in kept:
        assert isinstance(each.x, Ragged if limit > 1000 else RaggedFile)
        np.testing.assert_array_equal(each.x[np.array([2])][0], waves[2])
        assert each.gains.tolist() == [1, 2, 3, 4]
        assert each.file_names == ("0.wav", "1.wav", "2.wav", "3.wav")
        assert [problem.file_name for problem in each.problems] == ["1.wav", "3.wav"]
    assert not list(cache_folder().glob("rows/*.tmp"))


def test_damaged_files_are_made_anew(monkeypatch):
    monkeypatch.setattr("latentia.data.cache.IN_MEMORY_BYTES", 10)
    waves = waves_of([30, 5])
    keep_waves("key", chunks(waves))
    for spoil in (lambda x: x.write_bytes(x.read_bytes()[:-1]), lambda x: x.with_name("index.json").write_text("{}")):
        (x,) = cache_folder().glob("rows/*/x")
        spoil(x)
        taken: list[int] = []
        again = keep_waves("key", chunks(waves, taken))
        assert taken == [0, 1]
        np.testing.assert_array_equal(again.x[np.array([0])][0], waves[0])


def test_files_are_opened_anew_by_name_and_notice_damage(tmp_path):
    waves = waves_of([4, 9])
    (tmp_path / "x").write_bytes(b"".join(wave.tobytes() for wave in waves))
    file = RaggedFile(tmp_path / "x", np.array([4, 9]))
    other = copy.deepcopy(file)  # as worker processes get it
    np.testing.assert_array_equal(other[np.array([1])][0], waves[1])
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(FileError, match="damaged"):
        file[np.array([1])]
    with pytest.raises(FileError, match="Cannot read"):
        RaggedFile(tmp_path / "gone", np.array([1]))
