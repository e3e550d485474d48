"""What the benchmarks of pictures measure with, and whom they measure."""

from __future__ import annotations

import copy
import math
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks import features, imputation, inpainting, mnist, ours, restoration
from benchmarks.baselines.choosing import Tried, best_of, made_by, ranked, settings_of, shortlisted
from benchmarks.harness import Options
from benchmarks.picture_metrics import Similarities, errors, figures_on, lead, similarities
from benchmarks.picture_sets import held_out_rows, open_recut_pictures, rows_to_test
from latentia.core import Batch
from latentia.training.fit import Fit

HOLES = ("telea", "navier_stokes", "biharmonic", "mean_picture", "nearest_picture")


def pictures(n: int = 6, channels: int = 1, seed: int = 0) -> np.ndarray:
    smooth = np.add.outer(np.linspace(0, 120, 16), np.linspace(0, 120, 16))[None, :, :, None]
    offset = np.random.default_rng(seed).integers(0, 15, (n, 1, 1, channels))
    return (smooth + offset).astype(np.uint8)


def half_missing(n: int = 6) -> np.ndarray:
    return np.random.default_rng(1).random((n, 16, 16)) < 0.5


def test_psnr_is_that_of_missing_values_of_all_pictures() -> None:
    truth, filled = np.zeros((2, 4, 4, 3), np.uint8), np.zeros((2, 4, 4, 3), np.uint8)
    missing = np.zeros((2, 4, 4), bool)
    missing[0, 0, :2] = missing[1, 3, 3] = True
    filled[0, 0, 0] = 51  # a fifth of the range, in all three colours of one of three pixels
    filled[0, 2, 2] = 200  # not missing, so it does not count
    assert errors(truth, filled, missing).figure == pytest.approx(-10 * math.log10(0.04 / 3))


def test_a_lead_is_0_over_an_equal_and_sure_over_a_worse_one() -> None:
    truth, missing = pictures(20), half_missing(20)
    noise = np.random.default_rng(2).normal(0, 5, truth.shape)
    better, worse = (np.clip(truth + size * noise, 0, 255).astype(np.uint8) for size in (1, 2))
    one, other = (errors(truth, filled, missing) for filled in (better, worse))
    assert lead(one, one, np.arange(20)) == pytest.approx((0.0, 0.0, 0.0))
    value, low, high = lead(one, other, np.arange(20))
    assert 0 < low < value < high


def test_equal_pictures_are_equal_in_structure() -> None:
    pytest.importorskip("skimage")
    assert similarities(pictures(), pictures(), half_missing()).figure == pytest.approx(1.0)


def test_similarity_is_that_around_missing_pixels() -> None:
    pytest.importorskip("skimage")
    truth, missing = pictures(4), np.zeros((4, 16, 16), bool)
    missing[:, :8] = True
    spoiled = truth.copy()
    spoiled[0, 12:] = np.random.default_rng(0).integers(0, 255, (4, 16, 1))
    assert similarities(truth, spoiled, missing).figure == pytest.approx(1.0)
    spoiled[0, :4] = spoiled[0, 12:]
    found = similarities(truth, spoiled, missing)
    assert found.figure == pytest.approx((found.total[0] / 128 + 3) / 4)
    assert found.total[0] < 90
    value, low, high = lead(similarities(truth, truth, missing), found, np.arange(4))
    assert low < 0 < value < high  # a single picture makes it


def test_intervals_of_few_groups_hold_what_they_promise() -> None:
    generator, held = np.random.default_rng(0), 0
    for _ in range(400):
        offsets = generator.normal(0, 1, 8).repeat(10) + generator.normal(0, 0.3, 80)
        one, other = (Similarities(values, np.ones(80, np.int64)) for values in (2 + offsets, np.full(80, 2.0)))
        _, low, high = lead(one, other, np.arange(8).repeat(10))
        held += low < 0 < high
    assert held / 400 == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", HOLES)
def test_peers_fill_in_without_seeing_what_is_missing(name: str, channels: int) -> None:
    pytest.importorskip("skimage")
    pytest.importorskip("cv2")
    from benchmarks.baselines import holes

    truth, missing = pictures(channels=channels), half_missing()
    way = getattr(holes, name)
    fill = (
        way(16)[2] if name in HOLES[:2] else way if name == "biharmonic" else way(pictures(channels=channels, seed=9))
    )
    filled = fill(truth, missing)
    hidden = np.where(missing[..., None], np.random.default_rng(3).integers(0, 256, truth.shape), truth)
    difference = np.abs(filled.astype(int) - fill(hidden.astype(np.uint8), missing))
    assert difference.mean() < (5.0 if name in HOLES[:2] else 1e-9)  # OpenCV reads a little of it at the rim
    assert np.array_equal(filled[~missing], truth[~missing])
    assert errors(truth, filled, missing).figure > 15


def test_radii_go_as_far_as_a_picture() -> None:
    from benchmarks.baselines import holes

    assert [holes.telea(side)[-1].settings for side in (28, 64)] == ["radius 48", "radius 100"]
    assert len(holes.navier_stokes(28)) == len(holes.telea(28)) == 9


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_is_taken_off_by_every_way_of_the_peers(channels: int) -> None:
    pytest.importorskip("skimage")
    pytest.importorskip("pywt")
    from benchmarks.baselines import noise

    truth = pictures(2, channels)
    noisy = restoration.add_noise(truth, 25 / 255, seed=0)
    everywhere = np.ones(truth.shape[:3], bool)
    before = errors(truth, noisy, everywhere).figure
    for ways in noise.candidates(25 / 255, channels == 3).values():
        assert len({way.settings for way in ways}) == len(ways)
        best = best_of(ranked(ways[::7], (noisy,), figures_on(truth, everywhere)))
        assert np.array_equal(made_by(best, noisy)["SSIM"], best["SSIM"](noisy))
        assert errors(truth, best["PSNR"](noisy), everywhere).figure > before + 2


def test_wavelets_are_better_averaged_over_shifts() -> None:
    pytest.importorskip("skimage")
    pytest.importorskip("pywt")
    from benchmarks.baselines import noise

    wave = np.sin(2 * np.pi * np.arange(32) / 32)  # shifts go round
    truth = (128 + 60 * np.add.outer(wave, wave)).astype(np.uint8)[None, :, :, None]
    noisy = restoration.add_noise(truth, 25 / 255, seed=0)
    everywhere = np.ones(truth.shape[:3], bool)
    ways = noise.candidates(25 / 255, False)[noise.WAVELET][::7]
    way = best_of(ranked(ways, (noisy,), figures_on(truth, everywhere)))["PSNR"]
    plain, spun = (
        errors(truth, made_by({"PSNR": each}, noisy)["PSNR"], everywhere).figure for each in (way, noise.spun(way, 3))
    )
    assert spun > plain + 0.3


def test_mirror_images_are_nearest_where_they_are_looked_at() -> None:
    from benchmarks.baselines.holes import mean_picture, nearest_picture

    train = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    missing = np.random.default_rng(1).random((5, 8, 8)) < 0.5
    assert np.array_equal(nearest_picture(train, mirror=True)(train[:, :, ::-1], missing), train[:, :, ::-1])
    assert not np.array_equal(nearest_picture(train)(train[:, :, ::-1], missing), train[:, :, ::-1])
    mean = mean_picture(train, mirror=True)(train, np.ones((5, 8, 8), bool))
    assert np.array_equal(mean, mean[:, :, ::-1])


def test_settings_are_chosen_for_each_metric_and_applied_once() -> None:
    applied = []

    def add(x, number):
        applied.append(number)
        return x + np.uint8(number)

    ways = [Tried(str(number), partial(add, number=number)) for number in (30, 7, 2)]
    scores = {"least": lambda x: -float(x[0]), "most": lambda x: float(x[0]), "also most": lambda x: float(x[0])}
    best = best_of(ranked(ways, (np.zeros(1, np.uint8),), scores))
    assert {metric: settings_of(way) for metric, way in best.items()} == {"least": "2", "most": "30", "also most": "30"}
    alike = best_of(ranked(ways, (np.zeros(1, np.uint8),), {"any": lambda x: 0.0}))
    assert settings_of(alike["any"]) == "30"  # the first of equal ones
    applied.clear()
    assert {metric: int(x[0]) for metric, x in made_by(best, np.ones(1, np.uint8)).items()} == {
        "least": 3,
        "most": 31,
        "also most": 31,
    }
    assert sorted(applied) == [2, 30]
    assert settings_of(np.abs) == ""


def test_peers_of_noise_are_tuned_by_psnr_and_by_ssim(monkeypatch) -> None:
    pytest.importorskip("skimage")
    from benchmarks.baselines import noise

    truth = pictures(30)
    settings = ("loud", "dim", "plain")
    ways = [Tried(name, partial(_spoiled, name)) for name in settings]
    monkeypatch.setattr(noise, "candidates", lambda level, colour: {"a peer": ways})
    monkeypatch.setattr(restoration, "add_noise", lambda images, level, seed: images)
    found = restoration.peer_ways(SimpleNamespace(validation=truth), 0.1, Options())["a peer"]
    assert {metric: settings_of(way) for metric, way in found.items()} == {"PSNR": "loud", "SSIM": "dim"}


def _spoiled(name: str, images: np.ndarray) -> np.ndarray:
    """Spoils pictures by a little noise, which costs structure, or by a change of light, which costs squares."""
    if name == "loud":
        return np.clip(images + np.random.default_rng(0).normal(0, 22, images.shape), 0, 255).astype(np.uint8)
    return images // 2 + 60 if name == "dim" else np.zeros_like(images)


def test_seeds_share_no_row() -> None:
    keys = [
        {
            *inpainting.set_keys("mnist", seed),
            *inpainting.speed_keys(seed).values(),
            *imputation.imputation_keys(seed),
            *restoration.set_keys("orl-faces", seed),
        }
        for seed in (0, 1)
    ]
    assert not keys[0] & keys[1]


def test_held_out_and_tested_pictures_of_sorted_sets_are_from_everywhere() -> None:
    mixed, sorted_ = np.arange(3000) % 10, np.arange(3000) // 300
    assert held_out_rows(mixed).tolist() == list(range(2500, 3000))
    assert rows_to_test(mixed, 200).tolist() == list(range(200))
    for rows, count in ((held_out_rows(sorted_), 500), (rows_to_test(sorted_, 200), 200)):
        assert len(set(rows.tolist())) == count
        assert len(set(sorted_[rows[:100]].tolist())) == 10  # some of them are from everywhere, too
    assert len(held_out_rows(mixed[:100])) == 20
    assert len(rows_to_test(mixed, 10_000)) == 3000


def test_what_somebody_stopped_is_no_figure(digits) -> None:
    assert ours.ended(Fit(digits[0], (), "time")) is digits[0]
    with pytest.raises(KeyboardInterrupt):
        ours.ended(Fit(digits[0], (), "interrupted"))


def test_classifiers_know_as_many_classes_as_there_are(tmp_path) -> None:
    pixels = torch.randint(256, (300, 1, 28, 28), dtype=torch.uint8)
    judge = features.classifier("letters", pixels, torch.arange(300) % 26, folder=tmp_path)
    assert judge(pixels[:2].float()).shape == (2, 26)


def test_pictures_of_another_size_than_the_peers_networks_are_refused() -> None:
    assert mnist.grey_pictures(np.zeros((3, 28, 28, 1), np.uint8)).shape == (3, 1, 28, 28)
    for shape in ((784, 32, 32), (3, 28, 28, 3)):
        with pytest.raises(SystemExit, match="28 x 28"):
            mnist.grey_pictures(np.zeros(shape, np.uint8))


def test_a_lead_over_pictures_of_one_person_has_an_interval() -> None:
    truth, missing = pictures(), half_missing()
    scores = errors(truth, pictures(seed=1), missing)
    ahead = lead(errors(truth, truth, missing), scores, np.zeros(len(truth), np.int64))
    assert np.isfinite(ahead).all()


def test_nobody_is_on_both_sides_of_a_split(mirror) -> None:
    for name in ("orl-faces", "omniglot-small"):
        source = open_recut_pictures(name, mirror)
        train, test = (source.read(split) for split in ("train", "test"))
        if name == "orl-faces":
            assert not set(train.y.tolist()) & set(test.y.tolist())
        assert not {row.tobytes() for row in train.x} & {row.tobytes() for row in test.x}


def test_pythaes_training_says_when_it_has_diverged() -> None:
    pytest.importorskip("pythae")
    from benchmarks.baselines.pythae_peers import BINARY, Choice

    pixels = torch.randint(0, 256, (200, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ArithmeticError):
        BINARY[0].train(pixels, 5.0, Choice("MLP", "16 latents", 1e6), 0)


def test_pythaes_grey_pictures_are_scored_as_a_probability_with_a_width_that_suits() -> None:
    pytest.importorskip("pythae")
    from benchmarks.baselines.pythae_judged import WIDTHS, PythaeGrey
    from benchmarks.baselines.pythae_peers import Choice, eight_bit

    peer = eight_bit((1, 28, 28))
    x = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0)).mul(255).round() / 255
    vae = peer.build(Choice("ConvVAE", "16 latents, squared error", 1e-3), 0).eval()
    model = peer.judge(vae, x)
    assert isinstance(model, PythaeGrey)
    assert model.width in WIDTHS
    assert 0.25 < model.likelihood.log_scale.exp().item() < 0.6  # an untrained network, of even noise
    with torch.no_grad():
        parameters = model.likelihood.centre(torch.full((1, 1, 1, 1), 0.4))[None]
        levels = (torch.arange(256) / 255).view(256, 1, 1, 1)
        mass = model.likelihood(parameters.expand(1, 256, 1, 1, 1)).log_prob(levels).exp().sum()
    assert mass.item() == pytest.approx(1.0, abs=1e-4)


def test_pythaes_vamp_is_judged_by_the_statistics_that_suit_it() -> None:
    pytest.importorskip("pythae")
    from benchmarks import bounds
    from benchmarks.baselines.pythae_judged import PythaeVAMP
    from benchmarks.baselines.pythae_peers import BINARY, Choice

    peer = BINARY[2]
    vae = peer.build(Choice("ConvVAE", "16 latents, 50 components", 1e-3), 0).train()
    x = torch.bernoulli(torch.full((40, 1, 28, 28), 0.1), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for _ in range(3):
            vae({"data": x})  # pictures and pseudo-inputs by turns
        for layer in vae.decoder.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.running_var *= 0.01
        inputs = vae.pseudo_inputs(vae.idle_input).reshape(-1, 1, 28, 28)
        pseudo, pictures = (copy.deepcopy(vae.encoder)(part).embedding for part in (inputs, x))
    kept = PythaeVAMP(vae.eval())
    model = peer.judge(vae, x)
    assert bounds.importance_nll(model, x, 5) < bounds.importance_nll(kept, x, 5)
    components = model.code_prior().component_distribution.mean
    assert components.flatten().tolist() == pytest.approx(pseudo.flatten().tolist(), abs=1e-4)
    assert torch.allclose(model.posterior_of(Batch(x)).mean, pictures, atol=0.02)


def test_only_ways_ahead_on_a_few_pictures_are_tried_on_all() -> None:
    tried = []

    def add(x, number):
        tried.append((number, len(x)))
        return x + np.uint8(number)

    ways = [Tried(str(number), partial(add, number=number)) for number in (1, 2, 3, 4)]
    scores = {"most": lambda x: float(x[-1]), "least": lambda x: -float(x[-1])}
    best = best_of(shortlisted(ways, (np.zeros(9, np.uint8),), scores, few=2, finalists=1))
    assert {metric: settings_of(way) for metric, way in best.items()} == {"most": "4", "least": "1"}
    assert tried == [(1, 2), (2, 2), (3, 2), (4, 2), (4, 9), (1, 9)]
