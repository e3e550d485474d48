from __future__ import annotations

import os
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from latentia.config import DataConfig
from latentia.data import ImagePreprocessing, VectorPreprocessing, choose_preprocessing, open_source, require_trainable
from latentia.errors import DataError, FileError, OptionError

FORM = ImagePreprocessing(height=8, width=8, channels=3)


def kinds(dataset) -> dict[str, str]:
    return {problem.file_name: problem.kind for problem in dataset.problems}


def test_class_folders_become_labels(photos):
    seen: list[tuple[int, int]] = []
    dataset = open_source(photos).load(FORM, progress=lambda done, n: seen.append((done, n)))
    assert dataset.file_names == tuple(f"{'cat' if i < 7 else 'dog'}/{i:02}.png" for i in range(12))
    assert dataset.label_names == {"label": ("cat", "dog")}
    assert dataset.labels["label"].tolist() == [0] * 7 + [1] * 5
    assert dataset.problems == ()
    assert dataset.observed is None
    assert seen[-1] == (12, 12)
    expected, _ = FORM.apply(Image.open(photos / "dog" / "09.png"))
    np.testing.assert_array_equal(dataset.x[np.array([9])][0], expected)


def test_depth_does_not_matter_and_unsorted_files_are_unlabelled(photos, noise):
    (photos / "more" / "deep" / "cat").mkdir(parents=True)
    noise(50).save(photos / "more" / "deep" / "cat" / "x.jpg")
    noise(51).save(photos / "loose.JPG")
    dataset = open_source(str(photos)).load(FORM)
    labels = dict(zip(dataset.file_names, dataset.labels["label"].tolist(), strict=True))
    assert labels["more/deep/cat/x.jpg"] == 0
    assert labels["loose.JPG"] == -1


def test_one_class_folder_is_no_label(tmp_path, noise):
    (tmp_path / "only").mkdir()
    for seed in range(3):
        noise(seed).save(tmp_path / "only" / f"{seed}.png")
    assert open_source(tmp_path).load(FORM).labels == {}


def test_links_in_a_circle_end(photos):
    (photos / "cat" / "up").symlink_to(photos)
    assert len(open_source(photos).load(FORM)) == 12


def test_missing_empty_and_wrong_places(tmp_path, photos):
    with pytest.raises(FileError, match="no file or folder"):
        open_source(tmp_path / "nowhere")
    with pytest.raises(FileError, match="no file or folder"):
        open_source("./nowhere")
    with pytest.raises(OptionError, match="empty name"):
        open_source("")
    with pytest.raises(FileError, match="no file or folder"):
        open_source("~nobody-of-this-name/photos")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="it is empty"):
        open_source(empty)
    (empty / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"1 file\(s\) of other kinds"):
        open_source(empty)
    with pytest.raises(DataError, match="single picture"):
        open_source(photos / "cat" / "00.png")
    with pytest.raises(DataError, match=r"\.csv"):
        open_source(empty / "notes.txt")
    with pytest.raises(OptionError, match="no split 'test'"):
        open_source(photos).load(FORM, "test")
    with pytest.raises(OptionError, match="takes vectors"):
        open_source(photos).load(VectorPreprocessing(mean=(0.0,), scale=(1.0,)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_folder_is_an_error(photos):
    (photos / "cat").chmod(0)
    try:
        with pytest.raises(FileError, match="Cannot read the folder"):
            open_source(photos)
    finally:
        (photos / "cat").chmod(0o700)


def spoil(folder, noise) -> None:
    """Adds one of each kind of bad file."""
    (folder / "text.png").write_text("no picture")
    (folder / "empty.png").write_bytes(b"")
    noise(99, 64, 64).save(folder / "cut.jpg")
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:800])
    noise(98, 1, 1).save(folder / "dot.png")


BAD = {"text.png": "unreadable", "empty.png": "empty", "cut.jpg": "unreadable", "dot.png": "too small"}


def test_bad_files_are_listed_and_too_many_are_refused(photos, noise):
    spoil(photos, noise)
    source = open_source(photos)
    with pytest.raises(DataError, match=r"4 of the 16 .*more than 10 %.*cut.jpg.*--skip-bad"):
        source.load(FORM)
    dataset = source.load(FORM, skip_bad=True)
    assert len(dataset) == 12
    assert kinds(dataset) == BAD
    assert all(problem.skipped for problem in dataset.problems)
    assert not set(BAD) & set(dataset.file_names)


def test_few_bad_files_are_left_out_and_reported(photos, noise):
    for seed in range(100, 130):
        noise(seed).save(photos / "dog" / f"{seed}.png")
    spoil(photos, noise)
    dataset = open_source(photos).load(FORM)
    assert len(dataset) == 42
    assert kinds(dataset) == BAD


def test_nothing_readable_is_an_error(tmp_path, noise):
    spoil(tmp_path, noise)
    with pytest.raises(DataError, match="None of the 4"):
        open_source(tmp_path).load(FORM, skip_bad=True)
    for name in ("dot.png", "cut.jpg"):
        (tmp_path / name).unlink()
    with pytest.raises(DataError, match="None of the 2"):
        open_source(tmp_path).survey()


def test_one_picture_can_be_read_but_not_learned_from(tmp_path, noise):
    noise(0).save(tmp_path / "only.png")
    dataset = open_source(tmp_path).load(FORM)
    assert len(dataset) == 1
    with pytest.raises(DataError, match="at least 2"):
        require_trainable(dataset)


def test_duplicates_frames_and_other_files_are_reported_and_kept(photos, noise):
    shutil.copy(photos / "cat" / "00.png", photos / "dog" / "again.png")
    noise(1).save(photos / "dog" / "moving.gif", save_all=True, append_images=[noise(2)])
    (photos / "notes.txt").write_text("x")
    (photos / ".hidden.png").write_text("x")
    dataset = open_source(photos).load(FORM)
    assert kinds(dataset) == {"dog/again.png": "duplicate", "dog/moving.gif": "frames", ".": "ignored"}
    assert not any(problem.skipped for problem in dataset.problems)
    assert "1 .txt" in next(problem.message for problem in dataset.problems if problem.kind == "ignored")
    assert len(dataset) == 14


def test_mixed_modes_fit_together_and_transparency_is_missing(tmp_path, noise):
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        picture = noise(3, mode="L" if mode == "I;16" else mode)
        if mode == "I;16":
            picture = Image.fromarray(np.asarray(picture).astype(np.uint16) * 257)
        picture.save(tmp_path / f"{mode.replace(';', '')}.png")
    noise(4).convert("CMYK").save(tmp_path / "cmyk.jpg")
    half = noise(5).convert("RGBA")
    half.putalpha(Image.fromarray(np.repeat(np.uint8([[0, 255]]), 15, 1).repeat(20, 0)))
    half.save(tmp_path / "half.png")
    dataset = open_source(tmp_path).load(FORM)
    assert len(dataset) == 9
    batch = dataset.batch(slice(None))
    assert batch.observed is not None
    assert batch.observed.all(dim=3).all(dim=2).flatten().tolist() == [n != "half.png" for n in dataset.file_names]
    np.testing.assert_array_equal(
        dataset.x[np.array([dataset.file_names.index("L.png")])],
        dataset.x[np.array([dataset.file_names.index("I16.png")])],
    )


def test_sizes_and_colour_are_suggested(tmp_path, photos, noise):
    def choose(folder, **settings):
        return choose_preprocessing(open_source(folder), DataConfig(**settings))

    def make(name, count, height, width, mode="RGB"):
        (tmp_path / name).mkdir()
        for seed in range(count):
            noise(seed, height + seed % 2 * (name != "same"), width, mode).save(tmp_path / name / f"{seed}.png")
        return choose(tmp_path / name)

    assert make("same", 3, 28, 32).event_shape == (3, 28, 32)
    assert make("small", 3, 18, 40).event_shape == (3, 16, 16)
    assert make("tiny", 3, 5, 9).event_shape == (3, 8, 8)
    assert make("large", 3, 200, 90).event_shape == (3, 64, 64)
    (tmp_path / "grey").mkdir()
    for seed in range(3):
        noise(seed, mode="L").convert("RGB").save(tmp_path / "grey" / f"{seed}.jpg")
    assert choose(tmp_path / "grey").channels == 1
    chosen = choose(photos, size=(30, 21), channels=1, fit="pad", binarize="threshold")
    assert chosen == ImagePreprocessing(height=30, width=21, channels=1, fit="pad", binarize="threshold")
    assert choose(photos, size=12).event_shape == (3, 12, 12)
    with pytest.raises(OptionError, match="positive"):
        choose(photos, size=0)


def test_survey_counts(photos, noise):
    noise(60, 40, 10, "L").save(photos / "cat" / "tall.png")
    survey = open_source(photos).survey()
    assert (survey.n, survey.minimum, survey.median, survey.maximum) == (13, (20, 10), (20, 30), (40, 30))
    assert survey.modes == {"RGB": 12, "L": 1}


def test_fingerprint_follows_the_files(photos, noise):
    before = open_source(photos).fingerprint()
    assert open_source(photos).fingerprint() == before
    os.utime(photos / "cat" / "00.png", ns=(1, 1))
    changed = open_source(photos).fingerprint()
    assert changed != before
    (photos / "cat" / "00.png").rename(photos / "cat" / "0.png")
    assert open_source(photos).fingerprint() not in (before, changed)


def test_a_folder_that_is_linked_twice_is_reported(photos, tmp_path, noise):
    (photos / "bird").symlink_to(photos / "cat")
    dataset = open_source(photos).load(FORM)
    assert len(dataset) == 12
    assert kinds(dataset) == {"cat": "repeated"}


def test_pipes_and_devices_are_not_opened(photos):
    os.mkfifo(photos / "cat" / "pipe.png")
    (photos / "cat" / "zero.png").symlink_to("/dev/zero")
    with (photos / "cat" / "huge.png").open("wb") as stream:
        stream.truncate(2**31)
    source = open_source(photos)
    assert source.survey().n == 15
    problems = source.load(FORM, skip_bad=True).problems
    said = {problem.file_name: problem.message for problem in problems}
    assert "pipe" in said["cat/pipe.png"]
    assert "device" in said["cat/zero.png"]
    assert "bytes" in said["cat/huge.png"]


def test_names_that_are_no_text_are_read(photos, noise):
    name = os.fsdecode(b"caf\xe9.png")
    noise(40).save(photos / "cat" / name)
    source = open_source(photos)
    assert f"cat/{name}" in source.load(FORM).file_names
    assert source.fingerprint() == open_source(photos).fingerprint()


def test_damaged_further_frames_do_not_spoil_the_first(photos, noise):
    frames = [noise(seed) for seed in range(50, 54)]
    for name, options in (("a.gif", {}), ("b.tif", {}), ("c.webp", {"lossless": True})):
        frames[0].save(photos / "cat" / name, save_all=True, append_images=frames[1:], **options)
        whole = (photos / "cat" / name).read_bytes()
        for length in range(len(whole) // 3, len(whole), 97):
            (photos / "cat" / name).write_bytes(whole[:length])
            assert len(open_source(photos).load(FORM)) in (12, 13)
        (photos / "cat" / name).unlink()


def test_metadata_of_many_files_is_fast(tmp_path):
    many = 20_000
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for number in range(many):
        (tmp_path / "ab"[number % 2] / f"{number}.png").touch()
    (tmp_path / "a" / "metadata.csv").write_text("file_name,label\n0.png,x\n")
    start = time.process_time()
    open_source(tmp_path)
    assert time.process_time() - start < 5


def test_what_is_transparent_all_over_is_listed_and_not_learned_from(tmp_path, noise):
    for seed in range(12):
        noise(seed).save(tmp_path / f"{seed:02}.png")
    Image.new("RGBA", (20, 20)).save(tmp_path / "blank.png")
    dataset = open_source(tmp_path).load(FORM)
    assert len(dataset) == 12
    assert kinds(dataset) == {"blank.png": "unreadable"}
