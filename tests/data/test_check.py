from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import soundfile
from PIL import Image

from latentia.data import SpeechReport, check_folder
from latentia.errors import DataError, FileError


def test_report_counts_and_advises(photos, noise):
    (photos / "cat" / "text.png").write_text("no picture")
    (photos / "cat" / "empty.jpg").write_bytes(b"")
    (photos / "notes.txt").write_text("x")
    shutil.copy(photos / "cat" / "00.png", photos / "dog" / "again.png")
    noise(80, 100, 50).convert("RGBA").save(photos / "dog" / "clear.png")
    noise(81, mode="L").save(photos / "dog" / "grey.png")
    done: list[tuple[int, int]] = []
    report = check_folder(photos, progress=lambda *count: done.append(count))
    assert (report.n_files, report.n_usable, report.n_duplicates) == (17, 15, 1)
    assert (report.minimum, report.median, report.maximum) == ((20, 30), (20, 30), (100, 50))
    assert report.modes == {"RGB": 13, "RGBA": 1, "L": 1}
    assert (report.n_grey, report.n_transparent) == (1, 1)
    assert report.classes == {"label": {"cat": 9, "dog": 8}}
    assert sorted(p.kind for p in report.problems) == ["duplicate", "empty", "ignored", "unreadable"]
    assert done[-1] == (17, 17)
    advice = " ".join(report.suggestions)
    for words in ("2 of 17", "--skip-bad", "--preset image-32", "are few", "repeat others", "transparency"):
        assert words in advice
    assert json.loads(json.dumps(report.as_dict()))["n_usable"] == 15


def test_split_folders_are_noticed(tmp_path, noise):
    for seed, name in enumerate(("train", "test")):
        (tmp_path / name).mkdir()
        noise(seed).save(tmp_path / name / "a.png")
    assert "splits" in " ".join(check_folder(tmp_path).suggestions)


def test_nothing_usable_is_still_a_report(tmp_path):
    (tmp_path / "a.png").write_text("x")
    report = check_folder(tmp_path)
    assert (report.n_files, report.n_usable, report.maximum) == (1, 0, (0, 0))


def test_manifest_is_checked_too(photos):
    (photos / "list.csv").write_text("file_name,word\ncat/00.png,hi\ncat/01.png,\n")
    assert check_folder(photos / "list.csv").classes == {"word": {"": 1, "hi": 1}}


def test_no_folder_and_no_pictures(tmp_path):
    with pytest.raises(FileError, match="no folder"):
        check_folder(tmp_path / "gone")
    with pytest.raises(DataError, match="no pictures"):
        check_folder(tmp_path)


def test_pictures_that_training_would_refuse_are_not_usable(photos):
    Image.fromarray(np.full((8, 8), np.nan, np.float32)).save(photos / "cat" / "nan.tif")
    report = check_folder(photos)
    assert (report.n_files, report.n_usable) == (13, 12)
    assert [problem.file_name for problem in report.problems] == ["cat/nan.tif"]


def test_recordings_are_counted_and_measured(voices, voice):
    soundfile.write(voices / "zeros.wav", np.zeros(16_000), 16_000)
    soundfile.write(voices / "clipped.wav", np.clip(4 * voice(20), -0.4, 0.4) / 0.4, 16_000)
    soundfile.write(voices / "offset.wav", voice(21) + 0.1, 16_000)
    (voices / "text.wav").write_text("no sound")
    shutil.copy(voices / "yes" / "00.wav", voices / "no" / "again.wav")
    done: list[tuple[int, int]] = []
    report = check_folder(voices, progress=lambda *count: done.append(count))
    assert isinstance(report, SpeechReport)
    assert (report.n_files, report.n_usable, report.n_duplicates, done[-1]) == (17, 15, 1, (17, 17))
    assert report.kinds == {"silent": 1, "clipping": 1, "dc offset": 1, "unreadable": 1, "duplicate": 1}
    assert report.lengths is not None
    assert (report.lengths.shortest, report.lengths.longest) == pytest.approx((0.5, 1.6), abs=0.01)
    assert report.lengths.seconds == pytest.approx(12.6 + 1.5, abs=0.01)
    assert report.lengths.sample_rates == {16_000: 7, 44_100: 4, 48_000: 4}
    assert report.formats == {"WAV PCM_16": 7, "FLAC PCM_16": 4, "OGG VORBIS": 4}
    assert report.levels is not None
    assert -40 < report.levels[0] < report.levels[1] < report.levels[2] < 0
    assert report.classes == {"label": {"": 4, "no": 6, "yes": 7}}
    advice = " ".join(report.suggestions)
    for words in ("2 of 17", "--skip-bad", "16000 Hz", "0.2 minutes", "speaker", "1 recordings clip", "repeat others"):
        assert words in advice
    assert json.loads(json.dumps(report.as_dict()))["lengths"]["channels"] == {"1": 9, "2": 6}


def test_mixed_folders_are_checked_by_choice(voices, noise):
    noise(0).save(voices / "face.png")
    with pytest.raises(DataError, match=r"choose with --set data\.kind=image"):
        check_folder(voices)
    assert [check_folder(voices, kind=kind).n_files for kind in ("image", "speech")] == [1, 12]


def test_no_usable_recording_is_still_a_report(tmp_path):
    (tmp_path / "a.wav").write_text("x")
    report = check_folder(tmp_path)
    assert isinstance(report, SpeechReport)
    assert (report.n_usable, report.lengths, report.levels) == (0, None, None)


@pytest.mark.parametrize(("short", "advice"), [(48, "the preset image-64 by itself"), (40, "--preset image-32")])
def test_colour_pictures_are_advised_to_go_through_a_preset_of_their_size(tmp_path, noise, short, advice):
    for seed in range(3):
        noise(seed, short, 60).save(tmp_path / f"{seed}.png")
    assert advice in " ".join(check_folder(tmp_path).suggestions)


def test_what_is_transparent_all_over_is_a_problem(tmp_path, noise):
    for seed in range(12):
        noise(seed).save(tmp_path / f"{seed}.png")
    Image.new("RGBA", (20, 20)).save(tmp_path / "blank.png")
    (problem,) = check_folder(tmp_path).problems
    assert (problem.file_name, problem.kind) == ("blank.png", "unreadable")
    assert "transparent all over" in problem.message
