"""`spoken-digits`: the ten English digits, spoken by eSpeak NG; needs no network, but the extra `espeak`."""

from __future__ import annotations

import hashlib
import json
import random
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from latentia.data.cache import cache_folder
from latentia.data.clips import Clips
from latentia.data.espeak import Utterance, espeak_version, speak
from latentia.data.named import TRAIN_TEST, named_sets
from latentia.files import make_folder, replacing

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TAKES = 2
SILENCE_SECONDS = 0.05  # that stays before and after a word
SILENCE = 1 / 300  # of the peak; the onset of an "f" is louder
FORMAT = 1  # changes when what is done to the samples does


@dataclass(frozen=True)
class Style:
    """A prosody: settings of eSpeak NG, and how far they vary from take to take.

    Attributes:
        mark: at the end of the word; it sets the melody.
        rate: words per minute, varied by a tenth to both sides.
        pitch: varied by 6 to both sides.
        range: how far the pitch moves within the word.
        volume: loudness.
    """

    mark: str
    rate: int
    pitch: int
    range: int
    volume: int


STYLES = {
    "calm": Style(mark=".", rate=150, pitch=45, range=40, volume=90),
    "excited": Style(mark="!", rate=205, pitch=68, range=95, volume=120),
    "questioning": Style(mark="?", rate=165, pitch=55, range=75, volume=100),
    "tired": Style(mark=".", rate=110, pitch=30, range=12, volume=60),
}

# A voice is an accent, "en" being that of Great Britain, and a variant; croaking and whispering ones are left out. The
# variants of the test voices are in no training voice.
VOICES = {
    "train": (
        *("en-us+m1", "en+m1", "en-gb-scotland+m2", "en-029+m2", "en-gb-x-rp+m4", "en-us+m4", "en-gb-x-gbclan+m5"),
        *("en+m5", "en-gb-x-gbcwmd+m6", "en-gb-scotland+m6", "en-us+m7", "en-gb-x-rp+m7", "en+f1", "en-us+f1"),
        *("en-029+f2", "en-gb-x-gbclan+f2", "en-gb-scotland+f3", "en-gb-x-gbcwmd+f3", "en-us+f5", "en-gb-x-rp+f5"),
    ),
    "test": ("en-us+m3", "en+m3", "en-029+m3", "en-gb-scotland+f4", "en-us+f4"),
}


@dataclass(frozen=True)
class SpokenDigit:
    """One recording to be: its labels, and what eSpeak NG is asked to say."""

    word: str
    speaker: str
    style: str
    take: int
    utterance: Utterance

    @property
    def name(self) -> str:
        """A name like that of a file."""
        return f"{self.word}_{self.speaker}_{self.style}_{self.take}.wav"


@dataclass(frozen=True)
class _Speech:
    """All recordings, one after the other: int16 samples (S,), the end of each recording (N,), their rate."""

    samples: NDArray[np.int16]
    ends: NDArray[np.int64]
    sample_rate: int

    def __getitem__(self, number: int) -> tuple[NDArray[np.float32], int]:
        start = int(self.ends[number - 1]) if number else 0
        return self.samples[start : self.ends[number]].astype(np.float32) / np.float32(32768), self.sample_rate


@named_sets.register("spoken-digits")
class SpokenDigits:
    """The ten digits in 25 voices of seven accents, four styles and two takes; a fifth of the voices is the test split.

    Args:
        seed: of the small differences in rate and pitch. The same seed gives the same samples.
    """

    kind: Literal["speech"] = "speech"
    splits = TRAIN_TEST
    about = (
        "2000 recordings of the ten English digits by 25 voices of eSpeak NG in four styles, 22 kHz (synthetic; heads "
        'word, speaker, style); needs no network, but pip install "latentia[espeak]"'
    )

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    @cached_property
    def version(self) -> str:
        """Stands for all that the samples depend on.

        Raises:
            MissingExtraError: eSpeak NG is not installed.
        """
        asked = [asdict(digit.utterance) for split in self.splits for digit in spoken_digits(split, self.seed)]
        content = json.dumps([FORMAT, espeak_version(), asked])
        return hashlib.blake2b(content.encode(), digest_size=12).hexdigest()

    def read(self, split: str, mirror: Path | None) -> Clips:  # no mirror needed
        """Returns the recordings of a split; the first time, all of them are spoken and kept in the cache.

        Raises:
            MissingExtraError: eSpeak NG is not installed, or does not work.
            FileError: the cache cannot be written.
        """
        digits = list(spoken_digits(split, self.seed))
        first = sum(1 for _ in spoken_digits("train", self.seed)) if split == "test" else 0
        speech = self._speech
        return Clips(
            names=tuple(digit.name for digit in digits),
            read=lambda number: speech[first + number],
            heads={head: tuple(getattr(digit, head) for digit in digits) for head in ("word", "speaker", "style")},
        )

    @cached_property
    def _speech(self) -> _Speech:
        path = cache_folder() / "spoken" / f"digits-{self.version}.npz"
        utterances = [digit.utterance for split in self.splits for digit in spoken_digits(split, self.seed)]
        kept = _load(path, len(utterances))
        if kept is not None:
            return kept
        recordings, rate = speak(utterances)
        trimmed = [trim(recording, rate) for recording in recordings]
        speech = _Speech(np.concatenate(trimmed), np.cumsum([len(samples) for samples in trimmed]), rate)
        make_folder(path.parent)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, samples=speech.samples, ends=speech.ends, sample_rate=np.int64(rate))
        return speech


def spoken_digits(split: str, seed: int) -> Iterator[SpokenDigit]:
    """Yields what is in a split.

    Example:
        >>> digits = list(spoken_digits("test", seed=0))
        >>> len(digits), digits[0].name
        (400, 'zero_en-us+m3_calm_0.wav')
    """
    for speaker in VOICES[split]:
        for style, how in STYLES.items():
            for word in WORDS:
                for take in range(TAKES):
                    draw = random.Random(f"{seed} {speaker} {style} {word} {take}")
                    rate, pitch = round(how.rate * draw.uniform(0.9, 1.1)), how.pitch + round(draw.uniform(-6, 6))
                    utterance = Utterance(word + how.mark, speaker, rate, pitch, how.range, how.volume)
                    yield SpokenDigit(word, speaker, style, take, utterance)


def trim(samples: NDArray[np.int16], sample_rate: int) -> NDArray[np.int16]:
    """Leaves 50 ms of silence before and after what is heard.

    Example:
        >>> trim(np.array([0] * 900 + [9000] * 10 + [0] * 90, np.int16), 1000).shape
        (110,)
    """
    around = round(SILENCE_SECONDS * sample_rate)
    level = np.abs(samples.astype(np.int32))
    heard = np.flatnonzero(level > SILENCE * level.max(initial=0))
    if not len(heard):
        return samples
    return np.pad(samples, around)[heard[0] : heard[-1] + 1 + 2 * around]


def _load(path: Path, expected: int) -> _Speech | None:
    """Returns the recordings that were kept; None if there are none that are whole, which their checksums tell."""
    try:
        content: Any = np.load(path, allow_pickle=False)
        with content:
            speech = _Speech(content["samples"], content["ends"], int(content["sample_rate"]))
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
    whole = len(speech.ends) == expected and speech.ends[-1] == len(speech.samples)
    return speech if whole else None
