"""The part of the demonstration about generating: digits of each class from few labels, a prior fitted afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from lightning.pytorch.callbacks import Callback

from latentia.data import Dataset
from latentia.files import make_folder, synthetic_tag
from latentia.report.blocks import Prose, Section, Strips, picture
from latentia.report.classes import samples_of_classes
from latentia.report.demo_training import train_on_digits
from latentia.runs import RunFolder, TrainedModel
from latentia.tasks import generate, present
from latentia.training.second_stage import fit_second_stage, second_stage_config

EPOCHS = 45
LABELS = 10  # of each class; the model is not told the others
COLUMNS = 10
SHOWN = 3 * COLUMNS


def classes_section(
    folder: Path, *, epochs: int = EPOCHS, announce: Callable[[str], None], callbacks: Sequence[Callback] = ()
) -> Section:
    """Trains a model that knows few labels, and shows digits of each class.

    Args:
        folder: of the demonstration; the run goes into `digits-classes`.
        epochs: passes over the digits.
        announce: is told what is done next.
        callbacks: Lightning's.

    Raises:
        FileError: the folder cannot be written.
        RunError: another demonstration is at work in the folder.
        KeyboardInterrupt: the training was interrupted.
    """
    run = RunFolder(make_folder(folder) / "digits-classes")
    said = (
        f"Training an image model that knows the classes of {LABELS} digits of each",
        "Generating digits of each class",
    )
    trained, _ = train_on_digits(
        run, "conditional", epochs, said, announce=announce, callbacks=callbacks, labels_per_class=LABELS
    )
    text = (
        f"Another model was told the classes of {LABELS} digits of each, and learned from all the others without being "
        "told. Each row is of the class that it was asked for; those below each other have the same latents besides."
    )
    return Section("classes", "Made to order", (Prose(text), samples_of_classes(trained, COLUMNS)))


def second_stage_section(trained: TrainedModel, dataset: Dataset, steps: int | None = None) -> Section:
    """Fits a new prior to a finished model, and shows samples before and after.

    Args:
        trained: the model; it stays as it is.
        dataset: that it was trained on.
        steps: at most; as many as by default if None.
    """
    settings = {} if steps is None else {"prior_stage": {"steps": steps}}
    stage = fit_second_stage(trained, dataset, second_stage_config(trained.config, trained.data.n_train, settings))
    strips = [
        picture(
            present(model, generate(model, SHOWN)),
            COLUMNS,
            f"pictures that the model made up {when} its second stage",
            label=when,
            synthetic=synthetic_tag("generate"),
        )
        for when, model in (("before", trained), ("after", stage.trained))
    ]
    text = (
        "The same model with the prior that it was trained with, and with one that was fitted afterwards to where the "
        "digits lie in its latent space. Encoder, decoder and reconstructions are the same, and samples come from "
        "where the decoder has been."
    )
    if stage.before is not None and stage.after is not None:
        text += f" The rate of digits that were held out goes from {stage.before:.1f} to {stage.after:.1f} nats."
    return Section("second-stage", "A better prior afterwards", (Prose(text), Strips(tuple(strips))))
