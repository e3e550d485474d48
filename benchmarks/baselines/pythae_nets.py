"""Networks of Pythae's models: its default, those that it ships for MNIST and CIFAR, and a dense one of its scripts.

Which of them is best in a given time depends on the machine: its convolutional network for MNIST has 17 million weights
and sees two epochs where the default sees hundreds. `pythae_tuning` tries them all.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

with contextlib.redirect_stderr(io.StringIO()):
    from pythae.models import VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.models.nn.benchmarks import cifar, mnist

# Encoder and decoder of a configuration; None where Pythae is to take its default.
Networks = Callable[[VAEConfig], tuple[BaseEncoder | None, BaseDecoder | None]]
WIDTH = 300


class Gated(nn.Module):
    """A dense layer whose outputs are let through by another."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.value = nn.Linear(inputs, outputs)
        self.gate = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.value(x) * self.gate(x).sigmoid()


class GatedEncoder(BaseEncoder):
    """Two gated layers, as `examples/scripts/reproducibility/vamp.py` of its repository has them, after the paper."""

    def __init__(self, config: VAEConfig) -> None:
        BaseEncoder.__init__(self)
        self.latent_dim = config.latent_dim
        self.body = nn.Sequential(nn.Flatten(), Gated(math.prod(config.input_dim), WIDTH), Gated(WIDTH, WIDTH))
        self.embedding = nn.Linear(WIDTH, config.latent_dim)
        self.log_var = nn.Linear(WIDTH, config.latent_dim)

    def forward(self, x: Tensor) -> ModelOutput:
        hidden = self.body(x)
        return ModelOutput(embedding=self.embedding(hidden), log_covariance=self.log_var(hidden))


class GatedDecoder(BaseDecoder):
    """Two gated layers."""

    def __init__(self, config: VAEConfig) -> None:
        BaseDecoder.__init__(self)
        self.input_dim = tuple(config.input_dim)
        last = nn.Linear(WIDTH, math.prod(self.input_dim))
        self.body = nn.Sequential(Gated(config.latent_dim, WIDTH), Gated(WIDTH, WIDTH), last, nn.Sigmoid())

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.body(z).reshape(len(z), *self.input_dim))


def default(config: VAEConfig) -> tuple[None, None]:
    """Its own choice where none is named: one dense layer of 512."""
    return None, None


def gated(config: VAEConfig) -> tuple[BaseEncoder, BaseDecoder]:
    """The dense network."""
    return GatedEncoder(config), GatedDecoder(config)


def conv_mnist(config: VAEConfig) -> tuple[BaseEncoder, BaseDecoder]:
    """Its convolutional network for MNIST."""
    return mnist.Encoder_Conv_VAE_MNIST(config), mnist.Decoder_Conv_AE_MNIST(config)


def _shipped(module: Any, kind: str, data: str) -> Networks:
    encoder, decoder = getattr(module, f"Encoder_{kind}_VAE_{data}"), getattr(module, f"Decoder_{kind}_AE_{data}")
    return lambda config: (encoder(config), decoder(config))


def networks_for(shape: tuple[int, ...]) -> Mapping[str, Networks]:
    """Returns all networks for pictures of 1x28x28 or 3x32x32, by name."""
    module, data = (mnist, "MNIST") if shape[0] == 1 else (cifar, "CIFAR")
    return {
        "MLP": default,
        "gated dense": gated,
        "ResNet": _shipped(module, "ResNet", data),
        "ConvVAE": _shipped(module, "Conv", data),
    }
