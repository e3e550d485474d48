"""A prior that is another one where something is known."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, kl_divergence
from torch.distributions.constraints import Constraint
from torch.distributions.kl import register_kl  # pyright: ignore[reportUnknownVariableType]


class EitherPrior(Distribution):
    """For each example one of two distributions of its latents: what is expected where something is given, or the
    prior where nothing is.

    Args:
        told: whether something is given, shape (N,).
        expected: of batch shape (N,).
        free: broadcastable to it.

    Example:
        >>> from torch.distributions import Normal
        >>> one, other = (Independent(Normal(torch.full((2, 3), mean), 1.0), 1) for mean in (0.0, 5.0))
        >>> EitherPrior(torch.tensor([True, False]), one, other).mean[:, 0]
        tensor([0., 5.])
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}  # pyright: ignore[reportIncompatibleMethodOverride]

    def __init__(self, told: Tensor, expected: Distribution, free: Distribution) -> None:
        super().__init__(expected.batch_shape, expected.event_shape, validate_args=False)
        self.told = told
        self.expected = expected
        self.free = free

    @property
    def mean(self) -> Tensor:
        return torch.where(self.told[:, None], self.expected.mean, self.free.mean)

    @property
    def variance(self) -> Tensor:
        return torch.where(self.told[:, None], self.expected.variance, self.free.variance)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        # The free distribution may lack the batch's axis.
        missing = self.batch_shape[len(self.free.batch_shape) :]
        free = self.free.sample(torch.Size((*sample_shape, *missing)))
        return torch.where(self.told[:, None], self.expected.sample(sample_shape), free)

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.where(self.told, self.expected.log_prob(value), self.free.log_prob(value))


@register_kl(Independent, EitherPrior)
def _divergence(  # pyright: ignore[reportUnusedFunction]
    posterior: Independent[Distribution], prior: EitherPrior
) -> Tensor:
    """Of a posterior from either of the two; where one has no closed form, neither has this."""
    return torch.where(prior.told, kl_divergence(posterior, prior.expected), kl_divergence(posterior, prior.free))
