"""How recordings become pieces of one level, and those become features; with the measurement of the level."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from latentia.config import Frozen
from latentia.data.frontend import FrontEnd
from latentia.errors import DataError
from latentia.metrics import active_level

Waveform = NDArray[np.floating[Any]]
TARGET_DB = -26.0  # below full scale: the level of active speech that telephony tests with (ITU-T P.56)
LARGEST_OFFSET = 0.01
FULL_SCALE = 32768
_LARGEST = (FULL_SCALE - 1) / FULL_SCALE
SILENT = 1e-3  # a peak 60 dB below full scale


class SpeechPreprocessing(Frozen):
    """How recordings become pieces of 16-bit samples, and batches of them frames of features.

    Attributes:
        front_end: from waveforms to features; its sample rate is the model's.
        level: "utterance": each recording is scaled to one level of active speech; "none": only what would clip is.
        piece_seconds: longer recordings are cut into the fewest pieces that are not longer, of one size but the last.
        log_volume: what a log density of the features exceeds that of the recordings' features by, in nats.

    Example:
        >>> form = SpeechPreprocessing(piece_seconds=2)
        >>> pieces, gain = form.apply(0.1 * np.sin(np.arange(80_000, dtype=np.float32)))
        >>> [len(piece) for piece in pieces], round(gain, 3)
        ([26720, 26720, 26560], 0.709)
    """

    kind: Literal["speech"] = "speech"
    front_end: FrontEnd = FrontEnd()
    level: Literal["utterance", "none"] = "utterance"
    piece_seconds: float = Field(default=4.0, ge=0.1, le=600)
    log_volume: ClassVar[float] = 0.0

    @property
    def event_shape(self) -> tuple[int]:
        """Shape of one frame in a batch, (F,)."""
        return (self.front_end.n_features,)

    @property
    def sample_rate(self) -> int:
        """Of the model's recordings, Hz."""
        return self.front_end.sample_rate

    def apply(self, waveform: Waveform) -> tuple[tuple[NDArray[np.int16], ...], float]:
        """Levels a recording and cuts it into pieces.

        Args:
            waveform: mono at the model's sample rate, shape (S,); may go beyond [-1, 1].

        Returns:
            Pieces, int16, which joined have S samples; and the factor that all were multiplied by.

        Raises:
            DataError: another shape, no samples, or samples that are not finite.
        """
        if waveform.ndim != 1 or waveform.dtype.kind != "f" or not len(waveform):
            raise DataError(f"Expected a mono recording as floats (S,), not {waveform.dtype} {waveform.shape}.")
        if not math.isfinite(peak(waveform)):
            raise DataError("The recording holds samples that are not finite (NaN or infinite).")
        offset = dc_offset(waveform)
        if offset:
            waveform = waveform - offset
        gain = level_gain(waveform, self.sample_rate) if self.level == "utterance" else min(1.0, largest_gain(waveform))
        size = self._piece_size(len(waveform))
        starts = range(0, len(waveform), size)
        return tuple(_sixteen_bits(waveform[start : start + size] * gain) for start in starts), gain

    def _piece_size(self, samples: int) -> int:
        """Returns the length of pieces: whole hops, so that the frames of pieces joined are those of the recording."""
        hop = self.front_end.hop
        hops, most = math.ceil(samples / hop), max(1, int(self.piece_seconds * self.sample_rate) // hop)
        return hop * math.ceil(hops / math.ceil(hops / most))

    def describe(self) -> str:
        """Says in plain words what is done."""
        level = {
            "utterance": f"scaled so that active speech lies {-TARGET_DB:g} dB below full scale, or as near to that as "
            f"does not clip",
            "none": "left at their level unless they would clip",
        }[self.level]
        return (
            f"Recordings are mixed down to one channel, resampled to {self.sample_rate} Hz, freed of an offset above 1 "
            f"% of full scale, and {level}. Those longer than {self.piece_seconds:g} s are cut into equal pieces. "
            f"{self.front_end.describe()}"
        )


def level_gain(waveform: Waveform, sample_rate: int) -> float:
    """Returns the factor that brings active speech to 26 dB below full scale, or as near to it as does not clip.

    Args:
        waveform: mono, shape (S,).
        sample_rate: Hz.

    Returns:
        The factor, 1 for silence, which stays what it is.

    Example:
        >>> round(20 * math.log10(level_gain(np.full(1600, 0.01), 16_000)), 6)
        14.0
    """
    if peak(waveform) < SILENT:
        return 1.0
    return min(10 ** ((TARGET_DB - active_level(waveform, sample_rate)) / 20), largest_gain(waveform))


def largest_gain(waveform: Waveform) -> float:
    """Returns the largest factor that does not make a recording clip; infinite for digital silence."""
    loudest = peak(waveform)
    return _LARGEST / loudest if loudest else math.inf


def dc_offset(waveform: Waveform) -> float:
    """Returns the mean of a recording if it is above 1 % of full scale (or of its peak beyond that), else 0."""
    mean = float(waveform.mean(dtype=np.float64)) if len(waveform) else 0.0
    return mean if abs(mean) > LARGEST_OFFSET * max(1.0, peak(waveform)) else 0.0


def peak(waveform: Waveform) -> float:
    """Returns the largest absolute sample, not a finite number if there is a sample that is none."""
    return float(np.maximum(waveform.max(initial=0.0), -waveform.min(initial=0.0)))


def _sixteen_bits(samples: Waveform) -> NDArray[np.int16]:
    """Rounds samples whose gain has been chosen so that they fit."""
    return np.clip(np.round(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
