"""Metrics: pure functions of arrays."""

from latentia.metrics.latents import ACTIVE_VARIANCE, active_units

__all__ = ["ACTIVE_VARIANCE", "active_units"]
