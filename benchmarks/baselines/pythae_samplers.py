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

from benchmarks.baselines.pythae_vae import ENDLESS, LEARNING_RATES, quiet, trainer_for
from latentia.hardware import tuned_cpu

with contextlib.redirect_stderr(io.StringIO()):
    from pythae.customexception import ModelError
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

MIXTURE = "Gaussian mixture"
TRAINED: dict[str, type[Any]] = {"MAF": MAFSampler, "IAF": IAFSampler, "two-stage VAE": TwoStageVAESampler}
SAMPLERS = ("normal", MIXTURE, *TRAINED)
COMPONENTS = (10, 50, 200, 1000)  # 10 are its default
# What samplers end in that diverge, or that refuse codes of a model that has.
FAILURES = (ArithmeticError, ValueError, RuntimeError, ModelError)


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

    def __str__(self) -> str:
        named = {"components": self.components, "learning rate": self.learning_rate}
        return ", ".join(f"{name} {value:g}" for name, value in named.items() if value is not None) or "default"


def settings_of(sampler: str) -> list[Setting]:
    """Returns the settings that are tried of a sampler; learning rates also beyond these, while an end is best."""
    if sampler == MIXTURE:
        return [Setting(sampler, components=count) for count in COMPONENTS]
    if sampler in TRAINED:
        return [Setting(sampler, learning_rate=rate) for rate in LEARNING_RATES]
    return [Setting(sampler)]


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
    with quiet(), tuned_cpu(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return _fitted(vae, setting, _reaching_white(training), seconds, seed).sample(num_samples=n, batch_size=500)


def _reaching_white(x: Tensor) -> Tensor:
    """Returns pictures of which one pixel is white: Pythae's samplers refuse those of which none is."""
    if x.max() >= 1:
        return x
    x = x.clone()
    x.view(-1)[x.argmax()] = 1.0
    return x


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
