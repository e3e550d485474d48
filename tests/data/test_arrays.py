from __future__ import annotations

import pickle

import numpy as np
import pytest

from latentia.config import DataConfig
from latentia.data import ImagePreprocessing, arrays, choose_preprocessing, open_source
from latentia.errors import DataError, OptionError


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def load(path):
    source = open_source(path)
    return source.load(choose_preprocessing(source, DataConfig()))


@pytest.mark.parametrize("shape", [(5, 12, 8), (5, 12, 8, 1), (5, 12, 8, 3)])
def test_images_come_through_exactly(tmp_path, shape):
    x = images(*shape)
    np.save(tmp_path / "a.npy", x)
    np.savez(tmp_path / "a.npz", anything=x)
    for name in ("a.npy", "a.npz"):
        dataset = load(tmp_path / name)
        np.testing.assert_array_equal(np.asarray(dataset.x).reshape(shape), x)
        assert dataset.labels == {}


@pytest.mark.parametrize("y", [[2, -1, 7], ["b", "", "c"], [2.0, np.nan, 7.0], np.array([b"2", b"", b"7"])])
def test_labels_beside_the_images(tmp_path, y):
    np.savez(tmp_path / "a.npz", images=images(3, 8, 8), extra=np.zeros(3), labels=np.array(y))
    assert load(tmp_path / "a.npz").labels["label"].tolist() == [0, -1, 1]


def test_colour_is_seen_in_the_pixels(tmp_path):
    np.save(tmp_path / "grey.npy", np.repeat(images(4, 8, 8, 1), 3, -1))
    assert choose_preprocessing(open_source(tmp_path / "grey.npy"), DataConfig()).event_shape == (1, 8, 8)
    np.save(tmp_path / "colour.npy", images(4, 8, 8, 3) / 255.0)
    assert choose_preprocessing(open_source(tmp_path / "colour.npy"), DataConfig()).event_shape == (3, 8, 8)


def test_vectors_are_standardised(tmp_path):
    x = np.random.default_rng(0).normal(3.0, 5.0, (200, 4))
    np.save(tmp_path / "a.npy", x)
    source = open_source(tmp_path / "a.npy")
    assert source.kind == "vector"
    form = choose_preprocessing(source, DataConfig())
    dataset = source.load(form)
    assert dataset.batch([0, 1]).x.shape == (2, 4)
    np.testing.assert_allclose(form.invert(dataset.x[np.arange(200)]), x, atol=1e-5)
    with pytest.raises(OptionError, match="holds vectors, but the model takes pictures"):
        source.load(ImagePreprocessing(height=8, width=8, channels=1))


def test_pickles_are_refused_and_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    np.save(tmp_path / "a.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", x=np.array([Trap()], dtype=object))
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Trap()))
    for name in ("a.npy", "a.npz", "b.npy"):
        with pytest.raises(DataError, match="pickle"):
            open_source(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_damaged_and_wrong_arrays_are_explained(tmp_path):
    np.save(tmp_path / "a.npy", images(3, 8, 8))
    np.savez(tmp_path / "a.npz", x=images(3, 8, 8))
    for name in ("a.npy", "a.npz"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-60])
        with pytest.raises(DataError, match="damaged"):
            open_source(path)
    (tmp_path / "a.npy").write_bytes(b"")
    with pytest.raises(DataError, match="damaged"):
        open_source(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", one=images(3, 8, 8), two=images(3, 8, 8))
    with pytest.raises(DataError, match="found: one, two"):
        open_source(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", x=images(3, 8, 8), y=np.zeros(2))
    with pytest.raises(DataError, match="labels"):
        open_source(tmp_path / "a.npz")
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(DataError, match="shape"):
        open_source(tmp_path / "a.npy")


def test_fingerprint_follows_the_content(tmp_path):
    np.save(tmp_path / "a.npy", images(3, 8, 8))
    before = open_source(tmp_path / "a.npy").fingerprint()
    np.save(tmp_path / "b.npy", images(3, 8, 8))
    assert open_source(tmp_path / "b.npy").fingerprint() == before
    np.save(tmp_path / "a.npy", 255 - images(3, 8, 8))
    assert open_source(tmp_path / "a.npy").fingerprint() != before


def test_wrong_values_are_explained_with_the_name_of_the_file(tmp_path):
    wrong = {
        "big": images(3, 8, 8) * 2.0,
        "nan": np.full((3, 8, 8), np.nan),
        "integers": images(3, 8, 8).astype(int),
        "huge vectors": np.random.default_rng(0).normal(size=(9, 2)) * 1e300,
        "infinite vectors": np.full((9, 2), np.inf),
    }
    for name, x in wrong.items():
        np.save(tmp_path / f"{name}.npy", x)
        with pytest.raises(DataError, match=f"{name}.npy: "):
            load(tmp_path / f"{name}.npy")


@pytest.mark.parametrize("y", [np.array([b"\xff"] * 3), np.zeros((3, 2)), np.zeros(3, complex)])
def test_wrong_labels_are_explained(tmp_path, y):
    np.savez(tmp_path / "a.npz", x=images(3, 8, 8), y=y)
    with pytest.raises(DataError, match=r"labels of .*a\.npz"):
        open_source(tmp_path / "a.npz")


def test_an_archive_without_arrays_is_explained(tmp_path):
    np.savez(tmp_path / "a.npz")
    with pytest.raises(DataError, match="found: none"):
        open_source(tmp_path / "a.npz")


def test_a_damaged_compressed_archive_is_a_sentence(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=images(50, 16, 16))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(255 - value for value in content[middle : middle + 40])
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        load(tmp_path / "a.npz")


def test_large_arrays_are_read_piece_by_piece_and_problems_named_by_their_place(tmp_path, monkeypatch):
    x = np.random.default_rng(0).random((700, 16, 16))
    np.save(tmp_path / "a.npy", x)
    form = ImagePreprocessing(height=8, width=8, channels=1)
    whole = open_source(tmp_path / "a.npy").load(form)
    monkeypatch.setattr(arrays, "IN_MEMORY_BYTES", 700 * 64)  # what the rows take, not what the pictures do
    calls: list[int] = []
    fit_array = ImagePreprocessing.fit_array
    monkeypatch.setattr(
        ImagePreprocessing, "fit_array", lambda self, x, first=0: calls.append(len(x)) or fit_array(self, x, first)
    )
    parts = open_source(tmp_path / "a.npy").load(form)
    assert max(calls) < 700
    every = np.arange(700)
    np.testing.assert_array_equal(parts.x[every], whole.x[every])
    x[600] = np.nan
    np.save(tmp_path / "b.npy", x)
    with pytest.raises(DataError, match="Picture 600 is nothing but NaN"):
        open_source(tmp_path / "b.npy").load(form)
