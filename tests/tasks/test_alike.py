"""Nearest neighbours, ways along the data, attribute arithmetic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from latentia.core import Latents
from latentia.errors import OptionError
from latentia.tasks import (
    Encoding,
    attribute,
    change,
    encode,
    interpolate,
    neighbours,
    reconstruct,
    way_along,
    way_between,
)


def encoding(mean, std=1.0):
    mean = np.asarray(mean, np.float32)
    return Encoding(mean, np.broadcast_to(np.float32(std), mean.shape).copy())


def test_neighbours_are_those_at_the_smallest_distance():
    random = np.random.default_rng(0)
    data, queries = encoding(random.normal(size=(200, 3)), [0.5, 1.0, 2.0]), encoding(random.normal(size=(7, 3)))
    found = neighbours(data, queries, k=4)
    distances = np.linalg.norm((queries.mean[:, None] - data.mean) / [0.5, 1.0, 2.0], axis=2)
    assert np.array_equal(found.rows, np.argsort(distances, axis=1)[:, :4])
    assert found.distances == pytest.approx(np.sort(distances, axis=1)[:, :4], abs=1e-5)


def test_neighbours_do_not_depend_on_the_scale_of_a_latent_and_are_never_the_example_itself():
    mean, std = np.random.default_rng(0).normal(size=(50, 3)), np.array([0.1, 0.3, 1.0])
    found = neighbours(encoding(mean, std))
    scaled = neighbours(encoding(mean * [100, 1, 0.01], std * [100, 1, 0.01]))
    assert np.array_equal(found.rows, scaled.rows)
    assert found.rows.shape == (50, 8)
    assert (found.rows != np.arange(50)[:, None]).all()


def test_neighbours_where_examples_are_equal_or_few():
    same = neighbours(encoding(np.zeros((5, 2))), k=3)
    assert (same.rows != np.arange(5)[:, None]).all()
    assert same.distances.max() == 0
    assert neighbours(encoding(np.zeros((3, 2))), k=10).rows.shape == (3, 2)
    assert neighbours(encoding(np.zeros((3, 2))), encoding(np.zeros((1, 2))), k=10).rows.shape == (1, 3)


def test_neighbours_of_pictures_are_alike(digits):
    trained, dataset = digits
    twice = replace(dataset, x=np.concatenate([dataset.x[np.arange(100)], dataset.x[np.arange(100)]]), labels={})
    found = neighbours(encode(trained, twice), k=1)
    assert found.rows[:, 0].tolist() == [*range(100, 200), *range(100)]


def test_a_way_along_a_ring_goes_around_and_one_through_the_middle_does_not():
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 600)
    ring = np.stack([np.cos(angle), np.sin(angle)], 1) + 0.03 * np.random.default_rng(1).normal(size=(600, 2))
    first, last = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 0.1])
    way = way_along(first, last, encoding(ring), 11)
    assert torch.equal(way[[0, -1]], torch.stack([first, last]))
    assert float((way.norm(dim=1) - 1).abs().max()) < 0.15
    assert float(way_between(first, last, 11).norm(dim=1).min()) < 0.1
    paces = way.diff(dim=0).norm(dim=1)
    assert float(paces.max() / paces.min()) < 1.3


def test_a_way_between_islands_crosses_once():
    random = np.random.default_rng(0)
    islands = np.concatenate([random.normal(size=(40, 2)) - 20, random.normal(size=(60, 2)) + 20])
    way = way_along(torch.tensor([-20.0, -20.0]), torch.tensor([20.0, 20.0]), encoding(islands), 9)
    assert torch.isfinite(way).all()
    assert (way.sum(1).diff() > 0).all()


def test_ways_along_few_or_equal_data():
    ends = torch.tensor([0.0, 0.0]), torch.tensor([1.0, 1.0])
    for data in (np.zeros((1, 2)), np.zeros((30, 2)), np.ones((3, 2))):
        way = way_along(*ends, encoding(data), 5)
        assert torch.allclose(way, torch.linspace(0, 1, 5)[:, None].expand(-1, 2), atol=1e-4)
    same = way_along(ends[0], ends[0], encoding(np.ones((3, 2))), 4)
    assert torch.allclose(same, torch.zeros(4, 2), atol=1e-6)


def test_interpolation_along_data_starts_and_ends_at_the_reconstructions(digits):
    trained, dataset = digits
    along = encode(trained, dataset, range(300))
    frames = interpolate(trained, dataset, (3, 8), steps=5, way="along-data", along=along).x
    ends = reconstruct(trained, dataset, [3, 8]).mean.x
    assert frames.shape == (5, 1, 8, 8)
    assert torch.allclose(frames[[0, -1]], ends, atol=1e-5)
    with pytest.raises(OptionError, match="needs data"):
        interpolate(trained, dataset, (3, 8), way="along-data")
    with pytest.raises(OptionError, match="did you mean 'along-data'"):
        interpolate(trained, dataset, (3, 8), way="along")


def test_an_attribute_is_the_difference_of_class_means(digits):
    trained, dataset = digits
    rows = np.arange(50, 400)
    known = encode(trained, dataset, rows)
    labels = dataset.labels["label"][rows]
    found = attribute(dataset, known, "3", origin="5", rows=rows)
    assert found.direction == pytest.approx(known.mean[labels == 3].mean(0) - known.mean[labels == 5].mean(0))
    assert (found.name, found.origin) == ("3", "5")
    rest = attribute(dataset, known, "3", rows=rows)
    assert rest.direction == pytest.approx(known.mean[labels == 3].mean(0) - known.mean[labels != 3].mean(0), abs=1e-6)
    assert rest.origin == "not 3"


def test_unknown_labels_count_on_neither_side_and_any_column_will_do(digits):
    trained, dataset = digits
    known = encode(trained, dataset, range(40))
    side = np.full(len(dataset), -1)
    side[:20:2], side[1:20:2] = 0, 1
    two = replace(dataset, labels={"side": side}, label_names={"side": ("left", "right")})
    found = attribute(two, known, "right", head="side", rows=np.arange(40))
    assert found.direction == pytest.approx(known.mean[1:20:2].mean(0) - known.mean[:20:2].mean(0))


def test_examples_are_moved_by_strength(digits):
    trained, dataset = digits
    known = encode(trained, dataset)
    found = attribute(dataset, known, "0")
    frames = change(trained, known.latents(7), found, (0.0, 1.0, -2.0))
    means = [known.mean[7] + strength * found.direction for strength in (0.0, 1.0, -2.0)]
    expected = trained.model.decode(Latents(torch.from_numpy(np.stack(means))[None])).mean[0]
    assert torch.allclose(frames.x, expected, atol=1e-5)


def test_recordings_keep_what_is_said(speech):
    trained, dataset = speech
    known = encode(trained, dataset)
    found = attribute(dataset, known, "high", head="speaker", origin="low")
    start = known.latents(0)
    frames = change(trained, start, found, (0.0, 1.0))
    assert frames.lengths is not None
    assert frames.lengths.tolist() == [int(start.lengths)] * 2
    assert neighbours(known, k=2).rows.shape == (24, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t, d, e: attribute(d, e, "11"), "no class '11'"),
        (lambda t, d, e: attribute(d, e, "1", head="labl"), "did you mean 'label'"),
        (lambda t, d, e: attribute(d, e, "1", origin="x"), "no class 'x'"),
        (lambda t, d, e: attribute(d, encode(t, d, [0]), "1", origin="2", rows=np.array([0])), "none is labelled"),
        (lambda t, d, e: change(t, e.latents(0), attribute(d, e, "1"), ()), "finite numbers"),
        (lambda t, d, e: change(t, e.latents(0), attribute(d, e, "1"), (np.nan,)), "finite numbers"),
        (lambda t, d, e: neighbours(e, k=0), "at least 1"),
        (lambda t, d, e: neighbours(encoding(np.zeros((1, 4)))), "at least 1"),
        (lambda t, d, e: way_along(torch.zeros(4), torch.ones(4), encoding(np.zeros((0, 4))), 3), "needs data"),
    ],
)
def test_wrong_wishes_are_named(digits, call, message):
    trained, dataset = digits
    with pytest.raises(OptionError, match=message):
        call(trained, dataset, encode(trained, dataset, range(len(dataset))))


def test_encodings_of_other_rows_are_refused(digits):
    trained, dataset = digits
    with pytest.raises(OptionError, match=r"50 examples were encoded, and 1438 are meant: say which by `rows`"):
        attribute(dataset, encode(trained, dataset, range(50)), "9")
