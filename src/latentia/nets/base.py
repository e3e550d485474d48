"""What networks have in common: the two registries and the interfaces of encoders and decoders."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from latentia.registry import Registry

Shape = tuple[int, ...]


class Encoder(nn.Module, ABC):
    """Maps examples to features.

    Attributes:
        features: width of the result.
    """

    features: int

    @abstractmethod
    def forward(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Encodes.

        Args:
            x: examples, shape (N, *event_shape).
            observed: True where `x` was seen, broadcastable to `x`; None where all of it was.

        Returns:
            Features, shape (N, features).
        """


class Decoder(nn.Module, ABC):
    """Maps latents to the parameters of a likelihood."""

    @abstractmethod
    def forward(self, z: Tensor) -> Tensor:
        """Decodes.

        Args:
            z: latents, shape (N, latent_dim).

        Returns:
            Parameters, shape (N, *out_shape).
        """


ENCODERS: Registry[Encoder] = Registry("encoder")
DECODERS: Registry[Decoder] = Registry("decoder")


def network_input(x: Tensor, observed: Tensor | None) -> Tensor:
    """Brings examples into the range that networks like, and hides what was not observed.

    Images in [0, 1] go to [-1, 1]; vectors come standardised. What is hidden becomes 0, whatever its value
    was (NaN included).
    """
    centred = x * 2 - 1 if x.dim() == 4 else x
    return centred if observed is None else torch.where(observed, centred, torch.zeros_like(centred))
