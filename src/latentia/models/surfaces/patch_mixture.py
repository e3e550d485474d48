"""Kinds of patches: a mixture of normal distributions of few directions each, seen through noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from latentia.models.surfaces.tiles import Tiles
from latentia.nets.conjugate import solve

KINDS = 320
RANK = 48
TELLING = 20  # directions by which kinds are told from each other
LEAST_LEARNED_FROM = 400  # patches for each kind: fewer would say too little of its directions
ROUNDS = 8  # of the search for kinds
FIRST_ROUNDS = 6  # those that see only as many patches as it takes
LEAST_VARIANCE = 1e-5
UNUSED = -1e6  # logarithm of the share of a kind that there is not; finite, so that averages of weights are too
AT_ONCE = 2048  # patches
STEPS = 10  # of the search for what is expected
COMPARED_AT_ONCE = 256  # so few that what is compared stays within a core's cache
LEVELS = 2  # of noise, told from each other, to a doubling


class PatchMixture(nn.Module):
    """What is expected of noisy patches, under a mixture of normal distributions (Zoran and Weiss, 2011, ICCV,
    doi:10.1109/ICCV.2011.6126278; for missing pixels: Yu, Sapiro and Mallat, 2012, arXiv:1006.3056).

    Each kind of patch has a mean, a few directions in which patches differ from it, as an edge moves or a texture
    changes, and a variance of all that is left.

    Args:
        size: of a patch, numbers.
        kinds: how many.
        rank: number of directions of each.

    Example:
        >>> patches = torch.randn(500, 1, generator=torch.Generator().manual_seed(0)).expand(500, 4)
        >>> mixture = PatchMixture(4, kinds=1, rank=1)
        >>> mixture.start_at(patches)
        >>> known = torch.tensor([[1e-4, 100.0, 100.0, 100.0]])
        >>> (mixture(torch.tensor([[1.0, 0.0, 0.0, 0.0]]), known) - 1).abs().max() < 0.05
        tensor(True)
    """

    log_shares: Tensor
    means: Tensor
    directions: Tensor
    variances: Tensor
    rest: Tensor

    def __init__(self, size: int, kinds: int = KINDS, rank: int = RANK) -> None:
        super().__init__()
        rank = min(rank, size)
        self.register_buffer("log_shares", torch.full((kinds,), -math.log(kinds)))
        self.register_buffer("means", torch.full((kinds, size), 0.5))
        self.register_buffer("directions", torch.zeros(kinds, size, rank))  # those of the largest variances first
        self.register_buffer("variances", torch.zeros(kinds, rank))  # beyond the rest
        self.register_buffer("rest", torch.ones(kinds))

    def forward(self, patches: Tensor, variance: Tensor) -> Tensor:
        """Returns what is expected of patches under the most probable kind of each, shape (M, D).

        Args:
            patches: with noise on them, shape (M, D).
            variance: of that noise, shape (M, D).
        """
        kinds, order = self.most_probable(patches, variance.mean(1)).sort(stable=True)
        expected = torch.empty_like(patches)
        for kind, rows in zip(torch.split(kinds, AT_ONCE), torch.split(order, AT_ONCE), strict=True):
            expected[rows] = self._expected(kind, patches[rows], variance[rows])
        return expected

    @torch.no_grad()
    def start_at(self, patches: Tensor) -> None:
        """Learns the kinds of patches (M, D), in any order that is random: each is of one kind, the most probable of
        those of the round before (classification EM; Celeux and Govaert, 1992, doi:10.1016/0167-9473(92)90042-E).
        """
        patches = patches.to(self.means)
        count = max(1, min(len(self.means), len(patches) // LEAST_LEARNED_FROM))
        few = patches[: count * LEAST_LEARNED_FROM]
        self._take(few, _nearest(few, patches[-count:]))
        for number in range(1, ROUNDS):
            seen = few if number < FIRST_ROUNDS else patches
            self._take(seen, self.most_probable(seen, seen.new_zeros(len(seen))))

    def most_probable(self, patches: Tensor, level: Tensor) -> Tensor:
        """Returns the most probable kind of patches (M, D) with noise of a variance (M,), shape (M,).

        The level is rounded, which does not matter, so that patches of the same may be compared together.
        """
        rounded = (LEVELS * level.clamp_min(LEAST_VARIANCE).log2()).round()
        found = torch.empty(len(patches), dtype=torch.long, device=patches.device)
        kinds = _Kinds(self)
        for each in cast(list[float], cast(Tensor, rounded.unique()).tolist()):
            of_level = (rounded == each).nonzero()[:, 0]
            compared = kinds.at(2.0 ** (each / LEVELS))
            for rows in torch.split(of_level, COMPARED_AT_ONCE):
                found[rows] = compared(patches[rows]).argmax(1)
        return found

    def _take(self, patches: Tensor, kinds: Tensor) -> None:
        """Takes means, directions and shares of patches (M, D) of known kinds (M,)."""
        rank = self.variances.shape[1]
        self.log_shares.fill_(UNUSED)
        for kind in cast(list[int], cast(Tensor, kinds.unique()).tolist()):
            members = patches[kinds == kind].double()  # of flat patches, eigenvalues are too alike for less
            self.log_shares[kind] = math.log(len(members) / len(patches))
            mean = members.mean(0)
            covariance = (members - mean).T @ (members - mean) / len(members)
            values, vectors = cast(tuple[Tensor, Tensor], torch.linalg.eigh(covariance))
            values = values.clamp_min(0) + LEAST_VARIANCE
            self.means[kind] = mean
            left = values[: len(values) - rank]
            self.rest[kind] = left.mean() if len(left) else LEAST_VARIANCE
            self.directions[kind] = vectors[:, -rank:].flip(1)
            self.variances[kind] = (values[-rank:].flip(0) - self.rest[kind]).clamp_min(0)

    def _expected(self, kinds: Tensor, patches: Tensor, variance: Tensor) -> Tensor:
        """Returns what is expected of patches of sorted kinds: the posterior of how far they go along directions."""
        tiles = Tiles.of(kinds)
        axes = (self.directions * self.variances[:, None].sqrt())[tiles.kinds]
        precision = tiles.lay(1 / (variance + self.rest[kinds, None]))
        away = tiles.lay(patches - self.means[kinds])
        nearly = 1 / (1 + precision.mean(2, keepdim=True) * self.variances[tiles.kinds, None])
        code = solve(
            (away * precision) @ axes,
            lambda way: way + (way @ axes.mT * precision) @ axes,
            lambda pull: pull * nearly,
            STEPS,
            together=(2,),
        )
        return self.means[kinds] + tiles.lift(code @ axes.mT)


class _Kinds:
    """What of comparing kinds does not depend on the noise, of which there are many levels.

    Args:
        mixture: of these kinds.
    """

    def __init__(self, mixture: PatchMixture) -> None:
        size, rank = mixture.directions.shape[1:]
        few = min(TELLING, rank)
        directions = mixture.directions[:, :, :few]
        self.mixture, self.further = mixture, size - few
        self.middle = mixture.means[mixture.log_shares > UNUSED].mean(0)
        self.means = mixture.means - self.middle
        self.directions = directions.transpose(0, 1).contiguous()
        self.offsets = torch.einsum("kd,kdt->kt", self.means, directions)
        # What the directions not looked along hold.
        self.beyond = mixture.variances[:, few:].sum(1) / max(1, self.further)

    def at(self, level: float) -> _Compared:
        """Makes them ready for noise of a variance."""
        mixture = self.mixture
        rest = mixture.rest + level + self.beyond
        spread = mixture.variances[:, : self.directions.shape[2]] + (mixture.rest + level)[:, None]
        saved = (1 / rest[:, None] - 1 / spread).clamp_min(0).sqrt()
        volume = spread.log().sum(1) + self.further * rest.log()
        return _Compared(
            self.middle,
            (self.directions * saved).flatten(1),
            (self.offsets * saved).flatten(),
            (self.means / rest[:, None]).T,
            1 / rest,
            mixture.log_shares - 0.5 * (volume + self.means.square().sum(1) / rest),
        )


@dataclass(frozen=True)
class _Compared:
    """Kinds, made ready for telling which of them patches with noise of one level are of.

    Attributes:
        middle: of all kinds, shape (D,); what is far from zero is told apart less exactly.
        directions: how far along them patches lie, shape (D, K * T), scaled so that squares are what misfit they save.
        offsets: where the means lie along them, shape (K * T,).
        means: less the middle, in terms of the precision of each kind, shape (D, K).
        precisions: of what is left, shape (K,).
        constants: of the logarithms of the densities, shape (K,).
    """

    middle: Tensor
    directions: Tensor
    offsets: Tensor
    means: Tensor
    precisions: Tensor
    constants: Tensor

    def __call__(self, patches: Tensor) -> Tensor:
        """Returns the logarithms of densities, shape (M, K), for patches (M, D)."""
        away = patches - self.middle
        saved = torch.addmm(-self.offsets, away, self.directions).square_().view(len(away), len(self.constants), -1)
        misfit = away.square().sum(1, keepdim=True) * self.precisions
        return torch.addmm(self.constants, away, self.means) + 0.5 * (saved.sum(2) - misfit)


def _nearest(patches: Tensor, means: Tensor) -> Tensor:
    """Returns the nearest of means (K, D) to each patch (M, D)."""
    return torch.cat([torch.cdist(part, means).argmin(1) for part in torch.split(patches, AT_ONCE)])
