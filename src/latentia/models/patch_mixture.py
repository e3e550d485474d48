"""Kinds of patches: a mixture of normal distributions of few directions each, seen through noise."""

from __future__ import annotations

import math
import warnings
from typing import Any, cast

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture  # pyright: ignore[reportMissingTypeStubs]
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

KINDS = 60
RANK = 34
LEAST_LEARNED_FROM = 400  # patches for each kind: fewer would say too little of its directions
ROUNDS = 8  # of the search for kinds
LEAST_VARIANCE = 1e-5
UNUSED = -1e6  # logarithm of the share of a kind that there is not; finite, so that averages of weights are too
AT_ONCE = 4096  # patches


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
        self.register_buffer("directions", torch.zeros(kinds, size, rank))
        self.register_buffer("variances", torch.zeros(kinds, rank))
        self.register_buffer("rest", torch.ones(kinds))

    def forward(self, patches: Tensor, variance: Tensor) -> Tensor:
        """Returns what is expected of patches under the most probable kind of each, shape (M, D).

        Args:
            patches: with noise on them, shape (M, D).
            variance: of that noise, shape (M, D).
        """
        kinds = self.most_probable(patches, variance.mean(1))
        expected = torch.empty_like(patches)
        for kind in range(len(self.means)):
            for rows in torch.split((kinds == kind).nonzero()[:, 0], AT_ONCE):
                expected[rows] = self._expected(kind, patches[rows], variance[rows])
        return expected

    @torch.no_grad()
    def start_at(self, patches: Tensor) -> None:
        """Learns the kinds of patches (M, D)."""
        count = max(1, min(len(self.means), len(patches) // LEAST_LEARNED_FROM))
        mixture = GaussianMixture(
            count, reg_covar=LEAST_VARIANCE, max_iter=ROUNDS, init_params="random_from_data", random_state=0
        )
        # On one thread, so that what is learned does not depend on how many there are.
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it is good enough long before
            fitted: Any = mixture.fit(patches.cpu().numpy())
        shares, means, covariances = (
            torch.as_tensor(part).to(self.means) for part in (fitted.weights_, fitted.means_, fitted.covariances_)
        )
        values, vectors = cast(tuple[Tensor, Tensor], torch.linalg.eigh(covariances))
        rank = self.variances.shape[1]
        left = values[:, : values.shape[1] - rank]
        rest = left.mean(1) if left.shape[1] else values.new_full((count,), LEAST_VARIANCE)
        self.log_shares.fill_(UNUSED)
        self.log_shares[:count] = shares.log()
        self.means[:count] = means
        self.directions[:count] = vectors[:, :, -rank:]
        self.variances[:count] = (values[:, -rank:] - rest[:, None]).clamp_min(0)
        self.rest[:count] = rest

    def most_probable(self, patches: Tensor, level: Tensor) -> Tensor:
        """Returns the most probable kind of patches (M, D) with noise of a variance (M,), shape (M,)."""
        size, rank = self.directions.shape[1:]
        found: list[Tensor] = []
        for kind, mean in enumerate(self.means):
            away = patches - mean
            along = (away @ self.directions[kind]).square()
            rest = self.rest[kind] + level
            spread = self.variances[kind] + rest[:, None]
            misfit = (along / spread).sum(1) + (away.square().sum(1) - along.sum(1)) / rest
            volume = spread.log().sum(1) + (size - rank) * rest.log()
            found.append(self.log_shares[kind] - 0.5 * (misfit + volume))
        return torch.stack(found).argmax(0)

    def _expected(self, kind: int, patches: Tensor, variance: Tensor) -> Tensor:
        """Returns what is expected of patches of a kind: the posterior of how far they go along its directions."""
        axes = self.directions[kind] * self.variances[kind].sqrt()
        precision = 1 / (variance + self.rest[kind])
        away = patches - self.means[kind]
        rank = axes.shape[1]
        products = (axes[:, :, None] * axes[:, None, :]).flatten(1)
        gain = (precision @ products).view(-1, rank, rank) + torch.eye(rank).to(axes)
        pull = ((away * precision) @ axes)[..., None]
        code = torch.cholesky_solve(pull, cast(Tensor, torch.linalg.cholesky(gain)))[..., 0]
        return self.means[kind] + code @ axes.T
