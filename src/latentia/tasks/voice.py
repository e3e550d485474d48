"""What the latents of an utterance do to the voice: pitch, loudness, brightness, length, measured on what is made."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from latentia.core import Latents, join_latents
from latentia.metrics import active_level, pitch, spectral_centroid
from latentia.noise import Stream, seeded
from latentia.runs import TrainedModel
from latentia.tasks.encode import Encoding
from latentia.tasks.sound import Waveform, sound
from latentia.tasks.traverse import most_typical, traverse
from latentia.tasks.walk import decode_means

STEPS = 5
DRAWS = 64
CANDIDATES = 16  # recordings near the middle, of which some may be whispered


@dataclass(frozen=True)
class Voice:
    """How a voice sounds.

    Attributes:
        pitch: median fundamental frequency of voiced frames, Hz; NaN where nothing is voiced.
        level: of active speech, dB relative to full scale.
        brightness: centre of gravity of the spectrum, Hz.
    """

    pitch: float
    level: float
    brightness: float


@dataclass(frozen=True)
class Effect:
    """What one latent does, the others and the latents of frames staying.

    Attributes:
        latent: which.
        score: how much it tells about a recording, nats.
        sounds: waveforms from low to high.
        voices: how they sound.
        seconds: mean length of new utterances with the latent low, and high.
    """

    latent: int
    score: float
    sounds: tuple[Waveform, ...]
    voices: tuple[Voice, ...]
    seconds: tuple[float, float]

    @property
    def audible(self) -> bool:
        """Whether it can be heard: pitch or brightness move by 5 %, the level by 1 dB, or the length by 10 %."""
        low, high = self.voices[0], self.voices[-1]
        return (
            _apart(low.pitch, high.pitch, 1.05)
            or _apart(low.brightness, high.brightness, 1.05)
            or abs(low.level - high.level) >= 1.0
            or _apart(*self.seconds, 1.1)
        )


def measure_voice(waveform: NDArray[np.floating], sample_rate: int) -> Voice:
    """Measures a recording.

    Args:
        waveform: mono, shape (S,).
        sample_rate: Hz.

    Example:
        >>> tone = 0.5 * np.sign(np.sin(2 * np.pi * 150 * np.arange(8000) / 8000))
        >>> round(measure_voice(tone, 8000).pitch)
        150
    """
    track = pitch(waveform, sample_rate)
    voiced = track[~np.isnan(track)]
    median = float(np.median(voiced)) if voiced.size else float("nan")
    return Voice(median, active_level(waveform, sample_rate), spectral_centroid(waveform, sample_rate))


def voice_effects(trained: TrainedModel, encoding: Encoding, *, n_latents: int = 6, seed: int = 0) -> list[Effect]:
    """Moves the most informative latents of an utterance and measures what becomes of the voice.

    Args:
        trained: a model of speech.
        encoding: of data, at least two recordings.
        n_latents: how many, at most.
        seed: of the utterances whose length is measured.

    Raises:
        OptionError: the model is not one of speech.
    """
    form = trained.speech
    walked = traverse(trained, encoding, start=_voiced_start(trained, encoding), n_latents=n_latents, steps=STEPS)
    effects: list[Effect] = []
    for row, latent in enumerate(walked.latents.tolist()):
        sounds = sound(trained, walked.row(row))
        voices = tuple(measure_voice(wave, form.sample_rate) for wave in sounds)
        ends = (float(walked.values[row, 0]), float(walked.values[row, -1]))
        seconds = tuple(_drawn_seconds(trained, encoding, latent, value, seed) for value in ends)
        effects.append(Effect(latent, float(walked.scores[row]), tuple(sounds), voices, (seconds[0], seconds[1])))
    return effects


def _voiced_start(trained: TrainedModel, encoding: Encoding) -> Latents:
    """Returns the latents of the most typical recording that has a pitch, or of the most typical one if none has."""
    rows: list[int] = most_typical(encoding)[:CANDIDATES].tolist()
    nearest = join_latents([encoding.latents(row) for row in rows])
    heard = sound(trained, decode_means(trained, nearest))
    voiced = [not math.isnan(measure_voice(wave, trained.speech.sample_rate).pitch) for wave in heard]
    return encoding.latents(rows[voiced.index(True)] if any(voiced) else rows[0])


def _drawn_seconds(trained: TrainedModel, encoding: Encoding, latent: int, value: float, seed: int) -> float:
    """Returns the mean length of new utterances with the codes of data, in which one latent has a value."""
    chosen = np.linspace(0, len(encoding) - 1, DRAWS).round().astype(np.int64)
    code = torch.from_numpy(encoding.mean[chosen]).to(trained.device)
    code[:, latent] = value
    with torch.inference_mode(), seeded(seed, Stream.GENERATE):
        drawn: Latents = trained.model.draw(DRAWS, code)
    frames = 0.0 if drawn.lengths is None else float(drawn.lengths.double().mean())
    return frames / trained.speech.front_end.frames_per_second


def _apart(first: float, second: float, ratio: float) -> bool:
    """Tells whether two figures differ by a ratio or more, or only one of them exists."""
    if math.isnan(first) or math.isnan(second):
        return math.isnan(first) != math.isnan(second)
    return max(first, second) >= ratio * min(first, second)
