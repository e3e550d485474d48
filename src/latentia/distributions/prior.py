"""Priors."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.distributions.base import PRIORS, LazyPrior, diagonal_normal
from latentia.distributions.mixture import NormalMixture
from latentia.errors import OptionError

LEAST_SCALE = 1e-6


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


@PRIORS.register("mixture")
class MixtureOfGaussians(LazyPrior):
    """A learned mixture of normal distributions with independent dimensions.

    The rate has no closed form under it and is estimated from the posterior's samples.

    Args:
        latent_dim: size of the latents.
        components: number of components.

    Raises:
        OptionError: no components.

    Example:
        >>> MixtureOfGaussians(2, components=3)().sample((5,)).shape
        torch.Size([5, 2])
    """

    def __init__(self, latent_dim: int, components: int = 64) -> None:
        super().__init__()
        if components < 1:
            raise OptionError(f"A mixture needs at least 1 component, not {components}.")
        self.latent_dim = latent_dim
        self.components = components
        self.logits = nn.Parameter(torch.zeros(components))
        # Means spread as the standard normal: together the components start close to it.
        self.mean = nn.Parameter(torch.randn(components, latent_dim) * 0.7)
        self.log_scale = nn.Parameter(torch.full((components, latent_dim), -0.35))

    @torch.no_grad()
    def start_near(self, latents: Tensor) -> None:
        """Puts components at random ones of the latents, as wide as a kernel estimate (Scott, 1992) would have them."""
        self.logits.zero_()
        self.mean.copy_(latents[torch.randint(len(latents), (self.components,))])
        width = self.components ** (-1 / (self.latent_dim + 4))
        self.log_scale.copy_((width * latents.std(0, correction=0)).clamp_min(LEAST_SCALE).log().expand_as(self.mean))

    def forward(self) -> Distribution:
        return NormalMixture(self.logits, self.mean, self.log_scale.exp())
