from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import kl_divergence

from latentia.core import Batch, Latents
from latentia.data import Canvas
from latentia.distributions import Gaussian
from latentia.distributions.base import LazyPrior, diagonal_normal
from latentia.errors import DataError, OptionError
from latentia.models import SingleLatentVAE
from latentia.nets import Decoder, Encoder
from latentia.tasks import complete, expect, inpaint
from latentia.tasks.patches import as_batches, to_size
from latentia.tasks.refine import refine
from latentia.tasks.squares import squares_around

EITHER = ["masked", "digits", "binary", "ladder", "labelled"]


def given_part(n: int = 3) -> torch.Tensor:
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(0)) < 0.5


def some(dataset, n: int = 3) -> Batch:
    return Batch(dataset.batch(range(n)).x, given=given_part(n))


def hole(height: int, width: int) -> np.ndarray:
    missing = np.zeros((height, width), np.bool_)
    missing[height // 4 : height // 2, width // 3 : 2 * width // 3] = True
    return missing


@pytest.mark.parametrize("name", EITHER)
def test_completions_are_functions_of_the_seed_and_the_number(name, request) -> None:
    trained, dataset = request.getfixturevalue(name)
    batch = some(dataset)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    few, many = (complete(trained, batch, n_samples=n, seed=3, steps=2) for n in (2, 40))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert few.samples.shape == (2, 3, 1, 8, 8)
    assert many.samples.shape == (40, 3, 1, 8, 8)
    assert torch.allclose(few.samples, many.samples[:2], atol=1e-5)
    assert torch.equal(few.mean, complete(trained, batch, n_samples=2, seed=3, steps=2).mean)
    assert not torch.allclose(few.samples, complete(trained, batch, n_samples=2, seed=4, steps=2).samples)
    assert len(torch.unique(many.samples.flatten(1), dim=0)) == 40


@pytest.mark.parametrize("name", EITHER)
def test_what_is_given_is_certain_and_the_rest_is_not(name, request) -> None:
    trained, dataset = request.getfixturevalue(name)
    batch = some(dataset)
    batch = replace(batch, x=(batch.x >= 0.5).float() if name == "binary" else batch.x)
    result = complete(trained, batch, steps=1)
    given = batch.given
    assert torch.equal(result.mean[given], batch.x[given])
    assert (result.std[given] == 0).all()
    assert (result.std[~given] > 0).float().mean() > 0.5  # not where all draws are black or white


@pytest.mark.parametrize("name", EITHER)
def test_what_is_expected_is_the_mean_of_completions(name, request) -> None:
    trained, dataset = request.getfixturevalue(name)
    batch = some(dataset)
    assert torch.equal(expect(trained, batch, seed=2, steps=1), complete(trained, batch, seed=2, steps=1).mean)


@pytest.mark.parametrize("name", EITHER)
def test_what_is_not_given_may_be_no_number(name, request) -> None:
    trained, dataset = request.getfixturevalue(name)
    batch = some(dataset)
    spoiled = replace(batch, x=torch.where(batch.given, batch.x, torch.nan))
    assert torch.equal(complete(trained, spoiled, steps=2).mean, complete(trained, batch, steps=2).mean)


@pytest.mark.parametrize("name", EITHER)
def test_pictures_are_completed_within_inference_mode(name, request) -> None:
    trained, dataset = request.getfixturevalue(name)
    with torch.inference_mode():
        batch = some(dataset)
        inside = complete(trained, batch, n_samples=1, steps=1).mean.clone()
    assert torch.equal(inside, complete(trained, some(dataset), n_samples=1, steps=1).mean)


def test_a_batch_has_to_say_what_is_given(masked, digits) -> None:
    for trained, dataset in (masked, digits):
        with pytest.raises(OptionError, match="what is given"):
            complete(trained, Batch(some(dataset).x))


def test_deviations_are_not_negative_where_a_square_is_scaled_up(masked) -> None:
    trained, _ = masked
    missing = np.zeros((24, 24), np.bool_)
    missing[12:] = missing[10:12, 5] = True
    image = np.random.default_rng(0).random((24, 24), np.float32)
    result = inpaint(trained, Canvas.from_array(image, missing), n_samples=1)
    assert result.factor == 3
    assert result.std().min() == 0


def test_mean_and_deviation_are_those_of_many_samples(digits) -> None:
    trained, dataset = digits
    batch = some(dataset)
    result = complete(trained, batch, n_samples=4000, steps=0)
    assert torch.allclose(result.samples.mean(0), result.mean, atol=1e-4)
    with torch.no_grad():
        z = trained.model.posterior_given(batch).sample((4000,))
        drawn = trained.model.complete(Latents(z), batch).sample()
    open_to_it = ~batch.given
    assert result.std[open_to_it] == pytest.approx(drawn.std(0)[open_to_it], abs=0.03)


def test_a_model_that_learned_to_fill_in_says_itself_what_is_expected(masked) -> None:
    trained, dataset = masked
    batch = some(dataset)
    result, other = (complete(trained, batch, seed=seed) for seed in (0, 1))
    with torch.no_grad():
        marginal = trained.model.marginal(batch)
        drawn = torch.cat([marginal.sample() for _ in range(2000)])
    assert torch.equal(result.mean, marginal.mean[0])
    assert result.std == pytest.approx(drawn.std(0), abs=0.05)
    assert torch.equal(result.mean, other.mean)  # whatever was drawn
    assert not torch.allclose(result.samples, other.samples)


class Copy(Encoder):
    features = 2

    def forward(self, x: torch.Tensor, observed: torch.Tensor | None = None) -> torch.Tensor:
        return x


class Matrix(Decoder):
    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z @ torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, -1.0]])


class Wide(LazyPrior):
    """A normal distribution of any scale."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.latent_dim, self.scale = 2, scale

    def forward(self):
        return diagonal_normal(torch.zeros(2), torch.full((2,), self.scale))


class Rescaled(Matrix):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return super().forward(z / self.scale)


@pytest.mark.parametrize("scale", [1.0, 0.02, 50.0])
def test_refinement_finds_the_posterior_of_what_is_given(scale: float) -> None:
    """Of a linear model, whose posterior is known; with independent dimensions the best has the same mean.

    How long latents are is a matter of convention, and makes no difference.
    """
    noise = 0.4
    model = SingleLatentVAE(
        Copy(), torch.nn.Identity(), Wide(scale), Rescaled(scale), Gaussian(initial_scale=noise - 1e-3)
    ).requires_grad_(False)
    x, given = torch.tensor([[0.7, -0.4, 99.0], [-1.0, 0.3, 99.0]]), torch.tensor([[True, True, False]])
    weights = torch.tensor([[1.0, 0.5], [0.0, 1.0]])
    precision = torch.eye(2) + weights @ weights.T / noise**2
    mean = torch.linalg.solve(precision, weights @ x[:, :2].T / noise**2).T
    torch.manual_seed(0)
    start = diagonal_normal(torch.zeros(2, 2), torch.full((2, 2), scale))
    found = refine(model, Batch(x, given=given), start, lambda likelihood: likelihood.log_prob(x, given), steps=800)
    assert found.mean / scale == pytest.approx(mean, abs=0.06)
    assert found.stddev / scale == pytest.approx((1 / precision.diagonal().sqrt()).expand(2, 2), rel=0.1)


@pytest.mark.parametrize("name", ["digits", "binary"])
def test_refinement_explains_what_is_given_better(name, request) -> None:
    trained, dataset = request.getfixturevalue(name)
    batch = some(dataset)
    batch = Batch((batch.x >= 0.5).float() if name == "binary" else batch.x, given=batch.given)

    def bound(believed) -> torch.Tensor:
        z = believed.sample((500,))
        nats = trained.model.decode(Latents(z)).log_prob(batch.x, batch.given).mean(0)
        prior = trained.model.code_prior()
        return nats + (prior.log_prob(z) - believed.log_prob(z)).mean(0)

    torch.manual_seed(0)
    start = trained.model.posterior_given(batch)
    with torch.no_grad():
        end = refine(trained.model, batch, start, lambda likelihood: likelihood.log_prob(batch.x, batch.given), 100)
        assert (bound(end) > bound(start) + 1).all()
    assert kl_divergence(end, start).min() > 0


FORMS = {
    "grey": np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8),
    "colour": np.random.default_rng(1).integers(0, 256, (30, 24, 3), dtype=np.uint8),
    "alpha": np.full((20, 20, 4), 255, np.uint8),
    "sixteen": np.random.default_rng(2).integers(0, 65536, (9, 5), dtype=np.uint16),
    "sixteen, the other order": np.random.default_rng(2).integers(0, 65536, (9, 5), dtype=np.uint16).astype(">u2"),
    "floats": np.random.default_rng(3).random((16, 16), np.float32),
    "binary": np.random.default_rng(4).random((12, 8)) < 0.5,
}


@pytest.mark.parametrize("model", EITHER)
@pytest.mark.parametrize("form", list(FORMS))
def test_pictures_of_any_form_are_filled_in_and_nothing_else_changes(model, form, request) -> None:
    trained, _ = request.getfixturevalue(model)
    image = FORMS[form]
    missing = hole(*image.shape[:2])
    result = inpaint(trained, Canvas.from_array(image, missing), n_samples=2, steps=1)
    for filled in (result.mean(), result.sample(0), result.sample(1)):
        assert filled.dtype == image.dtype.newbyteorder("=")
        assert filled.shape == image.shape
        assert np.array_equal(filled[~missing], image[~missing])
    assert not np.array_equal(result.sample(0), result.sample(1)) or form == "binary"
    std = result.std()
    assert (std[~missing] == 0).all()
    assert (std[missing] > 0).any()


def test_a_picture_of_the_models_size_is_seen_as_it_is(masked) -> None:
    trained, dataset = masked
    image = dataset.x[np.array([5])][0, ..., 0]
    missing = hole(8, 8)
    result = inpaint(trained, Canvas.from_array(image, missing), n_samples=3, seed=1)
    x = torch.from_numpy(image)[None, None].float() / 255
    direct = complete(trained, Batch(x, given=torch.from_numpy(~missing)[None, None]), n_samples=3, seed=1)
    assert result.factor == 1
    assert result.effective_size == (8, 8)
    expected = (direct.samples[2, 0, 0].clamp(0, 1) * 255).round().numpy()
    assert np.array_equal(result.sample(2)[missing], expected[missing].astype(np.uint8))


def test_a_large_picture_is_filled_in_from_the_square_around_its_hole(masked) -> None:
    trained, _ = masked
    image = np.random.default_rng(0).random((60, 80), np.float32)
    missing = np.zeros((60, 80), np.bool_)
    missing[20:36, 30:46] = True
    result = inpaint(trained, Canvas.from_array(image, missing), n_samples=1)
    assert result.effective_size == (32, 32)
    assert result.factor == 4
    other = image.copy()
    other[:10] = other[:, :20] = 0.0  # far from the hole
    assert np.array_equal(
        inpaint(trained, Canvas.from_array(other, missing), n_samples=1).mean()[missing], result.mean()[missing]
    )


def test_what_is_missing_does_not_matter(masked) -> None:
    trained, _ = masked
    image, missing = FORMS["floats"], hole(16, 16)
    spoiled = np.where(missing, np.nan, image)
    assert np.array_equal(
        inpaint(trained, Canvas.from_array(spoiled), n_samples=1).mean(),
        inpaint(trained, Canvas.from_array(image, missing), n_samples=1).mean(),
    )


def test_scaling_leaves_out_what_is_missing() -> None:
    """A flat picture stays flat, whatever stands in its holes."""
    image, missing = np.full((24, 24), 0.25), np.random.default_rng(0).random((24, 24)) < 0.4
    canvas = Canvas.from_array(np.where(missing, 1.0, image), missing)
    (square,) = squares_around(np.ones((24, 24), bool), (24, 24))
    (batch,) = as_batches(canvas, [square], 1, (8, 8))
    assert batch.x[batch.given] == pytest.approx(0.25, abs=1e-5)
    assert batch.given.float().mean() > 0.5
    back = to_size(torch.full((2, 3, 1, 8, 8), 0.25), (24, 24))
    assert back.shape == (2, 3, 24, 24, 1)
    assert back == pytest.approx(0.25, abs=1e-5)


@pytest.mark.parametrize("size", [9, 28, 48, 63])
def test_enlarging_keeps_what_is_missing_and_what_is_given(size: int) -> None:
    (square,) = squares_around(np.ones((size, size), bool), (64, 64))
    for row, column in np.random.default_rng(0).integers(0, size, (20, 2)):
        alone = np.zeros((size, size), bool)
        alone[row, column] = True
        for missing in (alone, ~alone):
            image = np.where(missing, 1.0, 0.25)
            (batch,) = as_batches(Canvas.from_array(image, missing), [square], 1, (64, 64))
            assert batch.given.any()
            assert not batch.given.all()
            assert batch.x[batch.given] == pytest.approx(0.25, abs=1e-5)


def test_few_pixels_that_are_given_are_seen_however_far_they_are_scaled_down() -> None:
    missing = np.ones((150, 150), bool)
    missing[5::30, 7::30] = False
    (square,) = squares_around(np.ones((150, 150), bool), (150, 150))
    (batch,) = as_batches(Canvas.from_array(np.where(missing, 1.0, 0.25), missing), [square], 1, (64, 64))
    assert batch.given.sum() >= 25
    assert batch.x[batch.given] == pytest.approx(0.25, abs=1e-5)


def test_nothing_and_everything_missing_are_refused(masked) -> None:
    trained, _ = masked
    with pytest.raises(DataError, match="nothing to fill in"):
        inpaint(trained, Canvas.from_array(FORMS["grey"]))
    with pytest.raises(DataError, match="generate"):
        inpaint(trained, Canvas.from_array(FORMS["grey"], np.ones((8, 8), bool)))


def test_wrong_models_and_options_are_refused(masked, vectors, speech) -> None:
    canvas = Canvas.from_array(FORMS["grey"], hole(8, 8))
    for trained, _ in (vectors, speech):
        with pytest.raises(OptionError, match="model of pictures"):
            inpaint(trained, canvas)
    with pytest.raises(OptionError, match="at least 1"):
        inpaint(masked[0], canvas, n_samples=0)
    with pytest.raises(OptionError, match="seed must be at least 0"):
        inpaint(masked[0], canvas, seed=-1)


def test_completions_of_a_large_square_are_scaled_one_by_one(masked, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("latentia.tasks.inpaint")
    scaled: list[int] = []

    def to_size(x: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
        scaled.append(x.numel())
        return resize(x, size)

    resize = module.to_size
    monkeypatch.setattr(module, "to_size", to_size)
    image = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    result = inpaint(masked[0], Canvas.from_array(image, hole(40, 40)), n_samples=7)
    assert len(result.patches[0].samples) == 7
    assert set(scaled) == {8 * 8}
