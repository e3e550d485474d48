"""`ImageVAE` keeps the conventions of scikit-learn for pictures."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import latentia
from latentia import ImageVAE, nets
from latentia.errors import DataError, FileError, OptionError, RunError
from latentia.runs import RunFolder

SMALL = {
    "latent_dim": 3,
    "epochs": 2,
    "encoder": {"name": "dense", "width": 16},
    "decoder": {"name": "dense", "width": 16},
}


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    return (load_digits().images[:80] / 16).astype(np.float32)


@pytest.fixture(scope="module")
def fitted(digits) -> ImageVAE:
    return ImageVAE(**SMALL).fit(digits)


def test_shapes_and_ranges(fitted, digits):
    z = fitted.transform(digits)
    assert z.shape == (80, 3)
    for pictures in (fitted.inverse_transform(z), fitted.reconstruct(digits), fitted.sample(80, random_state=0)):
        assert pictures.shape == digits.shape
        assert pictures.dtype == np.float32
        assert pictures.min() >= 0
        assert pictures.max() <= 1
    assert fitted.n_features_in_ == 64
    assert len(fitted.history_) == 2
    assert fitted.score_samples(digits).shape == (80,)
    assert fitted.score(digits) == pytest.approx(fitted.score_samples(digits).mean())


def test_colour_and_single_samples(digits):
    colour = np.stack([digits, digits[:, ::-1], digits[:, :, ::-1]], -1)
    model = ImageVAE(**SMALL).fit(colour)
    assert model.sample().shape == (1, 8, 8, 3)
    assert model.reconstruct(colour[:1]).shape == (1, 8, 8, 3)


def test_integers_and_floats_are_the_same_pictures(fitted, digits):
    levels = np.round(digits * 255).astype(np.uint8)
    assert np.array_equal(fitted.transform(levels), fitted.transform(digits))
    assert np.array_equal(fitted.transform(levels[..., None]), fitted.transform(digits))


def test_parameters_clone_and_init(digits):
    model = ImageVAE(**SMALL, random_state=3)
    parameters = model.get_params()
    assert parameters["latent_dim"] == 3
    assert clone(model).get_params() == parameters
    model.fit(digits)
    assert model.get_params() == parameters
    assert {name for name in vars(model) if not name.startswith("_") and not name.endswith("_")} == set(parameters)
    assert not hasattr(clone(model), "trained_")


def test_fitting_twice_gives_the_same_and_seeds_differ(fitted, digits):
    again = clone(fitted).fit(digits).fit(digits)
    assert np.array_equal(again.transform(digits), fitted.transform(digits))
    assert not np.array_equal(ImageVAE(**SMALL, random_state=1).fit(digits).transform(digits), fitted.transform(digits))


def test_the_input_is_left_alone(digits):
    mine = digits.copy()
    mine.flags.writeable = False
    model = ImageVAE(**SMALL).fit(mine)
    for method in (model.transform, model.reconstruct, model.score_samples):
        method(mine)
    assert np.array_equal(mine, digits)


def test_results_do_not_depend_on_the_batch(fitted, digits):
    for method in (fitted.transform, fitted.score_samples, fitted.reconstruct):
        alone = np.concatenate([method(digits[i : i + 1]) for i in range(10)])
        assert np.allclose(alone, method(digits)[:10], rtol=1e-4, atol=1e-4)
        assert np.allclose(method(digits[::-1])[::-1], method(digits), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("binarize", ["dynamic", "threshold"])
def test_binarised_models_are_deterministic_too(digits, binarize):
    model = ImageVAE(**SMALL, settings={"data": {"binarize": binarize}}, likelihood="bernoulli").fit(digits)
    assert np.array_equal(model.transform(digits), model.transform(digits))
    assert np.allclose(model.score_samples(digits[:1]), model.score_samples(digits)[:1], rtol=1e-4)


def test_pickle_and_save_keep_everything(fitted, digits, tmp_path):
    for same in (pickle.loads(pickle.dumps(fitted)), latentia.load(fitted.save_pretrained(tmp_path / "run"))):  # noqa: S301
        assert isinstance(same, ImageVAE)
        assert np.array_equal(same.transform(digits), fitted.transform(digits))
        assert np.array_equal(same.sample(2, random_state=0), fitted.sample(2, random_state=0))
        assert same.history_ == fitted.history_


def test_saving_writes_a_card_and_leaves_nothing_of_another_model(fitted, digits, tmp_path):
    run = RunFolder(tmp_path / "run")
    fitted.save_pretrained(run.path)
    assert "# run\n" in run.card.read_text("utf-8")
    assert "72 examples to train on" in run.card.read_text("utf-8")
    run.checkpoints.mkdir()
    for other in (run.metrics, run.report, run.last_checkpoint):
        other.write_text("of this model")
    latentia.load(run.path).save_pretrained(run.path)  # the same model, into its own folder
    assert run.metrics.exists()
    assert run.last_checkpoint.exists()
    fitted.save_pretrained(run.path)
    assert not any(other.exists() for other in (run.metrics, run.report, run.last_checkpoint))


def test_latents_have_names_and_feed_a_pipeline(fitted, digits):
    assert list(fitted.get_feature_names_out()) == ["imagevae0", "imagevae1", "imagevae2"]
    target = load_digits().target[:80]
    chain = make_pipeline(ImageVAE(**SMALL), LogisticRegression()).fit(digits, target)
    assert chain.predict(digits).shape == (80,)


def test_a_copy_is_independent(fitted, digits):
    z = fitted.transform(digits)
    copy = deepcopy(fitted)
    assert np.array_equal(copy.transform(digits), z)
    copy.set_params(epochs=1).fit(digits)
    assert not np.array_equal(copy.transform(digits), z)
    assert np.array_equal(fitted.transform(digits), z)


def test_a_loaded_model_can_be_fitted_anew(fitted, digits, tmp_path):
    again = latentia.load(fitted.save_pretrained(tmp_path / "run")).fit(digits)
    assert np.array_equal(again.transform(digits), fitted.transform(digits))


def test_folders_and_named_sets(fitted, digits, tmp_path):
    for index, picture in enumerate(digits[:10]):
        Image.fromarray(np.round(picture * 255).astype(np.uint8)).save(tmp_path / f"{index}.png")
    assert np.allclose(fitted.transform(tmp_path), fitted.transform(digits[:10]), atol=1e-6)
    assert fitted.transform("digits").shape == (1438, 3)
    assert ImageVAE(**{**SMALL, "epochs": 1}).fit(tmp_path).sample(2).shape == (2, 8, 8)


def test_files_that_cannot_be_read_are_told_of_or_refused(fitted, digits, tmp_path):
    for index, picture in enumerate(digits[:20]):
        Image.fromarray(np.round(picture * 255).astype(np.uint8)).save(tmp_path / f"{index}.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.warns(UserWarning, match=r"1 file\(s\) of .* were left out.*text\.png"):
        assert fitted.transform(tmp_path).shape == (20, 3)
    for name in ("empty.png", "nothing.png"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"3 of the 23 .*more than 10 %.*skip_bad=True"):
        fitted.transform(tmp_path)
    vae = ImageVAE(**{**SMALL, "epochs": 1}, skip_bad=True)
    with pytest.warns(UserWarning, match=r"3 file\(s\)") as caught:
        assert vae.fit(tmp_path).trained_.data.skip_bad
    assert caught[0].filename == __file__
    assert latentia.load(vae.save_pretrained(tmp_path / "run")).skip_bad


def test_unfitted():
    for method in (
        "transform",
        "inverse_transform",
        "reconstruct",
        "score_samples",
        "score",
        "predict",
        "predict_proba",
    ):
        with pytest.raises(NotFittedError):
            getattr(ImageVAE(), method)(np.zeros((2, 8, 8)))
    with pytest.raises(NotFittedError):
        ImageVAE().sample(2)
    with pytest.raises(NotFittedError):
        ImageVAE().save_pretrained("nowhere")


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (np.full((4, 8, 8), np.nan), "NaN"),
        (np.full((4, 8, 8), 1.5), "between|in \\[0, 1\\]"),
        (np.full((4, 8, 8), -0.1), "in \\[0, 1\\]"),
        (np.zeros((4, 64)), "VAE takes vectors"),
        (np.zeros((4, 8, 8), np.int64), "uint8"),
        (np.zeros((4, 8, 8, 7)), "channels"),
        (np.zeros((0, 8, 8)), "0 example|no "),
        (np.array(["a", "b"]), "shape"),
    ],
)
def test_bad_arrays(fitted, bad, said):
    for method in (ImageVAE(**SMALL).fit, fitted.transform, fitted.score_samples):
        with pytest.raises(DataError, match=said):
            method(bad)


def test_other_wrong_input(fitted, tmp_path):
    with pytest.raises(FileError):
        ImageVAE().fit(tmp_path / "none")
    with pytest.raises(OptionError, match="did you mean 'digits'"):
        ImageVAE().fit("digitz")
    with pytest.raises(DataError, match="shape"):
        fitted.inverse_transform(np.zeros((2, 4)))
    with pytest.raises(DataError, match="finite"):
        fitted.inverse_transform(np.full((2, 3), np.nan))
    with pytest.raises(OptionError, match="n_samples"):
        fitted.sample(0)
    with pytest.raises(DataError, match="at least 2"):
        ImageVAE(**SMALL).fit(np.zeros((1, 8, 8), np.uint8))


@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_inpainting(fitted, kind):
    image = (load_digits().images[3] / 16 * (255 if kind == np.uint8 else 1)).astype(kind)
    missing = np.zeros((8, 8), bool)
    missing[2:5, 3:6] = True
    filled = fitted.inpaint(image, missing, n_samples=3, random_state=1)
    assert filled.samples.shape == (3, 8, 8)
    assert filled.mean.shape == filled.std.shape == (8, 8)
    assert filled.samples.dtype == filled.mean.dtype == kind
    assert np.array_equal(filled.samples[:, ~missing], np.repeat(image[None, ~missing], 3, 0))
    assert (filled.std[missing] > 0).any()
    assert (filled.std[~missing] == 0).all()
    again = fitted.inpaint(image, missing, n_samples=3, random_state=1)
    assert np.array_equal(again.samples, filled.samples)


def test_deviations_are_in_units_of_the_picture(fitted):
    levels = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    missing = np.zeros((8, 8), bool)
    missing[2:5, 3:6] = True
    forms = (levels.astype(np.float32) / 255, 1), (levels, 255), (levels.astype(np.uint16) * 257, 65535)
    unit, eight, sixteen = (
        fitted.inpaint(image, missing, n_samples=1, steps=0, random_state=1).std / white for image, white in forms
    )
    assert 0 < unit.max() < 1
    for other in (eight, sixteen):
        assert other == pytest.approx(unit, rel=0.01)


def test_nan_is_missing_when_inpainting(fitted):
    image = load_digits().images[3] / 16
    image[2:5, 3:6] = np.nan
    assert np.isfinite(fitted.inpaint(image, n_samples=1).samples).all()
    with pytest.raises(DataError, match="nothing to fill in"):
        fitted.inpaint(load_digits().images[3] / 16)
    with pytest.raises(DataError, match="True or False"):
        fitted.inpaint(image, np.ones((8, 8)))
    with pytest.raises(NotFittedError):
        ImageVAE().inpaint(image)


def test_restoring(fitted):
    image = (load_digits().images[3] / 16).astype(np.float32)
    restored = fitted.restore(image, noise=0.1, random_state=1)
    assert restored.shape == image.shape
    assert restored.dtype == image.dtype
    assert not np.array_equal(restored, image)
    assert not np.array_equal(restored, fitted.restore(image, noise=0.1, steps=1, random_state=1))
    with pytest.raises(OptionError, match="level of noise"):
        fitted.restore(image, noise=-1)
    with pytest.raises(NotFittedError):
        ImageVAE().restore(image)


def test_own_networks_of_models_that_fill_in_and_of_ladders(digits, tmp_path):
    small = {"latent_dim": 4, "epochs": 1}
    unet = nets.UNet(4 + 1, (1, 8, 8), (2, 8, 8), widths=(6,), blocks=(1,), dense=8)
    filling = ImageVAE(**small, preset="inpainting", encoder=SMALL["encoder"], decoder=unet).fit(digits)
    steps = nets.ResidualLadderEncoder((1, 8, 8), widths=(48,), blocks=(1,))
    ladder = ImageVAE(**small, preset="ladder", encoder=steps).fit(digits)
    for number, model in enumerate((filling, ladder)):
        again = latentia.load(model.save_pretrained(tmp_path / str(number)))
        assert np.allclose(again.sample(2, random_state=0), model.sample(2, random_state=0), atol=1e-5)
    wrong = nets.UNet(4, (1, 8, 8), (2, 8, 8), widths=(6,), blocks=(1,), dense=8)
    with pytest.raises(OptionError, match="the model needs 5"):
        ImageVAE(**small, preset="inpainting", encoder=SMALL["encoder"], decoder=wrong).fit(digits)


@pytest.mark.parametrize(
    ("preset", "part"),
    [
        ("inpainting", {"decoder": nets.ResidualDecoder(4, (1, 8, 8), widths=(6,), blocks=(1,))}),
        ("ladder", {"encoder": nets.ResidualEncoder((1, 8, 8), widths=(6,), blocks=(1,), neck=2)}),
        ("image", {"decoder": nets.UNet(4, (1, 8, 8), (2, 8, 8), widths=(6,), blocks=(1,), dense=8)}),
        ("image", {"encoder": torch.nn.Identity()}),
    ],
)
def test_own_networks_of_another_kind_are_refused(digits, preset, part):
    ((role, network),) = part.items()
    with pytest.raises(OptionError, match=f"The {role} of this model is .*, and {type(network).__name__} is none"):
        ImageVAE(latent_dim=4, epochs=1, preset=preset, **part).fit(digits)


def test_a_seed_is_not_negative(fitted, digits):
    for use in (lambda: fitted.sample(2, random_state=-1), lambda: fitted.restore(digits[0], random_state=-1)):
        with pytest.raises(OptionError, match="at least 0"):
            use()


def test_a_folder_that_is_no_run_folder_is_not_written_into(fitted, tmp_path):
    (tmp_path / "README.md").write_text("My project")
    with pytest.raises(RunError, match=r"README\.md would be lost"):
        fitted.save_pretrained(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == ["README.md"]


def test_settings_may_name_the_preset_as_files_do(digits):
    vae = ImageVAE(latent_dim=2, epochs=1, settings={"preset": "ladder"}).fit(digits)
    assert vae.trained_.config.preset == "ladder"
    assert vae.trained_.config.model.kind == "ladder"
    with pytest.raises(OptionError, match="did you mean 'ladder'"):
        ImageVAE(settings={"preset": "lader"}).fit(digits)


def test_recordings_are_not_called_vectors():
    with pytest.raises(DataError, match="holds recordings; ImageVAE takes pictures, SpeechVAE"):
        ImageVAE().fit("spoken-digits")


def test_models_may_be_used_by_several_threads(fitted, digits, tmp_path):
    """Results are functions of their seeds, whatever other threads draw."""
    fitted.save_pretrained(tmp_path / "run")
    missing = np.eye(8, dtype=bool)

    def at_work(number: int) -> np.ndarray:
        if number % 4 == 3:
            latentia.load(tmp_path / "run")
        samples = fitted.sample(6, random_state=number % 3)
        return np.concatenate([samples, fitted.inpaint(digits[0], missing, 2, random_state=number % 3).samples])

    alone = [at_work(number) for number in range(3)]
    state = torch.random.get_rng_state()
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(at_work, range(30)))
    assert torch.equal(torch.random.get_rng_state(), state)
    for number, made in enumerate(together):
        np.testing.assert_array_equal(made, alone[number % 3])
