from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import soundfile
from PIL import Image

from latentia.config import Config, DataConfig
from latentia.data import (
    Clips,
    FrontEnd,
    ImagePreprocessing,
    Ragged,
    RaggedFile,
    SpeechPreprocessing,
    as_source,
    choose_preprocessing,
    holdout,
    open_source,
    prepare,
    write_recording,
)
from latentia.errors import DataError, OptionError

FORM = SpeechPreprocessing()


def kinds(dataset) -> dict[str, str]:
    return {problem.file_name: problem.kind for problem in dataset.problems}


def waves(dataset) -> list[np.ndarray]:
    rows = dataset.x[np.arange(len(dataset))]
    return [row[:length] for row, length in zip(rows, dataset.lengths.tolist(), strict=True)]


def test_folders_of_mixed_recordings_become_one_form(voices):
    done: list[tuple[int, int]] = []
    source = open_source(voices)
    assert source.kind == "speech"
    dataset = source.load(FORM, progress=lambda *count: done.append(count))
    assert (len(dataset), done[-1]) == (12, (12, 12))
    assert dataset.label_names == {"label": ("no", "yes")}
    names = [f"{'no' if i >= 7 else 'yes'}/{i:02}" for i in (*range(7, 12), *range(7))]
    assert [name.rpartition(".")[0] for name in dataset.file_names] == names
    assert dataset.groups == dataset.file_names
    assert dataset.problems == ()
    seconds = [0.5 + i / 10 for i in (*range(7, 12), *range(7))]
    np.testing.assert_allclose(dataset.lengths / 16_000, seconds, atol=1e-3)
    batch = prepare(dataset.batch([0, 7]), FORM)
    assert batch.x.shape == (2, 120, 80)
    assert batch.lengths.tolist() == [120, 70]


def test_the_form_follows_the_data_and_the_settings(voices, tmp_path, voice):
    form = choose_preprocessing(open_source(voices), DataConfig())
    assert form == SpeechPreprocessing(front_end=FrontEnd.for_rate(16_000))
    config = Config().with_settings(
        {"data": {"sample_rate": 22_050, "feature": "power", "level": "none", "piece_seconds": 1.5}}
    )
    form = choose_preprocessing(open_source(voices), config.data)
    assert (form.sample_rate, form.front_end.feature, form.level, form.piece_seconds) == (22_050, "power", "none", 1.5)
    assert choose_preprocessing(open_source(voices), DataConfig(mels=40)).event_shape == (40,)
    (tmp_path / "phone").mkdir()
    for seed in range(3):
        soundfile.write(tmp_path / "phone" / f"{seed}.wav", voice(seed, rate=8_000), 8_000)
    assert choose_preprocessing(open_source(tmp_path / "phone"), DataConfig()).sample_rate == 8_000
    with pytest.raises(OptionError, match=r"'data\.sample_rate'"):
        Config().with_settings({"data": {"sample_rate": 4_000}})


def test_survey_counts(voices):
    found = open_source(voices).survey()
    assert found.n == 12
    assert found.speech is not None
    assert found.speech.sample_rates == {16_000: 4, 44_100: 4, 48_000: 4}
    assert found.speech.channels == {1: 6, 2: 6}
    lengths = (found.speech.shortest, found.speech.median, found.speech.longest, found.speech.seconds)
    assert lengths == pytest.approx((0.5, 1.05, 1.6, 12.6), abs=0.01)


def test_pictures_and_sound_are_not_mixed(voices, noise, tmp_path):
    noise(0).save(voices / "yes" / "face.png")
    with pytest.raises(DataError, match=r"1 pictures and 12 recordings.*data\.kind=image or data\.kind=speech"):
        open_source(voices)
    speech, image = open_source(voices, kind="speech"), open_source(voices, kind="image")
    assert [(source.kind, len(source.files)) for source in (speech, image)] == [("speech", 12), ("image", 1)]
    assert "1 .png" in next(problem.message for problem in speech.notes if problem.kind == "ignored")
    with pytest.raises(OptionError, match="'sound'"):
        open_source(voices, kind="sound")
    (voices / "yes" / "face.png").unlink()
    with pytest.raises(DataError, match="no pictures; it holds 12"):
        open_source(voices, kind="image")
    with pytest.raises(OptionError, match="digits holds pictures, not recordings"):
        open_source("digits", kind="speech")


def test_models_are_not_given_the_other_kind(voices, photos):
    with pytest.raises(OptionError, match="holds recordings, but the model takes pictures"):
        open_source(voices).load(ImagePreprocessing(height=8, width=8, channels=3))
    with pytest.raises(OptionError, match="holds pictures, but the model takes recordings"):
        open_source(photos).load(FORM)
    with pytest.raises(OptionError, match=r"data\.size is for pictures"):
        choose_preprocessing(open_source(voices), DataConfig(size=32))
    with pytest.raises(OptionError, match=r"data\.binarize is for pictures"):
        choose_preprocessing(open_source(voices), DataConfig(binarize="dynamic"))
    with pytest.raises(OptionError, match=r"data\.level is for recordings"):
        choose_preprocessing(open_source(photos), DataConfig(level="none"))
    with pytest.raises(OptionError, match=r"data\.kind asks for recordings"):
        choose_preprocessing(open_source(photos), DataConfig(kind="speech"))
    with pytest.raises(DataError, match="single recording"):
        open_source(next((voices / "yes").iterdir()))


def spoil(folder, voice) -> dict[str, str]:
    """Adds one of each kind of recording that cannot be used."""
    (folder / "text.wav").write_text("no sound")
    (folder / "empty.wav").touch()
    soundfile.write(folder / "none.flac", np.empty(0, np.float32), 16_000)
    write_recording(folder / "cut.wav", voice(90), 16_000)
    (folder / "cut.wav").write_bytes((folder / "cut.wav").read_bytes()[:9000])
    soundfile.write(folder / "nan.wav", np.full(8_000, np.nan, np.float32), 16_000, subtype="FLOAT")
    soundfile.write(folder / "short.wav", voice(91, 0.01, 48_000), 48_000)
    soundfile.write(folder / "zeros.wav", np.zeros(16_000), 16_000)
    soundfile.write(folder / "quiet.wav", voice(92, peak=9e-4), 16_000)
    soundfile.write(folder / "flat.wav", np.full(16_000, 0.3), 16_000)
    soundfile.write(folder / "against.wav", np.stack([voice(93), -voice(93)], 1), 16_000)
    silent = dict.fromkeys(("zeros.wav", "quiet.wav", "flat.wav", "against.wav"), "silent")
    unreadable = dict.fromkeys(("text.wav", "cut.wav", "nan.wav"), "unreadable")
    return {**silent, **unreadable, "empty.wav": "empty", "none.flac": "empty", "short.wav": "too short"}


def test_what_cannot_be_used_is_listed(voices, voice):
    bad = spoil(voices, voice)
    source = open_source(voices)
    with pytest.raises(DataError, match=r"10 of the 22 recordings .*more than 10 %.*--skip-bad"):
        source.load(FORM)
    dataset = source.load(FORM, skip_bad=True)
    assert len(dataset) == 12
    assert kinds(dataset) == bad
    assert all(problem.skipped for problem in dataset.problems)
    said = {problem.file_name: problem.message for problem in dataset.problems}
    assert "10 ms" in said["short.wav"]
    assert "cancel each other" in said["against.wav"]
    assert "damaged or cut off" in said["cut.wav"]


def test_nothing_usable_is_an_error(tmp_path, voice):
    spoil(tmp_path, voice)
    with pytest.raises(DataError, match="None of the 10 recording"):
        open_source(tmp_path).load(FORM, skip_bad=True)
    for path in tmp_path.iterdir():
        if path.name != "text.wav":
            path.unlink()
    with pytest.raises(DataError, match="None of the 1"):
        open_source(tmp_path).survey()


def test_remarks_are_made_and_the_recordings_kept(voices, voice):
    clipped = np.clip(4 * voice(20), -0.4, 0.4) / 0.4
    soundfile.write(voices / "clipped.wav", clipped, 16_000)
    soundfile.write(voices / "offset.wav", voice(21) + 0.1, 16_000)
    soundfile.write(voices / "stereo.wav", np.stack([voice(22), voice(23)], 1), 16_000)
    soundfile.write(voices / "loud.wav", 3000 * voice(24), 16_000, subtype="FLOAT")
    samples, rate = soundfile.read(voices / "yes" / "00.wav", dtype="int16")
    soundfile.write(voices / "same.flac", samples, rate)
    soundfile.write(voices / "yes" / "same.wav", voice(0), 16_000)
    (voices / "notes.txt").write_text("x")
    dataset = open_source(voices).load(FORM)
    assert kinds(dataset) == {
        "clipped.wav": "clipping",
        "offset.wav": "dc offset",
        "stereo.wav": "channels",
        "loud.wav": "beyond full scale",
        "yes/00.wav": "duplicate",
        "yes/same.wav": "duplicate",
        ".": "ignored",
    }
    assert not any(problem.skipped for problem in dataset.problems)
    assert len(dataset) == 18
    found = dict(zip(dataset.file_names, waves(dataset), strict=True))
    assert abs(found["offset.wav"].mean()) < 20
    assert np.abs(found["loud.wav"].astype(int)).max() <= 32768


def test_level_is_one_and_the_gain_is_kept(voices):
    dataset = open_source(voices).load(FORM)
    assert dataset.gains is not None
    assert len(dataset.gains) == len(dataset)
    plain = open_source(voices).load(FORM.model_copy(update={"level": "none"}))
    assert plain.gains.tolist() == [1.0] * 12
    for scaled, original, gain in zip(waves(dataset), waves(plain), dataset.gains.tolist(), strict=True):
        np.testing.assert_allclose(scaled, original * gain, atol=1 + gain)


def test_long_recordings_are_cut_and_their_pieces_stay_together(tmp_path, voice):
    for seed, seconds in enumerate((9.5, 1.0, 8.0, 3.9)):
        soundfile.write(tmp_path / f"{seed}.wav", voice(seed, seconds), 16_000)
    dataset = open_source(tmp_path).load(FORM)
    assert dataset.file_names == ("0.wav",) * 3 + ("1.wav",) + ("2.wav",) * 2 + ("3.wav",)
    assert dataset.lengths.max() <= 64_000
    assert len(set(dataset.gains[:3].tolist())) == 1
    for seed in range(8):
        sides = [{dataset.file_names[row] for row in part} for part in holdout(dataset, 0.3, seed)]
        assert all(sides)
        assert not set.intersection(*sides)


def test_speakers_and_other_heads_come_from_metadata(voices):
    files = [f"{path.parent.name}/{path.name}" for path in sorted(voices.glob("*/*"))]
    rows = [f"{file},{'' if i == 0 else ('ann', 'bob', 'cid')[i % 3]},happy" for i, file in enumerate(files)]
    (voices / "metadata.csv").write_text("file_name,speaker,emotion\n" + "\n".join(rows) + "\n")
    dataset = open_source(voices).load(FORM)
    assert dataset.label_names == {"label": ("no", "yes"), "speaker": ("ann", "bob", "cid"), "emotion": ("happy",)}
    speakers = dataset.labels["speaker"]
    assert dataset.groups[0] == files[0]
    assert len(set(dataset.groups)) == 4
    for seed in range(6):
        train, held = holdout(dataset, 0.2, seed)
        assert not set(speakers[train].tolist()) & set(speakers[held].tolist()) - {-1}


def test_manifests_name_recordings(voices, noise):
    noise(0).save(voices / "face.png")
    (voices / "list.csv").write_text("file_name,word\nyes/00.wav,yes\nno/07.flac,no\n")
    dataset = open_source(voices / "list.csv").load(FORM)
    assert (dataset.file_names, dataset.label_names) == (("yes/00.wav", "no/07.flac"), {"word": ("no", "yes")})
    (voices / "both.csv").write_text("file_name,word\nyes/00.wav,yes\nface.png,no\n")
    with pytest.raises(DataError, match="1 pictures and 1 recordings"):
        open_source(voices / "both.csv")
    for kind in ("image", "speech"):
        source = open_source(voices / "both.csv", kind=kind)
        assert len(source.files) == 1
        assert [problem.kind for problem in source.notes] == ["ignored"]
    assert len(open_source(voices / "both.csv", kind="speech").load(FORM)) == 1


def test_many_recordings_are_decoded_once(voices, monkeypatch):
    small = open_source(voices).load(FORM)
    monkeypatch.setattr("latentia.data.cache.IN_MEMORY_BYTES", 1000)
    for expected in (12, 0):
        done: list[int] = [0]
        large = open_source(voices).load(FORM, progress=lambda count, _, done=done: done.append(count))
        assert max(done) == expected
        assert isinstance(small.x, Ragged)
        assert isinstance(large.x, RaggedFile)
        some = np.array([11, 0, 11, 5])
        ours, theirs = large.batch(some), small.batch(some)
        assert ours.x.equal(theirs.x)
        assert ours.lengths.equal(theirs.lengths)
        assert (large.file_names, large.groups, large.problems) == (small.file_names, small.groups, small.problems)
        assert [part.tolist() for part in holdout(large, 0.3, 1)] == [part.tolist() for part in holdout(small, 0.3, 1)]
    os.utime(voices / "yes" / "00.wav", ns=(1, 1))
    open_source(voices).load(FORM, progress=lambda count, _: done.append(count))
    assert max(done) == 12


def test_other_features_need_no_other_decoding(voices, monkeypatch):
    monkeypatch.setattr("latentia.data.cache.IN_MEMORY_BYTES", 1000)
    done: list[int] = []
    for front in (FrontEnd.for_rate(16_000), FrontEnd.for_rate(16_000, "power"), FrontEnd.for_rate(16_000, mels=40)):
        form = SpeechPreprocessing(front_end=front)
        open_source(voices).load(form, progress=lambda count, _: done.append(count))
    assert done == [12]


class Spoken:
    """A named set of recordings."""

    kind = "speech"
    splits = ("train", "test")
    about = "noise"
    version = "1"

    def __init__(self, voice) -> None:
        self.voice = voice

    def read(self, split, mirror):
        def read(index):
            if index == 3:
                raise DataError("three.wav is damaged")
            return self.voice(index, 0.4, 22_050), 22_050

        n = 12 if split == "train" else 4
        names = tuple(f"{split}-{index}" for index in range(n))
        return Clips(names, read, {"speaker": tuple("ab"[i % 2] for i in range(n)), "word": ("",) * (n - 1) + ("hi",)})


def test_named_sets_may_hold_recordings(voice):
    source = as_source("spoken", Spoken(voice))
    assert (source.kind, source.splits) == ("speech", ("train", "test"))
    found = source.survey()
    assert found.n == 12
    assert found.speech is not None
    assert found.speech.sample_rates == {22_050: 11}
    form = choose_preprocessing(source, DataConfig())
    assert form.kind == "speech"
    dataset = source.load(form)
    assert (len(dataset), kinds(dataset)) == (11, {"train-3": "unreadable"})
    assert dataset.label_names == {"speaker": ("a", "b"), "word": ("hi",)}
    assert dataset.labels["word"].tolist() == [-1] * 10 + [0]
    assert len(set(dataset.groups)) == 2
    np.testing.assert_allclose(dataset.lengths, 6400, atol=2)
    with pytest.raises(DataError, match="1 of the 4 recordings of spoken"):
        source.load(form, "test")
    assert source.load(form, "test", skip_bad=True).file_names == ("test-0", "test-1", "test-2")
    assert source.fingerprint() == as_source("spoken", Spoken(voice)).fingerprint()


def test_pictures_that_are_called_recordings_are_unreadable(voices):
    Image.new("L", (9, 9)).save(voices / "face.png")
    shutil.move(voices / "face.png", voices / "face.wav")
    assert kinds(open_source(voices).load(FORM)) == {"face.wav": "unreadable"}
