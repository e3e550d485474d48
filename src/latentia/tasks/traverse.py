"""What each latent does: one is varied, the others stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from latentia.data import Dataset
from latentia.errors import OptionError
from latentia.metrics import aggregate_moments, rate_per_latent
from latentia.runs import TrainedModel
from latentia.tasks.encode import Encoding, encode
from latentia.tasks.generate import generate
from latentia.tasks.walk import decode_means, present

SPAN = 2.5
OWN_SAMPLES = 512


@dataclass(frozen=True)
class Ranking:
    """How much each latent tells about the data.

    Attributes:
        score: for each latent, shape (D,).
        unit: "nats" where the rate of single latents is known, else "variance" of the posterior means.
    """

    score: NDArray[np.float64]
    unit: Literal["nats", "variance"]

    @property
    def order(self) -> NDArray[np.int64]:
        """The latents, most informative first; equals in their own order."""
        return np.argsort(-self.score, kind="stable")


@dataclass(frozen=True)
class Traversal:
    """Frames of some latents, each varied while the others stay.

    Attributes:
        latents: which, most informative first, shape (L,).
        scores: their scores, shape (L,).
        unit: of the scores; see `Ranking`.
        values: what they are set to, shape (L, steps).
        frames: the likelihood's means, shape (L, steps, ...).
    """

    latents: NDArray[np.int64]
    scores: NDArray[np.float64]
    unit: Literal["nats", "variance"]
    values: NDArray[np.float64]
    frames: Tensor


def rank_latents(trained: TrainedModel, encoding: Encoding) -> Ranking:
    """Ranks latents by their rate; under priors that are not normal, by the variance of their posterior means."""
    prior = trained.model.prior()
    normal = independent_normal(prior)
    if normal is None:
        return Ranking(encoding.mean.astype(np.float64).var(axis=0), "variance")
    mean, std = (value.detach().cpu().double().numpy() for value in (normal.mean, normal.stddev))
    return Ranking(rate_per_latent(encoding.mean, encoding.std, mean, std), "nats")


def independent_normal(distribution: Distribution) -> Normal | None:
    """Returns the normal distribution of independent dimensions that this one is, or None."""
    base = cast(Distribution, distribution.base_dist) if isinstance(distribution, Independent) else None
    return base if isinstance(base, Normal) else None


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

    Args:
        trained: the model.
        encoding: of data, for the ranking and the range; the model's own samples are encoded if None.
        start: latents (D,) at which the others stay; the middle of the aggregate posterior if None.
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
    ranking = rank_latents(trained, known)
    chosen = ranking.order[:n_latents]
    middle, covariance = aggregate_moments(known.mean, known.std)
    spread = np.sqrt(np.diag(covariance))[chosen, None]
    values = middle[chosen, None] + spread * np.linspace(-SPAN, SPAN, steps)
    stay = torch.from_numpy(middle).float() if start is None else start.float()
    z = stay.expand(len(chosen), steps, latent_dim).clone()
    for row, latent in enumerate(chosen.tolist()):
        z[row, :, latent] = torch.from_numpy(values[row]).float()
    frames = decode_means(trained, z.flatten(0, 1))
    frames = frames.reshape(len(chosen), steps, *frames.shape[1:])
    return Traversal(chosen, ranking.score[chosen], ranking.unit, values, frames)


def encode_own_samples(trained: TrainedModel, seed: int = 0) -> Encoding:
    """Encodes what the model generates, where there are no data at hand."""
    samples = generate(trained, OWN_SAMPLES, seed)
    if trained.preprocessing.kind == "image":
        return encode(trained, Dataset(present(trained, samples)))
    return encode(trained, Dataset(samples.numpy()))
