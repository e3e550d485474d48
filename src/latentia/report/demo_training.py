"""What all parts of the demonstration do first: train on one split of a named set, and keep the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lightning.pytorch.callbacks import Callback

from latentia.data import Dataset, keep_few, open_source
from latentia.presets import resolve
from latentia.runs import RunFolder
from latentia.training import fit as training


@dataclass(frozen=True)
class NamedTraining:
    """A training on a named set, ready to start.

    Attributes:
        prepared: the training.
        test: the other split.
    """

    prepared: training.Training
    test: Dataset

    def fit(self, run: RunFolder, callbacks: Sequence[Callback] = ()) -> training.Fit:
        """Trains.

        Raises:
            KeyboardInterrupt: the training was interrupted.
        """
        result = training.fit(self.prepared, run, callbacks=callbacks)
        if result.ending == "interrupted":
            raise KeyboardInterrupt
        return result


def prepare_named(
    name: str, settings: dict[str, Any], preset: str | None = None, *, labels_per_class: int | None = None
) -> NamedTraining:
    """Reads both splits of a named set and prepares a training.

    Args:
        name: of the set.
        settings: of the section `training`.
        preset: the default one if None.
        labels_per_class: how many labels of each class are known in training; all if None.
    """
    source = open_source(name)
    config, form = resolve(source, preset, {"training": settings})
    train, test = (source.load(form, split) for split in ("train", "test"))
    train = train if labels_per_class is None else keep_few(train, labels_per_class)
    prepared = training.prepare_training(train, form, config, name=source.name, fingerprint=source.fingerprint())
    return NamedTraining(prepared, test)
