"""Posteriors."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.distributions.base import POSTERIORS, LazyPosterior, diagonal_normal, full_precision
from latentia.nets.base import zero_initialise

LOG_SCALE_BOUND = 7.0
MOST_OF_BOUND = 0.99  # that a start comes near to
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
        share = (scale.log() / LOG_SCALE_BOUND).clamp(-MOST_OF_BOUND, MOST_OF_BOUND)
        self.head.bias[self.latent_dim :] = LOG_SCALE_BOUND * share.atanh()

    def forward(self, features: Tensor) -> Distribution:
        return _bounded_normal(self.head(features))


@POSTERIORS.register("residual-gaussian")
class ResidualGaussian(LazyPosterior):
    """A normal distribution with independent dimensions that starts as the standard normal.

    For latents that are deviations from what a prior expects: the posterior is a residual of that prior, and costs
    nothing until the decoder has use for it (Vahdat and Kautz, 2020, arXiv:2007.03898). The log scale is bounded as
    that of `DiagonalGaussian`.

    Args:
        features: size of the features.
        latent_dim: size of the latents.

    Example:
        >>> ResidualGaussian(8, 2)(torch.ones(3, 8)).stddev[0]
        tensor([1., 1.], grad_fn=<SelectBackward0>)
    """

    def __init__(self, features: int, latent_dim: int) -> None:
        super().__init__()
        self.features = features
        self.latent_dim = latent_dim
        self.head = nn.Linear(features, 2 * latent_dim)
        zero_initialise(self.head)

    def forward(self, features: Tensor) -> Distribution:
        return _bounded_normal(self.head(features))


def _bounded_normal(parameters: Tensor) -> Distribution:
    """Returns a normal distribution of means and raw log scales beside each other."""
    mean, raw = full_precision(parameters).chunk(2, dim=-1)
    log_scale = LOG_SCALE_BOUND * torch.tanh(raw / LOG_SCALE_BOUND)
    return diagonal_normal(mean, log_scale.exp())
