"""Pictures in a model's own form, of which a part is given: what the rest may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor
from torch.distributions import Distribution

from latentia.core import Batch, Latents, Likelihood
from latentia.data import ImagePreprocessing
from latentia.errors import OptionError
from latentia.models import LatentModel, MaskedVAE
from latentia.noise import Stream
from latentia.runs import TrainedModel
from latentia.tasks.observation import Observation, View, observation_of
from latentia.tasks.refine import refine
from latentia.tasks.walk import seeded

DRAWS = 32  # of which mean and deviation are taken, so that both hardly depend on the seed
VALUES = 128  # of each pixel, of which its deviation is taken where the mean is known
DECODED_AT_ONCE = 64
REFINING_STEPS = 60  # of models that did not learn to see parts of pictures


@dataclass(frozen=True)
class Completions:
    """What pictures may be, of which a part is given; in the model's form, on the CPU.

    Attributes:
        samples: different completions of each, the likelihood's means for draws of the latents, shape (n_samples, N, C,
            H, W).
        mean: what is expected of each pixel, shape (N, C, H, W).
        std: standard deviation of each pixel around it, shape (N, C, H, W); 0 where it is certain.
    """

    samples: Tensor
    mean: Tensor
    std: Tensor


def complete(
    trained: TrainedModel,
    batch: Batch,
    *,
    n_samples: int = 8,
    draws: int = DRAWS,
    seed: int = 0,
    steps: int | None = None,
) -> Completions:
    """Completes pictures, and takes the noise off what is given with noise.

    A model that was trained for it says itself what is to be expected of each pixel; of others many completions are
    averaged.

    Args:
        trained: a model of pictures.
        batch: pictures (N, C, H, W) in [0, 1], what is given of them, and the level of noise on that.
        n_samples: different completions of each.
        draws: of which mean and deviation are taken; those that are returned are among them.
        seed: of the draws; a sample depends on it and its number, not on `n_samples`.
        steps: of gradient to refine what the model believes of each picture; None leaves it to the model: none where it
            was trained with masks.

    Raises:
        OptionError: a model of other data, or no samples.

    Example:
        >>> import latentia, numpy as np
        >>> vae = latentia.ImageVAE(latent_dim=2, epochs=1).fit(np.random.default_rng(0).random((40, 8, 8)))
        >>> batch = Batch(torch.rand(3, 1, 8, 8), given=torch.rand(3, 1, 8, 8) < 0.5)
        >>> complete(vae.trained_, batch, n_samples=2).samples.shape
        torch.Size([2, 3, 1, 8, 8])
    """
    if n_samples < 1:
        raise OptionError(f"There must be at least 1 sample, not {n_samples}.")
    batch = _as_seen(trained, batch).to(trained.device)
    chosen = default_steps(trained) if steps is None else steps
    seen = None if isinstance(trained.model, MaskedVAE) else observation_of(batch)
    with torch.no_grad(), seeded(seed, Stream.COMPLETE):
        batch = trained.model.look(batch)
        believed = trained.model.expect(batch)
        if chosen and seen is not None:
            believed = refine(trained.model, batch, believed, seen.nats, chosen)
        marginal = trained.model.marginal(batch)
        if marginal is None:
            return _averaged(trained.model, believed, batch, seen, n_samples, max(draws, n_samples))
        parts = _decoded(trained.model, believed, batch, seen, n_samples)
        samples = torch.cat([part.mean.float() for part in parts])
        return Completions(samples.cpu(), marginal.mean[0].float().cpu(), _deviation(marginal).cpu())


def default_steps(trained: TrainedModel) -> int:
    """Returns how many steps of gradient a model needs to see parts of pictures.

    Raises:
        OptionError: it is a model of other data.
    """
    require_pictures(trained)
    return 0 if isinstance(trained.model, MaskedVAE) else REFINING_STEPS


def require_pictures(trained: TrainedModel) -> ImagePreprocessing:
    """Returns how a model has its pictures.

    Raises:
        OptionError: it is a model of other data.
    """
    form = trained.preprocessing
    if not isinstance(form, ImagePreprocessing):
        raise OptionError(f"This takes a model of pictures, and {trained.name} is one of {form.kind}s.")
    return form


def _as_seen(trained: TrainedModel, batch: Batch) -> Batch:
    """Makes pictures black and white where the model knows no grey."""
    if require_pictures(trained).binarize == "none":
        return batch
    return replace(batch, x=(batch.x >= 0.5).to(batch.x.dtype))


def _decoded(
    model: LatentModel, believed: Distribution, batch: Batch, seen: Observation | None, draws: int
) -> Iterator[View]:
    """Yields p(x|z, what is given) for draws of z, some at a time; the first do not depend on their number."""
    z = torch.cat([believed.sample((DRAWS,)) for _ in range(-(-draws // DRAWS))])[:draws]
    at_once = max(1, DECODED_AT_ONCE // len(batch))
    for start in range(0, draws, at_once):
        likelihood = model.complete(Latents(z[start : start + at_once]), batch)
        yield likelihood if seen is None else seen.view(likelihood)


def _averaged(
    model: LatentModel, believed: Distribution, batch: Batch, seen: Observation | None, n_samples: int, draws: int
) -> Completions:
    """Takes mean and deviation of draws, of which the first are shown."""
    shown: list[Tensor] = []
    first, total, square = batch.x, torch.zeros_like(batch.x), torch.zeros_like(batch.x)
    for number, view in enumerate(_decoded(model, believed, batch, seen, draws)):
        means, values = view.mean.float(), view.sample().float()
        first = first if number else means[0]
        away = means - first  # nothing is lost to rounding where all completions agree
        total = total + away.sum(0)
        square = square + (values - means).square().sum(0) + away.square().sum(0)
        if sum(map(len, shown)) < n_samples:
            shown.append(means)
    mean = total / draws
    std = (square / draws - mean.square()).clamp_min(0).sqrt()
    return Completions(torch.cat(shown)[:n_samples].cpu(), (first + mean).cpu(), std.cpu())


def _deviation(marginal: Likelihood) -> Tensor:
    """Returns the standard deviation of each pixel around its mean, shape (N, C, H, W)."""
    square = sum((marginal.sample() - marginal.mean).square() for _ in range(VALUES)) / VALUES
    return cast(Tensor, square)[0].sqrt()
