"""The records that everything passes on: `Batch`, `LatentGroup`, `Inference`, `Terms`.

Shapes: N examples, K samples of the latents, D latent dimensions. A batch is what the reader knows, an
inference is what the model believes about it, terms are what the objective makes of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.distributions import Distribution


class Likelihood(Protocol):
    """A distribution of the data given latents, with the latents' batch shape (K, N)."""

    @property
    def mean(self) -> Tensor:
        """The expected data, shape (K, N, ...)."""
        ...

    def sample(self) -> Tensor:
        """Draws data, shape (K, N, ...)."""
        ...

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Log probability in nats of what is observed of `x` (N, ...), summed to shape (K, N)."""
        ...


@dataclass(frozen=True)
class Batch:
    """Some examples.

    Attributes:
        x: the data, float, shape (N, ...): images (N, C, H, W) in [0, 1], vectors (N, D).
        observed: True where `x` was seen, shape broadcastable to `x`; None where all of it was.
        lengths: valid length of each example, shape (N,); None where all of `x` is valid.
        labels: for each head the class of each example, shape (N,), -1 where unknown.
        index: the position of each example in its data set, shape (N,).
    """

    x: Tensor
    observed: Tensor | None = None
    lengths: Tensor | None = None
    labels: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    index: Tensor | None = None

    def __len__(self) -> int:
        return self.x.shape[0]

    def to(self, device: torch.device | str) -> Batch:
        """Returns the batch on another device."""

        def move(value: Tensor | None) -> Tensor | None:
            return None if value is None else value.to(device, non_blocking=True)

        return replace(
            self,
            x=self.x.to(device, non_blocking=True),
            observed=move(self.observed),
            lengths=move(self.lengths),
            labels={name: label.to(device, non_blocking=True) for name, label in self.labels.items()},
            index=move(self.index),
        )


@dataclass(frozen=True)
class LatentGroup:
    """One group of latents: what was inferred, what was expected, what was drawn.

    Attributes:
        name: "z" in a model with one group; "utterance", "frames" ... in others.
        posterior: batch shape (N,) or (N, T), event shape (D,).
        prior: broadcastable to the posterior.
        sample: K draws from the posterior, shape (K, N, D) or (K, N, T, D).
        mask: True where a position exists, shape (N, T); None where all do.
    """

    name: str
    posterior: Distribution
    prior: Distribution
    sample: Tensor
    mask: Tensor | None = None

    def sum_positions(self, nats: Tensor) -> Tensor:
        """Sums nats per position (..., N) or (..., N, T) over the positions that exist, to (..., N)."""
        if self.posterior.batch_shape.numel() == nats.shape[-1] and len(self.posterior.batch_shape) == 1:
            return nats
        present = nats if self.mask is None else nats.masked_fill(~self.mask, 0.0)
        return present.sum(-1)


@dataclass(frozen=True)
class Inference:
    """What a model infers from a batch: its groups of latents, and the likelihood of the data given them."""

    latents: tuple[LatentGroup, ...]
    likelihood: Likelihood


@dataclass(frozen=True)
class Terms:
    """What an objective makes of a batch, per example, shape (N,), in nats.

    Attributes:
        distortion: expected negative log likelihood of what was observed.
        rate: KL divergence from posterior to prior, over all groups.
        loss: what training minimises; weights (beta, warm-up) enter here only.
    """

    distortion: Tensor
    rate: Tensor
    loss: Tensor

    @property
    def elbo(self) -> Tensor:
        """The evidence lower bound, `-(distortion + rate)`."""
        return -(self.distortion + self.rate)
