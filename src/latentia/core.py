"""The records that everything passes on: `Batch`, `Latents`, `LatentGroup`, `Inference`, `Terms`.

Shapes: N examples, K samples of the latents, D latent dimensions; in sequences T positions of the data and G groups of
them with latents of their own. A batch is what the reader knows, an inference is what the model believes about it,
terms are what the objective makes of both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.distributions import Distribution

NUMBERS_AT_ONCE = 2**23  # that networks work on


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
        x: the data, float, shape (N, ...): images (N, C, H, W) in [0, 1], vectors (N, D), sequences (N, T, F), which
            are waveforms (N, S) until they are prepared.
        observed: True where `x` was seen, shape of `x`, or 1 along its channels; None where all of it was.
        lengths: valid length of each sequence, shape (N,); None where all of `x` is valid.
        labels: for each head the class of each example, shape (N,), -1 where unknown.
        index: the position of each example in its data set, shape (N,).
        given: True where a model is told `x`, a part of what was observed, shape of `x`, or 1 along its channels; it is
            asked for the rest. None where it is told nothing.
        noise: standard deviation of the noise on what is given, shape (N, 1, 1, 1); where it is not 0, the model is
            asked for what is given too. None where there is no noise.
        told: what is given with its noise, shape of `x`; None where it is `x` itself.
    """

    x: Tensor
    observed: Tensor | None = None
    lengths: Tensor | None = None
    labels: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    index: Tensor | None = None
    given: Tensor | None = None
    noise: Tensor | None = None
    told: Tensor | None = None

    def __len__(self) -> int:
        return self.x.shape[0]

    @property
    def shown(self) -> Tensor:
        """The data, 0 where they were not observed: a NaN there does not count, but would spoil gradients."""
        return self.x if self.observed is None else torch.where(self.observed, self.x, 0.0)

    def rows(self, chosen: slice) -> Batch:
        """Returns some of the examples, without their labels."""
        return replace(self, labels={}).each(lambda value: value[chosen])

    def each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """Returns the batch with all of its tensors changed, whose first axis is that of the examples."""

        def part(value: Tensor | None) -> Tensor | None:
            return None if value is None else change(value)

        return Batch(
            change(self.x),
            part(self.observed),
            part(self.lengths),
            {name: change(label) for name, label in self.labels.items()},
            part(self.index),
            part(self.given),
            part(self.noise),
            part(self.told),
        )

    def sequence(self, number: int) -> Tensor:
        """Returns the valid part of one example."""
        return self.x[number] if self.lengths is None else self.x[number, : int(self.lengths[number])]

    def to(self, device: torch.device | str) -> Batch:
        """Returns the batch on another device."""
        # Without waiting, but not to the CPU: it would read what has not come yet.
        waits = torch.device(device).type == "cpu"
        return self.each(lambda value: value.to(device, non_blocking=not waits))


def at_once(event_shape: Sequence[int], most: int) -> int:
    """Returns how many examples networks work on at a time: `most`, or fewer where they take too much memory.

    Args:
        event_shape: of one example.
        most: where they are small.

    Example:
        >>> at_once((1, 28, 28), 256), at_once((3, 512, 512), 256)
        (256, 10)
    """
    return max(1, min(most, NUMBERS_AT_ONCE // math.prod(event_shape)))


def join(parts: Sequence[Batch]) -> Batch:
    """Puts data below each other, and their lengths; shorter sequences are filled up with zeros.

    Args:
        parts: at least one batch.

    Example:
        >>> two = [Batch(torch.ones(1, size, 3), lengths=torch.tensor([size])) for size in (2, 4)]
        >>> join(two).x.shape, join(two).lengths
        (torch.Size([2, 4, 3]), tensor([2, 4]))
    """
    lengths = [part.lengths for part in parts if part.lengths is not None]
    if not lengths:
        return Batch(torch.cat([part.x for part in parts]))
    return Batch(torch.cat(filled([part.x for part in parts])), lengths=torch.cat(lengths))


def filled(parts: Sequence[Tensor], axis: int = 1) -> list[Tensor]:
    """Fills tensors up with zeros behind their ends to the longest of them along an axis."""
    longest = max(part.shape[axis] for part in parts)
    return [
        torch.cat([part, part.new_zeros(*part.shape[:axis], longest - part.shape[axis], *part.shape[axis + 1 :])], axis)
        for part in parts
    ]


@dataclass(frozen=True)
class Latents:
    """Values of all latents of some examples.

    Attributes:
        code: of each example as a whole, shape (K, N, D).
        frames: of each group of positions within it, shape (K, N, G, D'); None in models that have none.
        lengths: positions of the data that each example has, shape (N,); None where all have the same shape.
        labels: the class of each example, one-hot or as weights that sum to 1, shape (K, N, C); None in models that
            have none.
    """

    code: Tensor
    frames: Tensor | None = None
    lengths: Tensor | None = None
    labels: Tensor | None = None

    @property
    def n(self) -> int:
        """Number of examples."""
        return self.code.shape[1]

    def rows(self, chosen: slice) -> Latents:
        """Returns the latents of some of the examples."""
        return Latents(
            self.code[:, chosen],
            None if self.frames is None else self.frames[:, chosen],
            None if self.lengths is None else self.lengths[chosen],
            None if self.labels is None else self.labels[:, chosen],
        )

    def to(self, device: torch.device | str) -> Latents:
        """Returns the latents on another device."""
        return Latents(
            self.code.to(device),
            None if self.frames is None else self.frames.to(device),
            None if self.lengths is None else self.lengths.to(device),
            None if self.labels is None else self.labels.to(device),
        )


def join_latents(parts: Sequence[Latents]) -> Latents:
    """Puts latents of examples below each other; shorter sequences are filled up with zeros.

    Example:
        >>> join_latents([Latents(torch.zeros(1, 2, 4)), Latents(torch.zeros(1, 3, 4))]).n
        5
    """
    frames = [part.frames for part in parts if part.frames is not None]
    lengths = [part.lengths for part in parts if part.lengths is not None]
    labels = [part.labels for part in parts if part.labels is not None]
    return Latents(
        torch.cat([part.code for part in parts], 1),
        torch.cat(filled(frames, axis=2), 1) if frames else None,
        torch.cat(lengths) if lengths else None,
        torch.cat(labels, 1) if labels else None,
    )


@dataclass(frozen=True)
class LatentGroup:
    """One group of latents: what was inferred, what was expected, what was drawn.

    Attributes:
        name: "z" in a model with one group; "utterance", "frames", "label" ... in others.
        posterior: batch shape (N,), event shape (D,); of a group with positions (N, G). Where it depends on the draws
            of another group, with their axis in front: (K, N) or (K, N, G).
        prior: broadcastable to the posterior.
        sample: K draws from the posterior, shape (K, N, D) or (K, N, G, D).
        mask: True where a position exists, shape (N, G); None where all do.
        given: True where the value came with the data, shape (N,): the posterior is then all on it. None in groups
            that are always inferred.
        guess: what the posterior would be had no value been given; None in groups that are always inferred.
    """

    name: str
    posterior: Distribution
    prior: Distribution
    sample: Tensor
    mask: Tensor | None = None
    given: Tensor | None = None
    guess: Distribution | None = None

    def sum_positions(self, nats: Tensor) -> Tensor:
        """Sums nats per position (..., N, G) over the positions that exist, to (..., N); without positions a no-op."""
        if self.sample.dim() == 3:
            return nats
        return nats.sum(-1) if self.mask is None else nats.masked_fill(~self.mask, 0.0).sum(-1)


@dataclass(frozen=True)
class Inference:
    """What a model infers from a batch.

    Attributes:
        latents: its groups of latents.
        likelihood: of the data given the latents, batch shape (K, N).
        marginal: of the data for one who knows what is given, and no latents; batch shape (1, N). None in models that
            have none.
    """

    latents: tuple[LatentGroup, ...]
    likelihood: Likelihood
    marginal: Likelihood | None = None


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
