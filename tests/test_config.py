from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from latentia.config import Config, Part, parse_assignments, read_settings
from latentia.core import Batch
from latentia.data import (
    Arrays,
    ArraySource,
    ImagePreprocessing,
    SpeechPreprocessing,
    VectorPreprocessing,
    open_source,
)
from latentia.errors import FileError, OptionError
from latentia.models import build_model
from latentia.presets import PRESETS, default_preset, get_preset, resolve
from latentia.registry import Registry
from latentia.training.fit import prepare_training

FORMS = {
    "image": ImagePreprocessing(height=28, width=28, channels=1),
    "vector": VectorPreprocessing.fit(np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)),
    "speech": SpeechPreprocessing(),
}


def test_settings_are_laid_over_one_another() -> None:
    config = Config().with_settings(parse_assignments(["objective.beta=4", "training.epochs=3", "data.size=[8, 12]"]))
    assert config.objective.arguments == {"beta": 4}
    assert config.training.epochs == 3
    assert config.data.size == (8, 12)
    assert config.model == Config().model


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 1e-3), ("-2E5", -2e5), ("1e", "1e"), ("x1e5", "x1e5"), ("12", 12)]
)
def test_exponents_need_no_point(tmp_path: Path, text: str, value: object) -> None:
    assert parse_assignments([f"objective.beta={text}"]) == {"objective": {"beta": value}}
    (tmp_path / "settings.yaml").write_text(f"objective: {{beta: {text}}}")
    assert read_settings(tmp_path / "settings.yaml") == {"objective": {"beta": value}}


@pytest.mark.parametrize("name", ["objective=iwae", "objective.name=iwae", "objective={name: iwae}"])
def test_the_order_of_settings_makes_no_difference(name: str) -> None:
    for order in ([name, "objective.n_samples=7"], ["objective.n_samples=7", name]):
        part = Config().with_settings(parse_assignments(order)).objective
        assert (part.name, part.arguments) == ("iwae", {"n_samples": 7})


def test_another_part_starts_from_its_own_defaults() -> None:
    config = Config().with_settings({"objective": {"beta": 4.0}}).with_settings({"objective": "iwae"})
    assert config.objective == Part(name="iwae")


def test_configurations_are_frozen_and_survive_json() -> None:
    config = Config().with_settings({"model": {"prior": {"name": "mixture", "components": 7}}})
    with pytest.raises(ValidationError):
        config.training.epochs = 5  # type: ignore[misc]
    assert Config().with_settings(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"training": {"epoch": 3}}, "did you mean 'epochs'"),
        ({"epochs": 3}, "did you mean 'training.epochs'"),
        ({"training": {"epochs": "many"}}, "'training.epochs' in .* cannot be \"many\""),
        ({"training": {"epochs": True}}, "true and false are not numbers"),
        ({"training": {"epochs": 0}}, "training.epochs"),
        ({"model": 3}, "'model'"),
        ({"data": {"channels": 2}}, "data.channels"),
    ],
)
def test_wrong_settings_are_explained(settings: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Config().with_settings(settings)


@pytest.mark.parametrize("assignment", ["epochs", "=3", "a.b=[1,"])
def test_wrong_assignments_are_explained(assignment: str) -> None:
    with pytest.raises(OptionError):
        parse_assignments([assignment])


def test_wrong_files_are_explained(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"missing\.yaml"):
        read_settings(tmp_path / "missing.yaml")
    for content in ("- a\n- b", "a: [", "just words"):
        (tmp_path / "bad.yaml").write_text(content)
        with pytest.raises(OptionError, match=r"bad\.yaml"):
            read_settings(tmp_path / "bad.yaml")


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_cite_a_paper_and_resolve(name: str) -> None:
    preset = get_preset(name)
    assert preset.paper
    assert preset.description
    config = Config().with_settings(preset.settings(FORMS[preset.kind]))
    assert config.training.epochs >= 1


def test_the_default_preset_depends_on_the_data() -> None:
    assert default_preset(open_source("digits")) == "image"
    assert default_preset(open_source("mnist")) == "mnist"


@pytest.mark.parametrize(
    ("side", "mode", "preset"),
    [(300, "RGB", "image-64"), (16, "RGB", "image-64"), (300, "L", "image")],
)
def test_peoples_own_colour_pictures_go_through_the_preset_for_photographs(
    tmp_path: Path, side: int, mode: str, preset: str
) -> None:
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (side, side + 5, 3), dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(tmp_path / f"{number}.png")
    source = open_source(str(tmp_path))
    assert default_preset(source) == preset
    config, form = resolve(source, None, {})
    assert config.preset == preset
    if preset != "image":
        assert form.event_shape == (3, 64, 64)
        assert config.model.kind == "masked"
    varied, form = resolve(source, "vamp", {})
    assert (varied.model.kind, varied.model.prior.name) == ("single-latent", "vamp")


@pytest.mark.parametrize("side", [8, 28, 64])
def test_ladders_fit_pictures_of_any_size(side: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, side, side, 3), dtype=np.uint8)
    source = ArraySource("pictures", lambda split: Arrays(images), lambda: "f")
    config, form = resolve(source, "ladder", {})
    groups = prepare_training(source.load(form), form, config).model.infer(Batch(torch.rand(2, 3, side, side))).latents
    assert len(groups) == (2 if side == 8 else 3)


@pytest.mark.parametrize("side", [8, 28, 64, 256])
def test_presets_that_fill_in_fit_pictures_of_any_size(side: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    source = ArraySource("pictures", lambda split: Arrays(images), lambda: "f")
    config, form = resolve(source, "inpainting", {"data": {"size": side}})
    model = build_model(config.model, form.event_shape)
    picture = torch.rand(1, 3, side, side)
    given = torch.zeros(1, 1, side, side, dtype=torch.bool)
    assert model.infer(Batch(picture, given=given)).likelihood.mean.shape == (1, 1, 3, side, side)


@pytest.mark.parametrize("side", [160, 192, 224, 256])
@pytest.mark.parametrize("preset", ["image", "ladder"])
def test_large_pictures_have_presets_too(preset: str, side: int) -> None:
    config, form = resolve(open_source("digits"), preset, {"data": {"size": side}})
    model = build_model(config.model, form.event_shape).eval()
    assert model.infer(Batch(torch.rand(1, 1, side, side))).likelihood.mean.shape == (1, 1, 1, side, side)


@pytest.mark.parametrize("side", [16, 28, 64])
def test_a_ladder_of_digits_may_have_any_size(side: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    source = ArraySource("mnist", lambda split: Arrays(images), lambda: "f")
    config, form = resolve(source, "ladder", {"data": {"size": side}})
    model = build_model(config.model, form.event_shape).eval()
    assert model.infer(Batch(torch.zeros(1, 1, side, side))).likelihood.mean.shape == (1, 1, 1, side, side)


def test_ladders_take_a_mixture_where_pixels_have_many_levels() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    source = ArraySource("pictures", lambda split: Arrays(images), lambda: "f")
    chosen = [resolve(source, "ladder", {"data": {"binarize": how}})[0].model for how in ("none", "threshold")]
    assert chosen[0].likelihood.name == "discretised-logistic-mixture"
    assert chosen[1].likelihood.name == resolve(source, None, {})[0].model.likelihood.name


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("vae", {"prior": "standard-normal"}),
        ("iwae", {"prior": "standard-normal", "objective": "iwae"}),
        ("vamp", {"prior": "vamp"}),
        ("flow-prior", {"prior": "flow"}),
    ],
)
def test_variations_differ_from_the_plain_preset_in_what_names_them(name: str, parts: dict[str, str]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    for source_name, base, binarize in (("mnist", "mnist", "dynamic"), ("photos", "image", "none")):
        source = ArraySource(source_name, lambda split: Arrays(images), lambda: "f")
        plain, _ = resolve(source, base, {})
        varied, form = resolve(source, name, {})
        assert varied.preset == name
        assert isinstance(form, ImagePreprocessing)
        assert form.binarize == binarize
        assert varied.model.prior.name == parts["prior"]
        assert varied.objective.name == parts.get("objective", "elbo")
        same = {"preset": plain.preset, "objective": plain.objective.model_dump()}
        same |= {"model": {"prior": plain.model.prior.model_dump()}}
        if "objective" not in parts:
            assert varied.objective == plain.objective
        assert varied.with_settings(same) == plain


@pytest.mark.parametrize(("name", "base"), [("mnist", "mnist"), ("photos", "image")])
def test_conditional_models_are_a_variation_too(name: str, base: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    source = ArraySource(name, lambda split: Arrays(images), lambda: "f")
    plain, form = resolve(source, base, {})
    varied, same_form = resolve(source, "conditional", {})
    assert same_form == form
    assert (varied.model.kind, varied.objective.arguments["label_weight"]) == ("conditional", 100.0)
    own = {"label_weight": 100.0, "warmup_steps": 800, "warmup_start": 30.0}
    assert varied.objective.arguments == {**plain.objective.arguments, **own}
    same = {"preset": base, "model": {"kind": plain.model.kind}, "objective": plain.objective.model_dump()}
    assert varied.model_copy(update={"objective": plain.objective}).with_settings(same) == plain


def test_what_a_person_sets_goes_over_variations() -> None:
    settings = {"model": {"prior": {"name": "vamp", "components": 7}, "latent_dim": 5}, "data": {"size": 12}}
    config, form = resolve(open_source("digits"), "vamp", settings)
    assert config.model.prior.arguments == {"components": 7}
    assert config.model.latent_dim == 5
    assert form.event_shape == (1, 12, 12)


def test_unknown_presets_name_the_nearest() -> None:
    with pytest.raises(OptionError, match="did you mean 'image'"):
        resolve(open_source("digits"), "imaeg", {})


def test_registries_explain_wrong_names_settings_and_objects() -> None:
    shapes: Registry[object] = Registry("shape")

    @shapes.register("square")
    class Square:
        def __init__(self, side: float, colour: str = "red") -> None:
            if side < 0:
                raise OptionError("negative")
            self.side, self.colour = side, colour

    with pytest.raises(OptionError, match="did you mean 'square'"):
        shapes.build("sqare", {})
    with pytest.raises(OptionError, match="did you mean 'colour'"):
        shapes.build("square", {"color": "blue"}, side=1.0)
    with pytest.raises(OptionError, match="cannot be built"):
        shapes.build("square", {})
    with pytest.raises(OptionError, match="not a registered shape"):
        shapes.name_of(3)
    with pytest.raises(OptionError, match="registered already"):
        shapes.register("square")(type("Other", (), {}))
    square = shapes.build("square", {"colour": "blue"}, side=2.0, unrelated=5)
    assert shapes.arguments_of(square) == {"side": 2.0, "colour": "blue"}


def test_numbers_of_numpy_are_numbers() -> None:
    settings = {"model": {"latent_dim": np.int64(7), "prior": {"name": "mixture", "components": np.int64(8)}}}
    config = Config().with_settings(settings).with_settings({"objective": {"beta": np.float32(2)}})
    assert config.model.prior.arguments == {"components": 8}
    assert type(config.model.prior.arguments["components"]) is int
    assert (config.model.latent_dim, config.objective.arguments["beta"]) == (7, 2.0)


def test_what_no_file_of_settings_can_hold_is_refused() -> None:
    with pytest.raises(OptionError, match="an object of type Tensor"):
        Config().with_settings({"model": {"prior": {"name": "mixture", "components": torch.tensor(3)}}})
