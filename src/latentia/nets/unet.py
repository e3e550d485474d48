"""A network that sees a part of a picture and decodes the rest, detail for detail."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentia.nets.base import (
    CONDITIONAL_DECODERS,
    SURFACES,
    ConditionalDecoder,
    Context,
    Shape,
    network_input,
    zero_initialise,
)
from latentia.nets.residual import ResidualConv, coarse_shape, double, halve, initialise_residual

NOISE_SCALE = 5.0  # brings levels of noise into the range that networks like


@CONDITIONAL_DECODERS.register("unet")
class UNet(ConditionalDecoder):
    """Stages of residual blocks from fine to coarse and back, each joined to its counterpart (Ronneberger, Fischer and
    Brox, 2015, arXiv:1505.04597); latents come in at the coarsest.

    What is given reaches the decoder at every resolution: without that no bottleneck carries the detail around small
    gaps. The way down is walked once for any number of latents.

    Args:
        latent_dim: size of the latents.
        event_shape: (C, H, W); H and W divisible by 2 to the number of stages.
        out_shape: (P, H, W), the likelihood's parameters for one picture.
        widths: channels of each stage, from the picture inwards.
        blocks: residual blocks of each stage, in the same order, on each of the two ways.
        dense: width of the layers that see the picture as a whole.

    Raises:
        OptionError: the shape does not fit the number of stages.

    Example:
        >>> net = UNet(2, (1, 8, 8), (1, 8, 8), widths=(4, 6), blocks=(1, 1), dense=8)
        >>> x, given = torch.zeros(3, 1, 8, 8), torch.ones(3, 1, 8, 8, dtype=torch.bool)
        >>> context = net.look(x, given, torch.zeros(3, 1, 1, 1), x, x.expand(3, *x.shape))
        >>> net(torch.zeros(5, 3, 2), context, torch.zeros(5, *x.shape))[0].shape
        torch.Size([5, 3, 1, 8, 8])
    """

    def __init__(
        self,
        latent_dim: int,
        event_shape: Shape,
        out_shape: Shape,
        widths: tuple[int, ...] = (32, 64),
        blocks: tuple[int, ...] = (1, 2),
        dense: int = 256,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.event_shape = tuple(event_shape)
        self.out_shape = tuple(out_shape)
        self.widths = tuple(widths)
        self.blocks = tuple(blocks)
        self.dense = dense
        self.features = dense
        _, *sides = coarse_shape(self.event_shape, self.widths, self.blocks)
        self._coarse = (self.widths[-1], *sides)
        self.down = nn.ModuleList(self._down(stage) for stage in range(len(self.widths)))
        self.up = nn.ModuleList(self._up(stage) for stage in range(len(self.widths)))
        self.see = nn.Conv2d(4 * self.event_shape[0], self.widths[0], 3, padding=1)
        self.head = nn.Conv2d(self.widths[0], 4 * (self.out_shape[0] + SURFACES), 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)
        size = self.widths[-1] * sides[0] * sides[1]
        self.gather = nn.Linear(size, dense)
        self.mix = nn.Linear(dense + latent_dim, dense)
        self.spread = nn.Linear(dense, size)
        initialise_residual(self)
        zero_initialise(self.head)

    def look(self, x: Tensor, given: Tensor, noise: Tensor, guess: Tensor, surfaces: Tensor) -> Context:
        mask = given.to(guess.dtype)
        level = NOISE_SCALE * noise * mask
        takes = [2 * take - 1 for take in (guess, *surfaces)]
        hidden = torch.cat([network_input(x, given), *takes, mask, level], 1)
        maps: list[Tensor] = []
        for stage in self.down:
            hidden = stage(hidden)
            maps.append(hidden)
        return Context(F.relu(self.gather(F.relu(hidden).flatten(1))), tuple(maps))

    def forward(self, z: Tensor, context: Context, change: Tensor) -> tuple[Tensor, Tensor]:
        features, *maps = (_for_each(part, z) for part in (context.features, *context.maps))
        maps[0] = maps[0] + self.see(F.pixel_unshuffle(2 * change.flatten(0, 1), 2))
        whole = F.relu(self.mix(torch.cat([features, z.flatten(0, 1)], 1)))
        hidden = maps.pop() + self.spread(whole).unflatten(1, self._coarse)
        for stage in reversed(range(len(self.widths))):
            hidden = self.up[stage](hidden)
            if stage:
                hidden = hidden + maps.pop()
        decoded = self.shuffle(self.head(hidden)).unflatten(0, z.shape[:2])
        return decoded[:, :, :-SURFACES], decoded[:, :, -SURFACES:]

    def _down(self, stage: int) -> nn.Module:
        channels = self.widths[stage - 1] if stage else (2 + SURFACES) * self.event_shape[0] + 2
        return nn.Sequential(*halve(channels, self.widths[stage], first=not stage), *self._residual(stage))

    def _up(self, stage: int) -> nn.Module:
        if not stage:
            return nn.Sequential(*self._residual(stage), nn.ReLU())
        return nn.Sequential(*self._residual(stage), *double(self.widths[stage], self.widths[stage - 1]))

    def _residual(self, stage: int) -> list[nn.Module]:
        return [ResidualConv(self.widths[stage]) for _ in range(self.blocks[stage])]


def _for_each(part: Tensor, z: Tensor) -> Tensor:
    """Repeats what belongs to N examples, or to one for all, for K latents of each: (K * N, ...)."""
    return part.expand(z.shape[1], *part.shape[1:]).expand(z.shape[0], z.shape[1], *part.shape[1:]).flatten(0, 1)
