"""Metrics: pure functions of arrays."""

from latentia.metrics.latents import (
    ACTIVE_VARIANCE,
    active_units,
    aggregate_moments,
    gaussian_kl,
    information_per_latent,
)

__all__ = ["ACTIVE_VARIANCE", "active_units", "aggregate_moments", "gaussian_kl", "information_per_latent"]
