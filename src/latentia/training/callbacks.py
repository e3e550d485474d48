"""What happens around the steps: the log of epochs, the best weights, checkpoints, limits and interruptions."""

from __future__ import annotations

import json
import signal
import threading
import time
from typing import Any, cast

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

from latentia.errors import FileError
from latentia.files import write_error
from latentia.metrics import active_units
from latentia.runs import RunFolder, write_history
from latentia.training.checkpoint import save_checkpoint
from latentia.training.module import VAEModule

EPOCH_CHECKPOINT_SECONDS = 10.0


def _module(module: pl.LightningModule) -> VAEModule:
    return cast(VAEModule, module)


class EpochLog(Callback):
    """Gathers one line of figures for each epoch, and writes it to the run folder's log where there is one.

    Args:
        run: the run folder; None keeps the history in memory only.
    """

    def __init__(self, run: RunFolder | None) -> None:
        self._run = run
        self._since = 0.0
        self._step = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        module = _module(pl_module)
        self._since, self._step = module.seconds, module.step
        if self._run is not None:  # lines after the checkpoint of a resumed run are written anew
            write_history(self._run, module.history)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        module = _module(pl_module)
        if module.step % module.steps_per_epoch or module.step == self._step:
            return  # stopped within an epoch, or before its first step: not a line of its own
        line = self._line(trainer, module)
        module.train_means = module.no_means()
        module.history.append(line)
        self._since, self._step = module.seconds, module.step
        if self._run is not None:
            try:
                with self._run.log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
            except OSError as error:
                raise write_error(self._run.log, error) from error

    def _line(self, trainer: pl.Trainer, module: VAEModule) -> dict[str, float]:
        examples = module.train_means.count
        seconds = max(1e-9, module.seconds - self._since)
        steps = module.step - self._step
        line: dict[str, float] = {"epoch": module.epoch, "step": module.step, "minutes": module.seconds / 60}
        line |= {f"train_{name}": value for name, value in module.train_means.read().items()}
        line |= {f"validation_{name}": value for name, value in module.validation_means.read().items()}
        if sum(map(len, module.validation_latents)) > 1:  # of a single example nothing varies
            line["active_units"] = int(active_units(torch.cat(module.validation_latents).numpy()).sum())
        batch = examples / max(1, module.steps_per_epoch)
        line["examples_per_second"] = steps * batch / seconds
        line["learning_rate"] = trainer.optimizers[0].param_groups[0]["lr"]
        return {name: round(value, 6) for name, value in line.items()}


class BestWeights(Callback):
    """Keeps the weights of the best validation loss."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        module = _module(pl_module)
        loss = module.history[-1].get("validation_loss") if module.history else None
        if loss is not None and loss < module.best_loss:
            module.best_loss = loss
            state = module.averaged.state_dict()
            module.best_weights = {name: value.detach().cpu().clone() for name, value in state.items()}


class Checkpointer(Callback):
    """Saves the state of the training now and then, always between two steps.

    Args:
        run: where to.
        minutes: longest time between two checkpoints.
    """

    def __init__(self, run: RunFolder, minutes: float) -> None:
        self._run = run
        self._seconds = 60 * minutes
        self._last = time.monotonic()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        module = _module(pl_module)
        waited = time.monotonic() - self._last
        new_epoch = module.step % module.steps_per_epoch == 0 and waited > EPOCH_CHECKPOINT_SECONDS
        if module.step == 0 or new_epoch or waited > self._seconds:
            self.save(module)

    def save(self, module: VAEModule) -> None:
        """Saves now.

        Raises:
            FileError: the disk is full; the previous checkpoint stays.
        """
        try:
            save_checkpoint(self._run.last_checkpoint, module.training_state())
        except FileError as error:
            raise FileError(f"{error} The last checkpoint stays: make room, then go on with --resume.") from error
        self._last = time.monotonic()


class Limits(Callback):
    """Stops once the training is over: its steps, its time or its patience are used up."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._stop_if_over(trainer, _module(pl_module))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop_if_over(trainer, _module(pl_module))

    def _stop_if_over(self, trainer: pl.Trainer, module: VAEModule) -> None:
        if module.ending() is not None:
            trainer.should_stop = True


class Interruption(Callback):
    """Turns the first Ctrl-C (or SIGTERM) into a stop after the current step; a second one stops at once.

    Attributes:
        requested: whether a stop was asked for.
    """

    def __init__(self) -> None:
        self.requested = False
        # Of before Lightning's loop, which sets handlers of its own that must not outlive it.
        found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        self._before = {number: handler for number, handler in found.items() if handler is not None}  # None: not ours

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # only the main thread may set signal handlers

        def stop(number: int, frame: Any) -> None:
            if self.requested:
                raise KeyboardInterrupt
            self.requested = True
            trainer.should_stop = True

        for number in self._before:
            signal.signal(number, stop)

    def restore(self) -> None:
        """Puts back the signal handlers that were there before ours and those of Lightning."""
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._before.items():
                signal.signal(number, handler)
