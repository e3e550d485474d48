"""What one call of the verb that trains works on: run folder and data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from latentia.cli.console import reading
from latentia.errors import DataError, OptionError

if TYPE_CHECKING:
    from latentia.data import Dataset, Preprocessing, Source
    from latentia.runs import DataRecord, RunFolder


@dataclass(frozen=True)
class Job:
    """What one call of the verb works on.

    Attributes:
        run: where to.
        source: the data.
        labels: the labels file that was given, or how many are to be known.
        few: how many labels of each class are to be known; None means all.
        skip_bad: whether to go on although many files are unreadable.
        media: whether pictures may be put into the report.
        again: the command that goes on with it.
    """

    run: RunFolder
    source: Source
    labels: str | None
    few: int | None
    skip_bad: bool
    media: bool
    again: str


def require_same_data(job: Job, preprocessing: Preprocessing, record: DataRecord) -> None:
    """Checks that a run is gone on with on the data that it began with.

    Raises:
        OptionError: they are of another kind.
        DataError: they are others, or have changed.
    """
    from latentia.data import require_kind

    require_kind(job.source, preprocessing)
    if job.source.fingerprint() != record.fingerprint:
        raise DataError(
            f"{job.source.name} is not what the training in {job.run.path} began with ({record.name}), or has changed "
            "since; start a new run with another -o."
        )


def require_same_labels(job: Job, dataset: Dataset, record: DataRecord, names: Mapping[str, tuple[str, ...]]) -> None:
    """Checks that the labels are those that a run began with.

    Raises:
        DataError: they are others, or missing.
    """
    from latentia.training.fit import labels_digest

    changed = record.labels and record.labels != labels_digest(dataset)
    if changed or dict(dataset.label_names) != dict(names):
        raise DataError(
            f"The labels are not those that the training in {job.run.path} began with; give the same labels (--labels, "
            "metadata.csv), or start a new run with another -o."
        )


def as_recorded(job: Job, record: DataRecord) -> Job:
    """Returns a job on a run as it began: what was left out of its report stays out, and bad files stay left out."""
    return replace(job, skip_bad=job.skip_bad or record.skip_bad, media=job.media and record.media)


def load_data(job: Job, preprocessing: Preprocessing) -> Dataset:
    """Reads the data, and shows how far it has come."""
    from latentia.data import keep_few

    with reading(job.source.name) as progress:
        dataset = job.source.load(preprocessing, skip_bad=job.skip_bad, progress=progress)
    return dataset if job.few is None else keep_few(dataset, job.few)


def labels_per_class(labels: str | None) -> int | None:
    """Returns how many labels of each class `--labels` wants to be known; None where it names a file, or nothing.

    Raises:
        OptionError: none at all.
    """
    found = re.fullmatch(r"(\d{1,9})-per-class", labels or "")
    if found is None:
        return None
    if not int(found[1]):
        raise OptionError(f"--labels {labels} would leave no labels: keep at least 1 of each class.")
    return int(found[1])
