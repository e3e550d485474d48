"""What is measured of fillings beside their mean, and the other way to refine them."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks import completions, refinement
from latentia.core import Batch
from latentia.distributions import Gaussian, StandardNormal
from latentia.distributions.base import diagonal_normal
from latentia.models import SingleLatentVAE
from latentia.tasks import Completions


def test_completions_are_measured_where_pixels_are_missing(monkeypatch) -> None:
    """Completions are off by a tenth, up and down in turns; one value in four by more than is promised."""
    truth = np.full((6, 4, 4, 1), 51, np.uint8)
    missing = np.zeros((6, 4, 4), bool)
    missing[:, :2, :2] = True
    off = 0.1 * (-1.0) ** torch.arange(completions.COMPLETIONS)

    def complete(trained, batch, *, n_samples, seed):
        mean = torch.where(batch.given, 0.9, batch.x)
        mean[:, :, 0, 0] += 1
        samples = torch.where(batch.given, 0.9, batch.x + off[:, None, None, None, None])
        return Completions(samples, mean, torch.full_like(mean, 0.1))

    monkeypatch.setattr(completions, "complete", complete)
    monkeypatch.setattr(completions, "log_likelihood", lambda model, batch, n: torch.full((len(batch),), -8.0))
    trained = SimpleNamespace(model=SimpleNamespace(look=lambda batch: batch))
    rows = list(completions.completion_rows("ours", trained, truth, missing, "set, holes", 0))
    assert [row.key for row in rows] == completions.completion_keys("ours", "set, holes", 0)
    spread = math.sqrt(2 * completions.COMPLETIONS / (completions.COMPLETIONS - 1))
    assert [row.value for row in rows] == pytest.approx([2 / math.log(2), 20, 20, spread, 75], rel=1e-4)


class Twice(torch.nn.Module):
    """Decodes a latent as two pixels that both have its value."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z[..., None, None].expand(*z.shape, 1, 2)


def test_resampling_finds_the_posterior_of_what_is_given() -> None:
    noise = 0.4
    model = SingleLatentVAE(
        torch.nn.Identity(), torch.nn.Identity(), StandardNormal(1), Twice(), Gaussian(initial_scale=noise - 1e-3)
    )
    model.posterior_given = lambda batch: diagonal_normal(torch.full((len(batch), 1), 0.3), torch.ones(len(batch), 1))
    x = torch.tensor([[0.2, 0.0], [0.9, 0.0]])[:, None, None]
    batch = Batch(x, given=torch.tensor([True, False]).expand(2, 1, 1, 2))
    found = refinement.resampled(SimpleNamespace(model=model), batch)[:, 0, 0]
    assert found[:, 0] == pytest.approx(x[:, 0, 0, 0])
    assert found[:, 1] == pytest.approx(x[:, 0, 0, 0] / (1 + noise**2), abs=0.1)
