"""What each latent does: one is varied, the others stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentia.data import Dataset
from latentia.errors import OptionError
from latentia.metrics import aggregate_moments, information_per_latent
from latentia.runs import TrainedModel
from latentia.tasks.encode import Encoding, encode
from latentia.tasks.generate import generate
from latentia.tasks.walk import decode_means, present

SPAN = 2.5
OWN_SAMPLES = 512


@dataclass(frozen=True)
class Traversal:
    """Frames of some latents, each varied while the others stay.

    Attributes:
        latents: which, most informative first, shape (L,).
        scores: how much each tells about an example, shape (L,).
        values: what they are set to, shape (L, steps).
        frames: the likelihood's means, shape (L, steps, ...).
        unit: of the scores.
    """

    latents: NDArray[np.int64]
    scores: NDArray[np.float64]
    values: NDArray[np.float64]
    frames: Tensor
    unit: Literal["nats"] = "nats"


def traverse(
    trained: TrainedModel,
    encoding: Encoding | None = None,
    *,
    start: Tensor | None = None,
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
        start: latents (D,) at which the others stay; those of the example nearest to the middle if None.
        n_latents: how many, at most.
        steps: frames for each.
        seed: of the model's own samples.

    Raises:
        OptionError: fewer than two steps, no latents, or a start of another size.
    """
    latent_dim = trained.config.model.latent_dim
    if steps < 2 or n_latents < 1:
        raise OptionError(f"A traversal needs at least 2 steps and 1 latent, not {steps} and {n_latents}.")
    if start is not None and tuple(start.shape) != (latent_dim,):
        raise OptionError(f"The start must hold {latent_dim} latents, not {tuple(start.shape)}.")
    known = encoding if encoding is not None and len(encoding) > 1 else encode_own_samples(trained, seed)
    scores = information_per_latent(known.mean, known.std)
    chosen = np.argsort(-scores, kind="stable")[:n_latents]
    middle, covariance = aggregate_moments(known.mean, known.std)
    spread = np.sqrt(np.diag(covariance))
    values = middle[chosen, None] + spread[chosen, None] * np.linspace(-SPAN, SPAN, steps)
    typical = (((known.mean - middle) / spread) ** 2).sum(axis=1).argmin()
    stay = torch.from_numpy(known.mean[typical]) if start is None else start.float()
    z = stay.expand(len(chosen), steps, latent_dim).clone()
    for row, latent in enumerate(chosen.tolist()):
        z[row, :, latent] = torch.from_numpy(values[row]).float()
    frames = decode_means(trained, z.flatten(0, 1))
    frames = frames.reshape(len(chosen), steps, *frames.shape[1:])
    return Traversal(chosen, scores[chosen], values, frames)


def encode_own_samples(trained: TrainedModel, seed: int = 0) -> Encoding:
    """Encodes what the model generates, where there are no data at hand."""
    samples = generate(trained, OWN_SAMPLES, seed)
    if trained.preprocessing.kind == "image":
        return encode(trained, Dataset(present(trained, samples)))
    return encode(trained, Dataset(samples.numpy()))
