"""Pythae's other peers: IWAE and VAMP on binary MNIST, its VAE on 8-bit pictures, and its samplers.

Settings as in its repository (clementchadebec/benchmark_VAE, `examples/scripts/configs`): latent_dim 16 and its own
convolutional networks throughout; VAMP with 50 components (`binary_mnist/vamp_config.json`); IWAE with 5 samples
(`mnist/iwae_config.json`; the 50 of `binary_mnist` would see a tenth of the pictures in the same time); grey and colour
pictures with its squared error (`mnist/vae_config.json`, `cifar10/`). Samplers with their own defaults.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.utils.data import Dataset

from benchmarks.baselines.pythae_vae import BinarisedAtEachVisit, PythaeVAE, quiet, train
from latentia.core import Latents, Likelihood
from latentia.distributions import DiscretisedGaussian, NormalMixture

with contextlib.redirect_stderr(io.StringIO()):
    from pythae.data.datasets import DatasetOutput
    from pythae.models import IWAE, VAE, VAMP, IWAEConfig, VAEConfig, VAMPConfig
    from pythae.models.nn.benchmarks.cifar import Decoder_Conv_AE_CIFAR, Encoder_Conv_VAE_CIFAR
    from pythae.models.nn.benchmarks.mnist import Decoder_Conv_AE_MNIST, Encoder_Conv_VAE_MNIST
    from pythae.samplers import GaussianMixtureSampler, IAFSampler, MAFSampler, NormalSampler, TwoStageVAESampler
    from pythae.trainers import BaseTrainerConfig

LATENT_DIM = 16
SAMPLER_EPOCHS = 10  # 6000 steps on 60 000 codes; its own default of 100 takes longer than the model itself


class PythaeVAMP(PythaeVAE):
    """Pythae's VAMP seen as one of our models: its prior is the mixture of the posteriors of its pseudo-inputs."""

    def code_prior(self) -> Distribution:
        inputs = self.vae.pseudo_inputs(self.vae.idle_input).reshape(-1, *self.vae.model_config.input_dim)
        output = self.vae.encoder(inputs)
        return NormalMixture(torch.zeros(len(inputs)), output.embedding, (0.5 * output.log_covariance).exp())


class PythaeGrey(PythaeVAE):
    """Pythae's VAE of 8-bit pictures, scored on the grid of 256 levels.

    Its squared error is that of a normal distribution of scale 1, which would score worse than no model; it is given
    the scale that its own errors on training pictures have.
    """

    def __init__(self, vae: VAE, training: Tensor) -> None:
        super().__init__(vae)
        self.likelihood = DiscretisedGaussian()
        with torch.inference_mode():
            errors = [self._squared_error(part) for part in training.split(100)]
        self.likelihood.start_at_error(torch.stack(errors).mean())

    def _squared_error(self, x: Tensor) -> Tensor:
        output = self.vae.encoder(x)
        noise = torch.randn_like(output.embedding) * (0.5 * output.log_covariance).exp()
        return (self.vae.decoder(output.embedding + noise).reconstruction - x).square().mean()

    def decode(self, latents: Latents) -> Likelihood:
        z = latents.code
        mean = self.vae.decoder(z.flatten(0, 1)).reconstruction
        return self.likelihood(self.likelihood.centre(mean).unflatten(0, z.shape[:2]))


class AsTheyAre(Dataset):
    """8-bit pictures as floats in [0, 1], which is how Pythae takes them."""

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Any:
        return DatasetOutput(data=self.pixels[index].float() / 255)


@dataclass(frozen=True)
class Peer:
    """One of Pythae's models.

    Attributes:
        name: for people.
        build: makes it, of a seed.
        data: the data set that it is trained on, of uint8 pictures.
        judge: makes it one of our models, with some training pictures as floats.
    """

    name: str
    build: Callable[[int], VAE]
    data: Callable[[Tensor], Dataset]
    judge: Callable[[VAE, Tensor], PythaeVAE]

    def train(self, pixels: Tensor, seconds: float, learning_rate: float, seed: int) -> VAE:
        """Trains it for a time on uint8 pictures."""
        vae = self.build(seed)
        train(vae, self.data(pixels), seconds, learning_rate=learning_rate, seed=seed)
        return vae.eval()


def _binary(model: type[VAE], config: Any, seed: int) -> VAE:
    torch.manual_seed(seed)
    return model(config, encoder=Encoder_Conv_VAE_MNIST(config), decoder=Decoder_Conv_AE_MNIST(config))


_MNIST: dict[str, Any] = {"input_dim": (1, 28, 28), "latent_dim": LATENT_DIM, "reconstruction_loss": "bce"}
BINARY = (
    Peer(
        "Pythae 0.1.2 VAE",
        lambda seed: _binary(VAE, VAEConfig(**_MNIST), seed),
        BinarisedAtEachVisit,
        lambda vae, _: PythaeVAE(vae),
    ),
    Peer(
        "Pythae 0.1.2 IWAE",
        lambda seed: _binary(IWAE, IWAEConfig(number_samples=5, **_MNIST), seed),
        BinarisedAtEachVisit,
        lambda vae, _: PythaeVAE(vae),
    ),
    Peer(
        "Pythae 0.1.2 VAMP",
        lambda seed: _binary(VAMP, VAMPConfig(number_components=50, **_MNIST), seed),
        BinarisedAtEachVisit,
        lambda vae, _: PythaeVAMP(vae),
    ),
)


def eight_bit(shape: tuple[int, ...]) -> Peer:
    """Returns its VAE for 8-bit pictures of 1x28x28 or 3x32x32."""

    def build(seed: int) -> VAE:
        torch.manual_seed(seed)
        config = VAEConfig(input_dim=shape, latent_dim=LATENT_DIM, reconstruction_loss="mse")
        if shape[0] == 1:
            return VAE(config, encoder=Encoder_Conv_VAE_MNIST(config), decoder=Decoder_Conv_AE_MNIST(config))
        return VAE(config, encoder=Encoder_Conv_VAE_CIFAR(config), decoder=Decoder_Conv_AE_CIFAR(config))

    return Peer("Pythae 0.1.2 VAE", build, AsTheyAre, PythaeGrey)


SAMPLERS: dict[str, type[Any]] = {
    "normal": NormalSampler,
    "Gaussian mixture": GaussianMixtureSampler,
    "MAF": MAFSampler,
    "IAF": IAFSampler,
    "two-stage VAE": TwoStageVAESampler,
}


def sampled(vae: VAE, sampler: str, training: Tensor, n: int, epochs: int = SAMPLER_EPOCHS) -> Tensor:
    """Fits one of its samplers to a trained model and draws pictures, floats (n, C, H, W).

    Args:
        vae: the model.
        sampler: name of the sampler.
        training: the training pictures as the model takes them, floats.
        n: how many.
        epochs: passes over the codes of the training pictures, where the sampler is trained by gradient steps.
    """
    made = SAMPLERS[sampler](vae)
    with tempfile.TemporaryDirectory() as folder, quiet():
        if sampler == "Gaussian mixture":
            made.fit(training)
        elif sampler != "normal":
            made.fit(training, training_config=BaseTrainerConfig(output_dir=folder, num_epochs=epochs, no_cuda=True))
        return made.sample(num_samples=n, batch_size=500)
