"""The Lightning module: one step from a batch to a loss, with noise that is a function of (seed, step)."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, cast

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from latentia.config import TrainingConfig
from latentia.core import Batch, Terms
from latentia.data import (
    PictureChanges,
    Preprocessing,
    build_masks,
    give,
    perturb_pictures,
    perturb_speed,
    prepare,
    spoil,
)
from latentia.errors import RunError, TrainingError
from latentia.models import LatentModel
from latentia.noise import Stream, seed_noise
from latentia.objectives import Objective
from latentia.training.average import moving_average
from latentia.training.ending import Ending, ending_of
from latentia.training.optimizer import build_optimizer
from latentia.training.schedule import learning_rate_factor, training_progress

log = logging.getLogger(__name__)
# Steps in a row without a finite gradient, after which a training is given up.
MOST_LEFT_OUT = 5
WAYS_OUT = "The last good checkpoint stays. Try a smaller training.learning_rate or training.gradient_clip"


@dataclass
class Means:
    """Sums of per-example terms, to be read as means.

    Attributes:
        count: examples added.
        distortion: sum of their distortions.
        rate: sum of their rates.
        loss: sum of their losses.
        volume: what each distortion falls short of that of the original data by, nats.
    """

    count: int = 0
    distortion: float = 0.0
    rate: float = 0.0
    loss: float = 0.0
    volume: float = 0.0

    def add(self, terms: Terms) -> None:
        """Adds the terms of a batch."""
        sums = cast(list[float], torch.stack([terms.distortion.sum(), terms.rate.sum(), terms.loss.sum()]).tolist())
        self.count += terms.loss.shape[0]
        self.distortion += sums[0]
        self.rate += sums[1]
        self.loss += sums[2]

    def read(self) -> dict[str, float]:
        """Returns the means in nats, of the data in their own units; empty where nothing was added."""
        if not self.count:
            return {}
        loss, distortion = (total / self.count + self.volume for total in (self.loss, self.distortion))
        rate = self.rate / self.count
        return {"loss": loss, "distortion": distortion, "rate": rate, "elbo": -(distortion + rate)}


def _lay_out_as_weights(optimizer: torch.optim.Optimizer) -> None:
    """Gives restored moments the memory layout of their weights, as they had it before; fused steps depend on it."""
    for weight, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                state[name] = torch.empty_like(weight).copy_(value)


class VAEModule(pl.LightningModule):
    """Trains a model by an objective.

    Args:
        model: what is trained.
        objective: what its loss is.
        preprocessing: what is left to do to a batch.
        config: optimiser, schedule, seed.
        steps_per_epoch: batches in one pass over the data.
        name_of: names an example, for messages.
    """

    def __init__(
        self,
        model: LatentModel,
        objective: Objective,
        preprocessing: Preprocessing,
        config: TrainingConfig,
        steps_per_epoch: int,
        name_of: Callable[[int], str] = str,
    ) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        self.preprocessing = preprocessing
        self.config = config
        self.masks = build_masks(config.masks)
        self.name_of = name_of
        self._optimizer_state: dict[str, Any] | None = None
        self.steps_per_epoch = steps_per_epoch
        self.first_step = 0
        self.seconds_before = 0.0
        self._started = time.monotonic()
        self.average = AveragedModel(model, multi_avg_fn=moving_average(config.weight_average), use_buffers=True)
        self.history: list[dict[str, float]] = []
        self.best_loss = math.inf
        self.best_weights: dict[str, Tensor] | None = None
        self.train_means = self.no_means()
        self.validation_means = self.no_means()
        self.validation_latents: list[Tensor] = []
        self.left_out = 0

    @property
    def step(self) -> int:
        """Optimisation steps done, those before a resume included."""
        return self.first_step + self.global_step

    @property
    def epoch(self) -> int:
        """Passes over the data begun and ended."""
        return self.step // self.steps_per_epoch

    @property
    def seconds(self) -> float:
        """Time spent training, that before a resume included."""
        return self.seconds_before + time.monotonic() - self._started

    @property
    def total_steps(self) -> int:
        """Steps after which the training is over."""
        return self.config.epochs * self.steps_per_epoch

    @property
    def progress(self) -> float:
        """How much of the training is done, in [0, 1]."""
        minutes = self.config.max_minutes
        return training_progress(self.step, self.total_steps, self.seconds, minutes and 60 * minutes)

    @property
    def averaged(self) -> LatentModel:
        """The model with averaged weights: the one that is validated and kept."""
        return cast(LatentModel, self.average.module) if self.config.weight_average else self.model

    def no_means(self) -> Means:
        """Returns means that nothing was added to."""
        return Means(volume=self.preprocessing.log_volume)

    def standing(self) -> dict[str, Any]:
        """Returns how far the training has come."""
        return {"step": self.step, "seconds": self.seconds, "history": self.history}

    def ending(self) -> Ending | None:
        """Tells why the training is over; None while it is not."""
        return ending_of(self.config, self.steps_per_epoch, self.standing())

    def training_state(self) -> dict[str, Any]:
        """Returns everything that the rest of the training depends on."""
        return {
            **self.standing(),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": cast(torch.optim.Optimizer, self.optimizers(use_pl_optimizer=False)).state_dict(),
            "means": dict(vars(self.train_means)),
            "best_loss": self.best_loss if self.best_weights is not None else None,
            "best_weights": self.best_weights,
        }

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Takes up a training where `training_state` was read; call it before fitting.

        Raises:
            RunError: the state is of another model.
        """
        try:
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self._optimizer_state = state["optimizer"]
            self.first_step, self.seconds_before = int(state["step"]), float(state["seconds"])
            self.train_means = Means(**state["means"])
            self.history = list(state["history"])
            self.best_weights = state["best_weights"]
            self.best_loss = math.inf if self.best_weights is None else float(state["best_loss"])
        except (KeyError, RuntimeError, TypeError) as error:
            raise RunError("The checkpoint does not fit the model that config.json describes.") from error

    def configure_optimizers(self) -> torch.optim.Optimizer:
        optimizer = build_optimizer(self.model, self.config)
        if self._optimizer_state is not None:
            optimizer.load_state_dict(self._optimizer_state)
            _lay_out_as_weights(optimizer)
        return optimizer

    def on_train_start(self) -> None:
        self._started = time.monotonic()

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        return batch.to(device)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        factor = learning_rate_factor(self.step, self.progress, self.config.warmup_steps)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group["peak_lr"] * factor

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        step = self.step
        seed_noise(self.config.seed, Stream.TRAIN, step)
        prepared = prepare(self.change(batch), self.preprocessing)
        terms = self.terms(self.model, self.hide(prepared), step)
        self._require_finite(terms, batch, step)
        self.train_means.add(terms)
        return terms.loss.mean()

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        if self.config.weight_average:
            self.average.update_parameters(self.model)

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        # Lightning's own clipping refuses fused optimisers under bfloat16, for fear of scaled gradients; ours are not.
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        self._leave_out_unless_finite(bool(torch.isfinite(norm)), optimizer)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        seed_noise(self.config.seed, Stream.VALIDATE, batch_idx)
        prepared = prepare(batch, self.preprocessing)
        self.validation_means.add(self.terms(self.averaged, self.hide(prepared), None))
        self.validation_latents.append(self.averaged.posterior_of(prepared).mean.float().cpu())

    def change(self, batch: Batch) -> Batch:
        """Changes examples, so that no visit is like another."""
        if self.preprocessing.kind == "image":
            config = self.config
            names = (field.name for field in fields(PictureChanges))
            return perturb_pictures(batch, PictureChanges(**{name: getattr(config, name) for name in names}))
        return perturb_speed(batch, self.config.speed_perturbation)

    def hide(self, batch: Batch) -> Batch:
        """Hides a part of pictures from a model that is to fill it in, and puts noise onto the rest."""
        return spoil(give(batch, self.masks), self.config.noise)

    def terms(self, model: LatentModel, batch: Batch, step: int | None) -> Terms:
        """Returns the objective's terms of a prepared batch."""
        return self.objective(model.infer(batch, self.objective.n_samples), batch, step)

    def on_validation_epoch_start(self) -> None:
        self.validation_means = self.no_means()
        self.validation_latents = []

    def _leave_out_unless_finite(self, finite: bool, optimizer: torch.optim.Optimizer) -> None:
        """Drops a gradient that is not finite, before it reaches the weights, and stops where none is any more."""
        self.left_out = 0 if finite else self.left_out + 1
        if finite:
            return
        optimizer.zero_grad(set_to_none=True)
        log.warning("The gradient at step %d is not finite; this step is left out.", self.step)
        if self.left_out >= MOST_LEFT_OUT:
            raise TrainingError(
                f"The gradients of {MOST_LEFT_OUT} steps in a row, up to step {self.step}, are not finite numbers. "
                f"{WAYS_OUT}."
            )

    def _require_finite(self, terms: Terms, batch: Batch, step: int) -> None:
        """Stops the training when a term is not finite, and says where it came from."""
        if bool(torch.isfinite(terms.loss).all()):
            return
        terms_of = {"distortion": terms.distortion, "rate": terms.rate, "loss": terms.loss}
        term = next(name for name, nats in terms_of.items() if not bool(torch.isfinite(nats).all()))
        bad = cast(list[int], (~torch.isfinite(terms.loss)).nonzero()[:, 0].tolist())
        positions = list(range(len(batch))) if batch.index is None else cast(list[int], batch.index.tolist())
        names = ", ".join(self.name_of(positions[i]) for i in bad[:3])
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise TrainingError(
            f"At step {step} the {term} is no longer a finite number, for {names}{more}. {WAYS_OUT}, "
            "or look at these files."
        )
