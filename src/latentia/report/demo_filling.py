"""The part of the demonstration about filling in and restoring: trains on handwritten digits with holes and noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from lightning.pytorch.callbacks import Callback

from latentia.core import Batch
from latentia.data import grid, spread, write_picture
from latentia.files import make_folder, synthetic_tag
from latentia.report.blocks import Section
from latentia.report.demo_training import train_on_digits
from latentia.report.repairs import SHOWN_MASKS, completed_rows, completed_section
from latentia.report.restored import restored_rows, restored_section
from latentia.runs import RunFolder
from latentia.tasks import present

EPOCHS = 22
COLUMNS = 9


def filling_sections(
    folder: Path, *, epochs: int = EPOCHS, announce: Callable[[str], None], callbacks: Sequence[Callback] = ()
) -> tuple[Section, Section]:
    """Trains a model that fills in, and shows what it makes of test pictures with holes, and with noise.

    Args:
        folder: of the demonstration; the run goes into `digits-filling`, two pictures beside it.
        epochs: passes over the digits.
        announce: is told what is done next.
        callbacks: Lightning's.

    Raises:
        FileError: the folder cannot be written.
        RunError: another demonstration is at work in the folder.
        KeyboardInterrupt: the training was interrupted.
    """
    run = RunFolder(make_folder(folder) / "digits-filling")
    said = ("Training an image model that fills in what is missing", "Filling in")
    trained, test = train_on_digits(run, "inpainting", epochs, said, announce=announce, callbacks=callbacks)
    rows = completed_rows(trained, test, spread(np.arange(len(test)), len(SHOWN_MASKS)), COLUMNS)
    noisy = restored_rows(trained, test, spread(np.arange(len(test)), COLUMNS))
    for name, shown, task in (("completions", rows, "inpaint"), ("restored", noisy, "restore")):
        pixels = present(trained, Batch(shown.flatten(0, 1)))
        write_picture(folder / f"{name}.png", grid(pixels, columns=COLUMNS), synthetic=synthetic_tag(task))
    return _of_this_model(completed_section(trained, rows)), _of_this_model(restored_section(trained, noisy))


def _of_this_model(section: Section) -> Section:
    """Sets a section apart from that of the first model, which was trained without holes."""
    return replace(section, anchor=f"filling-{section.anchor}", title=f"{section.title} by a model that learned it")
