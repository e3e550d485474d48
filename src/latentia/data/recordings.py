"""Recordings: what a survey looks at, how one is read and judged, and how many become pieces of waveforms."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, cast

import numpy as np

from latentia.data.audio import EXTENSIONS, AudioHeader, Recording, decode_recording, read_audio_header
from latentia.data.dataset import Dataset, Problem
from latentia.data.files import FileSource, Reading, read_files, row_key
from latentia.data.frontend import FrontEnd
from latentia.data.preprocessing import Preprocessing
from latentia.data.ragged import Wave, WaveChunk, keep_waves
from latentia.data.source import ALL, Progress, SpeechSurvey, Survey, suggest_rate
from latentia.data.speech import SILENT, SpeechPreprocessing, Waveform, dc_offset
from latentia.errors import DataError, FileError
from latentia.files import regular_size

T = TypeVar("T")
Pieces = tuple[tuple[Wave, ...], float]
SHORTEST_SECONDS = 0.1
WORST_CLIPPING = 0.001
BEYOND = 1.5  # of full scale; what codecs overshoot by is less
_CHUNK_FILES, _CHUNK_BYTES = 256, 64 * 2**20


@dataclass(frozen=True)
class Recordings:
    """Recordings as a medium of files."""

    kind: Literal["speech"] = "speech"
    noun: str = "recording"
    extensions: frozenset[str] = EXTENSIONS

    def survey(self, source: FileSource) -> Survey:
        """Looks at up to 1000 headers."""
        headers = source.headers(read_audio_header)
        return survey_of(headers, len(source.files))

    def load(self, source: FileSource, preprocessing: Preprocessing, progress: Progress | None) -> Dataset:
        """Decodes the recordings, or takes their waveforms from the cache."""
        form = cast(SpeechPreprocessing, preprocessing)

        def read(name: str) -> Reading[Pieces]:
            return read_recording_file(source.root, name, form.sample_rate, lambda found: form.apply(found.waveform))

        readings = read_files(parts_by_bytes(source), read)
        return load_waves(wave_key(source.identity(), form), readings, len(source.files), progress)


def survey_of(headers: list[AudioHeader], n: int) -> Survey:
    """Sums up what some of `n` recordings are like."""
    seconds = np.array([header.seconds for header in headers if math.isfinite(header.seconds)] or [0.0])
    rates = Counter(header.sample_rate for header in headers)
    speech = SpeechSurvey(
        seconds=float(seconds.mean() * n),
        shortest=float(seconds.min()),
        median=float(np.median(seconds)),
        longest=float(seconds.max()),
        sample_rates=dict(rates.most_common()),
        channels=dict(Counter(header.channels for header in headers).most_common()),
        sample_rate=suggest_rate(rates),
    )
    return Survey(n=n, speech=speech)


def read_recording_file(root: Path, name: str, sample_rate: int | None, use: Callable[[Recording], T]) -> Reading[T]:
    """Decodes one file, at a sample rate or its own, and makes something of the recording if it can be used."""
    try:
        if regular_size(root / name) == 0:
            return Reading(name, None, problems=(Problem(name, "empty", f"{name} is empty (0 bytes)."),))
        return judge(name, decode_recording(root / name, sample_rate), use)
    except (FileError, DataError) as error:
        return Reading(name, None, problems=(Problem(name, "unreadable", str(error)),))


def judge(name: str, recording: Recording, use: Callable[[Recording], T]) -> Reading[T]:
    """Makes something of a recording, unless it is empty, too short or silent, and says what is remarkable about it.

    Raises:
        DataError: samples that are not finite.
    """
    waveform = recording.waveform
    fault = _fault(name, recording)
    if fault is not None:
        return Reading(name, None, problems=(fault,))
    digest = hashlib.blake2b(np.ascontiguousarray(waveform).data.cast("B"), digest_size=16).digest()
    return Reading(name, use(recording), digest, tuple(_remarks(name, recording)))


def wave_key(fingerprint: str, form: SpeechPreprocessing, split: str = ALL[0]) -> str:
    """Returns the name under which waveforms are kept, whatever features are made of them later."""
    plain = FrontEnd.for_rate(form.sample_rate).model_copy(update={"hop": form.front_end.hop})
    return row_key(fingerprint, form.model_copy(update={"front_end": plain}), split)


def load_waves(
    key: str | None, readings: Iterable[list[Reading[Pieces]]], n: int, progress: Progress | None
) -> Dataset:
    """Collects pieces of `n` recordings; those of one recording form a group."""
    waves = keep_waves(key, _chunks(readings, n, progress))
    return Dataset(
        waves.x,
        file_names=waves.file_names,
        problems=waves.problems,
        lengths=waves.x.lengths,
        gains=waves.gains,
        groups=waves.file_names,
    )


def parts_by_bytes(source: FileSource) -> Iterator[list[str]]:
    """Divides files into parts that are small enough to be decoded at once, whatever the length of the recordings."""
    part: list[str] = []
    total = 0
    for name in source.files:
        try:
            size = (source.root / name).stat().st_size
        except OSError:
            size = 0  # reading will say what is wrong with it
        if part and (len(part) >= _CHUNK_FILES or total + size > _CHUNK_BYTES):
            yield part
            part, total = [], 0
        part.append(name)
        total += size
    if part:
        yield part


def _chunks(readings: Iterable[list[Reading[Pieces]]], n: int, progress: Progress | None) -> Iterator[WaveChunk]:
    done = 0
    for part in readings:
        good = [(reading.file_name, *reading.value) for reading in part if reading.value is not None]
        yield WaveChunk(
            waves=tuple(piece for _, pieces, _ in good for piece in pieces),
            gains=tuple(gain for _, pieces, gain in good for _ in pieces),
            file_names=tuple(name for name, pieces, _ in good for _ in pieces),
            problems=tuple(problem for reading in part for problem in reading.problems),
        )
        done += len(part)
        if progress is not None:
            progress(done, n)


def _fault(name: str, recording: Recording) -> Problem | None:
    """Says why a recording cannot be used; None if it can."""
    waveform = recording.waveform
    if not len(waveform):
        return Problem(name, "empty", f"{name} holds no samples.")
    seconds = len(waveform) / recording.sample_rate
    if seconds < SHORTEST_SECONDS:
        return Problem(name, "too short", f"{name} lasts {1000 * seconds:.0f} ms, too short to learn from.")
    if _swing(waveform) < SILENT:
        cancelled = ", since its channels cancel each other out" if recording.channels_differ else ""
        return Problem(name, "silent", f"{name} is silent{cancelled}: nothing in it is above -60 dB of full scale.")
    return None


def _remarks(name: str, recording: Recording) -> Iterator[Problem]:
    if recording.loudest > BEYOND:
        text = f"{name} goes beyond full scale ({recording.loudest:.3g} times); it is scaled down."
        yield Problem(name, "beyond full scale", text, skipped=False)
    elif recording.clipped > WORST_CLIPPING:
        text = f"{name} clips: {100 * recording.clipped:.2g} % of its samples are at full scale."
        yield Problem(name, "clipping", text, skipped=False)
    offset = dc_offset(recording.waveform)
    if offset:
        share = 100 * offset / max(1.0, recording.loudest)
        text = f"{name} has a DC offset of {share:.2g} % of full scale, which is removed."
        yield Problem(name, "dc offset", text, skipped=False)
    if recording.channels_differ:
        text = f"{name} has {recording.channels} channels that differ; they are mixed down to one."
        yield Problem(name, "channels", text, skipped=False)


def _swing(waveform: Waveform) -> float:
    """Returns how far the samples go from their mean."""
    mean = float(waveform.mean(dtype=np.float64))
    return max(float(waveform.max()) - mean, mean - float(waveform.min()))
