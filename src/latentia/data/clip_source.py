"""A source of recordings that a named set reads one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, cast

from latentia.data.arrays import ARRAYS
from latentia.data.audio import CLIPPED, AudioHeader, Recording, resample
from latentia.data.clips import Clips
from latentia.data.dataset import Dataset, Problem
from latentia.data.files import Reading, parts_of, read_files
from latentia.data.labels import LabelTable, attach
from latentia.data.preprocessing import Preprocessing
from latentia.data.recordings import Pieces, judge, load_waves, survey_of, wave_key
from latentia.data.source import ALL, Progress, Survey, choose_split, require_kind, require_readable
from latentia.data.speech import SpeechPreprocessing, peak
from latentia.errors import DataError, FileError

_SURVEYED = 100
_CHUNK = 64


@dataclass(frozen=True)
class ClipSource:
    """Recordings that are read split by split.

    Attributes:
        name: of the set.
        read: returns the recordings of a split.
        identity: returns the fingerprint.
        splits: names of the splits.
    """

    name: str
    read: Callable[[str], Clips] = field(repr=False)
    identity: Callable[[], str] = field(repr=False)
    splits: tuple[str, ...] = ALL
    kind: Literal["speech"] = "speech"

    @cached_property
    def _first(self) -> Clips:
        return self.read(self.splits[0])

    def survey(self) -> Survey:
        """Looks at up to 100 recordings of the first split."""
        clips = self._first
        headers: list[AudioHeader] = []
        reason = "it is empty."
        for index in range(0, len(clips), max(1, -(-len(clips) // _SURVEYED))):
            try:
                waveform, rate = clips.read(index)
                headers.append(AudioHeader(len(waveform) / rate, rate, 1, "", ""))
            except (DataError, FileError) as error:
                reason = str(error)
        if not headers:
            raise DataError(f"No recording of {self.name} can be read: {reason}")
        return survey_of(headers, len(clips))

    def fingerprint(self) -> str:
        """Returns a hash that stands for the content."""
        return self.identity()

    def load(
        self,
        preprocessing: Preprocessing,
        split: str | None = None,
        *,
        skip_bad: bool = False,
        progress: Progress | None = None,
    ) -> Dataset:
        """Preprocesses the recordings; see `Source.load`."""
        split = choose_split(self, split)
        require_kind(self, preprocessing)
        form = cast(SpeechPreprocessing, preprocessing)
        clips = self._first if split == self.splits[0] else self.read(split)
        place = {name: index for index, name in enumerate(clips.names)}
        # By one thread, since nobody said that a set may be read by several.
        readings = read_files(
            parts_of(clips.names, _CHUNK), lambda name: _reading(clips, name, place[name], form), threads=1
        )
        # What a program holds in memory has no place on the disk.
        key = None if self.name == ARRAYS else wave_key(self.fingerprint(), form, split)
        dataset = load_waves(key, readings, len(clips), progress)
        require_readable(self.name, "recording", len(clips), dataset.problems, skip_bad)
        return attach(dataset, _table(self.name, clips))


def _reading(clips: Clips, name: str, index: int, form: SpeechPreprocessing) -> Reading[Pieces]:
    try:
        waveform, rate = clips.read(index)
        recording = Recording(
            waveform=resample(waveform, rate, form.sample_rate),
            sample_rate=form.sample_rate,
            loudest=peak(waveform),
            clipped=float((abs(waveform) >= CLIPPED).mean()) if len(waveform) else 0.0,
        )
        return judge(name, recording, lambda found: form.apply(found.waveform))
    except (DataError, FileError) as error:
        return Reading(name, None, problems=(Problem(name, "unreadable", str(error)),))


def _table(name: str, clips: Clips) -> LabelTable:
    heads = {
        head: {file: value for file, value in zip(clips.names, classes, strict=True) if value}
        for head, classes in clips.heads.items()
    }
    return LabelTable(name, clips.names, heads)
