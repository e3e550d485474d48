"""Ways, traversals and attributes in models that know classes, that are hierarchies, or that fill in."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from latentia.core import Latents
from latentia.tasks import Encoding, attribute, change, encode, interpolate, reconstruct, traverse

OTHERS = ["labelled", "ladder", "masked"]


def two_ends(known: Encoding) -> tuple[int, int]:
    """Returns two examples; of different classes, where the model knows any."""
    if known.labels is None:
        return 3, 8
    classes = known.labels.argmax(-1)
    return 3, int((classes != classes[3]).nonzero()[0])


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("way", ["linear", "spherical", "along-data"])
def test_ways_start_and_end_at_the_reconstructions(name, way, request):
    trained, dataset = request.getfixturevalue(name)
    known = encode(trained, dataset)
    ends = two_ends(known)
    frames = interpolate(trained, dataset, ends, steps=5, way=way, along=known).x
    assert frames.shape == (5, 1, 8, 8)
    assert torch.allclose(frames[[0, -1]], reconstruct(trained, dataset, ends).mean.x, atol=1e-4)
    assert not torch.allclose(frames[0], frames[-1], atol=1e-3)


def test_halfway_between_two_classes_is_half_of_each(labelled):
    trained, dataset = labelled
    known = encode(trained, dataset)
    first, last = ends = two_ends(known)
    one, other = known.latents(first), known.latents(last)
    assert not torch.equal(one.labels, other.labels)
    half = Latents((one.code + other.code) / 2, labels=(one.labels + other.labels) / 2)
    middle = interpolate(trained, dataset, ends, steps=3).x[1]
    assert torch.allclose(middle, trained.model.decode(half).mean[0, 0], atol=1e-4)


@pytest.mark.parametrize("name", OTHERS)
def test_traversals_vary_one_latent_and_nothing_else(name, request):
    trained, dataset = request.getfixturevalue(name)
    known = encode(trained, dataset)
    start = known.latents(7)
    result = traverse(trained, known, start=start, n_latents=2, steps=3)
    assert result.frames.x.shape == (6, 1, 8, 8)
    for row, latent in enumerate(result.latents.tolist()):
        for step in range(3):
            code = start.code.clone()
            code[0, 0, latent] = result.values[row, step]
            expected = trained.model.decode(replace(start, code=code)).mean[0, 0]
            assert torch.allclose(result.row(row).x[step], expected, atol=1e-4)
    assert traverse(trained, n_latents=1, steps=2).frames.x.isfinite().all()  # from its own samples


@pytest.mark.parametrize("name", OTHERS)
def test_examples_are_moved_by_strength(name, request):
    trained, dataset = request.getfixturevalue(name)
    known = encode(trained, dataset)
    found, start = attribute(dataset, known, "0"), known.latents(7)
    strengths = (0.0, 1.0, -2.0)
    frames = change(trained, start, found, strengths).x
    for frame, strength in zip(frames, strengths, strict=True):
        moved = replace(start, code=start.code + strength * torch.from_numpy(found.direction))
        assert torch.allclose(frame, trained.model.decode(moved).mean[0, 0], atol=1e-4)
    assert torch.allclose(frames[0], reconstruct(trained, dataset, [7]).mean.x[0], atol=1e-4)
    assert not torch.allclose(frames[0], frames[1], atol=1e-3)
