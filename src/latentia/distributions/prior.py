"""The standard normal prior."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from latentia.distributions.base import PRIORS, LazyPrior, diagonal_normal


@PRIORS.register("standard-normal")
class StandardNormal(LazyPrior):
    """The normal distribution with mean 0 and scale 1.

    Args:
        latent_dim: size of the latents.

    Example:
        >>> StandardNormal(2)().event_shape
        torch.Size([2])
    """

    zero: Tensor
    one: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.register_buffer("zero", torch.zeros(latent_dim), persistent=False)
        self.register_buffer("one", torch.ones(latent_dim), persistent=False)

    def forward(self) -> Distribution:
        return diagonal_normal(self.zero, self.one)
