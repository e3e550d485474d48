"""The learning rate as a pure function of progress."""

from __future__ import annotations

import math

# Share of a training after which a warm-up is over, lest a short one end before its rate has risen; and fewest steps,
# for a full step by an optimiser that knows a gradient or two can do lasting damage.
WARMUP_SHARE, LEAST_WARMUP = 0.1, 10


def learning_rate_factor(step: int, progress: float, warmup_steps: int) -> float:
    """Returns the share of the full learning rate: linear warm-up, then half a cosine to zero.

    Args:
        step: optimisation step, from 0.
        progress: how much of the training is done, by steps or by the clock, in [0, 1].
        warmup_steps: length of the warm-up, if that is at most a tenth of the training.

    Example:
        >>> learning_rate_factor(step=500, progress=0.5, warmup_steps=100)
        0.5
        >>> round(learning_rate_factor(step=50, progress=0.5, warmup_steps=1000), 3)
        0.5
    """
    least = min(warmup_steps, LEAST_WARMUP)
    warmup = max((step + 1) / warmup_steps, progress / WARMUP_SHARE) if warmup_steps else 1.0
    warmup = min(1.0, warmup, (step + 1) / least if least else 1.0)
    return warmup * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def training_progress(step: int, total_steps: int, seconds: float, max_seconds: float | None) -> float:
    """Returns how much of a training is done: by steps, or by the clock where that is further and has a limit.

    Example:
        >>> training_progress(10, 100, seconds=30.0, max_seconds=60.0)
        0.5
    """
    by_steps = step / max(1, total_steps)
    return min(1.0, by_steps if max_seconds is None else max(by_steps, seconds / max_seconds))
