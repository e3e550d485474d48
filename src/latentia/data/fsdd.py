"""`fsdd`: the Free Spoken Digit Dataset."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from latentia.data.archives import RemoteArchive, decode_clip
from latentia.data.clips import Clips
from latentia.data.fetch import fetch
from latentia.data.named import TRAIN_TEST, named_sets
from latentia.data.spoken import WORDS

ARCHIVE = RemoteArchive(
    path="speech/fsdd.tar.xz",
    urls=("https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz",),
    sha256="dbd573d7cafe79c4b49f65718115e1304e24e067fa39eff18a660dc6cb9c360f",  # of the 3000 recordings
    members=re.compile(r"(?:[\w.-]+/)?recordings/([0-9]_[a-z]+_[0-9]+\.wav)"),
)
TEST_TAKES = 5  # of each digit and speaker, the first ones, as the data set's home has it


@named_sets.register("fsdd")
class Fsdd:
    """The Free Spoken Digit Dataset 1.0.10: Z. Jackson and others, 2018. Both splits hold all six speakers.

    Args:
        archive: where it is, and the checksum of its recordings.
    """

    kind: Literal["speech"] = "speech"
    splits = TRAIN_TEST
    about = (
        "2700 + 300 recordings of the ten English digits by six speakers, 8 kHz (Free Spoken Digit Dataset, Z. Jackson "
        "and others; CC BY-SA 4.0; heads word, speaker)"
    )

    def __init__(self, archive: RemoteArchive = ARCHIVE) -> None:
        self.archive = archive
        self.files = (archive,)

    @property
    def version(self) -> str:
        """The checksum of all recordings."""
        return self.archive.sha256

    def read(self, split: str, mirror: Path | None) -> Clips:
        """Returns the recordings of a split.

        Raises:
            FileError: the archive is not in the mirror, or cannot be downloaded.
            DataError: it has another content than expected.
        """
        members = fetch(self.archive, "fsdd", mirror)
        names = [name for name in sorted(members) if (_take(name) < TEST_TAKES) == (split == "test")]
        contents = [members[name] for name in names]
        return Clips(
            names=tuple(names),
            read=lambda number: decode_clip(contents[number], names[number]),
            heads={
                "word": tuple(WORDS[int(name[0])] for name in names),
                "speaker": tuple(name.split("_")[1] for name in names),
            },
        )


def _take(name: str) -> int:
    return int(name.removesuffix(".wav").split("_")[2])
