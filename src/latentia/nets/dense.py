"""Residual dense networks, for vectors and small pictures."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentia.nets.base import (
    DECODERS,
    ENCODERS,
    Decoder,
    Encoder,
    Shape,
    he_initialise,
    network_input,
    zero_initialise,
)


class ResidualDense(nn.Module):
    """`x + W2 relu(W1 relu(x))`, the identity at first.

    Args:
        width: size of input and output.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        he_initialise(self)
        zero_initialise(self.second)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(F.relu(x))))


class Modulation(nn.Module):
    """`x * (1 + scale(c)) + shift(c)` under a condition c, the identity at first (FiLM; Perez et al., 2018,
    arXiv:1709.07871).

    Args:
        width: size of input and output.
        condition: size of the condition.
    """

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.layer = nn.Linear(condition, 2 * width)
        zero_initialise(self.layer)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.layer(condition).chunk(2, dim=-1)
        return x * (1 + scale) + shift


@ENCODERS.register("dense")
class DenseEncoder(Encoder):
    """A linear layer and residual dense blocks.

    Args:
        event_shape: shape of one example.
        width: size of the hidden layers and of the result.
        blocks: number of residual blocks.

    Example:
        >>> import torch
        >>> DenseEncoder((4,), width=8)(torch.zeros(2, 4)).shape
        torch.Size([2, 8])
    """

    def __init__(self, event_shape: Shape, width: int = 256, blocks: int = 1) -> None:
        super().__init__()
        self.event_shape = tuple(event_shape)
        self.width = width
        self.blocks = blocks
        self.features = width
        self.stem = nn.Linear(math.prod(self.event_shape), width)
        he_initialise(self.stem)
        self.trunk = nn.Sequential(*(ResidualDense(width) for _ in range(blocks)))

    def forward(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        return F.relu(self.trunk(self.stem(network_input(x, observed).flatten(1))))


@DECODERS.register("dense")
class DenseDecoder(Decoder):
    """Residual dense blocks between two linear layers.

    Args:
        latent_dim: size of the latents.
        out_shape: shape of the likelihood's parameters for one example.
        width: size of the hidden layers.
        blocks: number of residual blocks.

    Example:
        >>> import torch
        >>> DenseDecoder(2, (1, 8, 8), width=8)(torch.zeros(3, 2)).shape
        torch.Size([3, 1, 8, 8])
    """

    def __init__(self, latent_dim: int, out_shape: Shape, width: int = 256, blocks: int = 1) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.out_shape = tuple(out_shape)
        self.width = width
        self.blocks = blocks
        self.stem = nn.Linear(latent_dim, width)
        he_initialise(self.stem)
        self.trunk = nn.Sequential(*(ResidualDense(width) for _ in range(blocks)))
        self.head = nn.Linear(width, math.prod(self.out_shape))
        zero_initialise(self.head)
        self.offset = nn.Parameter(torch.zeros(self.out_shape))

    def forward(self, z: Tensor) -> Tensor:
        return self.head(F.relu(self.trunk(self.stem(z)))).unflatten(1, self.out_shape) + self.offset
