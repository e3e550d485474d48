"""Priors of the latents of groups of positions, which also say where a sequence ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.distributions.base import diagonal_normal, full_precision
from latentia.registry import Registry


@dataclass(frozen=True)
class Expectation:
    """What a prior expects of each group, given those before it.

    Attributes:
        latents: of batch shape (K, N, G) and event shape (frame_dim,).
        end: log odds that the sequence ends with the group, shape (K, N, G).
    """

    latents: Distribution
    end: Tensor


class LazyFramePrior(nn.Module, ABC):
    """The distribution of the latents of groups, and of their number, given those of the whole."""

    frame_dim: int

    @abstractmethod
    def forward(self, code: Tensor, frames: Tensor) -> Expectation:
        """Returns p(z_g | z_1 ... z_(g-1), code) for all groups g at once.

        Args:
            code: latents of the whole, shape (K, N, latent_dim).
            frames: latents of groups, shape (K, N, G, frame_dim).
        """

    @abstractmethod
    def draw(self, code: Tensor, most: int) -> tuple[Tensor, Tensor]:
        """Draws sequences.

        Args:
            code: latents of the whole, shape (N, latent_dim).
            most: groups after which a sequence ends in any case.

        Returns:
            Latents of groups, shape (N, G, frame_dim); and the number of groups of each, shape (N,).
        """


FRAME_PRIORS: Registry[LazyFramePrior] = Registry("prior of frames", LazyFramePrior)


@FRAME_PRIORS.register("recurrent")
class RecurrentFramePrior(LazyFramePrior):
    """Each group's latents are normal, with mean and scale from a recurrent network of the earlier ones and the code.

    The structure is that of variational recurrent networks (Chung et al., 2015, arXiv:1506.02216), on groups.

    Args:
        latent_dim: latents of the whole.
        frame_dim: latents of a group.
        width: of the recurrent layer.

    Example:
        >>> prior = RecurrentFramePrior(2, 3, width=8)
        >>> expected = prior(torch.zeros(1, 4, 2), torch.zeros(1, 4, 6, 3))
        >>> expected.latents.batch_shape, expected.end.shape
        (torch.Size([1, 4, 6]), torch.Size([1, 4, 6]))
    """

    def __init__(self, latent_dim: int, frame_dim: int, width: int = 128) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.frame_dim = frame_dim
        self.width = width
        self.recurrent = nn.GRU(frame_dim + latent_dim, width, batch_first=True)
        self.hidden = nn.Linear(width + latent_dim, width)
        self.head = nn.Linear(width, 2 * frame_dim + 1)
        with torch.no_grad():  # starts close to the standard normal
            self.head.weight.mul_(0.1)
            self.head.bias.zero_()

    def forward(self, code: Tensor, frames: Tensor) -> Expectation:
        k, n, groups, _ = frames.shape
        before = F.pad(frames, (0, 0, 1, -1)).flatten(0, 1)
        expected, end = self._expect(code.flatten(0, 1), before, None)[:2]
        shape = (k, n, groups)
        mean, scale = (part.reshape(*shape, self.frame_dim) for part in expected)
        return Expectation(diagonal_normal(mean, scale), end.reshape(shape))

    def draw(self, code: Tensor, most: int) -> tuple[Tensor, Tensor]:
        n = len(code)
        last = code.new_zeros(n, 1, self.frame_dim)
        count = torch.full((n,), most, device=code.device)
        state, drawn = None, list[Tensor]()
        for step in range(1, most + 1):
            (mean, scale), end, state = self._expect(code, last, state)
            last = mean + scale * torch.randn_like(mean)
            drawn.append(last)
            ends = torch.bernoulli(end[:, 0].sigmoid()).bool() & (count == most)
            count = torch.where(ends, step, count)
        return torch.cat(drawn, 1)[:, : int(count.max())], count

    def _expect(
        self, code: Tensor, before: Tensor, state: Tensor | None
    ) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor]:
        """Goes on from a state: mean and scale of the next groups, log odds of their being the last, and the state."""
        spread = code[:, None].expand(-1, before.shape[1], -1)
        seen, after = cast(tuple[Tensor, Tensor], self.recurrent(torch.cat([before, spread], -1), state))
        hidden = F.relu(self.hidden(torch.cat([seen, spread], -1)))
        mean, raw, end = torch.split(full_precision(self.head(hidden)), [self.frame_dim, self.frame_dim, 1], -1)
        scale = torch.exp(3.0 * torch.tanh(raw / 3.0))
        return (mean, scale), end[..., 0], after


@FRAME_PRIORS.register("independent")
class IndependentFramePrior(LazyFramePrior):
    """Standard normal latents that know nothing of one another; sequences end with the same probability at every group.

    Args:
        latent_dim: latents of the whole.
        frame_dim: latents of a group.

    Example:
        >>> IndependentFramePrior(2, 3).draw(torch.zeros(4, 2), most=7)[0].shape[2]
        3
    """

    def __init__(self, latent_dim: int, frame_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.frame_dim = frame_dim
        self.end = nn.Parameter(torch.tensor(-3.0))

    def forward(self, code: Tensor, frames: Tensor) -> Expectation:
        zero = torch.zeros_like(frames)
        return Expectation(diagonal_normal(zero, zero + 1.0), self.end.expand(frames.shape[:-1]))

    def draw(self, code: Tensor, most: int) -> tuple[Tensor, Tensor]:
        n = len(code)
        ends = torch.bernoulli(self.end.sigmoid().expand(n, most)).to(code.device)
        ends[:, -1] = 1.0
        count = ends.argmax(1) + 1
        frames = torch.randn(n, most, self.frame_dim, device=code.device)
        return frames[:, : int(count.max())], count
