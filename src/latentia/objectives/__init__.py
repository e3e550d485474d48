"""Objectives: bounds and the dial. They read an `Inference` and return `Terms`."""

from latentia.objectives.base import (
    OBJECTIVES,
    Objective,
    distortion,
    group_rate,
    guess_nats,
    marginal_nats,
    sampled_rate,
)
from latentia.objectives.bounds import Elbo, Iwae, log_weights

__all__ = [
    "OBJECTIVES",
    "Elbo",
    "Iwae",
    "Objective",
    "distortion",
    "group_rate",
    "guess_nats",
    "log_weights",
    "marginal_nats",
    "sampled_rate",
]
