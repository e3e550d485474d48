"""Pythae 0.1.2's MNIST ConvVAE, trained by its own trainer with its own settings.

Settings: `examples/scripts/configs/mnist/base_training_config.json` of its repository
(clementchadebec/benchmark_VAE): Adam, batch 100; latent_dim 16 as in its `binary_mnist` VAE configuration, from
which the Bernoulli likelihood (`reconstruction_loss: bce`) comes too. That file's learning rate is 1e-3, that of
`binary_mnist` 1e-4: where quality counts, the better one on validation data is taken. Its loss is the mean over
the batch of summed binary cross-entropy plus the closed-form KL, so in nats per image.

Pythae knows no dynamic binarisation: its loader is handed a data set that draws the binary picture at every
visit. Nothing else of its training is touched; progress bars and log lines are silenced.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.utils.data import Dataset

from benchmarks.mnist import binarised
from latentia.core import Batch, Inference, LatentGroup, Latents, Likelihood
from latentia.distributions import Bernoulli, StandardNormal
from latentia.distributions.base import diagonal_normal
from latentia.models import LatentModel

with contextlib.redirect_stderr(io.StringIO()):
    from pythae.data.datasets import DatasetOutput
    from pythae.models import VAE, VAEConfig
    from pythae.models.nn.benchmarks.mnist import Decoder_Conv_AE_MNIST, Encoder_Conv_VAE_MNIST
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

LATENT_DIM = 16
LEARNING_RATE = 1e-3
LEARNING_RATES = (1e-3, 3e-4, 1e-4)
BATCH_SIZE = 100
ENDLESS = 10_000  # epochs: the clock ends a training


class PythaeVAE(LatentModel):
    """Pythae's VAE seen as one of ours, so that the same code evaluates both.

    Its decoder ends in a sigmoid; the logits before it are read instead, so that no probability is rounded
    to 0 or 1 and no logarithm clamped.
    """

    def __init__(self, vae: VAE) -> None:
        super().__init__()
        self.vae = vae
        self.prior = StandardNormal(vae.latent_dim)
        self.likelihood = Bernoulli()

    def posterior_of(self, batch: Batch) -> Distribution:
        output = self.vae.encoder(batch.x)
        return diagonal_normal(output.embedding, (0.5 * output.log_covariance).exp())

    def infer(self, batch: Batch, n_samples: int = 1) -> Inference:
        posterior = self.posterior_of(batch)
        z = posterior.rsample((n_samples,))
        return Inference((LatentGroup("z", posterior, self.code_prior(), z),), self.decode(Latents(z)))

    def start_at(self, batch: Batch) -> None:
        """Pythae starts its decoder where PyTorch does."""

    def decode(self, latents: Latents) -> Likelihood:
        z = latents.code
        hidden, *convolutions = self.vae.decoder.layers
        x = hidden(z.flatten(0, 1)).reshape(-1, 1024, 4, 4)
        x = x.contiguous(memory_format=torch.channels_last)  # a fifth faster
        for block in convolutions[:-1]:
            x = block(x)
        logits = convolutions[-1][0](x)
        return self.likelihood(logits.unflatten(0, z.shape[:2]))


class BinarisedAtEachVisit(Dataset):
    """Pictures whose binary version is drawn anew whenever one is fetched."""

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Any:
        return DatasetOutput(data=binarised(self.pixels[index]))


class _Stop(Exception):  # noqa: N818
    """Ends Pythae's training, which can be limited by epochs only."""


@dataclass
class _Clock(TrainingCallback):
    """Stops after a time or a number of steps, and notes times and weights on the way; its own time is off."""

    model: VAE
    seconds: float = float("inf")
    steps: int | None = None
    snapshot_every: float = float("inf")
    stamps: list[float] = field(default_factory=list)
    snapshots: list[tuple[float, dict[str, Tensor]]] = field(default_factory=list)
    _pause: float = 0.0
    _start: float = 0.0

    def on_train_begin(self, training_config: Any, **_: Any) -> None:
        self._start = time.perf_counter()

    def on_train_step_end(self, training_config: Any, **_: Any) -> None:
        now = time.perf_counter()
        elapsed = now - self._start - self._pause
        self.stamps.append(elapsed)
        done = elapsed >= self.seconds or (self.steps is not None and len(self.stamps) >= self.steps)
        if done or elapsed >= self.snapshot_every * (len(self.snapshots) + 1):
            self.snapshots.append((elapsed, deepcopy(self.model.state_dict())))
            self._pause += time.perf_counter() - now
        if done:
            raise _Stop


class TimedTrainer(BaseTrainer):
    """Pythae's trainer, which can be limited by epochs only, ended after a time; the model is that of the last step.

    Args:
        seconds: of training.
        model: what is trained.
        settings: as of its own trainer.
    """

    def __init__(self, seconds: float, model: Any, **settings: Any) -> None:
        super().__init__(model, callbacks=[_Clock(model, seconds=seconds)], **settings)

    def train(self, log_output_dir: str | None = None) -> None:
        with contextlib.suppress(_Stop):
            super().train(log_output_dir)
        self.save_model(self.model, dir_path=f"{self.training_dir}/final_model")


def build(seed: int = 0, model: type[VAE] = VAE, config: type[VAEConfig] = VAEConfig, **settings: Any) -> VAE:
    """Builds one of Pythae's models with its ConvVAE's networks for MNIST (17.2 M parameters).

    Args:
        seed: of the weights.
        model: which.
        config: the class of its configuration.
        settings: of that, beside those of a VAE of binary pictures.
    """
    torch.manual_seed(seed)
    chosen = {"input_dim": (1, 28, 28), "latent_dim": LATENT_DIM, "reconstruction_loss": "bce", **settings}
    made = config(**chosen)
    return model(made, encoder=Encoder_Conv_VAE_MNIST(made), decoder=Decoder_Conv_AE_MNIST(made))


def training_speed(pixels: Tensor, batch_size: int, steps: int = 10, warm_up: int = 2, seed: int = 0) -> float:
    """Returns training images per second in steady state, in Pythae's own trainer.

    Args:
        pixels: uint8 training pictures, at least one batch.
        batch_size: pictures a step.
        steps: steps that count.
        warm_up: steps before, which do not.
        seed: of weights and order.
    """
    vae = build(seed)
    clock = _Clock(vae, steps=warm_up + steps)
    _train(vae, BinarisedAtEachVisit(pixels), clock, batch_size, seed)
    return steps * batch_size / (clock.stamps[-1] - clock.stamps[warm_up - 1])


def train_for(
    pixels: Tensor,
    seconds: float,
    snapshot_every: float = 60.0,
    learning_rate: float = LEARNING_RATE,
    batch_size: int = BATCH_SIZE,
    seed: int = 0,
) -> tuple[VAE, list[tuple[float, dict[str, Tensor]]]]:
    """Trains for a time.

    Args:
        pixels: uint8 training pictures.
        seconds: of training.
        snapshot_every: seconds between two kept weights; the last ones are kept always.
        learning_rate: of Adam.
        batch_size: pictures a step.
        seed: of weights and order.

    Returns:
        The trained model, and its weights along the way as (seconds of training, state dictionary).
    """
    vae = build(seed)
    snapshots = train(vae, BinarisedAtEachVisit(pixels), seconds, snapshot_every, learning_rate, batch_size, seed)
    return vae, snapshots


def train(
    vae: VAE,
    data: Dataset,
    seconds: float,
    snapshot_every: float = float("inf"),
    learning_rate: float = LEARNING_RATE,
    batch_size: int = BATCH_SIZE,
    seed: int = 0,
) -> list[tuple[float, dict[str, Tensor]]]:
    """Trains any of Pythae's models for a time; as `train_for`, whose weights along the way it returns."""
    clock = _Clock(vae, seconds=seconds, snapshot_every=snapshot_every)
    _train(vae, data, clock, batch_size, seed, learning_rate)
    return clock.snapshots


def _train(
    vae: VAE, data: Dataset, clock: _Clock, batch_size: int, seed: int, learning_rate: float = LEARNING_RATE
) -> None:
    with tempfile.TemporaryDirectory() as folder, quiet():
        config = BaseTrainerConfig(
            output_dir=folder,
            per_device_train_batch_size=batch_size,
            learning_rate=learning_rate,
            num_epochs=ENDLESS,
            no_cuda=True,
            seed=seed,
        )
        trainer = BaseTrainer(vae, data, training_config=config, callbacks=[clock])
        with contextlib.suppress(_Stop):
            trainer.train()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences its progress bars and log lines."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
