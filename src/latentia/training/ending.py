"""Why a training is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from latentia.config import TrainingConfig

Ending = Literal["finished", "time", "early", "interrupted"]


def ending_of(config: TrainingConfig, steps_per_epoch: int, state: Mapping[str, Any]) -> Ending | None:
    """Tells why a training is over, from the state in its last checkpoint; None while it is not.

    Args:
        config: limits of the training; they may be wider than those that it began with.
        steps_per_epoch: batches in one pass over the data.
        state: "step", "seconds" and "history".
    """
    if state["step"] >= config.epochs * steps_per_epoch:
        return "finished"
    if config.max_minutes is not None and state["seconds"] >= 60 * config.max_minutes:
        return "time"
    return "early" if config.patience is not None and _waited(state["history"]) >= config.patience else None


def _waited(history: Sequence[Mapping[str, float]]) -> int:
    """Returns the epochs since the best loss on what was held out."""
    losses = [line["validation_loss"] for line in history if "validation_loss" in line]
    return len(losses) - 1 - losses.index(min(losses)) if losses else 0
