"""The demonstration: trains on handwritten and on spoken digits, then does all that can be done with the models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.callbacks import Callback

from latentia.data import Dataset, grid, write_picture
from latentia.errors import MissingExtraError
from latentia.files import make_folder, replacing, synthetic_tag
from latentia.report.blocks import Pixels, Prose, Section
from latentia.report.demo_filling import EPOCHS as FILLING_EPOCHS
from latentia.report.demo_filling import filling_sections
from latentia.report.demo_generating import EPOCHS as CLASSES_EPOCHS
from latentia.report.demo_generating import classes_section, second_stage_section
from latentia.report.demo_speech import EPOCHS as SPEECH_EPOCHS
from latentia.report.demo_speech import speech_sections
from latentia.report.demo_training import WHICH, prepare_named
from latentia.report.outputs import write_outputs
from latentia.report.page import write_report
from latentia.runs import RunFolder, TrainedModel
from latentia.tasks import encode, generate, interpolate, present, reconstruct, traverse

EPOCHS = 45
IS_SAMPLES = 64
FRAMES = 9
WAYS = ((0, 1), (2, 3), (4, 5), (6, 7))
TITLE = "Models of handwritten and spoken digits"

Announce = Callable[[str], None]


def run_demo(
    folder: Path,
    *,
    epochs: int = EPOCHS,
    filling_epochs: int = FILLING_EPOCHS,
    classes_epochs: int = CLASSES_EPOCHS,
    speech_epochs: int = SPEECH_EPOCHS,
    prior_steps: int | None = None,
    announce: Announce = lambda step: None,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Trains on 1438 handwritten digits, and on spoken ones, and writes pictures, sounds, figures and a report.

    Without eSpeak NG the part about speech says how to get it.

    Args:
        folder: where to; what an earlier demonstration wrote there is replaced.
        epochs: passes over the handwritten digits.
        filling_epochs: passes over them for the model that fills in.
        classes_epochs: passes over them for the model that is told some classes.
        speech_epochs: passes over the spoken digits.
        prior_steps: of the second stage of the first model; as many as by default if None.
        announce: is told, in words, what is done next.
        callbacks: Lightning's, for example a progress bar.

    Returns:
        The report, `folder/report.html`. Beside it are the run folders `digits`, `digits-filling`, `digits-classes`
        and `spoken-digits`, pictures, sounds and latents.

    Raises:
        FileError: the folder cannot be written.
        RunError: another demonstration is at work in the folder.
        KeyboardInterrupt: the training was interrupted; run it again to start over.
    """
    run = RunFolder(make_folder(folder) / "digits")
    with run.locked():
        announce("Training an image model on handwritten digits")
        training = prepare_named("digits", {"epochs": epochs})
        result, test = training.fit(run, callbacks), training.test
        announce("Generating, reconstructing, walking between digits, varying latents, embedding")
        trained = result.trained
        _write_pictures(folder, trained, test)
        _write_latents(folder / "latents.npz", trained, test)
        announce("Evaluating and writing the report")
        metrics = write_outputs(run, trained, test, result.history, is_samples=IS_SAMPLES, which=WHICH)
        announce("Fitting a better prior afterwards")
        stage = second_stage_section(trained, training.prepared.dataset, prior_steps)
        classes = classes_section(folder, epochs=classes_epochs, announce=announce, callbacks=callbacks)
        filling = filling_sections(folder, epochs=filling_epochs, announce=announce, callbacks=callbacks)
        speech = _speech(folder, speech_epochs, announce, callbacks)
        report = folder / "report.html"
        sections = (stage, classes, *filling, *speech)
        write_report(report, trained, test, metrics, result.history, title=TITLE, sections=sections, which=WHICH)
    return report


def _speech(folder: Path, epochs: int, announce: Announce, callbacks: Sequence[Callback]) -> tuple[Section, ...]:
    """Returns the sections about speech, or one that says what they lack."""
    try:
        return speech_sections(folder, epochs=epochs, announce=announce, callbacks=callbacks)
    except MissingExtraError as error:
        announce(f"Leaving out speech: {error}")
        return (Section("speech", "Speech", (Prose(str(error)),)),)


def _write_pictures(folder: Path, trained: TrainedModel, test: Dataset) -> None:
    """Writes what each task makes as pictures of their own."""
    samples = present(trained, generate(trained, 16))
    for number, sample in enumerate(samples):
        _write(make_folder(folder / "samples") / f"sample-{number:04}.png", sample, "generate")
    _write(folder / "samples" / "grid.png", grid(samples), "generate")
    pairs = reconstruct(trained, test, range(8))
    both = np.concatenate([present(trained, pairs.original), present(trained, pairs.mean)])
    _write(folder / "reconstruction.png", grid(both, columns=8), "reconstruct")
    ways = np.concatenate([present(trained, interpolate(trained, test, ends, steps=FRAMES)) for ends in WAYS])
    _write(folder / "interpolation.png", grid(ways, columns=FRAMES), "interpolate")
    frames = traverse(trained, encode(trained, test), steps=FRAMES).frames
    _write(folder / "traversal.png", grid(present(trained, frames), columns=FRAMES), "traverse")


def _write_latents(path: Path, trained: TrainedModel, test: Dataset) -> None:
    """Writes posterior means and standard deviations with names and labels."""
    encoding = encode(trained, test)
    names = np.array([test.name(index) for index in range(len(test))])
    arrays: dict[str, Any] = {"mean": encoding.mean, "std": encoding.std, "file_name": names}
    arrays |= {head: np.array([*test.label_names[head], ""])[values] for head, values in test.labels.items()}
    with replacing(path) as temporary:
        np.savez(temporary, **arrays)


def _write(path: Path, pixels: Pixels, verb: str) -> None:
    write_picture(path, pixels, synthetic=synthetic_tag(verb))
