"""Posteriors."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.distributions.base import POSTERIORS, LazyPosterior, diagonal_normal

LOG_SCALE_BOUND = 7.0
INITIAL_LOG_SCALE = -1.0


@POSTERIORS.register("diagonal-gaussian")
class DiagonalGaussian(LazyPosterior):
    """A normal distribution with independent dimensions (Kingma and Welling, 2014, arXiv:1312.6114).

    The log scale is bounded smoothly to +-7 (scales from 0.0009 to 1100), so that a bad batch cannot make the
    rate infinite.

    Args:
        features: size of the encoder's features.
        latent_dim: size of the latents.

    Example:
        >>> DiagonalGaussian(8, 2)(torch.zeros(3, 8)).event_shape
        torch.Size([2])
    """

    def __init__(self, features: int, latent_dim: int) -> None:
        super().__init__()
        self.features = features
        self.latent_dim = latent_dim
        self.head = nn.Linear(features, 2 * latent_dim)
        # Means that say something from the start, scales that do not drown them.
        nn.init.kaiming_normal_(self.head.weight, nonlinearity="relu")
        with torch.no_grad():
            self.head.weight[latent_dim:] *= 0.1
            self.head.bias[:latent_dim] = 0.0
            self.head.bias[latent_dim:] = INITIAL_LOG_SCALE

    @torch.no_grad()
    def start_along(self, weight: Tensor, scale: Tensor) -> None:
        self.head.weight[: self.latent_dim] = weight
        self.head.bias[self.latent_dim :] = scale.log()

    def forward(self, features: Tensor) -> Distribution:
        head = self.head(features)
        # At least single precision: under an autocast the head's is half, and a scale needs more.
        mean, raw = head.to(torch.promote_types(head.dtype, torch.float32)).chunk(2, dim=-1)
        log_scale = LOG_SCALE_BOUND * torch.tanh(raw / LOG_SCALE_BOUND)
        return diagonal_normal(mean, log_scale.exp())
