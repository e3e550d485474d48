"""How good speech sounds beside its reference: PESQ and STOI; NaN where they are not defined, and `summary` says so."""

from __future__ import annotations

import math
import statistics
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentia.errors import MissingExtraError, OptionError

Waveform = NDArray[Any]
LOWEST = 0.999  # what the standards' formulas come down to


def pesq_wb(reference: Waveform, estimate: Waveform, rate: int) -> float:
    """Returns wide-band PESQ (ITU-T P.862.2), about 1 to 4.6, of mono waveforms at 16 kHz; NaN without speech."""
    return _pesq(reference, estimate, rate, "wb", (16000,))


def pesq_nb(reference: Waveform, estimate: Waveform, rate: int) -> float:
    """Returns narrow-band PESQ (ITU-T P.862.1), about 1 to 4.5, of mono waveforms at 8 or 16 kHz; NaN as above."""
    return _pesq(reference, estimate, rate, "nb", (8000, 16000))


def stoi(reference: Waveform, estimate: Waveform, rate: int) -> float:
    """Returns short-time objective intelligibility, at most 1, of mono waveforms; NaN with less than 0.4 s of speech.

    Reference: C. Taal and others, An algorithm for intelligibility prediction of time-frequency weighted noisy speech,
    2011.
    """
    try:
        import pystoi
    except ImportError as error:
        raise _missing("pystoi") from error
    clean, other = _pair(reference, estimate)
    if not clean.any():
        return math.nan
    function: Any = pystoi.stoi
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # else it warns and returns 0.00001 for too little speech
        try:
            return float(function(clean, other, rate))
        except (RuntimeWarning, ValueError):  # the latter where there is not one frame
            return math.nan


def summary(scores: Sequence[float]) -> tuple[float, dict[str, int]]:
    """Returns the mean over the recordings that have a score, and for a row's details how many have one.

    Example:
        >>> summary([2.0, 3.0, math.nan])
        (2.5, {'scored': 2, 'without_speech': 1})
    """
    known = [score for score in scores if not math.isnan(score)]
    details = {"scored": len(known), "without_speech": len(scores) - len(known)}
    return (statistics.fmean(known) if known else math.nan), details


def _pesq(reference: Waveform, estimate: Waveform, rate: int, mode: str, rates: tuple[int, ...]) -> float:
    if rate not in rates:
        allowed = " or ".join(str(allowed) for allowed in rates)
        raise OptionError(f"PESQ of mode '{mode}' takes {allowed} Hz, not {rate}: resample first.")
    try:
        import pesq
    except ImportError as error:
        raise _missing("pesq") from error
    clean, other = _pair(reference, estimate)
    if not clean.any():
        return math.nan
    if not other.any():
        return LOWEST  # the library fails
    function: Callable[..., Any] = pesq.pesq
    try:
        return float(function(rate, clean, other, mode))
    except (pesq.NoUtterancesError, pesq.BufferTooShortError):
        return math.nan


def _pair(reference: Waveform, estimate: Waveform) -> tuple[Waveform, Waveform]:
    """Returns both as float64, one channel, of one length."""
    clean, other = (np.asarray(wave, np.float64) for wave in (reference, estimate))
    if clean.ndim != 1 or clean.shape != other.shape:
        raise OptionError(f"Two mono waveforms of one length are needed, not {clean.shape} and {other.shape}.")
    if not (np.isfinite(clean).all() and np.isfinite(other).all()):
        raise OptionError("A waveform holds samples that are no numbers.")
    return clean, other


def _missing(package: str) -> MissingExtraError:
    return MissingExtraError(f'{package} is not installed: pip install "latentia[bench]".')
