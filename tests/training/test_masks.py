from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from latentia.core import Batch, Latents
from latentia.data import Dataset, open_source
from latentia.errors import OptionError
from latentia.nets import smooth_fill
from latentia.presets import resolve
from latentia.training.fit import Fit, Training, fit, prepare_training

MODEL: dict[str, Any] = {
    "kind": "masked",
    "latent_dim": 4,
    "encoder": {"name": "dense", "width": 16},
    "decoder": {"name": "unet", "widths": [12, 16], "blocks": [1, 1], "dense": 32},
}
MASKS = ["half", {"name": "scattered", "least": 0.2, "most": 0.9}, "nothing"]


def training(dataset: Dataset | None = None, model: dict[str, Any] = MODEL, **settings: Any) -> Training:
    source = open_source("digits")
    chosen = {"epochs": 2, "batch_size": 64, "masks": MASKS, **settings}
    # Nothing is held out, since what is would follow from the pixels, those behind holes included.
    data = {"validation_fraction": 0.0}
    config, preprocessing = resolve(source, None, {"model": model, "training": chosen, "data": data})
    return prepare_training(dataset or source.load(preprocessing), preprocessing, config, name="digits")


def weights(result: Fit) -> torch.Tensor:
    return torch.cat([parameter.flatten() for parameter in result.trained.model.parameters()])


def with_holes(filler: int) -> tuple[Dataset, np.ndarray]:
    """Digits of which half of the pixels are missing, each at random; something else stands in their place."""
    whole = training().dataset
    observed = np.random.default_rng(0).random((len(whole), 8, 8)) < 0.5
    rows = np.where(observed[..., None], whole.x[np.arange(len(whole))], np.uint8(filler))
    return replace(whole, x=rows, observed=observed), observed


def test_same_seed_same_masks() -> None:
    once, again, other = (fit(training(seed=seed, epochs=1)) for seed in (3, 3, 4))
    assert torch.equal(weights(once), weights(again))
    assert not torch.equal(weights(once), weights(other))
    assert once.history[0]["train_loss"] == again.history[0]["train_loss"]


def test_a_complete_picture_is_never_seen_where_data_have_holes() -> None:
    """Whatever stands in the holes, the weights are the same bit for bit."""
    black, white = (fit(training(with_holes(filler)[0])) for filler in (0, 255))
    assert torch.equal(weights(black), weights(white))


def test_holes_are_filled_by_a_model_that_saw_nothing_but_pictures_with_holes() -> None:
    dataset, observed = with_holes(255)
    trained = fit(training(dataset, epochs=25, patience=None, learning_rate=1e-2)).trained
    truth = torch.from_numpy(training().dataset.x[np.arange(200)]).permute(0, 3, 1, 2) / 255
    given = torch.from_numpy(observed[:200, None])
    batch = Batch(torch.where(given, truth, 1.0), given, given=given)
    with torch.inference_mode():
        expected = trained.model.posterior_given(batch).mean
        completed = trained.model.complete(Latents(expected[None]), batch).mean[0]
    plain = smooth_fill(batch.x, given, trained.model.guess.mean)
    error, of_a_surface = ((filled - truth)[~given].square().mean() for filled in (completed, plain))
    assert error < 0.8 * of_a_surface


def test_masks_and_models_that_do_not_fit_are_refused() -> None:
    with pytest.raises(OptionError, match="masked"):
        training(model={"encoder": {"name": "dense", "width": 16}, "decoder": {"name": "dense", "width": 16}})
    with pytest.raises(OptionError, match="inpainting"):
        training(masks=[])
    with pytest.raises(OptionError, match="scattered"):
        training(masks=["scatered"])
    with pytest.raises(OptionError, match="no setting"):
        training(masks=[{"name": "half", "side": 3}])


def test_the_scale_in_closed_form_is_for_other_models() -> None:
    model = {**MODEL, "likelihood": {"name": "discretised-gaussian", "scale": "closed-form"}}
    with pytest.raises(OptionError, match="not closed-form"):
        training(model=model)


def test_noise_is_for_models_that_are_told_a_part() -> None:
    with pytest.raises(OptionError, match=r"training\.noise is for models that are told a part"):
        training(model={"latent_dim": 4}, masks=[], noise=0.1)
