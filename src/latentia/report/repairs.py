"""The section that shows what a model fills in."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from latentia.core import Batch
from latentia.data import Dataset, Indices, Mask
from latentia.data.masks import Centre, Half, Scattered, Strokes
from latentia.files import synthetic_tag
from latentia.report.blocks import Prose, Section, Strips, picture
from latentia.report.material import Material
from latentia.runs import TrainedModel
from latentia.tasks import complete, present
from latentia.tasks.complete import REFINING_STEPS
from latentia.tasks.walk import look_at

SHOWN_MASKS: tuple[tuple[str, Mask], ...] = (
    ("80 % scattered", Scattered(0.8, 0.8)),
    ("centre", Centre()),
    ("half", Half()),
    ("strokes", Strokes()),
)
BEFORE_SAMPLES = 3  # original, what is given, mean
GREY = 0.5


def completions(material: Material) -> Section | None:
    """Examples with holes and what the model fills in."""
    if not material.pictures:
        return None
    columns = max(BEFORE_SAMPLES + 2, material.shown_in_row)
    rows = completed_rows(material.trained, material.dataset, material.spread(len(SHOWN_MASKS)), columns)
    return completed_section(material.trained, rows)


def completed_section(trained: TrainedModel, rows: Tensor) -> Section:
    """Shows what a model fills into holes.

    Args:
        trained: a model of pictures.
        rows: from `completed_rows`.
    """
    tag = synthetic_tag("inpaint")
    strips = tuple(
        picture(present(trained, Batch(row)), len(row), f"completions, {name}", label=name, synthetic=tag)
        for row, (name, _) in zip(rows, SHOWN_MASKS, strict=False)
    )
    text = (
        "In each row: an example, what of it the model was told (the rest is grey), what is expected of the rest, and "
        "single completions. What is expected is nearest to the truth on average, and blurred where much is open; a "
        "single one is one of the ways in which the picture may go on."
    )
    if not trained.model.sees_parts:
        text += (
            f" This model was trained without holes: what it believes of each picture is refined by {REFINING_STEPS} "
            "steps of gradient. One of the preset inpainting learns to fill in."
        )
    return Section("completions", "Filled in", (Prose(text), Strips(strips)))


def completed_rows(trained: TrainedModel, dataset: Dataset, rows: Indices, columns: int) -> Tensor:
    """Returns for each kind of hole an example, what is given of it, what is expected, and single completions.

    Args:
        trained: a model of pictures.
        dataset: what the examples are of.
        rows: which of them, one for each kind of hole, at most as many as there are kinds.
        columns: pictures side by side.

    Returns:
        Shape (len(rows), columns, C, H, W).
    """
    batch = look_at(trained, dataset, rows).to("cpu")
    generator = torch.Generator().manual_seed(0)
    height, width = batch.x.shape[2:]
    drawn = torch.cat([mask(1, height, width, generator) for _, mask in SHOWN_MASKS[: len(rows)]])
    given = drawn if batch.observed is None else drawn & batch.observed
    made = complete(trained, replace(batch, given=given), n_samples=columns - BEFORE_SAMPLES)
    holed = torch.where(given, batch.x, GREY)
    return torch.cat([torch.stack([batch.x, holed, made.mean]), made.samples]).transpose(0, 1)
