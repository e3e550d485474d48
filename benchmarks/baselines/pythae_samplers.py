"""Pythae's samplers: from its prior, or from what they learn of the codes of a trained model.

The mixture has as many components, and those that are trained have the learning rate, that suit held-out pictures best.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import warnings
from dataclasses import dataclass
from typing import Any
from unittest import mock

from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from benchmarks.baselines.pythae_vae import ENDLESS, quiet, trainer_for

with contextlib.redirect_stderr(io.StringIO()):
    from pythae.models import VAE
    from pythae.samplers import (
        GaussianMixtureSampler,
        GaussianMixtureSamplerConfig,
        IAFSampler,
        MAFSampler,
        NormalSampler,
        TwoStageVAESampler,
    )
    from pythae.trainers import BaseTrainerConfig

TRAINED: dict[str, type[Any]] = {"MAF": MAFSampler, "IAF": IAFSampler, "two-stage VAE": TwoStageVAESampler}
SAMPLERS = ("normal", "Gaussian mixture", *TRAINED)
COMPONENTS = (10, 50, 200, 1000)  # 10 are its default
LEARNING_RATES = (1e-3, 1e-4)  # 1e-4 is its default


@dataclass(frozen=True)
class Setting:
    """A sampler with one of the settings that are tried.

    Attributes:
        sampler: its name.
        components: of a mixture.
        learning_rate: of one that is trained.
    """

    sampler: str
    components: int | None = None
    learning_rate: float | None = None


def settings_of(sampler: str) -> list[Setting]:
    """Returns the settings that are tried of a sampler."""
    if sampler == "normal":
        return [Setting(sampler)]
    if sampler == "Gaussian mixture":
        return [Setting(sampler, components=count) for count in COMPONENTS]
    return [Setting(sampler, learning_rate=rate) for rate in LEARNING_RATES]


def sampled(vae: VAE, setting: Setting, training: Tensor, n: int, seconds: float, seed: int = 0) -> Tensor:
    """Fits a sampler to a trained model and draws pictures, floats (n, C, H, W).

    Args:
        vae: the model.
        setting: of the sampler.
        training: the training pictures as the model takes them, floats.
        n: how many.
        seconds: of gradient steps, where it is trained by them.
        seed: of its training.
    """
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return _fitted(vae, setting, training, seconds, seed).sample(num_samples=n, batch_size=500)


def _fitted(vae: VAE, setting: Setting, training: Tensor, seconds: float, seed: int) -> Any:
    if setting.sampler == "normal":
        return NormalSampler(vae)
    if setting.components is not None:
        mixture = GaussianMixtureSampler(vae, GaussianMixtureSamplerConfig(n_components=setting.components))
        mixture.fit(training)
        return mixture
    made = TRAINED[setting.sampler](vae)
    trainer = mock.patch.object(sys.modules[type(made).__module__], "BaseTrainer", trainer_for(seconds))
    with tempfile.TemporaryDirectory() as folder, trainer:
        config = BaseTrainerConfig(
            output_dir=folder, num_epochs=ENDLESS, learning_rate=setting.learning_rate, no_cuda=True, seed=seed
        )
        made.fit(training, training_config=config)
    return made
