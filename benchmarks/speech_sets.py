"""Sets of recordings that exist only re-cut in the data mirror; the full ones have their own homes and terms."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal

from benchmarks.mirror import require_mirror
from latentia.data import Clips, as_source, fetch
from latentia.data.archives import RemoteArchive, decode_clip
from latentia.data.source import Source
from latentia.data.spoken import WORDS
from latentia.errors import DataError, OptionError, nearest

LABELS = "labels.csv"
MEMBERS = re.compile(r"(?:[\w.-]+/)?((?:flac/)?[\w.-]+\.flac|labels\.csv)")


@dataclass(frozen=True)
class RecutSet:
    """A set in one archive of FLAC files and a `labels.csv`; it is opened like a named set.

    Attributes:
        name: of the set.
        file: in the mirror, with the `content_digest` of its members.
        heads: for each head the column that it is read from.
        splits: values of the column of the split.
        original: the set that it is cut from, and where that is.
        licence: of the recordings.
        bundled: whether models that are shipped may be trained on it.
        split_column: column of the split.
        rename: for a head, the names of its classes where the column has others.
    """

    kind: ClassVar[Literal["speech"]] = "speech"
    name: str
    file: RemoteArchive
    heads: Mapping[str, str]
    splits: tuple[str, ...]
    original: str
    licence: str
    bundled: bool
    split_column: str = "split"
    rename: Mapping[str, Callable[[str], str]] = field(default_factory=dict[str, Callable[[str], str]])

    @property
    def about(self) -> str:
        """What it is."""
        return f"{self.original}, re-cut ({self.licence})"

    @property
    def files(self) -> tuple[RemoteArchive]:
        """The archive."""
        return (self.file,)

    @property
    def version(self) -> str:
        """Stands for the content and the split."""
        return f"{self.file.sha256} {self.split_column}"

    def by(self, split_column: str, splits: tuple[str, ...]) -> RecutSet:
        """Returns the same recordings with another split, for example `sid_split`, which has speakers on both sides."""
        return replace(self, split_column=split_column, splits=splits)

    def read(self, split: str, mirror: Path | None) -> Clips:
        """Returns the recordings of a split.

        Raises:
            FileError: there is no mirror, or the archive is not in it.
            DataError: the archive has another content than expected, or labels without files.
        """
        require_mirror(self.name, self.original, mirror)
        members = fetch(self.file, self.name, mirror)
        table = csv.DictReader(io.StringIO(members.get(LABELS, b"").decode("utf-8-sig")))
        rows = [row for row in table if row.get(self.split_column) == split]
        names = tuple(row["file"] for row in rows)
        if missing := [name for name in names if name not in members]:
            raise DataError(f"The archive of '{self.name}' has no file {missing[0]}, which {LABELS} names.")
        contents = [members[name] for name in names]
        return Clips(
            names=names,
            read=lambda number: decode_clip(contents[number], names[number]),
            heads={
                head: tuple(self.rename.get(head, str)(row[column]) for row in rows)
                for head, column in self.heads.items()
            },
        )


def _mirrored(path: str, sha256: str) -> RemoteArchive:
    return RemoteArchive(f"speech/{path}.tar", (), sha256, MEMBERS)


SETS: dict[str, RecutSet] = {
    entry.name: entry
    for entry in (
        RecutSet(
            name="arabic_digits",
            file=_mirrored("arabic_digits", "0b870bd5f843d368d64c7bd195a4fef8a4631919932786dae70d24bed9a68e2a"),
            heads={"word": "digit", "speaker": "speaker"},
            splits=("train", "val", "test"),
            original="Arabic Speech Commands, github.com/abdulkaderghandoura/arabic-speech-commands-dataset",
            licence="CC BY 4.0",
            bundled=True,
            rename={"word": lambda digit: WORDS[int(digit)]},
        ),
        RecutSet(
            name="speech_commands_3w",
            file=_mirrored("speech_commands_3w", "515c1f61650b96b31e0a7db944a6dce81068852d1874e385f17ef17724d38296"),
            heads={"word": "word", "speaker": "speaker"},
            splits=("train", "val", "test"),
            original="Google Speech Commands 0.01, download.tensorflow.org/data/speech_commands_v0.01.tar.gz",
            licence="CC BY 4.0",
            bundled=True,
        ),
        RecutSet(
            name="librispeech_4s",
            file=_mirrored("librispeech_4s", "ebef75b907ac507c9aae91bb207fe036c47d83e3ea300f9f59e0bd10142292d6"),
            heads={"speaker": "speaker", "gender": "gender", "subset": "subset"},
            splits=("train", "val", "test", "test-other"),
            original="LibriSpeech, openslr.org/12",
            licence="CC BY 4.0",
            bundled=True,
        ),
        RecutSet(
            name="ravdess",
            file=_mirrored("ravdess", "e55a0de107222d13d3172435432462658936f85b3fc5f4462cf04d3c2cbb9400"),
            heads={
                **{name: name for name in ("emotion", "speaker", "gender", "intensity")},
                "sentence": "text",
            },
            splits=("train", "val", "test"),
            original="RAVDESS, zenodo.org/records/1188976",
            licence="CC BY-NC-SA 4.0",
            bundled=False,
        ),
        RecutSet(
            name="emodb_2s",
            file=_mirrored("emodb_2s", "0c46f54232bd9c1afb6cfdd228e6975a61ced8d000fedec839e5449c78614830"),
            heads={**{name: name for name in ("emotion", "speaker", "gender")}, "sentence": "text_code"},
            splits=("train", "val", "test"),
            original="the Berlin Database of Emotional Speech (EmoDB), emodb.bilderbar.info",
            licence="not stated",
            bundled=False,
        ),
        RecutSet(
            name="noise_cc",
            file=_mirrored("noise_cc", "4c463a002310354419612a76ae1d6d2d193b0f69124784f96e8659394e290169"),
            heads={"noise": "noise_type", "licence": "licence"},
            splits=("train", "test_seen", "test_unseen"),
            original="ESC-50 and others, github.com/karolpiczak/ESC-50",
            licence="Creative Commons, for each file its own",
            bundled=False,
        ),
    )
}


def open_recut(name: str, mirror: Path | None = None, split_column: str = "split") -> Source:
    """Opens one of the sets; nothing is read yet.

    Raises:
        OptionError: no such set; the nearest is named.
    """
    if name not in SETS:
        raise OptionError(f"There is no re-cut set '{name}': {nearest(name, SETS)}")
    entry = SETS[name]
    if split_column != entry.split_column:
        entry = entry.by(split_column, ("train", "test"))
    return as_source(f"{name}" if split_column == "split" else f"{name} by {split_column}", entry, mirror)
