"""The re-cut sets of recordings, and the metrics of speech."""

import math

import numpy as np
import pytest

from benchmarks import speech_metrics
from benchmarks.speech_sets import SETS, open_recut
from benchmarks.speech_training import TRAINED_ON
from latentia.errors import FileError, OptionError

SIZES = {
    "arabic_digits": 1200,
    "speech_commands_3w": 694,
    "librispeech_4s": 351,
    "ravdess": 720,
    "emodb_2s": 535,
    "noise_cc": 59,
}


@pytest.mark.parametrize("name", SETS)
def test_sets_are_whole_and_keep_speakers_apart(mirror, name):
    entry = SETS[name]
    clips = [entry.read(split, mirror) for split in entry.splits]
    assert all(len(part) > 0 for part in clips)
    assert sum(len(part) for part in clips) == SIZES[name]
    speakers = [set(part.heads.get("speaker", ())) for part in clips]
    assert sum(map(len, speakers)) == len(set.union(*speakers))
    for part in clips:
        waveform, rate = part.read(len(part) - 1)
        assert (waveform.ndim, waveform.dtype, rate) == (1, np.float32, 16000)
        assert all(all(classes) for head, classes in part.heads.items() if head != "licence")


def test_words_and_speakers_of_the_digits(mirror):
    entry = SETS["arabic_digits"]
    train = entry.read("train", mirror)
    assert len(set(train.heads["speaker"])) == 16
    assert all(name.startswith(word) for name, word in zip(train.names, train.heads["word"], strict=True))
    closed = entry.by("sid_split", ("train", "test"))
    sides = [set(closed.read(split, mirror).heads["speaker"]) for split in closed.splits]
    assert sides[0] == sides[1]
    assert closed.version != entry.version


@pytest.mark.parametrize("name", SETS)
def test_without_a_mirror_the_original_is_named(name):
    with pytest.raises(FileError, match=r"LATENTIA_MIRROR.*the original, .*\."):
        SETS[name].read("train", None)


def test_opening(mirror):
    assert open_recut("ravdess", mirror).kind == "speech"
    assert open_recut("arabic_digits", mirror, "sid_split").splits == ("train", "test")
    with pytest.raises(OptionError, match="did you mean 'ravdess'"):
        open_recut("ravdes")


def _speech(rate: int, seconds: float = 3.0) -> np.ndarray:
    """Bursts of a buzzing tone, speech enough for the metrics."""
    time = np.arange(round(rate * seconds)) / rate
    buzz = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 25))
    return 0.2 * buzz * (np.sin(2 * np.pi * 2 * time) > -0.3)


def test_metrics_fall_with_noise():
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    noise = np.random.default_rng(0).normal(size=48000)
    for metric, rate in (
        (speech_metrics.pesq_wb, 16000),
        (speech_metrics.pesq_nb, 16000),
        (speech_metrics.pesq_nb, 8000),
        (speech_metrics.stoi, 16000),
    ):
        clean = _speech(rate)
        same, little, much = (metric(clean, clean + gain * noise[: len(clean)], rate) for gain in (0, 0.05, 0.5))
        assert same > little > much


def test_metrics_without_speech_are_no_numbers():
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    silence, short = np.zeros(48000), _speech(16000, 0.1)
    for metric in (speech_metrics.pesq_wb, speech_metrics.pesq_nb, speech_metrics.stoi):
        assert math.isnan(metric(silence, silence, 16000))
        assert math.isnan(metric(short, short, 16000))
    assert math.isnan(speech_metrics.stoi(np.ones(1), np.ones(1), 16000))
    value, details = speech_metrics.summary([math.nan, 2.0])
    assert (value, details) == (2.0, {"scored": 1, "without_speech": 1})
    assert math.isnan(speech_metrics.summary([math.nan])[0])


def test_silence_in_place_of_speech_has_the_lowest_score():
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    clean = _speech(16000)
    noise = np.random.default_rng(0).normal(size=len(clean))
    for metric in (speech_metrics.pesq_wb, speech_metrics.pesq_nb):
        assert metric(clean, 0 * clean, 16000) <= metric(clean, noise, 16000) < 1.5
    assert abs(speech_metrics.stoi(clean, 0 * clean, 16000)) < 0.05


@pytest.mark.parametrize(
    ("reference", "estimate", "rate", "message"),
    [
        (np.zeros(100), np.zeros(100), 22050, "takes 16000 Hz, not 22050"),
        (np.zeros(100), np.zeros(99), 16000, "of one length"),
        (np.zeros((100, 2)), np.zeros((100, 2)), 16000, "mono"),
        (np.zeros(100), np.full(100, np.nan), 16000, "no numbers"),
    ],
)
def test_wrong_input_of_metrics_is_explained(reference, estimate, rate, message):
    pytest.importorskip("pesq")
    with pytest.raises(OptionError, match=message):
        speech_metrics.pesq_wb(reference, estimate, rate)


def test_what_models_are_shipped_of_may_be_trained_on():
    assert all(SETS[name].bundled for name in TRAINED_ON)
