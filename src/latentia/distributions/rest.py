"""A likelihood beside what is known of the data."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from latentia.core import Likelihood


@dataclass(frozen=True)
class RestLikelihood:
    """A likelihood of what is not certain; what is given without noise is.

    Attributes:
        rest: of all pixels, batch shape (K, N).
        x: the data, shape (N, ...).
        certain: True where they are given without noise, broadcastable to `x`.
    """

    rest: Likelihood
    x: Tensor
    certain: Tensor

    @property
    def mean(self) -> Tensor:
        return torch.where(self.certain, self.x, self.rest.mean)

    def sample(self) -> Tensor:
        return torch.where(self.certain, self.x, self.rest.sample())

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        return self.rest.log_prob(x, ~self.certain if observed is None else observed & ~self.certain)
