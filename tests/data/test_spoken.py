from __future__ import annotations

import importlib.metadata
import shutil
import sys
from collections import Counter

import numpy as np
import pytest

from latentia.config import DataConfig
from latentia.data import choose_preprocessing, espeak, fetch_named, list_named, open_source
from latentia.data.cache import cache_folder
from latentia.data.espeak import Utterance, speak
from latentia.data.spoken import STYLES, WORDS, SpokenDigits, spoken_digits, trim
from latentia.errors import MissingExtraError

FEW = [digit.utterance for digit in spoken_digits("train", 0)][::200]  # breathy voices are among them


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """The set, its two splits, and the cache that they are kept in."""
    cache = tmp_path_factory.mktemp("spoken")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENTIA_CACHE", str(cache))
        entry = SpokenDigits()
        return entry, {split: entry.read(split, None) for split in entry.splits}, cache


def test_all_words_voices_and_styles_are_there(spoken):
    _, clips, _ = spoken
    for split, voices in (("train", 20), ("test", 5)):
        assert len(clips[split]) == voices * 10 * 4 * 2
        counts = {head: Counter(classes) for head, classes in clips[split].heads.items()}
        assert {head: len(classes) for head, classes in counts.items()} == {"word": 10, "speaker": voices, "style": 4}
        assert all(len(set(classes.values())) == 1 for classes in counts.values())  # as many of each
    assert set(clips["train"].heads["word"]) == set(WORDS)
    assert len({voice.split("+")[0] for voice in clips["train"].heads["speaker"]}) == 7


def test_test_voices_are_heard_nowhere_in_training(spoken):
    _, clips, _ = spoken
    train, test = (set(clips[split].heads["speaker"]) for split in ("train", "test"))
    assert not train & test
    assert not {voice.split("+")[1] for voice in train} & {voice.split("+")[1] for voice in test}


def test_recordings_are_sound_between_short_silences(spoken):
    _, clips, _ = spoken
    for number in range(len(clips["test"])):
        waveform, rate = clips["test"].read(number)
        heard = np.flatnonzero(np.abs(waveform) > np.abs(waveform).max() / 300)
        around = round(0.05 * rate)
        assert (heard[0], len(waveform) - 1 - heard[-1]) == (around, around)
        assert 0.2 < len(waveform) / rate < 1.6
        assert 0.02 < np.abs(waveform).max() < 1
    assert rate == 22050


def test_no_two_recordings_are_equal(spoken):
    _, clips, _ = spoken
    contents = [part.read(number)[0].tobytes() for part in clips.values() for number in range(len(part))]
    assert len(set(contents)) >= 0.99 * len(contents)


def test_styles_differ_in_length_and_loudness(spoken):
    _, clips, _ = spoken
    lengths, levels = ({style: [] for style in STYLES} for _ in range(2))
    for number, style in enumerate(clips["train"].heads["style"]):
        waveform, _ = clips["train"].read(number)
        lengths[style].append(len(waveform))
        levels[style].append(np.sqrt((waveform**2).mean()))
    length = {style: np.mean(values) for style, values in lengths.items()}
    level = {style: np.mean(values) for style, values in levels.items()}
    assert length["tired"] > 1.2 * length["calm"] > 1.3 * length["excited"]
    assert level["excited"] > 1.2 * level["calm"] > 1.2 * level["tired"]


def test_same_seed_same_bytes_and_other_seed_others():
    first, second = speak(FEW), speak(FEW)
    assert [samples.tobytes() for samples in first[0]] == [samples.tobytes() for samples in second[0]]
    assert [digit.utterance for digit in spoken_digits("train", 1)] != [d.utterance for d in spoken_digits("train", 0)]
    assert SpokenDigits(1).version != SpokenDigits().version == SpokenDigits(0).version


def test_what_was_spoken_is_kept_and_damage_is_noticed(spoken, monkeypatch):
    _, clips, cache = spoken
    (kept,) = cache.rglob("*.npz")
    place = cache_folder() / "spoken" / kept.name
    place.parent.mkdir(parents=True)
    shutil.copy(kept, place)
    monkeypatch.setattr(espeak, "WORKER", cache / "nowhere.py")
    number = len(clips["test"]) - 1
    again = SpokenDigits().read("test", None).read(number)[0]
    np.testing.assert_array_equal(again, clips["test"].read(number)[0])

    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 255
    place.write_bytes(content)
    with pytest.raises(MissingExtraError, match=r"nowhere\.py"):  # it wants to speak anew
        SpokenDigits().read("test", None)


def test_espeak_is_never_imported_here(spoken):
    assert "espeakng_loader" not in sys.modules


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch):
    assert importlib.metadata.version(espeak.PACKAGE) == espeak.espeak_version()
    monkeypatch.setattr(espeak, "PACKAGE", "a-package-that-nobody-has")
    with pytest.raises(MissingExtraError, match=r'pip install "latentia\[espeak\]"'):
        open_source("spoken-digits").survey()
    assert "latentia[espeak]" in list_named()["spoken-digits"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import os; os.abort()", "ended with code"),
        ("raise SystemExit('no library')", r"\(no library\)"),
        ("print('hello')", "ended with code 0"),
        ("import time; time.sleep(60)", "did not finish within 0.5 seconds"),
    ],
    ids=["crash", "says why", "nonsense", "hangs"],
)
def test_a_broken_worker_is_one_sentence(tmp_path, script, reason):
    worker = tmp_path / "worker.py"
    worker.write_text(script)
    with pytest.raises(MissingExtraError, match=rf"{reason}.*reinstall it with pip") as caught:
        speak(FEW[:1], worker=worker, seconds=0.5 if "sleep" in script else 60)
    assert "\n" not in str(caught.value)


def test_a_voice_that_does_not_exist_is_named():
    with pytest.raises(MissingExtraError, match="no voice 'xx-nowhere'"):
        speak([Utterance("one", "xx-nowhere")])


def test_an_environment_in_a_deep_folder_speaks_too(tmp_path, monkeypatch):
    """eSpeak NG itself ends the process where the path of its data is longer than 160 bytes."""
    deep = tmp_path.joinpath(*["a-rather-long-name-of-a-folder"] * 6)
    (package,) = {
        file.locate().parent for file in importlib.metadata.files(espeak.PACKAGE) or () if file.name == "__init__.py"
    }
    shutil.copytree(package, deep / package.name)
    monkeypatch.setenv("PYTHONPATH", str(deep))
    assert len(speak(FEW[:1])[0][0]) > 2000


def test_silence_stays_as_it_is():
    assert len(trim(np.zeros(100, np.int16), 8000)) == 100
    assert len(trim(np.zeros(0, np.int16), 8000)) == 0


def test_opened_by_name_it_is_a_set_like_others(spoken, monkeypatch):
    _, clips, cache = spoken
    monkeypatch.setenv("LATENTIA_CACHE", str(cache))
    source = open_source("spoken-digits")
    form = choose_preprocessing(source, DataConfig())
    test = source.load(form, "test")
    assert (source.kind, source.splits, len(test), test.problems) == ("speech", ("train", "test"), 400, ())
    assert test.label_names["word"] == tuple(sorted(WORDS))
    words = [test.label_names["word"][index] for index in test.labels["word"]]
    assert tuple(words) == clips["test"].heads["word"]
    assert fetch_named("spoken-digits") == {"train": 1600, "test": 400}
