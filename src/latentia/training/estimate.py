"""How long a training will take and how much memory, measured on a copy of the model before it starts."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import cast

import psutil
import torch
from torch import Tensor

from latentia.core import Batch
from latentia.models import LatentModel
from latentia.noise import kept_noise
from latentia.objectives import Objective

MEASURED_STEPS = 3
# weights, gradients, two moments of Adam and the moving average
COPIES_OF_WEIGHTS = 5


@dataclass(frozen=True)
class Estimate:
    """What a training is expected to need.

    Attributes:
        parameters: number of weights.
        seconds_per_step: forward and backward pass of one batch.
        minutes: of the whole training.
        memory_bytes: of the whole process, or of the GPU where the training runs there.
    """

    parameters: int
    seconds_per_step: float
    minutes: float
    memory_bytes: int


def estimate(model: LatentModel, objective: Objective, batch: Batch, total_steps: int) -> Estimate:
    """Measures a few steps on a copy of the model; the model and torch's random state stay as they are.

    Args:
        model: what will be trained.
        objective: what its loss will be.
        batch: one prepared batch of the training's size, on the device of the training.
        total_steps: number of steps of the training.
    """
    parameters = sum(p.numel() for p in model.parameters())
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    device = batch.x.device
    trial = copy.deepcopy(model).to(device)
    trial = cast(LatentModel, trial.to(memory_format=torch.channels_last))  # pyright: ignore[reportCallIssue]
    with kept_noise():
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            _step(trial, objective, batch)
        start = _now(device)
        for _ in range(MEASURED_STEPS):
            _step(trial, objective, batch)
        seconds = (_now(device) - start) / MEASURED_STEPS
    weights = 4 * parameters * COPIES_OF_WEIGHTS
    process = psutil.Process().memory_info().rss if device.type == "cpu" else 0
    memory = process + 2 * sum(kept.values()) + weights
    return Estimate(parameters, seconds, total_steps * seconds / 60, memory)


def _now(device: torch.device) -> float:
    """Returns the time, in seconds, when all that a device was told to do is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _step(model: LatentModel, objective: Objective, batch: Batch) -> None:
    objective(model.infer(batch, objective.n_samples), batch, 0).loss.mean().backward()
    model.zero_grad(set_to_none=True)
