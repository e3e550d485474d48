"""Pythae's other peers: IWAE and VAMP on binary MNIST, its VAE on 8-bit pictures, and its samplers.

Variants and settings as in its repository (clementchadebec/benchmark_VAE, `examples/scripts/configs`), with its own
convolutional networks throughout: 16 latents, or the 40 of `binary_mnist/vamp/vamp_config.json`; VAMP with 50
components (`binary_mnist/vamp_config.json`) or 500 (`binary_mnist/vamp`); IWAE with 50 samples
(`binary_mnist/iwae_config.json`) or 5, which see ten times as many pictures in the same time (`mnist`); grey and colour
pictures with its squared error (`mnist/vae_config.json`). Which of them is best is found on held-out pictures
(`pythae_tuning`). Samplers with their own defaults.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils.data import Dataset

from benchmarks.baselines.pythae_judged import PythaeGrey, best_judged
from benchmarks.baselines.pythae_vae import (
    ENDLESS,
    LATENT_DIM,
    BinarisedAtEachVisit,
    PythaeVAE,
    TimedTrainer,
    build,
    quiet,
    train,
)

with contextlib.redirect_stderr(io.StringIO()):
    from pythae.data.datasets import DatasetOutput
    from pythae.models import IWAE, VAE, VAMP, IWAEConfig, VAEConfig, VAMPConfig
    from pythae.models.nn.benchmarks.cifar import Decoder_Conv_AE_CIFAR, Encoder_Conv_VAE_CIFAR
    from pythae.samplers import GaussianMixtureSampler, IAFSampler, MAFSampler, NormalSampler, TwoStageVAESampler
    from pythae.trainers import BaseTrainerConfig

MORE_LATENTS = {"latent_dim": 40}


class AsTheyAre(Dataset):
    """8-bit pictures as floats in [0, 1], which is how Pythae takes them."""

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Any:
        return DatasetOutput(data=self.pixels[index].float() / 255)


@dataclass(frozen=True)
class Choice:
    """What is chosen on held-out pictures: a variant of a model, and the learning rate."""

    variant: str
    learning_rate: float


@dataclass(frozen=True)
class Peer:
    """One of Pythae's models.

    Attributes:
        name: for people.
        variants: what makes it of a seed, for each of the settings that are tried.
        data: the data set that it is trained on, of uint8 pictures.
        judge: makes it one of our models, with some held-out pictures as floats.
    """

    name: str
    variants: Mapping[str, Callable[[int], VAE]]
    data: Callable[[Tensor], Dataset]
    judge: Callable[[VAE, Tensor], PythaeVAE]

    def train(self, pixels: Tensor, seconds: float, choice: Choice, seed: int) -> VAE:
        """Trains it for a time on uint8 pictures.

        Raises:
            ArithmeticError: its loss is no number.
        """
        vae = self.variants[choice.variant](seed)
        train(vae, self.data(pixels), seconds, learning_rate=choice.learning_rate, seed=seed)
        return vae.eval()


def _variants(model: type[VAE], config: type[VAEConfig], settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {name: partial(build, model=model, config=config, **chosen) for name, chosen in settings.items()}


def _binary(name: str, variants: Mapping[str, Any]) -> Peer:
    return Peer(f"Pythae 0.1.2 {name}", variants, BinarisedAtEachVisit, best_judged)


BINARY = (
    _binary("VAE", _variants(VAE, VAEConfig, {"16 latents": {}, "40 latents": MORE_LATENTS})),
    _binary(
        "IWAE",
        _variants(
            IWAE,
            IWAEConfig,
            {
                "16 latents, 5 samples": {"number_samples": 5},
                "40 latents, 5 samples": {"number_samples": 5, **MORE_LATENTS},
                "16 latents, 50 samples": {"number_samples": 50},
            },
        ),
    ),
    _binary(
        "VAMP",
        _variants(
            VAMP,
            VAMPConfig,
            {
                "16 latents, 50 components": {"number_components": 50},
                "40 latents, 500 components": {"number_components": 500, **MORE_LATENTS},
            },
        ),
    ),
)


def eight_bit(shape: tuple[int, ...]) -> Peer:
    """Returns its VAE for 8-bit pictures of 1x28x28 or 3x32x32."""

    def of_size(latent_dim: int) -> Callable[[int], VAE]:
        settings = {"input_dim": shape, "latent_dim": latent_dim, "reconstruction_loss": "mse"}
        return partial(build, **settings) if shape[0] == 1 else partial(_colour, settings)

    variants = {f"{size} latents": of_size(size) for size in (LATENT_DIM, 64)}
    return Peer("Pythae 0.1.2 VAE", variants, AsTheyAre, PythaeGrey)


def _colour(settings: Mapping[str, Any], seed: int) -> VAE:
    torch.manual_seed(seed)
    config = VAEConfig(**settings)
    return VAE(config, encoder=Encoder_Conv_VAE_CIFAR(config), decoder=Decoder_Conv_AE_CIFAR(config))


SAMPLERS: dict[str, type[Any]] = {
    "normal": NormalSampler,
    "Gaussian mixture": GaussianMixtureSampler,
    "MAF": MAFSampler,
    "IAF": IAFSampler,
    "two-stage VAE": TwoStageVAESampler,
}


def sampled(vae: VAE, sampler: str, training: Tensor, n: int, seconds: float) -> Tensor:
    """Fits one of its samplers to a trained model and draws pictures, floats (n, C, H, W).

    Args:
        vae: the model.
        sampler: name of the sampler.
        training: the training pictures as the model takes them, floats.
        n: how many.
        seconds: of gradient steps, where the sampler is trained by them.
    """
    made = SAMPLERS[sampler](vae)
    with tempfile.TemporaryDirectory() as folder, quiet():
        if sampler == "Gaussian mixture":
            made.fit(training)
        elif sampler != "normal":
            trainer = partial(TimedTrainer, seconds)
            with mock.patch.object(sys.modules[type(made).__module__], "BaseTrainer", trainer):
                made.fit(
                    training, training_config=BaseTrainerConfig(output_dir=folder, num_epochs=ENDLESS, no_cuda=True)
                )
        return made.sample(num_samples=n, batch_size=500)
