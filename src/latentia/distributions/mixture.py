"""Mixtures of normal distributions."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

from latentia.distributions.base import diagonal_normal

DRAWN_AT_ONCE = 2**21  # numbers


class NormalMixture(MixtureSameFamily):
    """A mixture of normal distributions with independent dimensions, whose densities are two matrix products.

    PyTorch's own spreads each value over all components and dimensions, which takes some ten times longer. The products
    are taken in double precision, since they are differences of large numbers where components are narrow.

    Args:
        logits: of the weights, shape (C,).
        mean: of the components, shape (C, D).
        scale: standard deviations, shape (C, D).

    Example:
        >>> mixture = NormalMixture(torch.zeros(2), torch.tensor([[-1.0], [1.0]]), torch.ones(2, 1))
        >>> mixture.log_prob(torch.zeros(3, 1)).shape, mixture.sample((5,)).shape, mixture.mean
        (torch.Size([3]), torch.Size([5, 1]), tensor([0.]))
    """

    def __init__(self, logits: Tensor, mean: Tensor, scale: Tensor) -> None:
        self._parameters = (logits, mean, scale)
        weights = Categorical(logits=logits, validate_args=False)
        super().__init__(weights, diagonal_normal(mean, scale), validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> NormalMixture:
        expanded = type(self).__new__(type(self)) if _instance is None else _instance
        expanded._parameters = self._parameters  # the densities of equal mixtures broadcast
        super().expand(batch_shape, expanded)  # pyright: ignore[reportUnknownMemberType]
        return expanded

    def log_prob(self, x: Tensor) -> Tensor:
        z = x.double()
        logits, mean, scale = (parameter.double() for parameter in self._parameters)
        precision = scale.square().reciprocal()
        volume = scale.log().sum(-1) + 0.5 * math.log(math.tau) * z.shape[-1]
        constant = logits.log_softmax(-1) - volume - 0.5 * (mean.square() * precision).sum(-1)
        nats = z @ (mean * precision).mT - 0.5 * z.square() @ precision.mT + constant
        return nats.logsumexp(-1).to(x.dtype)

    @torch.no_grad()
    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws as PyTorch does, from all components; where these are too many, from the chosen ones only."""
        _, mean, scale = self._parameters
        if torch.Size(sample_shape).numel() * mean.numel() <= DRAWN_AT_ONCE:
            return super().sample(sample_shape)
        chosen = self.mixture_distribution.sample(sample_shape)
        return torch.normal(mean[chosen], scale[chosen])


def mixture_of(parts: Distribution, logits: Tensor) -> Distribution:
    """Returns the mixture of distributions.

    Args:
        parts: of batch shape (C,) and one event dimension.
        logits: of the weights, shape (C,).
    """
    alone: Any = getattr(parts, "base_dist", None)
    if type(parts) is Independent and isinstance(alone, Normal):
        return NormalMixture(logits, alone.loc, alone.scale)
    return MixtureSameFamily(Categorical(logits=logits, validate_args=False), cast(Any, parts), validate_args=False)
