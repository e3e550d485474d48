"""How far the training in a run folder has come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from latentia.errors import RunError

if TYPE_CHECKING:
    from latentia.config import Config
    from latentia.runs import DataRecord, RunFolder
    from latentia.training.ending import Ending


def is_unfinished(run: RunFolder, config: Config, record: DataRecord) -> bool:
    """Tells whether there is a checkpoint from which the training would go on."""
    state = last_state(run) if run.last_checkpoint.exists() else None
    return state is not None and ending(config, record, state) is None


def ending(config: Config, record: DataRecord, state: Mapping[str, Any]) -> Ending | None:
    """Tells why a training is over, None while it is not."""
    from latentia.data import epoch_steps
    from latentia.training.ending import ending_of

    return ending_of(config.training, epoch_steps(record.n_train, config.training.batch_size), state)


def is_complete(run: RunFolder) -> bool:
    """Tells whether figures, card and report are there and not older than the weights that they describe."""
    try:
        written = run.weights.stat().st_mtime_ns
        return all(path.stat().st_mtime_ns >= written for path in (run.metrics, run.card, run.report))
    except FileNotFoundError:
        return False


def last_state(run: RunFolder) -> dict[str, Any] | None:
    """Reads the last checkpoint; None where the training was killed before the first one."""
    from pydantic import TypeAdapter, ValidationError

    from latentia.training.checkpoint import load_checkpoint

    if not run.last_checkpoint.exists() and not run.weights.exists():
        return None
    state = load_checkpoint(run.last_checkpoint)
    try:
        TypeAdapter(tuple[int, float, list[dict[str, float]]]).validate_python(
            (state["step"], state["seconds"], state["history"])
        )
    except (KeyError, ValidationError) as error:
        raise RunError(f"{run.last_checkpoint} is not the checkpoint of a training; restore it from a copy.") from error
    return state
