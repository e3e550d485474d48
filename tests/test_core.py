from __future__ import annotations

import pytest
import torch

from latentia import core
from latentia.core import Latents, at_once
from latentia.tasks import decode_means, traverse
from latentia.tasks.walk import batches_of


def test_fewer_large_examples_are_worked_on_at_once() -> None:
    assert at_once((1, 28, 28), 256) == 256
    assert at_once((3, 512, 512), 256) == 10
    assert at_once((3, 4096, 4096), 256) == 1


@pytest.fixture
def sizes(digits, monkeypatch):
    """How many examples the model of digits, which now count as large, decodes at a time."""
    found: list[int] = []
    model = digits[0].model
    decode = type(model).decode
    monkeypatch.setattr(core, "NUMBERS_AT_ONCE", 64 * 5)
    monkeypatch.setattr(type(model), "decode", lambda self, latents: found.append(latents.n) or decode(self, latents))
    return found


def test_large_examples_are_decoded_a_few_at_a_time(digits, sizes) -> None:
    code = torch.randn(1, 12, 4)
    few = decode_means(digits[0], Latents(code)).x
    assert sizes == [5, 5, 2]
    assert torch.equal(few[:5], decode_means(digits[0], Latents(code[:, :5])).x)


def test_large_examples_are_encoded_a_few_at_a_time(digits, sizes, monkeypatch) -> None:
    trained, dataset = digits
    seen: list[int] = []
    model = type(trained.model)
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda self, batch: seen.append(len(batch)) or encode(self, batch))
    traverse(trained, n_latents=1, steps=2)
    assert max(seen) == max(sizes) == 5
    assert [len(rows) for rows in batches_of(dataset, range(12))] == [5, 5, 2]
