"""Recordings that bundled models may be trained on, put together; and those that they are measured on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.speech_sets import SETS
from latentia.data import Clips, ClipSource, named_sets
from latentia.data.audio import resample

Waveform = NDArray[np.float32]
TRAINED_ON = ("librispeech_4s", "speech_commands_3w", "arabic_digits")
HELD_OUT_SPEAKER = "theo"
JOINED_SECONDS = 3.0


def training_source(mirror: Path | None) -> ClipSource:
    """Returns the training splits of LibriSpeech, Speech Commands, Arabic digits and FSDD.

    Of FSDD only the speakers other than the one that is tested on are in it.
    """
    parts = [SETS[name].read("train", mirror) for name in TRAINED_ON]
    parts.append(_without(named_sets.build("fsdd", {}).read("train", mirror), HELD_OUT_SPEAKER))
    clips = joined_clips(parts)
    return ClipSource("speech-train", lambda _split: clips, lambda: "train")


def joined_clips(parts: Sequence[Clips]) -> Clips:
    """Puts sets below each other; speakers of different sets are different people."""
    ends = list(accumulate(len(part) for part in parts))

    def read(index: int) -> tuple[Waveform, int]:
        number = next(place for place, end in enumerate(ends) if index < end)
        return parts[number].read(index - (ends[number] - len(parts[number])))

    names = tuple(f"{number}/{name}" for number, part in enumerate(parts) for name in part.names)
    speakers = tuple(
        f"{number}/{who}" for number, part in enumerate(parts) for who in part.heads.get("speaker", ("",) * len(part))
    )
    return Clips(names, read, {"speaker": speakers})


def librispeech_test(mirror: Path | None) -> list[Waveform]:
    """Returns LibriSpeech test-other, pieces of 4 s at 16 kHz."""
    clips = SETS["librispeech_4s"].read("test-other", mirror)
    return [clips.read(index)[0] for index in range(len(clips))]


def fsdd_test(mirror: Path | None, rate: int = 16_000) -> Iterator[tuple[Waveform, Waveform]]:
    """Yields FSDD clips of the held-out speaker joined to 3 s, at 8 kHz, and the same at another rate."""
    for split in ("test", "train"):
        clips = named_sets.build("fsdd", {}).read(split, mirror)
        chosen = [index for index, who in enumerate(clips.heads["speaker"]) if who == HELD_OUT_SPEAKER]
        waves, length = list[Waveform](), 0
        for index in chosen:
            wave, own_rate = clips.read(index)
            waves.append(wave)
            length += len(wave)
            if length >= JOINED_SECONDS * own_rate:
                whole = np.concatenate(waves)[: int(JOINED_SECONDS * own_rate)]
                yield whole, resample(whole, own_rate, rate)
                waves, length = [], 0


def _without(clips: Clips, speaker: str) -> Clips:
    kept = [index for index, who in enumerate(clips.heads["speaker"]) if who != speaker]
    heads = {head: tuple(classes[index] for index in kept) for head, classes in clips.heads.items()}
    return Clips(tuple(clips.names[index] for index in kept), lambda index: clips.read(kept[index]), heads)
