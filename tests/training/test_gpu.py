"""Trainings on a GPU, where there is one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from latentia import ImageVAE
from latentia.data import open_source
from latentia.presets import PRESETS, resolve
from latentia.training.fit import prepare_training

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.mark.parametrize("preset", [name for name, preset in PRESETS.items() if preset.kind == "image"])
def test_presets_of_pictures_train_on_a_gpu(preset: str) -> None:
    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8) / 16)[:160]
    vae = ImageVAE(preset=preset, epochs=1, random_state=0)
    vae.fit(images, labels[:160] if preset == "conditional" else None)
    assert np.isfinite(vae.sample(2, random_state=0)).all()
    missing = np.zeros(vae.sample(1).shape[1:3], bool)
    missing[2:5, 2:5] = True
    assert np.isfinite(vae.inpaint(vae.sample(1, random_state=0)[0], missing, steps=2).mean).all()


@pytest.mark.parametrize("preset", ["ladder", "inpainting"])
def test_trainings_on_a_gpu_are_estimated_there(preset: str) -> None:
    source = open_source("digits")
    config, preprocessing = resolve(source, preset, {})
    training = prepare_training(source.load(preprocessing), preprocessing, config)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.max_memory_allocated()
    estimate = training.estimate()
    used = torch.cuda.max_memory_allocated() - before
    assert used / 4 < estimate.memory_bytes < 10 * used + 2**28
    assert next(training.model.parameters()).device.type == "cpu"
