"""What each latent does: one is varied, the others stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from latentia.core import Batch, Latents
from latentia.data import Indices
from latentia.errors import OptionError
from latentia.metrics import aggregate_moments, information_per_latent
from latentia.runs import TrainedModel
from latentia.tasks.encode import Encoding, encode_batches
from latentia.tasks.generate import prior_latents
from latentia.tasks.walk import as_data, decode_means, decoded_at_once

SPAN = 2.5
OWN_SAMPLES = 512


@dataclass(frozen=True)
class Traversal:
    """Frames of some latents, each varied while the others stay.

    Attributes:
        latents: which, most informative first, shape (L,).
        scores: how much each tells about an example, shape (L,).
        values: what they are set to, shape (L, steps).
        frames: the likelihood's means, L * steps of them, latent by latent.
        unit: of the scores.
    """

    latents: NDArray[np.int64]
    scores: NDArray[np.float64]
    values: NDArray[np.float64]
    frames: Batch
    unit: Literal["nats"] = "nats"

    def row(self, number: int) -> Batch:
        """Returns the frames of one latent."""
        steps = self.values.shape[1]
        return self.frames.rows(slice(number * steps, (number + 1) * steps))


def traverse(
    trained: TrainedModel,
    encoding: Encoding | None = None,
    *,
    start: Latents | None = None,
    n_latents: int = 8,
    steps: int = 9,
    seed: int = 0,
) -> Traversal:
    """Varies the most informative latents, each over 2.5 standard deviations to both sides of the middle.

    The others stay where a typical example has them. The middle itself may be far from all of the data, where the
    latents of data form groups, as under a mixture.

    Args:
        trained: the model.
        encoding: of data, for the ranking and the range; the model's own samples are encoded if None.
        start: latents of one example, at which the others stay; those of the one nearest to the middle if None.
        n_latents: how many, at most.
        steps: frames for each.
        seed: of the model's own samples.

    Raises:
        OptionError: fewer than two steps, no latents, or a start of another size.
    """
    latent_dim = trained.model.latent_dim
    if steps < 2 or n_latents < 1:
        raise OptionError(f"A traversal needs at least 2 steps and 1 latent, not {steps} and {n_latents}.")
    if start is not None and tuple(start.code.shape) != (1, 1, latent_dim):
        raise OptionError(f"The start must hold {latent_dim} latents of one example, not {tuple(start.code.shape)}.")
    known = encoding if encoding is not None and len(encoding) > 1 else encode_own_samples(trained, seed)
    scores = information_per_latent(known.mean, known.std)
    chosen = np.argsort(-scores, kind="stable")[:n_latents]
    middle, covariance = aggregate_moments(known.mean, known.std)
    spread = np.sqrt(np.diag(covariance))
    values = middle[chosen, None] + spread[chosen, None] * np.linspace(-SPAN, SPAN, steps)
    if start is None:
        start = known.latents(int(most_typical(known)[0]))
    count = len(chosen) * steps
    code = start.code.float().expand(1, count, latent_dim).clone()
    for row, latent in enumerate(chosen.tolist()):
        code[0, row * steps : (row + 1) * steps, latent] = torch.from_numpy(values[row]).float()
    frames = None if start.frames is None else start.frames.expand(1, count, *start.frames.shape[2:])
    lengths = None if start.lengths is None else start.lengths.expand(count)
    labels = None if start.labels is None else start.labels.expand(1, count, -1)
    return Traversal(chosen, scores[chosen], values, decode_means(trained, Latents(code, frames, lengths, labels)))


def most_typical(encoding: Encoding) -> Indices:
    """Returns the positions of examples, those nearest to the middle of all first, in standard deviations."""
    middle, covariance = aggregate_moments(encoding.mean, encoding.std)
    distances = (((encoding.mean - middle) / np.sqrt(np.diag(covariance))) ** 2).sum(axis=1)
    return np.argsort(distances, kind="stable")


def encode_own_samples(trained: TrainedModel, seed: int = 0) -> Encoding:
    """Encodes what the model generates, where there are no data at hand."""
    drawn = prior_latents(trained, OWN_SAMPLES, seed)
    size = decoded_at_once(trained, drawn)
    pieces = (drawn.rows(slice(start, start + size)) for start in range(0, OWN_SAMPLES, size))
    return encode_batches(trained, (as_data(trained, decode_means(trained, piece)) for piece in pieces))
