"""How a training comes along, for people: a progress bar on terminals, one plain line per epoch elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TextIO, cast

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from latentia.training.module import VAEModule

REFRESH_SECONDS = 0.2


class _PatientConsole(Console):
    """A console that falls silent when nobody reads it any more; Rich's own ends the process, and the training."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class TrainingProgress(Callback):
    """Shows time left, bound, rate, distortion, active units and examples per second.

    Args:
        file: where to; stderr if None.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._console = _PatientConsole(file=file, stderr=file is None, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(32),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("left"),
        )
        self._live: Live | None = None
        self._started = self._shown = 0.0
        self._first_progress = 0.0
        self._first_step = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        module = cast(VAEModule, pl_module)
        self._started = time.monotonic()
        self._first_step, self._first_progress = module.step, module.progress
        if self._console.is_terminal:
            self._bar.update(self._bar.add_task(_epoch(module), total=1.0), completed=module.progress)
            self._live = Live(Group(self._bar, Text()), console=self._console, refresh_per_second=5)
            self._live.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.monotonic()
        if self._live is not None and now - self._shown > REFRESH_SECONDS:
            self._shown = now
            self._show(self._live, cast(VAEModule, pl_module), len(batch))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        module = cast(VAEModule, pl_module)
        if self._live is None and module.history and module.history[-1]["step"] == module.step:
            left = f"{duration(self._seconds_left(module))} left"
            self._console.print(f"{_epoch(module)}: {_figures(module, module.history[-1])}, {left}", soft_wrap=True)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._live is not None:
            module = cast(VAEModule, pl_module)
            last = _figures(module, module.history[-1]) if module.history else ""
            self._bar.update(self._bar.task_ids[0], completed=module.progress, description=_epoch(module))
            self._live.update(Group(self._bar, Text(last, style="dim")))
            self._stop()

    @contextmanager
    def watching_priors(self, steps: int) -> Generator[Callable[[int, int], None]]:
        """Shows how far the priors of a model of sequences have come, which learn alone once all else is done.

        Args:
            steps: how many there will be.
        """
        bar = Progress(*self._bar.columns, console=self._console, disable=not self._console.is_terminal)
        if not self._console.is_terminal:
            self._console.print(f"priors alone: {steps} steps", soft_wrap=True)
        with bar:
            number = bar.add_task("priors alone", total=steps)
            yield lambda done, total: bar.update(number, completed=done, total=total)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _show(self, live: Live, module: VAEModule, batch_size: int) -> None:
        """Shows the figures of the epoch so far, and the active units of the last one."""
        self._bar.update(self._bar.task_ids[0], completed=module.progress, description=_epoch(module))
        seconds = max(1e-9, time.monotonic() - self._started)
        figures = {f"train_{name}": value for name, value in module.train_means.read().items()}
        figures["examples_per_second"] = (module.step - self._first_step) * batch_size / seconds
        if module.history and "active_units" in module.history[-1]:
            figures["active_units"] = module.history[-1]["active_units"]
        live.update(Group(self._bar, Text(_figures(module, figures), style="dim")))

    def _seconds_left(self, module: VAEModule) -> float:
        done = module.progress - self._first_progress
        return (time.monotonic() - self._started) * (1 - module.progress) / max(1e-9, done)


def epoch_figures(line: dict[str, float], noun: str = "examples") -> str:
    """Says the figures of an epoch in one line.

    Example:
        >>> epoch_figures({"train_elbo": -92.04, "train_rate": 20.0, "train_distortion": 72.04, "active_units": 9})
        'ELBO -92.0, rate 20.0, distortion 72.0 nats, 9 active units'
    """
    parts: list[str] = []
    if "train_elbo" in line:
        elbo, rate, distortion = (line[f"train_{name}"] for name in ("elbo", "rate", "distortion"))
        held_out = f" (held out {line['validation_elbo']:.1f})" if "validation_elbo" in line else ""
        parts.append(f"ELBO {elbo:.1f}{held_out}, rate {rate:.1f}, distortion {distortion:.1f} nats")
    if "active_units" in line:
        parts.append(f"{line['active_units']:.0f} active units")
    if "examples_per_second" in line:
        parts.append(f"{line['examples_per_second']:.0f} {noun}/s")
    return ", ".join(parts)


def _figures(module: VAEModule, line: dict[str, float]) -> str:
    return epoch_figures(line, {"image": "images", "speech": "pieces"}.get(module.preprocessing.kind, "examples"))


def _epoch(module: VAEModule) -> str:
    number = -(-module.step // module.steps_per_epoch)
    return f"epoch {max(1, number)}/{module.config.epochs}"


def duration(seconds: float) -> str:
    """Says seconds as people do.

    Example:
        >>> duration(40), duration(400), duration(40000)
        ('40 s', '7 min', '11.1 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
