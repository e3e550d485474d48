"""What all parts of the demonstration do first: train on one split of a named set, and keep the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lightning.pytorch.callbacks import Callback

from latentia.data import Dataset, keep_few, open_source
from latentia.presets import resolve
from latentia.report.outputs import write_outputs
from latentia.runs import RunFolder, TrainedModel
from latentia.training import fit as training

WHICH = "the test split of digits"


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


def train_on_digits(
    run: RunFolder,
    preset: str,
    epochs: int,
    announcements: tuple[str, str],
    *,
    announce: Callable[[str], None],
    callbacks: Sequence[Callback] = (),
    labels_per_class: int | None = None,
) -> tuple[TrainedModel, Dataset]:
    """Trains a further model of the handwritten digits, and writes its run folder.

    Args:
        run: where to.
        preset: of the model.
        epochs: passes over the digits.
        announcements: what is said before the training, and behind it.
        announce: is told them.
        callbacks: Lightning's.
        labels_per_class: as in `prepare_named`.

    Returns:
        The model, and the test split.

    Raises:
        FileError: the folder cannot be written.
        RunError: another demonstration is at work in the folder.
        KeyboardInterrupt: the training was interrupted.
    """
    with run.locked():
        announce(announcements[0])
        training = prepare_named("digits", {"epochs": epochs}, preset, labels_per_class=labels_per_class)
        result = training.fit(run, callbacks)
        announce(announcements[1])
        write_outputs(run, result.trained, training.test, result.history, which=WHICH)
    return result.trained, training.test
