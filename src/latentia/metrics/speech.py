"""Metrics of speech: pure functions of waveforms in [-1, 1] and of frames of features.

Frame t of `pitch` is centred on `t * hop + hop / 2`, as in the front end, so that its track lies beside the features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CEPSTRA = 13
ACTIVE_RANGE_DB = 30.0  # frames this far below the loudest still count as speech
YIN_THRESHOLD = 0.2
VOICED_RANGE_DB = 40.0
BLOCK = 1024


def si_sdr(reference: NDArray[Any], estimate: NDArray[Any]) -> Floats:
    """Returns the scale-invariant signal-to-distortion ratio, dB (Le Roux et al., 2019, arXiv:1811.02508).

    Args:
        reference: true waveforms, shape (..., S).
        estimate: of the same shape; its scale changes nothing.

    Returns:
        Shape (...); NaN where the reference is silent.

    Example:
        >>> tone, noise = np.array([1.0, -1.0, 1.0, -1.0]), np.array([0.1, 0.1, -0.1, -0.1])
        >>> round(float(si_sdr(tone, 5 * (tone + noise))), 6)
        20.0
    """
    truth, found = _centred(reference), _centred(estimate)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = (found * truth).sum(-1, keepdims=True) / (truth**2).sum(-1, keepdims=True)
        target = scale * truth
        return 10 * np.log10((target**2).sum(-1) / ((found - target) ** 2).sum(-1))


def mel_cepstral_distortion(reference: NDArray[Any], estimate: NDArray[Any], cepstra: int = CEPSTRA) -> float:
    """Returns the mean mel-cepstral distortion of two recordings, dB (Kubichek, 1993).

    The mel cepstra are those of the log spectrum in mel bands: cosine coefficients 1 to 13 of log magnitudes.
    Coefficient 0 is left out, so that loudness does not count; frames are compared as they lie, without warping; all
    frames count.

    Args:
        reference: natural logarithms of power in mel bands, shape (T, M).
        estimate: of the same shape.
        cepstra: number of coefficients.

    Example:
        >>> bands = np.random.default_rng(0).normal(size=(5, 80))
        >>> round(mel_cepstral_distortion(bands, bands + 1.0), 6)
        0.0
    """
    difference: Floats = reference.astype(np.float64) - estimate.astype(np.float64)
    mels: int = difference.shape[-1]
    centres = (np.arange(mels, dtype=np.float64) + 0.5) / mels
    waves: Floats = np.cos(np.pi * centres[:, None] * np.arange(1, cepstra + 1))
    # The log magnitude is half the log power, and a sum of cosines has twice the mean product as amplitude.
    coefficients: Floats = difference @ waves / mels
    return float(10 / np.log(10) * np.sqrt(2 * (coefficients**2).sum(-1)).mean())


def log_spectral_distance(reference: NDArray[Any], estimate: NDArray[Any], floor_db: float = -70.0) -> float:
    """Returns the mean over frames of the root-mean-square difference of two log spectra, dB.

    Args:
        reference: power of each frequency, shape (T, F).
        estimate: of the same shape.
        floor_db: power below it, relative to the loudest of the reference, counts as equal to it.

    Example:
        >>> power = np.ones((4, 3))
        >>> round(log_spectral_distance(power, 10 * power), 6)
        10.0
    """
    floor = max(float(reference.max()) * 10 ** (floor_db / 10), np.finfo(np.float64).tiny)
    ratio: Floats = np.maximum(reference.astype(np.float64), floor) / np.maximum(estimate.astype(np.float64), floor)
    decibels: Floats = 10 * np.log10(ratio)
    return float(np.sqrt((decibels**2).mean(-1)).mean())


def active_level(waveform: NDArray[Any], sample_rate: int) -> float:
    """Returns the level of speech without its pauses, dB relative to a full-scale square wave.

    It is the root mean square of all 20 ms frames within 30 dB of the loudest; minus infinity for digital silence.

    Args:
        waveform: shape (S,).
        sample_rate: in Hz.

    Example:
        >>> round(active_level(np.r_[np.full(16000, 0.1), np.zeros(16000)], 16000), 3)
        -20.0
    """
    power = _frame_power(waveform, max(1, sample_rate // 50))
    loudest = power.max(initial=0.0)
    if loudest <= 0:
        return -np.inf
    return float(10 * np.log10(power[power >= loudest * 10 ** (-ACTIVE_RANGE_DB / 10)].mean()))


def spectral_centroid(waveform: NDArray[Any], sample_rate: int) -> float:
    """Returns the centre of gravity of the power spectrum, Hz: how bright a sound is. NaN for silence.

    Args:
        waveform: shape (S,).
        sample_rate: in Hz.

    Example:
        >>> round(spectral_centroid(np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000), 16000))
        1000
    """
    power = np.abs(np.fft.rfft(waveform.astype(np.float64))) ** 2
    if power.sum() <= 0:
        return float("nan")
    return float((np.fft.rfftfreq(len(waveform), 1 / sample_rate) * power).sum() / power.sum())


def pitch(
    waveform: NDArray[Any], sample_rate: int, hop: int | None = None, lowest: float = 60.0, highest: float = 450.0
) -> Floats:
    """Returns the fundamental frequency of each frame by YIN (de Cheveigné and Kawahara, 2002), Hz.

    Args:
        waveform: shape (S,).
        sample_rate: in Hz.
        hop: samples from one frame to the next; 10 ms if None.
        lowest: lowest fundamental frequency looked for, Hz.
        highest: highest, Hz.

    Returns:
        One value for each frame, shape (T,); NaN where there is no pitch, or hardly any sound.

    Example:
        >>> track = pitch(np.sin(2 * np.pi * 120 * np.arange(8000) / 8000), 8000)
        >>> round(float(np.nanmedian(track)), 1), len(track)
        (120.0, 100)
    """
    hop = hop or round(sample_rate / 100)
    longest, shortest = round(sample_rate / lowest), max(2, int(sample_rate / highest))
    views = _frames(waveform.astype(np.float64), hop, 2 * longest)
    periods, depth, power = (np.zeros(len(views)) for _ in range(3))
    for start in range(0, len(views), BLOCK):  # so that memory does not grow with the length
        frames, block = views[start : start + BLOCK], slice(start, start + BLOCK)
        difference = _normalised_difference(frames, longest)
        lags = _first_dip(difference, shortest)
        periods[block] = lags + _parabola(difference, lags)
        depth[block] = difference[np.arange(len(lags)), lags]
        power[block] = (frames**2).mean(-1)
    voiced = (depth < YIN_THRESHOLD) & (power > power.max(initial=0.0) * 10 ** (-VOICED_RANGE_DB / 10))
    return np.divide(sample_rate, periods, out=np.full(len(views), np.nan), where=voiced)


def _normalised_difference(frames: Floats, longest: int) -> Floats:
    """Returns YIN's difference function over lags 0 to `longest`, divided by its running mean, (T, longest + 1)."""
    size = frames.shape[-1]
    half = size - longest
    spectrum = np.fft.rfft(frames, 2 * size)
    correlation = np.fft.irfft(np.conj(np.fft.rfft(frames[:, :half], 2 * size)) * spectrum)[:, : longest + 1]
    energy = np.concatenate([np.zeros((len(frames), 1)), np.cumsum(frames**2, -1)], -1)
    shifted = energy[:, half : half + longest + 1] - energy[:, : longest + 1]
    difference = np.maximum(shifted[:, :1] + shifted - 2 * correlation, 0)
    total = np.cumsum(difference[:, 1:], -1)
    lags = np.arange(1, longest + 1)
    ratio = np.divide(difference[:, 1:] * lags, total, out=np.ones_like(total), where=total > 0)
    return np.concatenate([np.ones((len(frames), 1)), ratio], -1)


def _first_dip(difference: Floats, shortest: int) -> NDArray[np.intp]:
    """Returns the first local minimum below the threshold, else the lowest lag, shape (T,)."""
    inner = difference[:, shortest:-1]
    minimum = (inner <= difference[:, shortest - 1 : -2]) & (inner < difference[:, shortest + 1 :])
    good = minimum & (inner < YIN_THRESHOLD)
    dip: NDArray[np.intp] = good.argmax(-1)
    lowest: NDArray[np.intp] = inner.argmin(-1)
    return shortest + np.where(good.any(-1), dip, lowest)


def _parabola(difference: Floats, lags: NDArray[np.intp]) -> Floats:
    """Returns how far the minimum of the parabola through three lags lies from the middle one, within half a lag."""
    rows = np.arange(len(lags))
    before, here, after = (difference[rows, lags + step] for step in (-1, 0, 1))
    bend = before - 2 * here + after
    shift = np.divide(before - after, 2 * bend, out=np.zeros_like(bend), where=bend > 0)
    return np.clip(shift, -0.5, 0.5)


def _frames(waveform: Floats, hop: int, size: int) -> Floats:
    """Cuts a waveform into frames centred on `t * hop + hop / 2`, with silence around it, shape (T, size)."""
    count = -(-len(waveform) // hop)
    before = (size - hop) // 2
    padded = np.zeros(max(0, count - 1) * hop + size + hop)
    kept = min(len(waveform), len(padded) - max(0, before))
    padded[max(0, before) : max(0, before) + kept] = waveform[:kept]
    views = np.lib.stride_tricks.sliding_window_view(padded, size)
    return views[max(0, -before) :: hop][:count]


def _frame_power(waveform: NDArray[Any], size: int) -> Floats:
    """Returns the mean power of frames side by side; a last one that is shorter counts by what it has.

    The waveform may be an hour long, and is not copied.
    """
    frames = waveform[: len(waveform) // size * size].reshape(-1, size)
    rest = waveform[frames.size :].astype(np.float64)
    power = np.einsum("ts,ts->t", frames, frames, dtype=np.float64) / size
    return np.append(power, rest @ rest / len(rest)) if len(rest) else power


def _centred(waveforms: NDArray[Any]) -> Floats:
    values = waveforms.astype(np.float64)
    return values - values.mean(-1, keepdims=True)
