"""Residual convolutional networks without normalisation, for pictures.

The shape was chosen by measurement (`benchmarks/speed.py`): 3x3 convolutions in channels-last memory are
what CPUs do well; strided and transposed convolutions and GroupNorm are what they do badly. So resolution
changes by pixel (un)shuffle, and residual branches start at zero instead of being normalised.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentia.errors import OptionError
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
from latentia.nets.dense import ResidualDense

MOST_STAGES = 12


class ResidualConv(nn.Module):
    """`x + conv(relu(conv(relu(x))))` with 3x3 convolutions, the identity at first.

    Args:
        channels: number of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        zero_initialise(self.second)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(F.relu(x))))


@ENCODERS.register("residual")
class ResidualEncoder(Encoder):
    """Stages of residual blocks; each stage halves the resolution first.

    Args:
        event_shape: (C, H, W); H and W divisible by 2 to the number of stages.
        widths: channels of each stage.
        blocks: residual blocks of each stage.
        neck: channels to which the last stage is reduced before it is flattened.

    Raises:
        OptionError: the shape does not fit the number of stages.

    Example:
        >>> import torch
        >>> net = ResidualEncoder((1, 8, 8), widths=(4, 8), blocks=(1, 1), neck=2)
        >>> net(torch.zeros(3, 1, 8, 8)).shape
        torch.Size([3, 8])
    """

    def __init__(
        self,
        event_shape: Shape,
        widths: tuple[int, ...] = (32, 64),
        blocks: tuple[int, ...] = (1, 3),
        neck: int = 32,
    ) -> None:
        super().__init__()
        self.event_shape = tuple(event_shape)
        self.widths = tuple(widths)
        self.blocks = tuple(blocks)
        self.neck = neck
        channels, *coarse = coarse_shape(self.event_shape, self.widths, self.blocks)
        layers: list[nn.Module] = []
        for width, count in zip(self.widths, self.blocks, strict=True):
            layers += [*halve(channels, width, first=not layers), *(ResidualConv(width) for _ in range(count))]
            channels = width
        self.trunk = nn.Sequential(*layers, nn.ReLU(), nn.Conv2d(channels, neck, 1), nn.ReLU())
        self.features = neck * coarse[0] * coarse[1]
        initialise_residual(self)

    def forward(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        return self.trunk(network_input(x, observed)).flatten(1)


@DECODERS.register("residual")
class ResidualDecoder(Decoder):
    """The mirror image of `ResidualEncoder`.

    Args:
        latent_dim: size of the latents.
        out_shape: (P, H, W), the likelihood's parameters for one picture.
        widths: channels of each stage, from the picture inwards, as in the encoder.
        blocks: residual blocks of each stage, in the same order.
        dense: width of a residual dense block between the latents and the first stage; 0 leaves it out. Where
            convolutions are slow it is the cheapest way to more capacity.

    Raises:
        OptionError: the shape does not fit the number of stages.

    Example:
        >>> import torch
        >>> ResidualDecoder(2, (1, 8, 8), widths=(4, 8), blocks=(1, 1))(torch.zeros(3, 2)).shape
        torch.Size([3, 1, 8, 8])
    """

    def __init__(
        self,
        latent_dim: int,
        out_shape: Shape,
        widths: tuple[int, ...] = (32, 64),
        blocks: tuple[int, ...] = (1, 4),
        dense: int = 0,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.out_shape = tuple(out_shape)
        self.widths = tuple(widths)
        self.blocks = tuple(blocks)
        parameters, *coarse = coarse_shape(self.out_shape, self.widths, self.blocks)
        self.dense = dense
        self.stem = spread_out(latent_dim, dense, (self.widths[-1], *coarse))
        layers: list[nn.Module] = []
        for stage in reversed(range(len(self.widths))):
            width = self.widths[stage]
            layers += [ResidualConv(width) for _ in range(self.blocks[stage])]
            if stage:
                layers += double(width, self.widths[stage - 1])
        self.trunk = nn.Sequential(*layers, nn.ReLU())
        self.head = nn.Conv2d(self.widths[0], 4 * parameters, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)
        self.offset = nn.Parameter(torch.zeros(self.out_shape))
        initialise_residual(self)
        zero_initialise(self.head)

    def forward(self, z: Tensor) -> Tensor:
        return self.shuffle(self.head(self.trunk(self.stem(z)))) + self.offset


def halve(channels: int, width: int, *, first: bool) -> list[nn.Module]:
    """Returns layers from a resolution to half of it, and from so many channels to a width."""
    # The first layer of a network sees few channels, so a 3x3 kernel is cheap there; later ones only mix.
    kernel = 3 if first else 1
    return [nn.PixelUnshuffle(2), nn.Conv2d(4 * channels, width, kernel, padding=kernel // 2)]


def double(width: int, channels: int) -> list[nn.Module]:
    """Returns layers from a resolution to twice of it, and from a width to so many channels."""
    return [nn.Conv2d(width, 4 * channels, 1), nn.PixelShuffle(2)]


def spread_out(latent_dim: int, dense: int, coarse: Shape) -> nn.Sequential:
    """Returns layers from a code to maps (C, H, W), through a residual dense block unless its width `dense` is 0."""
    lead = [nn.Linear(latent_dim, dense), ResidualDense(dense), nn.ReLU()] if dense else []
    return nn.Sequential(*lead, nn.Linear(dense or latent_dim, torch.Size(coarse).numel()), nn.Unflatten(1, coarse))


def initialise_residual(network: nn.Module) -> None:
    """Draws all weights of a network, the residual blocks in it being the identity at first."""
    he_initialise(network)
    for block in network.modules():
        if isinstance(block, ResidualConv | ResidualDense):
            zero_initialise(block.second)


def coarse_shape(shape: Shape, widths: tuple[int, ...], blocks: tuple[int, ...]) -> tuple[int, int, int]:
    """Returns (channels, height, width) after all stages, or says why the shape does not fit."""
    if len(shape) != 3:
        raise OptionError(f"A residual network takes pictures (C, H, W), not shape {shape}; use 'dense' for vectors.")
    if not widths or len(widths) != len(blocks):
        raise OptionError(f"widths {widths} and blocks {blocks} need one entry each for every stage.")
    if len(widths) > MOST_STAGES:
        raise OptionError(f"A residual network has at most {MOST_STAGES} stages, not {len(widths)}.")
    factor = 2 ** len(widths)
    if shape[1] % factor or shape[2] % factor:
        raise OptionError(
            f"Pictures of {shape[1]}x{shape[2]} cannot be halved {len(widths)} times; "
            f"choose a data.size divisible by {factor} or fewer stages."
        )
    return shape[0], shape[1] // factor, shape[2] // factor
