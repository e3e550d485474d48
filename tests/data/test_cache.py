from __future__ import annotations

import copy
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import latentia
from latentia.config import DataConfig
from latentia.data import (
    ImagePreprocessing,
    RowFile,
    cache_folder,
    choose_preprocessing,
    clear_cache,
    holdout,
    open_source,
)
from latentia.errors import FileError

FORM = ImagePreprocessing(height=8, width=8, channels=3)


@pytest.fixture
def little_memory(monkeypatch):
    monkeypatch.setattr("latentia.data.cache.IN_MEMORY_BYTES", 1000)


def load(folder, form=FORM):
    """Loads a folder and counts the files that were decoded for it."""
    decoded: list[int] = []
    dataset = open_source(folder).load(form, skip_bad=True, progress=lambda done, n: decoded.append(done))
    return dataset, max(decoded, default=0)


def test_large_folders_are_decoded_once(photos, noise, monkeypatch):
    (photos / "cat" / "bad.png").write_bytes(b"")
    see_through = noise(70).convert("RGBA")
    alpha = np.zeros(see_through.size[::-1], np.uint8)
    alpha[len(alpha) // 2 :] = 255
    see_through.putalpha(Image.fromarray(alpha))
    see_through.save(photos / "dog" / "zz.png")
    small, decoded = load(photos)
    assert decoded == 14
    monkeypatch.setattr("latentia.data.cache.IN_MEMORY_BYTES", 1000)
    first, decoded = load(photos)
    assert decoded == 14
    second, decoded = load(photos)
    assert decoded == 0
    for other in (first, second):
        assert isinstance(other.x, RowFile)
        assert isinstance(other.observed, RowFile)
        assert other.x.shape == (13, 8, 8, 3)
        assert (other.file_names, other.problems) == (small.file_names, small.problems)
        assert other.labels["label"].tolist() == small.labels["label"].tolist()
        some = np.array([12, 0, 12, 5])
        ours, theirs = other.batch(some), small.batch(some)
        assert ours.x.equal(theirs.x)
        assert ours.observed.equal(theirs.observed)
        assert [part.tolist() for part in holdout(other, 0.3, 1)] == [part.tolist() for part in holdout(small, 0.3, 1)]


def test_rows_are_made_anew_when_files_form_or_cache_change(photos, little_memory):
    load(photos)
    assert load(photos, FORM.model_copy(update={"fit": "pad"}))[1] == 12
    os.utime(photos / "cat" / "00.png", ns=(1, 1))
    assert load(photos)[1] == 12
    assert load(photos)[1] == 0
    for rows in cache_folder().glob("rows/*/x"):
        rows.write_bytes(rows.read_bytes()[:-1])
    dataset, decoded = load(photos)
    assert (len(dataset), decoded) == (12, 12)
    for index in cache_folder().glob("rows/*/index.json"):
        index.write_text("{}")
    assert load(photos)[1] == 12
    clear_cache()
    assert load(photos)[1] == 12
    assert not list(cache_folder().glob("rows/*.tmp"))


def test_interrupted_writing_leaves_nothing(photos, little_memory):
    def interrupt(done, n):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_source(photos).load(FORM, progress=interrupt)
    assert list((cache_folder() / "rows").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_explained(photos, little_memory, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LATENTIA_CACHE", str(tmp_path / "file"))
    with pytest.raises(FileError, match="LATENTIA_CACHE"):
        load(photos)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_a_full_disk_is_explained(photos, little_memory, monkeypatch):
    source = open_source(photos)
    temporary = None

    def fill(done, n):
        # Files of the running cache entry become links to a device that is always full.
        nonlocal temporary
        (temporary,) = (cache_folder() / "rows").glob("*.tmp")
        (temporary / "index.json").symlink_to("/dev/full")

    with pytest.raises(FileError, match=r"No space left.*LATENTIA_CACHE"):
        source.load(FORM, progress=fill)
    assert temporary is not None
    assert not temporary.exists()


def test_large_arrays_are_kept_in_a_file(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (1100, 256, 256), dtype=np.uint8)
    np.save(tmp_path / "a.npy", x)
    source = open_source(tmp_path / "a.npy")
    form = choose_preprocessing(source, DataConfig(size=256))
    dataset = source.load(form)
    assert isinstance(dataset.x, RowFile)
    rows = np.array([1099, 3])
    np.testing.assert_array_equal(dataset.x[rows][..., 0], x[rows])


def test_row_files_are_copied_by_name_and_notice_damage(tmp_path):
    rows = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
    (tmp_path / "x").write_bytes(rows.tobytes())
    file = copy.deepcopy(RowFile(tmp_path / "x", (2, 3), "uint8"))
    np.testing.assert_array_equal(file[np.array([2, 0])], rows[[2, 0]])
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(FileError, match="damaged"):
        file[np.array([1])]
    with pytest.raises(FileError, match="Cannot read"):
        RowFile(tmp_path / "gone", (1,), "uint8")


def test_reading_a_large_file_takes_no_memory(tmp_path):
    with (tmp_path / "x").open("wb") as stream:
        stream.truncate(256 * 2**20)
    script = f"""
import resource
from pathlib import Path
import numpy as np
from latentia.data import RowFile

rows = RowFile(Path({str(tmp_path / "x")!r}), (64, 64, 3), "uint8")
rows[np.arange(64)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for start in range(0, len(rows) - 64, 64):
    rows[np.arange(start, start + 64)]
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(grown // (1024 if __import__("sys").platform == "linux" else 2**20))
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, timeout=120, capture_output=True, text=True)
    assert int(done.stdout) < 16


def test_files_alike_but_for_their_content_are_not_mixed_up(tmp_path, noise, little_memory):
    for seed, name in enumerate(("one", "two")):
        (tmp_path / name).mkdir()
        for number in range(12):
            noise(100 * seed + number).save(tmp_path / name / f"{number}.bmp")
            os.utime(tmp_path / name / f"{number}.bmp", ns=(0, 0))
    assert open_source(tmp_path / "one").fingerprint() == open_source(tmp_path / "two").fingerprint()
    rows = np.arange(12)
    first, second = load(tmp_path / "one")[0].x[rows], load(tmp_path / "two")[0].x[rows]
    assert (first != second).any()
    for number in range(12):
        (tmp_path / "one" / f"{number}.bmp").write_bytes((tmp_path / "two" / f"{number}.bmp").read_bytes())
        os.utime(tmp_path / "one" / f"{number}.bmp", ns=(0, 0))
    np.testing.assert_array_equal(load(tmp_path / "one")[0].x[rows], second)


def test_two_processes_may_decode_the_same_data(photos, little_memory):
    seen: list[int] = []

    def overtake(done, n):
        if not seen:
            seen.append(done)
            faster = (cache_folder() / "rows").glob("*.tmp").__next__()
            faster.rename(faster.with_name("slower.tmp"))  # as if of another process
            load(photos)
            faster.with_name("slower.tmp").rename(faster)

    dataset = open_source(photos).load(FORM, progress=overtake)
    assert len(dataset) == 12
    assert len(list((cache_folder() / "rows").iterdir())) == 1


def test_what_was_not_used_for_long_is_deleted(photos, little_memory):
    rows = cache_folder() / "rows"
    load(photos)
    (mine,) = rows.iterdir()
    for name, days in (("used-lately-v1", 20), ("forgotten-v1", 40)):
        (rows / name).mkdir()
        (rows / name / "x").touch()
        for path in (rows / name / "x", rows / name, mine, *mine.iterdir()):
            os.utime(path, (time.time() - days * 86400,) * 2)
    load(photos)  # is use, though nothing is written
    load(photos, ImagePreprocessing(height=9, width=9, channels=3))
    assert "forgotten-v1" not in {path.name for path in rows.iterdir()}
    assert {"used-lately-v1", mine.name} <= {path.name for path in rows.iterdir()}


def test_arrays_of_a_program_stay_in_memory(little_memory):
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    model = latentia.ImageVAE(latent_dim=2, epochs=1).fit(images)
    assert model.transform(images).shape == (40, 2)
    assert not (cache_folder() / "rows").exists()


def test_what_killed_processes_left_is_swept_away(photos, little_memory):
    rows = cache_folder() / "rows"
    for name, age in (("old.1.tmp", 2 * 86400), ("new.2.tmp", 60)):
        (rows / name).mkdir(parents=True)
        for path in (rows / name / "x", rows / name):
            path.touch()
            os.utime(path, (time.time() - age,) * 2)
    load(photos)
    assert {path.name for path in rows.glob("*.tmp")} == {"new.2.tmp"}
