"""The section that shows what a model fills in."""

from __future__ import annotations

from dataclasses import replace

import torch

from latentia.core import Batch
from latentia.data import Mask
from latentia.data.masks import Centre, Half, Scattered, Strokes
from latentia.files import synthetic_tag
from latentia.models import MaskedVAE
from latentia.report.blocks import Prose, Section, Strips, picture
from latentia.report.material import Material
from latentia.tasks import complete, present
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
    """Examples with holes and what the model fills in; for models that were trained to."""
    if not isinstance(material.trained.model, MaskedVAE):
        return None
    chosen = material.spread(len(SHOWN_MASKS))
    batch = look_at(material.trained, material.dataset, chosen).to("cpu")
    columns = max(BEFORE_SAMPLES + 2, material.shown_in_row)
    masks = SHOWN_MASKS[: len(chosen)]
    generator = torch.Generator().manual_seed(0)
    height, width = batch.x.shape[2:]
    drawn = torch.cat([mask(1, height, width, generator) for _, mask in masks])
    given = drawn if batch.observed is None else drawn & batch.observed
    made = complete(material.trained, replace(batch, given=given), n_samples=columns - BEFORE_SAMPLES)
    holed = torch.where(given, batch.x, GREY)
    rows = torch.cat([torch.stack([batch.x, holed, made.mean]), made.samples])
    tag = synthetic_tag("inpaint")
    strips = tuple(
        picture(
            present(material.trained, Batch(rows[:, number])),
            columns,
            f"completions, {name}",
            label=name,
            synthetic=tag,
        )
        for number, (name, _) in enumerate(masks)
    )
    text = (
        "In each row: an example, what of it the model was told (the rest is grey), the mean of many completions, and "
        "single ones. The mean is nearest to the truth on average and blurred where much is open; a single completion "
        "is one of the ways in which the picture may go on."
    )
    return Section("completions", "Filled in", (Prose(text), Strips(strips)))
