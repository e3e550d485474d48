"""The likelihood of power spectra."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from latentia.distributions.base import LIKELIHOODS, LazyLikelihood, Shape, full_precision, sum_event

MIN_POWER = 1e-9  # relative to a full-scale sine; digital silence has none
LOG_POWER_BOUNDS = (-21.0, 12.0)


@dataclass(frozen=True)
class ExponentialPower:
    """Independent powers with exponential distributions.

    Attributes:
        log_power: logarithm of the expected power, shape (K, N, ...).
    """

    log_power: Tensor

    @property
    def mean(self) -> Tensor:
        return self.log_power.exp()

    def sample(self) -> Tensor:
        return self.mean * torch.empty_like(self.log_power).exponential_()

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        nats = -self.log_power - x.clamp_min(MIN_POWER) * torch.exp(-self.log_power)
        return sum_event(nats, observed)


@LIKELIHOODS.register("itakura-saito")
class ItakuraSaito(LazyLikelihood):
    """The power of a circular complex normal variable of variance v: exponential with mean v.

    Its negative logarithm is the Itakura-Saito divergence up to what depends on the data alone (Fevotte, Bertin and
    Durrieu, 2009, Neural Computation 21), so that a quiet frequency counts as much as a loud one.

    Example:
        >>> part = ItakuraSaito()
        >>> part(torch.zeros(1, 2, 5)).log_prob(torch.ones(2, 5))
        tensor([[-5., -5.]])
    """

    power = True

    def parameter_shape(self, event_shape: Shape) -> Shape:
        return event_shape

    def centre(self, mean: Tensor) -> Tensor:
        return mean.clamp_min(MIN_POWER).log()

    def forward(self, parameters: Tensor) -> ExponentialPower:
        return ExponentialPower(full_precision(parameters).clamp(*LOG_POWER_BOUNDS))
