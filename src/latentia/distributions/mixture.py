"""Mixtures of normal distributions."""

from __future__ import annotations

import math
from typing import Any, Self, cast

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, MultivariateNormal, Normal

from latentia.distributions.base import diagonal_normal

DRAWN_AT_ONCE = 2**21  # numbers


class _QuickMixture(MixtureSameFamily):
    """A mixture whose densities are matrix products.

    PyTorch's own spreads each value over all components and dimensions, which takes some ten times longer, and so does
    drawing from all components.
    """

    _parameters: tuple[Tensor, ...]  # of which `log_prob` makes the densities

    def __init__(self, logits: Tensor, parts: Distribution) -> None:
        super().__init__(Categorical(logits=logits, validate_args=False), parts, validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Self:
        expanded = type(self).__new__(type(self)) if _instance is None else _instance
        expanded._parameters = self._parameters  # the densities of equal mixtures broadcast
        super().expand(batch_shape, expanded)  # pyright: ignore[reportUnknownMemberType]
        return expanded


class NormalMixture(_QuickMixture):
    """A mixture of normal distributions with independent dimensions.

    Its densities are two products, in double precision, since they are differences of large numbers where components
    are narrow.

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
        super().__init__(logits, diagonal_normal(mean, scale))

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


class CorrelatedMixture(_QuickMixture):
    """A mixture of normal distributions with full covariances; its densities are one product.

    Args:
        logits: of the weights, shape (C,).
        mean: of the components, shape (C, D).
        whitening: lower triangular matrices that make the deviations from each mean standard normal: the inverses of
            the covariances' Cholesky factors, shape (C, D, D).

    Example:
        >>> mixture = CorrelatedMixture(torch.zeros(2), torch.tensor([[-1.0], [1.0]]), torch.ones(2, 1, 1))
        >>> mixture.log_prob(torch.zeros(3, 1)).shape, mixture.sample((5,)).shape, mixture.mean
        (torch.Size([3]), torch.Size([5, 1]), tensor([0.]))
    """

    def __init__(self, logits: Tensor, mean: Tensor, whitening: Tensor) -> None:
        factors = lower_inverse(whitening)
        self._parameters = (logits, mean, whitening, factors)
        super().__init__(logits, MultivariateNormal(mean, scale_tril=factors, validate_args=False))

    def log_prob(self, x: Tensor) -> Tensor:
        logits, mean, whitening, _ = self._parameters
        components, size = mean.shape
        # Squares of differences of large numbers need more than the half precision of an autocast.
        with torch.autocast(x.device.type, enabled=False):
            middle = mean.detach().mean(0)
            white_mean = (whitening @ (mean - middle)[..., None])[..., 0]
            products = (x - middle).to(mean.dtype) @ whitening.reshape(-1, size).mT
            white = products.reshape(*x.shape[:-1], components, size) - white_mean
            volume = 0.5 * math.log(math.tau) * size - whitening.diagonal(dim1=-2, dim2=-1).log().sum(-1)
            nats = logits.log_softmax(-1) - volume - 0.5 * white.square().sum(-1)
            return nats.logsumexp(-1).to(torch.promote_types(x.dtype, mean.dtype))

    @torch.no_grad()
    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws from the chosen components only."""
        _, mean, _, factors = self._parameters
        size = mean.shape[-1]
        chosen = self.mixture_distribution.sample(sample_shape)
        noise = torch.randn(*chosen.shape, size, 1, dtype=mean.dtype, device=mean.device)
        at_once = max(1, DRAWN_AT_ONCE // size**2)  # of their matrices
        parts = zip(torch.split(chosen.flatten(), at_once), torch.split(noise.view(-1, size, 1), at_once), strict=True)
        away = torch.cat([factors[part] @ drawn for part, drawn in parts])
        return mean[chosen] + away.view(*chosen.shape, size)


def lower_inverse(matrices: Tensor) -> Tensor:
    """Returns the inverses of lower triangular matrices (..., D, D)."""
    one = torch.eye(matrices.shape[-1], dtype=matrices.dtype, device=matrices.device)
    return cast(Tensor, torch.linalg.solve_triangular(matrices, one.expand_as(matrices), upper=False))


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
