"""The moving average of weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """Returns the update of a moving average that follows faster at first, so that the start is forgotten.

    Args:
        decay: share of the average that is left after a step.

    Returns:
        A function of the averages, the current values and the number of steps so far; it changes the averages.

    Example:
        >>> average, current = torch.zeros(1), torch.ones(1)
        >>> moving_average(0.5)([average], [current], 100)
        >>> average
        tensor([0.5000])
    """

    @torch.no_grad()
    def update(averages: Any, currents: Any, count: Tensor | int) -> None:
        n = int(count)
        weight = 1.0 - min(decay, (1 + n) / (10 + n))
        if next(iter(averages)).is_floating_point():  # they come grouped by type
            torch._foreach_lerp_(list(averages), list(currents), weight)  # pyright: ignore[reportPrivateUsage]
        else:  # masks and counts have no average
            torch._foreach_copy_(list(averages), list(currents))  # pyright: ignore[reportPrivateUsage]

    return update
