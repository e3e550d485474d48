"""The section that shows how a model takes noise off."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from latentia.core import Batch
from latentia.data import Dataset, Indices
from latentia.files import synthetic_tag
from latentia.metrics import psnr
from latentia.report.blocks import Prose, Section, Strips, picture
from latentia.report.material import Material
from latentia.runs import TrainedModel
from latentia.tasks import expect, present
from latentia.tasks.walk import look_at

LEVEL = 0.2  # standard deviation of the noise, on the scale of [0, 1]
ROWS = ("as it is", "with noise", "restored")


def restored(material: Material) -> Section | None:
    """Examples with noise and what the model makes of them; one that sees parts has to be trained to be told of it."""
    trained = material.trained
    if not material.pictures or (trained.model.sees_parts and not trained.config.training.noise):
        return None
    return restored_section(trained, restored_rows(trained, material.dataset, material.spread(material.shown_in_row)))


def restored_section(trained: TrainedModel, rows: Tensor) -> Section:
    """Shows what a model makes of noisy pictures.

    Args:
        trained: a model of pictures.
        rows: from `restored_rows`.
    """
    tags = ("", "", synthetic_tag("restore"))
    strips = tuple(
        picture(present(trained, Batch(row)), len(row), f"examples {name}", label=name, synthetic=tag)
        for row, name, tag in zip(rows, ROWS, tags, strict=True)
    )
    before, after = (psnr(rows[0].numpy(), row.numpy()) for row in rows[1:])
    text = (
        f"Examples, the same with normal noise of {255 * LEVEL:.0f} grey levels of 255, and what the model, which was "
        f"told that level, expects them to be without it. Their peak signal-to-noise ratio goes from {before:.1f} "
        f"to {after:.1f} dB. What is restored is a mean over all that may have been there, and so a little blurred."
    )
    return Section("restored", "Noise taken off", (Prose(text), Strips(strips)))


def restored_rows(trained: TrainedModel, dataset: Dataset, rows: Indices) -> Tensor:
    """Returns examples as they are, with noise, and restored.

    Args:
        trained: a model of pictures.
        dataset: what the examples are of.
        rows: which of them, shape (N,).

    Returns:
        Shape (3, N, C, H, W).
    """
    batch = look_at(trained, dataset, rows).to("cpu")
    noise = torch.randn(batch.x.shape, generator=torch.Generator().manual_seed(0))
    noisy = (batch.x + LEVEL * noise).clamp(0, 1)
    given = torch.ones_like(batch.x[:, :1], dtype=torch.bool) if batch.observed is None else batch.observed
    told = torch.full((len(noisy), 1, 1, 1), LEVEL)
    return torch.stack([batch.x, noisy, expect(trained, replace(batch, x=noisy, given=given, noise=told))])
