"""A prior that is made of the model's own posteriors."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.distributions.base import PRIORS, Encode, LazyPrior, Shape
from latentia.distributions.mixture import mixture_of
from latentia.errors import OptionError

MOST_NUMBERS = 2**28
EDGE = 0.02  # of the range of the data: how near to its ends pseudo-inputs start
NOISE = 0.1


@PRIORS.register("vamp")
class VampPrior(LazyPrior):
    """The mixture of the posteriors of learned pseudo-inputs (Tomczak and Welling, 2018, arXiv:1705.07120).

    The best prior for a given encoder is the mean of the posteriors of all data; this is one of a few examples that
    the model makes up. They start at training examples, and never leave the range of the data. The rate has no closed
    form and is estimated from the posterior's samples.

    Args:
        latent_dim: size of the latents.
        example_shape: shape of a pseudo-input.
        components: number of pseudo-inputs.

    Raises:
        OptionError: no components, or more than 2^28 numbers in all.

    Example:
        >>> from latentia.distributions.base import diagonal_normal
        >>> prior = VampPrior(2, (2,), components=3)
        >>> prior.given(lambda x: diagonal_normal(x, torch.ones_like(x))).sample((5,)).shape
        torch.Size([5, 2])
    """

    low: Tensor
    high: Tensor

    def __init__(self, latent_dim: int, example_shape: Shape, components: int = 128) -> None:
        super().__init__()
        if not 1 <= components * prod(example_shape) <= MOST_NUMBERS:
            raise OptionError(
                f"A prior of pseudo-inputs of shape {tuple(example_shape)} cannot have {components} components, but at "
                f"least 1, and at most {MOST_NUMBERS} numbers in all."
            )
        self.latent_dim = latent_dim
        self.example_shape = tuple(example_shape)
        self.components = components
        self.pseudo_inputs = nn.Parameter(torch.randn(components, *example_shape))
        self.register_buffer("low", torch.tensor(0.0))
        self.register_buffer("high", torch.tensor(1.0))

    def forward(self) -> Distribution:
        raise OptionError(
            "A VampPrior is made of a model's posteriors: hand it what encodes, as `prior.given(encode)`."
        )

    def given(self, encode: Encode) -> Distribution:
        # Not cut off at the ends of the range: a pixel that got there would have no gradient to come back by.
        parts = encode(self.low + (self.high - self.low) * torch.sigmoid(self.pseudo_inputs))
        return mixture_of(parts, self.pseudo_inputs.new_zeros(self.components))

    @torch.no_grad()
    def start_at(self, examples: Tensor) -> None:
        if examples.shape[1:] != self.example_shape:
            raise OptionError(
                f"The prior was made with example_shape={self.example_shape}, but examples have the shape "
                f"{tuple(examples.shape[1:])}."
            )
        self.low.copy_(examples.amin())
        self.high.copy_(examples.amax())
        chosen = examples[torch.randperm(len(examples))[torch.arange(self.components) % len(examples)]]
        share = (chosen - self.low) / (self.high - self.low).clamp_min(torch.finfo(chosen.dtype).tiny)
        # With noise, since what starts alike stays alike, where there are fewer examples than components.
        self.pseudo_inputs.copy_(torch.logit(share, EDGE) + NOISE * torch.randn_like(share))
