"""Metrics of latents."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ACTIVE_VARIANCE = 0.01


def active_units(means: NDArray[Any], threshold: float = ACTIVE_VARIANCE) -> NDArray[np.bool_]:
    """Tells which latents depend on the data: those whose posterior mean varies (Burda et al., 2016).

    Args:
        means: posterior means, shape (N, D).
        threshold: smallest variance of an active unit.

    Returns:
        Shape (D,).

    Example:
        >>> active_units(np.array([[0.0, 1.0], [0.0, -1.0]]))
        array([False,  True])
    """
    return means.astype(np.float64).var(axis=0) > threshold
