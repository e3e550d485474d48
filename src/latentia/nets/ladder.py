"""Residual convolutional networks for ladders of latents: up through all resolutions, and down again.

They are made of the same blocks as `nets.residual`. Of a group of latents the state learns by addition, so that what
comes from above reaches the picture unhindered (Kingma et al., 2016, arXiv:1606.04934; Child, 2021, arXiv:2011.10650).
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentia.errors import OptionError
from latentia.nets.base import (
    LADDER_DECODERS,
    LADDER_ENCODERS,
    LadderDecoder,
    LadderEncoder,
    Shape,
    network_input,
    zero_initialise,
)
from latentia.nets.residual import ResidualConv, coarse_shape, double, halve, initialise_residual, spread_out

LOG_SCALE_BOUND = 4.0
FIRST_STEP = 0.1
MOST_GROUPS = 4  # below the code


@LADDER_ENCODERS.register("residual")
class ResidualLadderEncoder(LadderEncoder):
    """Stages of residual blocks, each of which halves the resolution first; what each one sees is passed on.

    Args:
        event_shape: (C, H, W); H and W divisible by 2 to the number of stages.
        widths: channels of each stage, from the picture inwards.
        blocks: residual blocks of each stage.
        neck: channels to which the last stage is reduced before it is flattened.

    Raises:
        OptionError: the shape does not fit the number of stages.

    Example:
        >>> net = ResidualLadderEncoder((1, 8, 8), widths=(4, 6), blocks=(1, 1), neck=2)
        >>> whole, levels = net(torch.zeros(3, 1, 8, 8))
        >>> whole.shape, [tuple(level.shape) for level in levels]
        (torch.Size([3, 8]), [(3, 6, 2, 2), (3, 4, 4, 4)])
    """

    def __init__(
        self,
        event_shape: Shape,
        widths: tuple[int, ...] = (16, 48),
        blocks: tuple[int, ...] = (1, 1),
        neck: int = 32,
    ) -> None:
        super().__init__()
        self.event_shape = tuple(event_shape)
        self.widths = tuple(widths)
        self.blocks = tuple(blocks)
        self.neck = neck
        channels, height, width = coarse_shape(self.event_shape, self.widths, self.blocks)
        self.stages = nn.ModuleList()
        for own, count in zip(self.widths, self.blocks, strict=True):
            halved = halve(channels, own, first=not self.stages)
            self.stages.append(nn.Sequential(*halved, *(ResidualConv(own) for _ in range(count))))
            channels = own
        self.top = nn.Sequential(nn.ReLU(), nn.Conv2d(channels, neck, 1), nn.ReLU(), nn.Flatten())
        self.features = neck * height * width
        self.levels = tuple((own, height * 2**step, width * 2**step) for step, own in enumerate(reversed(self.widths)))
        initialise_residual(self)

    def forward(self, x: Tensor, observed: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        seen = network_input(x, observed)
        levels: list[Tensor] = []
        for stage in self.stages:
            seen = stage(seen)
            levels.insert(0, seen)
        return self.top(seen), levels


class _Rung(nn.Module):
    """One group of latents: what its posterior reads, how it enters the state, and the layers behind it.

    Args:
        width: channels of the state, and of the encoder's features of the same resolution.
        latents: numbers at each position.
    """

    def __init__(self, width: int, latents: int) -> None:
        super().__init__()
        self.above = nn.Conv2d(width, width, 1)
        self.below = nn.Conv2d(width, width, 1, bias=False)
        self.mix = ResidualConv(width)
        self.prior = nn.Conv2d(width, 2 * latents, 1)
        self.enter = nn.Conv2d(latents, width, 1)
        self.passage = nn.Sequential()

    @torch.no_grad()
    def start_softly(self) -> None:
        """Lets latents that say nothing yet disturb the state little, or it would learn to shut them out for good."""
        zero_initialise(self.prior)
        self.enter.weight.mul_(FIRST_STEP)

    def meet(self, state: Tensor, seen: Tensor) -> Tensor:
        below = self.below(F.relu(seen))
        draws = len(state) // len(below)
        return F.relu(self.mix(self.above(F.relu(state)) + below.repeat(draws, 1, 1, 1)))

    def forward(self, state: Tensor, deviation: Tensor) -> Tensor:
        location, raw = self.prior(F.relu(state)).chunk(2, dim=1)
        scale = torch.exp(LOG_SCALE_BOUND * torch.tanh(raw / LOG_SCALE_BOUND))
        return self.passage(state + self.enter(location + scale * deviation))


@LADDER_DECODERS.register("residual")
class ResidualLadderDecoder(LadderDecoder):
    """The mirror image of `ResidualLadderEncoder`, with groups of latents on the way.

    Args:
        latent_dim: size of the code of the whole.
        out_shape: (P, H, W), the likelihood's parameters for one picture.
        widths: channels of each stage, from the picture inwards, as in the encoder.
        blocks: residual blocks behind each group of a stage, in the same order.
        groups: groups of latents in each stage, in the same order.
        latents: numbers of each group of a stage at each position, in the same order.
        dense: width of a residual dense block between the code and the first stage; 0 leaves it out.

    Raises:
        OptionError: the shape does not fit the number of stages, or there are not one to four groups in all.

    Example:
        >>> net = ResidualLadderDecoder(2, (1, 8, 8), (4, 6), (1, 1), groups=(1, 1), latents=(1, 2))
        >>> net.shapes
        ((2, 2, 2), (1, 4, 4))
        >>> state = net.start(torch.zeros(3, 2))
        >>> for group, shape in enumerate(net.shapes):
        ...     state = net.descend(group, state, torch.zeros(3, *shape))
        >>> net.finish(state).shape
        torch.Size([3, 1, 8, 8])
    """

    def __init__(
        self,
        latent_dim: int,
        out_shape: Shape,
        widths: tuple[int, ...] = (16, 48),
        blocks: tuple[int, ...] = (1, 1),
        groups: tuple[int, ...] = (1, 1),
        latents: tuple[int, ...] = (1, 2),
        dense: int = 0,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.out_shape = tuple(out_shape)
        self.widths = tuple(widths)
        self.blocks = tuple(blocks)
        self.groups = tuple(groups)
        self.latents = tuple(latents)
        self.dense = dense
        parameters, height, width = coarse_shape(self.out_shape, self.widths, self.blocks)
        _require_groups(self.groups, self.latents, len(self.widths))
        self.stem = spread_out(latent_dim, dense, (self.widths[-1], height, width))
        self.rungs = nn.ModuleList()
        self._stages: list[int] = []
        self._build()
        steps = [2 ** (len(self.widths) - 1 - stage) for stage in self._stages]
        self.shapes = tuple(
            (self.latents[stage], height * step, width * step) for stage, step in zip(self._stages, steps, strict=True)
        )
        self.features = tuple(self.widths[stage] for stage in self._stages)
        self.head = nn.Conv2d(self.widths[0], 4 * parameters, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)
        self.offset = nn.Parameter(torch.zeros(self.out_shape))
        initialise_residual(self)
        zero_initialise(self.head)
        for rung in self.rungs:
            cast(_Rung, rung).start_softly()

    def _build(self) -> None:
        """Adds the groups of all stages, from the coarsest to the finest, and the layers behind each."""
        behind = self.stem
        for stage in reversed(range(len(self.widths))):
            width = self.widths[stage]
            for number in range(max(1, self.groups[stage])):
                if number < self.groups[stage]:
                    rung = _Rung(width, self.latents[stage])
                    self.rungs.append(rung)
                    self._stages.append(stage)
                    behind = rung.passage
                behind.extend(ResidualConv(width) for _ in range(self.blocks[stage]))
            if stage:
                behind.extend(double(width, self.widths[stage - 1]))

    def start(self, code: Tensor) -> Tensor:
        return self.stem(code)

    def meet(self, group: int, state: Tensor, levels: list[Tensor]) -> Tensor:
        rung = cast(_Rung, self.rungs[group])
        return rung.meet(state, levels[len(self.widths) - 1 - self._stages[group]])

    def descend(self, group: int, state: Tensor, latents: Tensor) -> Tensor:
        return self.rungs[group](state, latents)

    def finish(self, state: Tensor) -> Tensor:
        return self.shuffle(self.head(F.relu(state))) + self.offset


def _require_groups(groups: tuple[int, ...], latents: tuple[int, ...], stages: int) -> None:
    if len(groups) != stages or len(latents) != stages:
        raise OptionError(f"groups {groups} and latents {latents} need one entry each for every stage.")
    if min(groups) < 0 or not 1 <= sum(groups) <= MOST_GROUPS:
        raise OptionError(f"A ladder has 1 to {MOST_GROUPS} groups of latents below its first, not {groups}.")
    if any(count and width < 1 for count, width in zip(groups, latents, strict=True)):
        raise OptionError(f"The groups {groups} of a ladder need at least 1 latent at each position, not {latents}.")
