"""A prior that is a normalising flow."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
import zuko
from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.distributions.base import PRIORS, LazyPrior
from latentia.errors import OptionError

MOST_WEIGHTS = 2**28
FIRST_STEP = 0.01
LOG_SCALE_BOUND = -math.log(1e-3)  # of zuko's affine transformations
SCALES = (2e-3, 500.0)  # within what zuko can do


@PRIORS.register("flow")
class FlowPrior(LazyPrior):
    """A masked autoregressive flow from the standard normal distribution (Papamakarios, Pavlakou and Murray, 2017,
    arXiv:1705.07057), learned with the model (Chen et al., 2017, arXiv:1611.02731).

    Posteriors that leave the origin empty, overlap or curve cost little under it, so that encoder and decoder can
    agree on better codes at the same rate. One pass gives a density; a draw takes one pass for each latent. The rate
    has no closed form and is estimated from the posterior's samples.

    Args:
        latent_dim: size of the latents.
        transforms: autoregressive transformations, in alternating order.
        width: of the two hidden layers in each.

    Raises:
        OptionError: no transformations or width, or more than 2^28 weights.

    Example:
        >>> import torch
        >>> prior = FlowPrior(2, transforms=1, width=8)()
        >>> prior.sample((5,)).shape, prior.log_prob(torch.zeros(3, 2)).shape
        (torch.Size([5, 2]), torch.Size([3]))
    """

    def __init__(self, latent_dim: int, transforms: int = 2, width: int = 128) -> None:
        super().__init__()
        if transforms < 1 or width < 1 or transforms * max(width, latent_dim) ** 2 > MOST_WEIGHTS:
            raise OptionError(
                f"A flow prior of {latent_dim} latents cannot have {transforms} transforms of width {width}: both must "
                f"be at least 1, and transforms * width^2 at most {MOST_WEIGHTS}."
            )
        self.latent_dim = latent_dim
        self.transforms = transforms
        self.width = width
        # zuko reads the values of its masks, so they must exist, also while a model is only sketched (device "meta").
        with torch.device("cpu"):
            self.flow = zuko.flows.MAF(latent_dim, transforms=transforms, hidden_features=(width, width))
        _start_near_identity(self.flow)

    @torch.no_grad()
    def start_near(self, latents: Tensor) -> None:
        """Makes the transformation next to the latents standardise them."""
        scale = latents.std(0, correction=0).clamp(*SCALES)
        _set_affine(next(iter(cast(Any, self.flow.transform).transforms)), -latents.mean(0) / scale, -scale.log())

    def forward(self) -> Distribution:
        return self.flow()


@torch.no_grad()
def _start_near_identity(flow: nn.Module) -> None:
    """Makes what each transformation does at first small, so that training starts close to the standard normal."""
    for part in flow.modules():
        if isinstance(part, zuko.nn.MaskedMLP):
            last = cast(nn.Linear, part[-1])
            last.weight.mul_(FIRST_STEP)
            last.bias.zero_()
        elif isinstance(part, zuko.flows.ElementWiseTransform):  # of a single latent, which has no network
            for value in part.phi:
                value.zero_()


def _set_affine(transform: Any, shift: Tensor, log_scale: Tensor) -> None:
    """Sets what an affine transformation does where its network, if it has one, says nothing."""
    bent = log_scale / (1 - (log_scale / LOG_SCALE_BOUND).abs())  # zuko bends it back, towards the bound
    if isinstance(transform, zuko.flows.MaskedAutoregressiveTransform):
        cast(nn.Linear, transform.hyper[-1]).bias.copy_(torch.stack([shift, bent], 1).flatten())
    else:  # of a single latent, which has no network
        for own, value in zip(transform.phi, (shift, bent), strict=True):
            own.copy_(value)
