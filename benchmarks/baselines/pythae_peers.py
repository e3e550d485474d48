"""Pythae's peers: VAE, IWAE and VAMP on binary MNIST, and its VAE on 8-bit pictures.

Settings as in its repository (clementchadebec/benchmark_VAE, `examples/scripts`): 16 latents (`configs`), or the 40 and
50 of its reproductions of the papers of VAMP and IWAE (`reproducibility`); VAMP with 50 components or 500, with and
without linear warm-up; IWAE with 50 samples or 5, which see ten times as many pictures in the same time; 8-bit pictures
with either of its losses. Which of them, and which networks, are best is found on held-out pictures (`pythae_tuning`).
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor
from torch.utils.data import Dataset

from benchmarks.baselines.pythae_judged import best_judged, grey_judged
from benchmarks.baselines.pythae_nets import Networks, networks_for
from benchmarks.baselines.pythae_vae import BinarisedAtEachVisit, PythaeVAE, build, train

with contextlib.redirect_stderr(io.StringIO()):
    from pythae.data.datasets import DatasetOutput
    from pythae.models import IWAE, VAE, VAMP, IWAEConfig, VAEConfig, VAMPConfig


class AsTheyAre(Dataset):
    """8-bit pictures as floats in [0, 1], which is how Pythae takes them."""

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Any:
        return DatasetOutput(data=self.pixels[index].float() / 255)

    def __getitems__(self, indices: list[int]) -> list[Any]:
        return [DatasetOutput(data=x) for x in self.pixels[indices].float() / 255]


@dataclass(frozen=True)
class Choice:
    """What is chosen on held-out pictures.

    Attributes:
        network: its name.
        variant: name of the settings of the model.
        learning_rate: of the training.
    """

    network: str
    variant: str
    learning_rate: float

    def __str__(self) -> str:
        return f"{self.network}, {self.variant}, learning rate {self.learning_rate:g}"


@dataclass(frozen=True)
class Peer:
    """One of Pythae's models.

    Attributes:
        name: for people.
        networks: those that are tried, by name.
        variants: settings of the model that are tried, by name.
        make: makes the model of a seed, networks and settings.
        data: the data set that it is trained on, of uint8 pictures.
        judge: makes it one of our models, with some held-out pictures as floats.
    """

    name: str
    networks: Mapping[str, Networks]
    variants: Mapping[str, Mapping[str, Any]]
    make: Callable[..., VAE]
    data: Callable[[Tensor], Dataset]
    judge: Callable[[VAE, Tensor], PythaeVAE]

    def build(self, choice: Choice, seed: int) -> VAE:
        """Builds it with weights of a seed."""
        return self.make(seed, networks=self.networks[choice.network], **self.variants[choice.variant])

    def train(self, pixels: Tensor, seconds: float, choice: Choice, seed: int) -> VAE:
        """Trains it for a time on uint8 pictures.

        Raises:
            ArithmeticError: its loss is no number.
        """
        vae = self.build(choice, seed)
        train(vae, self.data(pixels), seconds, choice.learning_rate, seed)
        return vae.eval()


def _binary(name: str, model: type[VAE], config: type[VAEConfig], variants: Mapping[str, Mapping[str, Any]]) -> Peer:
    make = partial(build, model=model, config=config)
    return Peer(f"Pythae 0.1.2 {name}", networks_for((1, 28, 28)), variants, make, BinarisedAtEachVisit, best_judged)


BINARY = (
    _binary("VAE", VAE, VAEConfig, {"16 latents": {"latent_dim": 16}, "40 latents": {"latent_dim": 40}}),
    _binary(
        "IWAE",
        IWAE,
        IWAEConfig,
        {
            "16 latents, 5 samples": {"latent_dim": 16, "number_samples": 5},
            "50 latents, 5 samples": {"latent_dim": 50, "number_samples": 5},
            "50 latents, 50 samples": {"latent_dim": 50, "number_samples": 50},
        },
    ),
    _binary(
        "VAMP",
        VAMP,
        VAMPConfig,
        {
            "16 latents, 50 components": {"latent_dim": 16, "number_components": 50},
            "40 latents, 500 components": {"latent_dim": 40, "number_components": 500},
            "40 latents, 500 components, warm-up of 10 epochs": {
                "latent_dim": 40,
                "number_components": 500,
                "linear_scheduling_steps": 10,
            },
        },
    ),
)


def eight_bit(shape: tuple[int, ...]) -> Peer:
    """Returns its VAE for 8-bit pictures of 1x28x28 or 3x32x32."""
    variants = {
        f"{size} latents, {name}": {"latent_dim": size, "reconstruction_loss": loss}
        for name, loss in (("cross entropy", "bce"), ("squared error", "mse"))
        for size in (16, 64)
    }
    make = partial(build, input_dim=shape)
    return Peer("Pythae 0.1.2 VAE", networks_for(shape), variants, make, AsTheyAre, grey_judged)
