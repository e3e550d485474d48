"""Single recordings: opening them safely, reading them block by block at any rate, writing them in one piece."""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentia.data.speech import FULL_SCALE, Waveform, largest_gain, peak
from latentia.errors import DataError, FileError
from latentia.files import regular_size, replacing

# What libsndfile reads without being told the format.
EXTENSIONS = frozenset(
    {".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf"}
    | {".w64", ".rf64", ".voc", ".sph", ".nist", ".ircam", ".avr", ".htk", ".paf", ".svx", ".8svx"}
)
Samples = NDArray[np.float32]
RATES = (1_000, 768_000)
LONGEST_HOURS = 6
CLIPPED = 0.9995  # of full scale; what cheap converters reach instead of 1
CHANNELS_DIFFER = 1e-3
_BLOCK = 2**18  # samples of all channels
_UNKNOWN = 2**47  # more frames than this are a way to say that nobody counted them
# libsndfile's log where a header promises more bytes than the file has: in WAV, AIFF, AU, RF64 and W64; in VOC.
_PROMISED = re.compile(r"^\s*(?:data|SSND|Data Size|Riff size|riff)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_TRUNCATED = "Seems to be a truncated file"
_STREAMED = 0x7FFF_0000  # such sizes stand in files that were written to a pipe, whose end nobody knew


@dataclass(frozen=True)
class AudioHeader:
    """What a recording says of itself before its samples are decoded.

    Attributes:
        seconds: its length; NaN where the file does not say.
        sample_rate: Hz.
        channels: how many.
        subtype: how samples are stored, for example "PCM_16".
        format: of the file, for example "WAV".
    """

    seconds: float
    sample_rate: int
    channels: int
    subtype: str
    format: str


@dataclass(frozen=True)
class Recording:
    """A recording that was read whole, and what showed on the way.

    Attributes:
        waveform: mono, shape (S,).
        sample_rate: of the waveform, Hz.
        channels: of the file.
        channels_differ: whether they hold different sounds.
        loudest: largest absolute sample of any channel.
        clipped: share of samples at full scale.
    """

    waveform: Samples
    sample_rate: int
    channels: int = 1
    channels_differ: bool = False
    loudest: float = 0.0
    clipped: float = 0.0


def read_audio_header(path: Path | str) -> AudioHeader:
    """Reads length, rate and format of a recording without decoding its samples.

    Raises:
        FileError: the file is missing, no regular file, or cannot be read.
        DataError: it is empty, cut off, or no recording.
    """
    with _opened(Path(path)) as file:
        seconds = file.frames / file.samplerate if file.frames < _UNKNOWN else math.nan
        return AudioHeader(seconds, file.samplerate, file.channels, file.subtype, file.format)


def read_recording(path: Path | str, sample_rate: int | None = None) -> tuple[Samples, int]:
    """Reads a recording as one channel, block by block, so that only the result is in memory.

    Args:
        path: what libsndfile reads; any rate, any number of channels, up to 6 hours.
        sample_rate: to resample to, Hz; that of the file if None.

    Returns:
        The waveform, shape (S,), in [-1, 1] unless the file holds floats beyond that; and its sample rate.

    Raises:
        FileError: the file is missing, no regular file, or cannot be read.
        DataError: it is empty, cut off, damaged, no recording, too long, or holds samples that are not finite.
    """
    recording = decode_recording(path, sample_rate)
    if not len(recording.waveform):
        raise DataError(f"{path} holds no samples.")
    return recording.waveform, recording.sample_rate


def decode_recording(path: Path | str, sample_rate: int | None = None) -> Recording:
    """Reads a recording as `read_recording` does, and tells what showed on the way; it may have no samples."""
    path = Path(path)
    notes = _Notes()
    with _opened(path) as file:
        rate = sample_rate or int(file.samplerate)
        most = LONGEST_HOURS * 3600 * rate
        said = file.frames * rate // file.samplerate if file.frames < _UNKNOWN else 60 * rate
        waveform = np.empty(min(said, most) + rate, np.float32)
        n = 0
        for block in _mono(file, path, rate, _BLOCK, notes):
            if n + len(block) > min(most, len(waveform)):
                if n + len(block) > most:
                    raise DataError(f"{path} is longer than {LONGEST_HOURS} hours: cut it into shorter files.")
                waveform = np.concatenate([waveform, np.empty_like(waveform)])
            waveform[n : n + len(block)] = block
            n += len(block)
        share = notes.at_full_scale / max(1, notes.seen)
        return Recording(waveform[:n], rate, file.channels, notes.differ, notes.loudest, share)


def stream_recording(
    path: Path | str, sample_rate: int | None = None, block_seconds: float = 10.0
) -> Iterator[Samples]:
    """Yields a recording of any length as one channel, in blocks of about `block_seconds`, shape (S,).

    Joined, the blocks are what `read_recording` returns, and its errors are raised on the way.
    """
    with _opened(Path(path)) as file:
        size = max(1, round(block_seconds * file.samplerate)) * file.channels
        yield from _mono(file, Path(path), sample_rate or file.samplerate, size, _Notes())


def resample(waveform: Waveform, sample_rate: int, wanted: int) -> Samples:
    """Brings a mono waveform (S,) to another sample rate.

    Example:
        >>> len(resample(np.zeros(8_000, np.float32), 8_000, 16_000))
        16000
    """
    samples = np.ascontiguousarray(waveform, np.float32)
    if sample_rate == wanted:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, sample_rate, wanted), np.float32)


def write_recording(path: Path | str, waveform: Waveform, sample_rate: int, synthetic: str = "") -> float:
    """Writes a mono WAV file of 16 bits in one piece: a crash leaves either the old file or the new one.

    Args:
        path: where to; the folder must exist.
        waveform: shape (S,), floats; if some are beyond [-1, 1], all are scaled down so that nothing clips.
        sample_rate: Hz.
        synthetic: says in the file's comment that the sound is not a recording, and what made it.

    Returns:
        The factor that samples were scaled by, 1 if they fitted.

    Raises:
        DataError: another shape, no samples, or samples that are not finite.
        FileError: the file cannot be written.
    """
    path = Path(path)
    if waveform.ndim != 1 or not len(waveform) or not math.isfinite(peak(waveform)):
        raise DataError(f"Only finite waveforms (S,) can be written to {path}, not {waveform.shape}.")
    gain = 1.0 if peak(waveform) <= 1.0 else largest_gain(waveform)
    samples = np.minimum(np.round(waveform * gain * FULL_SCALE), FULL_SCALE - 1).astype(np.int16)
    library = _library()
    with replacing(path) as temporary:
        try:
            with library.SoundFile(os.fsencode(temporary), "w", sample_rate, 1, "PCM_16", format="WAV") as file:
                if synthetic:
                    file.comment = f"synthetic: {synthetic}"
                file.write(samples)
        except library.SoundFileError as error:
            raise FileError(f"Cannot write {path}: {_reason(error)}.") from error
    return gain


@dataclass
class _Notes:
    """What shows while samples go by."""

    seen: int = 0
    at_full_scale: int = 0
    loudest: float = 0.0
    differ: bool = False

    def take(self, block: Samples) -> None:
        """Looks at samples (S, C)."""
        loud = np.abs(block)
        self.seen += block.size
        self.loudest = max(self.loudest, float(loud.max()))
        self.at_full_scale += int(np.count_nonzero(loud >= CLIPPED))
        self.differ = self.differ or bool((block.max(1) - block.min(1)).max() > CHANNELS_DIFFER)


def _library() -> Any:
    import soundfile

    return soundfile


@contextlib.contextmanager
def _opened(path: Path) -> Generator[Any]:
    """Opens a recording whose header is sound."""
    if regular_size(path) == 0:
        raise DataError(f"{path} is empty (0 bytes).")
    library = _library()
    try:
        stream = path.open("rb", buffering=0)
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror or error}.") from error
    with stream:
        try:
            file = library.SoundFile(stream.fileno(), closefd=False)
        except (library.SoundFileError, TypeError, ValueError) as error:
            raise DataError(f"{path} is not a recording, whatever its name says ({_reason(error)}).") from error
        with file:
            _require_sound(path, file)
            yield file


def _require_sound(path: Path, file: Any) -> None:
    if not RATES[0] <= file.samplerate <= RATES[1]:
        raise DataError(f"{path} claims a sample rate of {file.samplerate} Hz, which no recording has: it is damaged.")
    sizes = [(int(promised), int(there)) for promised, there in _PROMISED.findall(file.extra_info)]
    if any(there < promised < _STREAMED for promised, there in sizes) or _TRUNCATED in file.extra_info:
        raise DataError(f"{path} is damaged or cut off: its header promises more than is there.")


def _mono(file: Any, path: Path, rate: int, size: int, notes: _Notes) -> Iterator[Samples]:
    """Yields blocks of one channel at a rate; `size` counts the samples of all channels."""
    if rate == file.samplerate:
        for block in _blocks(file, path, size, notes):
            yield block.mean(1)
        return
    import soxr

    resampler = soxr.ResampleStream(file.samplerate, rate, 1, dtype="float32")
    for block in _blocks(file, path, size, notes):
        yield np.asarray(resampler.resample_chunk(block.mean(1)), np.float32)
    yield np.asarray(resampler.resample_chunk(np.empty(0, np.float32), last=True), np.float32)


def _blocks(file: Any, path: Path, size: int, notes: _Notes) -> Iterator[Samples]:
    """Yields samples (S, C) to the end that the header promises."""
    n = 0
    while True:
        try:
            block: Samples = file.read(max(1, size // file.channels), dtype="float32", always_2d=True)
        except _library().SoundFileError as error:
            raise DataError(f"{path} is damaged or cut off: {_reason(error)}.") from error
        if not len(block):
            break
        n += len(block)
        if not np.isfinite(block).all():
            raise DataError(f"{path} holds samples that are not finite (NaN or infinite): mend or remove it.")
        notes.take(block)
        yield block
    if n < file.frames < _UNKNOWN:
        raise DataError(f"{path} is damaged or cut off: {n} of {file.frames} samples can be read.")


def _reason(error: Exception) -> str:
    """Returns libsndfile's own words, without a full stop."""
    said = getattr(error, "error_string", str(error))
    return str(said).rstrip(". ") or type(error).__name__
