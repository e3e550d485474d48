"""Pythae 0.1.2's models, trained by its own trainer; by default its MNIST ConvVAE with its own settings.

Those: `examples/scripts/configs/mnist/base_training_config.json` of its repository
(clementchadebec/benchmark_VAE): Adam, batch 100; latent_dim 16 as in its `binary_mnist` VAE configuration, from
which the Bernoulli likelihood (`reconstruction_loss: bce`) comes too. That file's learning rate is 1e-3, that of
`binary_mnist` 1e-4: where quality counts, the better one on validation data is taken. Its loss is the mean over
the batch of summed binary cross-entropy plus the closed-form KL, so in nats per image.

Pythae knows no dynamic binarisation: its loader is handed a data set that draws the binary pictures at every visit, a
batch at a time, which spares small networks most of their waiting. Where quality counts, its learning rate falls along
half a cosine by the clock, as ours does, and vanishing numbers are rounded to 0 as in our trainings, without which its
networks are several times slower. Nothing else of its training is touched; progress bars and log lines are silenced.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.utils.data import Dataset

from benchmarks.baselines.pythae_nets import Networks, conv_mnist
from benchmarks.mnist import binarised
from latentia.core import Batch, Inference, LatentGroup, Latents, Likelihood
from latentia.distributions import Bernoulli, StandardNormal
from latentia.distributions.base import diagonal_normal
from latentia.hardware import tuned_cpu
from latentia.models import LatentModel

with contextlib.redirect_stderr(io.StringIO()):
    from pythae.data.datasets import DatasetOutput
    from pythae.models import VAE, VAEConfig
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

LATENT_DIM = 16
LEARNING_RATE = 1e-3
LEARNING_RATES = (1e-3, 3e-4, 1e-4)
BATCH_SIZE = 100
ENDLESS = 10_000  # epochs: the clock ends a training


class PythaeVAE(LatentModel):
    """Pythae's VAE seen as one of ours, so that the same code evaluates both.

    Its decoders end in a sigmoid; the logits before it are read instead, so that no probability is rounded
    to 0 or 1 and no logarithm clamped.
    """

    def __init__(self, vae: VAE) -> None:
        super().__init__()
        self.vae = vae
        self.logits = _without_sigmoid(vae.decoder)
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
        logits = self.logits(z.flatten(0, 1)).reconstruction
        return self.likelihood(logits.unflatten(0, z.shape[:2]))


def _without_sigmoid(decoder: nn.Module) -> nn.Module:
    """Returns a copy of a decoder that leaves out the sigmoid at its end."""
    copied = deepcopy(decoder)
    for parent in list(copied.modules()):
        for name, part in list(parent.named_children()):
            if isinstance(part, nn.Sigmoid):
                setattr(parent, name, nn.Identity())
    return copied


class BinarisedAtEachVisit(Dataset):
    """Pictures whose binary version is drawn anew whenever one is fetched."""

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Any:
        return DatasetOutput(data=binarised(self.pixels[index]))

    def __getitems__(self, indices: list[int]) -> list[Any]:
        return [DatasetOutput(data=x) for x in binarised(self.pixels[indices])]


class _Stop(Exception):  # noqa: N818
    """Ends Pythae's training, which can be limited by epochs only."""


@dataclass
class _Clock(TrainingCallback):
    """Stops after a time or a number of steps, and notes times and weights on the way; its own time is off.

    Attributes:
        decays: whether the learning rate falls to 0 along half a cosine until the time is over.
    """

    seconds: float = float("inf")
    steps: int | None = None
    snapshot_every: float = float("inf")
    decays: bool = False
    stamps: list[float] = field(default_factory=list)
    snapshots: list[tuple[float, dict[str, Tensor]]] = field(default_factory=list)
    trainer: BaseTrainer | None = None
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
            self.snapshots.append((elapsed, deepcopy(self.trainer.model.state_dict())))
            self._pause += time.perf_counter() - now
        if done:
            raise _Stop
        if self.decays:
            for group in self.trainer.optimizer.param_groups:
                group["lr"] = 0.5 * training_config.learning_rate * (1 + math.cos(math.pi * elapsed / self.seconds))


class ClockedTrainer(BaseTrainer):
    """Pythae's trainer, which can be limited by epochs only, ended by a clock; the model is that of the last step.

    Args:
        clock: ends it.
        model: what is trained.
        settings: as of its own trainer.
    """

    def __init__(self, clock: _Clock, model: Any, **settings: Any) -> None:
        super().__init__(model, callbacks=[clock], **settings)
        clock.trainer = self

    def train(self, log_output_dir: str | None = None) -> None:
        with contextlib.suppress(_Stop):
            super().train(log_output_dir)
        self.save_model(self.model, dir_path=f"{self.training_dir}/final_model")


def trainer_for(seconds: float) -> Callable[..., ClockedTrainer]:
    """Returns what makes a trainer of a model that ends after a time, its learning rate falling all the while."""
    return lambda model, **settings: ClockedTrainer(_Clock(seconds, decays=True), model, **settings)


def build(
    seed: int = 0,
    model: type[VAE] = VAE,
    config: type[VAEConfig] = VAEConfig,
    networks: Networks = conv_mnist,
    **settings: Any,
) -> VAE:
    """Builds one of Pythae's models; by default with its ConvVAE's networks for MNIST (17.2 M parameters).

    Args:
        seed: of the weights.
        model: which.
        config: the class of its configuration.
        networks: makes encoder and decoder.
        settings: of the configuration, beside those of a VAE of binary pictures.
    """
    torch.manual_seed(seed)
    chosen = {"input_dim": (1, 28, 28), "latent_dim": LATENT_DIM, "reconstruction_loss": "bce", **settings}
    made = config(**chosen)
    encoder, decoder = networks(made)
    return model(made, encoder=encoder, decoder=decoder)


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
    clock = _Clock(steps=warm_up + steps)
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
    clock = _Clock(seconds, snapshot_every=snapshot_every)
    _train(vae, BinarisedAtEachVisit(pixels), clock, batch_size, seed, learning_rate)
    return vae, clock.snapshots


def train(vae: VAE, data: Dataset, seconds: float, learning_rate: float, seed: int = 0) -> None:
    """Trains any of Pythae's models for a time, as well as its trainer can within that.

    Args:
        vae: which.
        data: what it is trained on.
        seconds: of training.
        learning_rate: of Adam, from which it falls to 0.
        seed: of the order.

    Raises:
        ArithmeticError: what it makes, or its loss, is no number any more.
    """
    try:
        with tuned_cpu():
            _train(vae, data, _Clock(seconds, decays=True), BATCH_SIZE, seed, learning_rate)
    except RuntimeError as error:  # cross entropy refuses NaN before its trainer looks at the loss
        if "between 0 and 1" not in str(error):
            raise
        raise ArithmeticError(str(error)) from error
    if not all(bool(weight.isfinite().all()) for weight in vae.parameters()):  # its trainer looks after epochs only
        raise ArithmeticError("Weights are no longer finite numbers.")


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
        ClockedTrainer(clock, vae, train_dataset=data, training_config=config).train()


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
