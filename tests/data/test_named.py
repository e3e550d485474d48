from __future__ import annotations

import gzip
import hashlib
import shutil

import numpy as np
import pytest

from latentia.config import DataConfig
from latentia.data import (
    Arrays,
    IdxSet,
    RemoteFile,
    as_source,
    choose_preprocessing,
    fetch,
    fetch_named,
    list_named,
    named_sets,
    open_source,
)
from latentia.data.fetch import download_path
from latentia.data.named import read_idx
from latentia.errors import DataError, FileError, OptionError


def test_digits_need_nothing_and_are_always_split_alike():
    source = open_source("digits")
    form = choose_preprocessing(source, DataConfig())
    assert form.event_shape == (1, 8, 8)
    train, test = source.load(form), source.load(form, "test")
    assert len(train) + len(test) == 1797
    assert len(test) == pytest.approx(1797 / 5, abs=5)
    assert train.x[np.arange(len(train))].max() == 255
    assert np.bincount(test.labels["label"]).min() >= 34
    assert train.label_names["label"] == tuple("0123456789")
    # The split must be the same on every machine and in every version.
    split = hashlib.sha256(test.x[np.arange(len(test))].tobytes()).hexdigest()[:16]
    assert split == "97d33962bf26b08f"


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_sets_from_the_mirror(mirror, name):
    source = open_source(name, mirror=mirror)
    test = source.load(choose_preprocessing(source, DataConfig()), "test")
    assert len(test) == 10_000
    assert test.batch([0]).x.shape == (1, 1, 28, 28)
    assert np.bincount(test.labels["label"]).tolist() == (
        [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009] if name == "mnist" else [1000] * 10
    )
    assert fetch_named(name, mirror) == {"train": 60_000, "test": 10_000}


def test_mirror_by_environment_and_what_it_lacks(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTIA_MIRROR", str(mirror))
    assert open_source("mnist").survey().n == 60_000
    monkeypatch.setenv("LATENTIA_MIRROR", str(tmp_path))
    with pytest.raises(FileError, match="does not hold images/mnist/train-images"):
        open_source("mnist").survey()


def test_download_with_checksum(tmp_path, server):
    content = bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9])
    (tmp_path / "site" / "x.gz").write_bytes(gzip.compress(content))
    file = RemoteFile("images/few/x.gz", (server + "gone.gz", server + "x.gz"), hashlib.sha256(content).hexdigest())
    assert fetch(file, "few") == content
    (tmp_path / "site" / "x.gz").unlink()
    assert fetch(file, "few") == content  # kept
    download_path(file).unlink()
    with pytest.raises(FileError, match=r"'few' cannot be downloaded from http.*LATENTIA_MIRROR"):
        fetch(file, "few")


@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"other"), gzip.compress(b"good")[:-9], b"<html>"],
    ids=["other", "truncated", "a page"],  # the bytes hold the time and would differ between workers
)
def test_wrong_downloads_are_refused_and_fetched_again(tmp_path, server, content):
    file = RemoteFile("x.gz", (server + "x.gz",), hashlib.sha256(b"good").hexdigest())
    (tmp_path / "site" / "x.gz").write_bytes(content)
    with pytest.raises(DataError, match="get it again"):
        fetch(file, "few")
    (tmp_path / "site" / "x.gz").write_bytes(gzip.compress(b"good"))
    assert fetch(file, "few") == b"good"


def test_mnist_through_the_downloader(mirror, tmp_path, server):
    mnist = named_sets.build("mnist", {})
    assert isinstance(mnist, IdxSet)
    shutil.copytree(mirror / "images" / "mnist", tmp_path / "site" / "mnist")
    local = IdxSet(
        "images/mnist",
        (server + "mnist/",),
        tuple(file.sha256 for file in mnist.files),
        mnist.names,
        mnist.about,
    )
    downloaded = as_source("mnist", local)
    mirrored = open_source("mnist", mirror=mirror)
    form = choose_preprocessing(mirrored, DataConfig())
    ours, theirs = downloaded.load(form, "test"), mirrored.load(form, "test")
    np.testing.assert_array_equal(ours.x, theirs.x)
    assert downloaded.fingerprint() == mirrored.fingerprint()


def test_unknown_names_and_what_there_is():
    with pytest.raises(OptionError, match="did you mean 'mnist'"):
        open_source("minst")
    assert set(list_named()) >= {"digits", "mnist", "fashion-mnist"}
    assert all(list_named().values())


def test_a_name_is_the_set_and_a_path_the_folder(tmp_path, noise, monkeypatch):
    (tmp_path / "digits").mkdir()
    noise(0).save(tmp_path / "digits" / "a.png")
    monkeypatch.chdir(tmp_path)
    assert open_source("digits").splits == ("train", "test")
    assert open_source("./digits").splits == ("all",)


def test_a_set_of_ones_own():
    class Stripes:
        splits = ("train", "test")
        about = "stripes"
        version = "1"

        def read(self, split, mirror):
            return Arrays(np.zeros((4 if split == "train" else 2, 8, 8), np.uint8))

    source = as_source("stripes", Stripes())
    form = choose_preprocessing(source, DataConfig())
    assert [len(source.load(form, split)) for split in source.splits] == [4, 2]
    with pytest.raises(OptionError, match=r"no split 'tset'.*did you mean 'test'"):
        source.load(form, "tset")


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\x08", b"\0\0\x09\x01\0\0\0\x01a", b"\0\0\x08\x01\0\0\0\x02a", b"\0\0\x08\x02a"]
)
def test_wrong_idx_files_are_explained(content):
    with pytest.raises(DataError, match=r"IDX|cut off"):
        read_idx(content, "x")
