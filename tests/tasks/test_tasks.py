from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from latentia.core import Batch, Latents
from latentia.data import Dataset
from latentia.errors import OptionError
from latentia.tasks import (
    Encoding,
    encode,
    generate,
    interpolate,
    present,
    prior_latents,
    reconstruct,
    traverse,
    way_between,
)
from latentia.tasks.walk import batches_of


@pytest.mark.parametrize("name", ["digits", "binary", "vectors"])
def test_results_are_functions_of_the_seed_and_leave_the_random_state_alone(name, request):
    trained, dataset = request.getfixturevalue(name)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    once = generate(trained, 5, seed=3).x
    encode(trained, dataset, range(5))
    traverse(trained, n_latents=1, steps=2)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(generate(trained, 5, seed=3).x, once)
    assert not torch.equal(generate(trained, 5, seed=4).x, once)


def test_batches_of_large_pictures_are_small():
    for side, count in ((28, 256), (400, 52), (3000, 1)):
        dataset = Dataset(np.broadcast_to(np.zeros((), np.uint8), (600, side, side, 1)))
        parts = list(batches_of(dataset))
        assert [len(part) for part in parts[:2]] == [count, count]
        assert np.array_equal(np.concatenate(parts), np.arange(600))


def test_a_sample_does_not_depend_on_how_many_are_drawn(binary):
    trained, _ = binary
    assert torch.equal(prior_latents(trained, 300, 0).code[:, :7], prior_latents(trained, 7, 0).code)
    assert len(torch.unique(prior_latents(trained, 600, 0).code[0], dim=0)) == 600


def test_shapes_and_units(digits, vectors):
    trained, dataset = digits
    samples = generate(trained, 3)
    assert samples.x.shape == (3, 1, 8, 8)
    assert present(trained, samples).dtype == np.uint8
    assert present(trained, samples).shape == (3, 8, 8, 1)
    assert generate(trained, 0).x.shape == (0, 1, 8, 8)
    samples.x.clamp_(0, 1)  # callers may change what they get
    trained, dataset = vectors
    original = reconstruct(trained, dataset, [4, 2]).original
    assert present(trained, original)[:, 1].std() > 1  # back in the units of the data
    assert present(trained, original) == pytest.approx(trained.preprocessing.invert(dataset.x[np.array([4, 2])]))


@pytest.mark.parametrize("name", ["digits", "binary"])
def test_encoding_an_example_depends_on_nothing_else(name, request):
    trained, dataset = request.getfixturevalue(name)
    together, alone = encode(trained, dataset), encode(trained, dataset, [300])
    assert together.mean.shape == (len(dataset), 4)
    assert alone.mean[0] == pytest.approx(together.mean[300], abs=1e-5)
    assert alone.std[0] == pytest.approx(together.std[300], abs=1e-5)


def test_reconstructions_are_decoded_means(digits):
    trained, dataset = digits
    rows = np.array([5, 9])
    result = reconstruct(trained, dataset, rows)
    batch = dataset.batch(rows)
    mean = trained.model.decode(Latents(trained.model.posterior_of(batch).mean[None])).mean[0]
    assert torch.equal(result.original.x, batch.x)
    assert torch.allclose(result.mean.x, mean, atol=1e-6)


def test_binarised_models_see_the_most_probable_picture(binary):
    trained, dataset = binary
    original = reconstruct(trained, dataset, range(20)).original.x
    assert set(original.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(original, (dataset.batch(range(20)).x >= 0.5).float())


@pytest.mark.parametrize("way", ["linear", "spherical"])
def test_ways_start_and_end_at_the_reconstructions(digits, way):
    trained, dataset = digits
    frames = interpolate(trained, dataset, (3, 8), steps=5, way=way).x
    ends = reconstruct(trained, dataset, [3, 8]).mean.x
    assert frames.shape == (5, 1, 8, 8)
    assert torch.allclose(frames[[0, -1]], ends, atol=1e-5)


def test_spherical_ways_keep_the_distance_from_the_centre():
    first, last = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 3.0])
    assert way_between(first, last, 7, "spherical").norm(dim=1) == pytest.approx(torch.full((7,), 3.0))
    assert way_between(first, last, 3).norm(dim=1)[1] == pytest.approx(3 / 2**0.5)


@pytest.mark.parametrize("last", [[2.0, 0.0], [-2.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
def test_spherical_ways_exist_where_no_arc_does(last):
    way = way_between(torch.tensor([1.0, 0.0]), torch.tensor(last), 4, "spherical")
    assert torch.isfinite(way).all()
    assert way[-1].tolist() == last


@pytest.mark.parametrize("name", ["digits", "binary"])
def test_traversals_rank_by_what_latents_tell_under_any_prior(name, request):
    trained, _ = request.getfixturevalue(name)
    mean, std = np.zeros((50, 4), np.float32), np.ones((50, 4), np.float32)
    mean[:, 1] = np.linspace(-1, 1, 50)
    mean[:, 2] = np.linspace(-0.3, 0.3, 50)
    mean[:, 3], std[:, 3] = np.linspace(-9, 9, 50), 90.0  # varies, but says nothing
    std[:, 2] = 0.01
    result = traverse(trained, Encoding(mean, std), steps=2)
    assert result.latents.tolist()[:2] == [2, 1]
    assert result.scores[2:] == pytest.approx(0, abs=0.01)
    assert result.unit == "nats"


def test_other_latents_stay_where_a_typical_example_has_them(digits):
    trained, _ = digits
    # Two groups, so that their middle is where no example is.
    mean = np.repeat(np.array([[-3.0, 1, 0, 0], [3.0, -1, 0, 0]], np.float32), [30, 31], axis=0)
    result = traverse(trained, Encoding(mean, np.full((61, 4), 0.1, np.float32)), n_latents=2, steps=3)
    z = torch.from_numpy(mean[-1]).clone()
    z[result.latents[0]] = result.values[0, 2]
    assert torch.allclose(result.row(0).x[2], trained.model.decode(Latents(z[None, None])).mean[0, 0], atol=1e-5)


def test_traversals_vary_one_latent(digits):
    trained, dataset = digits
    encoding = encode(trained, dataset)
    start = torch.from_numpy(encoding.mean[7])
    result = traverse(trained, encoding, start=encoding.latents(7), n_latents=3, steps=5)
    assert result.frames.x.shape == (15, 1, 8, 8)
    assert (np.diff(result.values, axis=1) > 0).all()
    assert list(result.scores) == sorted(result.scores, reverse=True)
    z = start.clone()
    z[result.latents[1]] = result.values[1, 4]
    expected = trained.model.decode(Latents(z[None, None])).mean[0, 0]
    assert torch.allclose(result.row(1).x[4], expected, atol=1e-5)


def test_traversals_go_two_and_a_half_standard_deviations_to_both_sides(digits):
    """Of all posteriors together: those of their means, and their own."""
    mean, std = np.full((40, 4), 2.0, np.float32), np.full((40, 4), 0.5, np.float32)
    mean[:20, 1], mean[20:, 1], std[:, 1] = -2.0, 4.0, 4.0  # about 1, with the variances 9 and 16
    result = traverse(digits[0], Encoding(mean, std), steps=5)
    steps = np.array([-2.5, -1.25, 0.0, 1.25, 2.5])
    for latent, values in zip(result.latents.tolist(), result.values, strict=True):
        assert values == pytest.approx(1 + 5 * steps if latent == 1 else 2 + 0.5 * steps)


def test_missing_pixels_reach_the_encoder(digits):
    trained, dataset = digits
    seen = np.ones((len(dataset), 8, 8), bool)
    seen[:, :4] = False
    partial = encode(trained, replace(dataset, observed=seen), [0])
    whole = encode(trained, dataset, [0])
    direct = trained.model.posterior_of(Batch(dataset.batch([0]).x, torch.from_numpy(seen[:1, None])))
    assert partial.mean == pytest.approx(direct.mean.numpy(), abs=1e-6)
    assert not np.allclose(partial.mean, whole.mean)


@pytest.mark.parametrize(
    "call",
    [
        lambda trained, dataset: generate(trained, -1),
        lambda trained, dataset: generate(trained, 1, seed=-1),
        lambda trained, dataset: interpolate(trained, dataset, steps=1),
        lambda trained, dataset: interpolate(trained, dataset, way="round"),
        lambda trained, dataset: traverse(trained, steps=1),
        lambda trained, dataset: traverse(trained, start=Latents(torch.zeros(1, 1, 9))),
    ],
)
def test_wrong_options_are_named(digits, call):
    with pytest.raises(OptionError, match=r"at least|Unknown way|must hold"):
        call(*digits)
