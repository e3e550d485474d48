from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from latentia.core import Batch
from latentia.data import Arrays, ArraySource, Canvas, ImagePreprocessing
from latentia.data.masks import Blocks, Scratches
from latentia.errors import OptionError
from latentia.metrics import psnr
from latentia.presets import resolve
from latentia.runs import TrainedModel
from latentia.tasks import complete, restore
from latentia.tasks.observation import Exact, Noisy, observation_of
from latentia.training.fit import fit, prepare_training

EITHER = ["masked", "digits", "binary", "ladder", "labelled"]


@dataclass(frozen=True)
class Fixed:
    """A likelihood that is its mean."""

    mean: torch.Tensor

    def sample(self) -> torch.Tensor:
        return self.mean


def test_under_noise_a_picture_is_weighed_against_the_model() -> None:
    """The misfit of the mean is known here, so the posterior of a pixel has a closed form."""
    generator = torch.Generator().manual_seed(0)
    truth, mean = torch.full((1, 1, 64, 64), 0.5), torch.full((1, 1, 1, 64, 64), 0.5)
    misfit, noise = 0.1, 0.2
    x = truth + misfit * torch.randn(truth.shape, generator=generator)
    y = x + noise * torch.randn(truth.shape, generator=generator)
    batch = Batch(y, given=torch.ones(1, 1, 1, 1).bool(), noise=torch.full((1, 1, 1, 1), noise))
    seen = observation_of(batch)
    assert isinstance(seen, Noisy)
    view = seen.view(Fixed(mean))
    share = misfit**2 / (misfit**2 + noise**2)
    assert view.mean == pytest.approx(0.5 + share * (y - 0.5)[None], abs=0.06)
    assert view.std == pytest.approx(torch.full_like(view.std, share**0.5 * noise), rel=0.1)
    error = (view.mean - x).square().mean()
    assert error < 0.8 * (y - x).square().mean()
    assert error == pytest.approx(share * noise**2, rel=0.1)
    normal = torch.distributions.Normal(mean, (y - mean).square().mean().sqrt())
    assert seen.nats(Fixed(mean)).item() == pytest.approx(normal.log_prob(y).sum().item(), rel=1e-3)


def test_what_is_not_given_has_no_say() -> None:
    given = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)) < 0.5
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    likelihood = Fixed(torch.full((3, 2, 1, 8, 8), 0.4))
    results = []
    for filler in (0.0, torch.nan):
        batch = Batch(torch.where(given, x, filler), given=given, noise=torch.full((2, 1, 1, 1), 0.1))
        seen = observation_of(batch)
        results.append((seen.nats(likelihood), seen.view(likelihood).mean))
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))
    assert torch.equal(results[0][1][:, ~given], likelihood.mean[:, ~given])
    assert isinstance(observation_of(Batch(x, given=given)), Exact)


@pytest.mark.parametrize("name", EITHER)
@pytest.mark.parametrize("shape", [(8, 8), (30, 21, 3), (5, 6, 4)])
def test_pictures_of_any_form_come_back_in_it(name, shape, request) -> None:
    trained, _ = request.getfixturevalue(name)
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    if len(shape) == 3 and shape[2] == 4:
        image[..., 3] = 200
    result = restore(trained, Canvas.from_array(image), noise=0.1, seed=2, steps=2)
    picture = result.picture()
    assert picture.shape == image.shape
    assert picture.dtype == np.uint8
    assert not np.array_equal(picture, image)
    if image.shape[-1] == 4:
        assert (picture[..., 3] == 200).all()
    again = restore(trained, Canvas.from_array(image), noise=0.1, seed=2, steps=2)
    assert np.array_equal(picture, again.picture())


def test_a_picture_of_the_models_size_is_restored_in_one_piece(masked) -> None:
    trained, dataset = masked
    image = dataset.x[np.array([5])][0, ..., 0].astype(np.float32) / 255
    batch = Batch(
        torch.from_numpy(image)[None, None], given=torch.ones(1, 1, 8, 8).bool(), noise=torch.full((1, 1, 1, 1), 0.1)
    )
    direct = complete(trained, batch, n_samples=1, draws=4).mean[0, 0].numpy()
    assert restore(trained, Canvas.from_array(image), noise=0.1).values[..., 0] == pytest.approx(direct, abs=1e-6)


@pytest.mark.parametrize("name", EITHER)
def test_no_noise_and_no_holes_leave_a_picture_as_it_is(name, request) -> None:
    trained, _ = request.getfixturevalue(name)
    generator = np.random.default_rng(0)
    for image in (generator.integers(0, 256, (20, 30), dtype=np.uint8), generator.random((20, 30))):
        assert np.array_equal(restore(trained, Canvas.from_array(image), noise=0.0).picture(), image)


def test_only_what_is_asked_for_is_filled_in(masked) -> None:
    trained, _ = masked
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    image[..., 3] = 255
    image[:5, :, 3] = 0
    mask = np.zeros((20, 30), bool)
    mask[3:15, 10:20] = True
    picture = restore(trained, Canvas.from_array(image).masked(mask), noise=0.0).picture()
    assert np.array_equal(picture[~mask], image[~mask])
    assert (picture[mask][:, 3] == 255).all()


def test_holes_are_filled_in_whatever_the_noise(masked) -> None:
    trained, _ = masked
    image = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    missing = np.zeros((20, 30), bool)
    missing[5:15, 10:20] = True
    clean = restore(trained, Canvas.from_array(image, missing), noise=0.0).picture()
    assert np.array_equal(clean[~missing], image[~missing])
    assert not np.array_equal(clean[missing], image[missing])
    other = np.where(missing, np.uint8(7), image)
    for noise in (0.0, 0.1):
        one, two = (restore(trained, Canvas.from_array(part, missing), noise=noise) for part in (image, other))
        assert np.array_equal(one.picture(), two.picture())


def test_noise_on_binarised_pictures_is_seen_as_it_is(binary, monkeypatch: pytest.MonkeyPatch) -> None:
    trained, dataset = binary
    clean = (dataset.batch(range(2)).x >= 0.5).float()
    noisy = (clean + 0.3 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    seen: list[Batch] = []
    look = type(trained.model).look
    monkeypatch.setattr(type(trained.model), "look", lambda self, batch: look(self, seen.append(batch) or batch))
    level = torch.tensor([0.3, 0.0]).reshape(2, 1, 1, 1)
    complete(trained, Batch(noisy, given=torch.ones_like(noisy).bool(), noise=level))
    assert torch.equal(seen[0].x[0], noisy[0])
    assert set(seen[0].x[1].unique().tolist()) == {0.0, 1.0}  # a grey picture without noise is binarised


def test_noise_of_vanishing_level_is_no_noise(digits) -> None:
    trained, _ = digits
    flat = np.full((16, 16), 100, np.uint8)
    result = restore(trained, Canvas.from_array(flat))
    assert result.noise == 0.0
    assert np.array_equal(result.picture(), flat)


def test_noise_that_falls_below_what_is_seen_is_no_noise(digits, monkeypatch: pytest.MonkeyPatch) -> None:
    """The estimate may fall below that only in its last round; what is told and what is done must agree then too."""
    trained, _ = digits
    module = importlib.import_module("latentia.tasks.restore")
    monkeypatch.setattr(module, "noise_level", lambda *_: 2 * module.LEAST_NOISE)

    def lowered(_: TrainedModel, batch: Batch, **__: object) -> SimpleNamespace:
        assert batch.noise is not None
        return SimpleNamespace(mean=batch.x, std=0.75 * batch.noise.expand_as(batch.x))

    monkeypatch.setattr(module, "complete", lowered)
    image = np.random.default_rng(0).integers(50, 200, (16, 16), dtype=np.uint8)
    result = restore(trained, Canvas.from_array(image))
    assert result.noise == 0.0
    assert np.array_equal(result.picture(), image)


def test_noise_that_is_told_is_taken_off_however_little_it_is(masked) -> None:
    image = np.random.default_rng(0).integers(10_000, 50_000, (16, 16), dtype=np.uint16)
    result = restore(masked[0], Canvas.from_array(image), noise=0.001)
    assert result.noise == 0.001
    assert not np.array_equal(result.picture(), image)


def test_what_is_missing_stays_as_it_came_where_it_is_not_to_be_filled_in(masked) -> None:
    trained, _ = masked
    image = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    image[5:15, 10:20] = np.nan
    clean = restore(trained, Canvas.from_array(image), noise=0.1, fill=False).picture()
    assert np.array_equal(np.isnan(clean), np.isnan(image))
    assert not np.array_equal(clean[:5], image[:5])


def test_grey_noise_is_no_less_to_a_model_of_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three equal channels of noise have along grey three times the variance of one."""
    told: list[float] = []

    def expected(_: object, batch: Batch, **__: object) -> torch.Tensor:
        assert batch.noise is not None
        told.append(float(batch.noise[0]))
        return batch.x

    monkeypatch.setattr(importlib.import_module("latentia.tasks.restore"), "expect", expected)
    form = ImagePreprocessing(height=8, width=8, channels=3)
    config = SimpleNamespace(training=SimpleNamespace(noise=0.3))
    grey = np.random.default_rng(0).random((8, 8), np.float32)
    colour = np.random.default_rng(0).random((8, 8, 3), np.float32)
    for sees_parts in (True, False):
        model = SimpleNamespace(sees_parts=sees_parts)
        trained = SimpleNamespace(preprocessing=form, name="colour", model=model, config=config)
        for image in (grey, np.stack([grey] * 3, -1), colour):
            restore(trained, Canvas.from_array(image), noise=0.1)
    # A model that is not told of noise weighs each pixel by itself, and nothing is three times there.
    assert told == pytest.approx([0.1 * 3**0.5, 0.1 * 3**0.5, 0.1, 0.1, 0.1, 0.1])


def test_a_grey_picture_stays_grey_however_it_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    def tinted(_: object, batch: Batch, **__: object) -> torch.Tensor:
        return batch.x * torch.tensor([0.9, 0.5, 0.2])[:, None, None]

    monkeypatch.setattr(importlib.import_module("latentia.tasks.restore"), "expect", tinted)
    form = ImagePreprocessing(height=8, width=8, channels=3)
    trained = SimpleNamespace(preprocessing=form, name="colour", model=SimpleNamespace(sees_parts=False))
    grey = np.random.default_rng(0).integers(0, 256, (12, 9), dtype=np.uint8)
    images = (grey, np.stack([grey] * 3, -1))
    stored = [restore(trained, Canvas.from_array(image), noise=0.1).picture() for image in images]
    assert not np.array_equal(stored[0], grey)
    assert np.array_equal(stored[1], np.stack([stored[0]] * 3, -1))


def test_noise_is_found_in_a_small_part_of_a_picture(masked) -> None:
    """All else is transparent, and tells nothing."""
    image = np.full((200, 200), np.nan)
    image[90:102, 20:32] = np.random.default_rng(0).uniform(0.2, 0.8, (12, 12))
    result = restore(masked[0], Canvas.from_array(image), fill=False)
    assert result.noise > 0.02
    assert np.argwhere(result.changed).min(0).tolist() == [90, 20]
    assert result.changed.sum() == 144
    assert np.isfinite(result.values).all()


def test_every_tile_is_reported(masked) -> None:
    done: list[tuple[int, int]] = []
    image = np.zeros((40, 30), np.uint8)
    restore(masked[0], Canvas.from_array(image), noise=0.1, progress=lambda *state: done.append(state))
    assert done[-1][0] == done[-1][1] > 10


def test_wrong_models_and_levels_are_refused(masked, vectors) -> None:
    canvas = Canvas.from_array(np.zeros((8, 8), np.uint8))
    with pytest.raises(OptionError, match="model of pictures"):
        restore(vectors[0], canvas)
    with pytest.raises(OptionError, match=r"\[0, 1\]"):
        restore(masked[0], canvas, noise=2.0)


def test_a_model_takes_off_what_noise_it_has_learned(masked, digits) -> None:
    trained, _ = masked
    noisy = Canvas.from_array(np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8))
    config = trained.config.with_settings({"training": {"noise": 0.0}})
    never = replace(trained, config=config)
    for level in (None, 0.1):
        with pytest.raises(OptionError, match="trained without noise"):
            restore(never, noisy, noise=level)
    assert not restore(never, noisy, noise=0.0).beyond
    assert not restore(trained, noisy, noise=0.3).beyond
    assert restore(trained, noisy, noise=0.4).beyond
    assert not restore(digits[0], noisy, noise=0.4, steps=1).beyond


def waves(n: int, side: int, seed: int) -> np.ndarray:
    """Pictures without edges, float32 (n, side, side)."""
    generator = np.random.default_rng(seed)
    down, across = np.mgrid[0:side, 0:side] / 16
    angle, phase, size = (generator.uniform(low, high, (n, 1, 1)) for low, high in ((0, 6.3), (0, 6.3), (0.1, 0.4)))
    wave = np.sin(4 * (np.cos(angle) * down + np.sin(angle) * across) + phase)
    return (0.5 + size * wave).astype(np.float32)


@pytest.fixture(scope="module")
def wavy() -> TrainedModel:
    """A model that has learned waves, with holes and noise of all kinds."""
    source = ArraySource("waves", lambda _split: Arrays(waves(256, 16, 0)), lambda: "f00d")
    decoder = {"name": "unet", "widths": [16], "blocks": [1], "dense": 16}
    training = {"epochs": 40, "batch_size": 32, "learning_rate": 5e-3, "patience": None, "noise": 0.3}
    masks = [{"name": "scattered", "least": 0.0, "most": 0.2}, "blocks", "scratches"]
    settings = {
        "model": {"kind": "masked", "latent_dim": 2, "encoder": {"name": "dense", "width": 16}, "decoder": decoder},
        "training": {**training, "masks": masks},
    }
    config, form = resolve(source, "image", settings)
    return fit(prepare_training(source.load(form), form, config)).trained


def test_a_trained_model_finds_the_level_of_noise_and_takes_it_off(wavy) -> None:
    clean = waves(1, 48, seed=1)[0]
    for level in (0.05, 0.15):
        noisy = (clean + np.random.default_rng(2).normal(0, level, clean.shape)).clip(0, 1).astype(np.float32)
        result = restore(wavy, Canvas.from_array(noisy))
        assert result.noise == pytest.approx(level, rel=0.25)
        assert psnr(clean, result.picture()) > psnr(clean, noisy) + 4


@pytest.mark.parametrize("damage", [Blocks(), Scratches()])
def test_a_trained_model_closes_lost_blocks_and_scratches(wavy, damage) -> None:
    clean = waves(1, 48, seed=1)[0]
    lost = ~damage(1, 48, 48, torch.Generator().manual_seed(3))[0, 0].numpy()
    damaged = np.where(lost, 0.0, clean).astype(np.float32)
    result = restore(wavy, Canvas.from_array(damaged, lost), noise=0.0).picture()
    nearest = distance_transform_edt(lost, return_distances=False, return_indices=True)
    assert np.array_equal(result[~lost], damaged[~lost])
    assert psnr(clean, result, lost) > psnr(clean, damaged[tuple(nearest)], lost) + 3
