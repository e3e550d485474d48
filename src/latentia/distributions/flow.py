"""A prior that is a normalising flow."""

from __future__ import annotations

from typing import cast

import torch
import zuko
from torch import nn
from torch.distributions import Distribution

from latentia.distributions.base import PRIORS, LazyPrior
from latentia.errors import OptionError

MOST_WEIGHTS = 2**28
FIRST_STEP = 0.01


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

    def forward(self) -> Distribution:
        return self.flow()


@torch.no_grad()
def _start_near_identity(flow: nn.Module) -> None:
    """Makes the last layer of each network small, so that training starts close to the standard normal."""
    for network in flow.modules():
        if isinstance(network, zuko.nn.MaskedMLP):
            last = cast(nn.Linear, network[-1])
            last.weight.mul_(FIRST_STEP)
            last.bias.zero_()
