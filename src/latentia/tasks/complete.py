"""Pictures in a model's own form, of which a part is given: what the rest may be."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.distributions import Distribution

from latentia.core import Batch, Latents, Likelihood, at_once
from latentia.data import NOUNS, ImagePreprocessing
from latentia.errors import OptionError
from latentia.models import LatentModel
from latentia.noise import Stream, seeded
from latentia.runs import TrainedModel
from latentia.tasks.observation import Observation, View, observation_of
from latentia.tasks.refine import refine

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
        steps: of gradient to refine what the model believes of each picture; None leaves it to the model. One that was
            trained with masks takes none, whatever is said.

    Raises:
        OptionError: a model of other data, no samples, or a batch that does not say what is given.

    Example:
        >>> import latentia, numpy as np
        >>> vae = latentia.ImageVAE(latent_dim=2, epochs=1).fit(np.random.default_rng(0).random((40, 8, 8)))
        >>> batch = Batch(torch.rand(3, 1, 8, 8), given=torch.rand(3, 1, 8, 8) < 0.5)
        >>> complete(vae.trained_, batch, n_samples=2).samples.shape
        torch.Size([2, 3, 1, 8, 8])
    """
    if n_samples < 1:
        raise OptionError(f"There must be at least 1 sample, not {n_samples}.")
    with _drawing(seed):
        belief = _believe(trained, batch, steps)
        marginal = belief.model.marginal(belief.batch)
        if marginal is None:
            return _averaged(belief, n_samples, max(draws, n_samples))
        samples = torch.cat([part.mean.float() for part in _decoded(belief, n_samples)])
        mean = marginal.mean
        return Completions(samples.cpu(), mean[0].float().cpu(), _deviation(marginal, mean)[0].float().cpu())


def expect(
    trained: TrainedModel, batch: Batch, *, draws: int = DRAWS, seed: int = 0, steps: int | None = None
) -> Tensor:
    """Returns what is expected of each pixel, the mean of `complete` with one sample, shape (N, C, H, W); in less time.

    Args:
        trained: a model of pictures.
        batch: as in `complete`.
        draws: of which the mean is taken, where a model does not know it itself.
        seed: of the draws.
        steps: as in `complete`.

    Raises:
        OptionError: a model of other data, or a batch that does not say what is given.
    """
    with _drawing(seed):
        belief = _believe(trained, batch, steps)
        marginal = belief.model.marginal(belief.batch)
        return _averaged(belief, 1, draws).mean if marginal is None else marginal.mean[0].float().cpu()


@contextlib.contextmanager
def _drawing(seed: int) -> Generator[None]:
    # Refining takes gradients, also where the caller has switched them off for good.
    with torch.inference_mode(False), torch.no_grad(), seeded(seed, Stream.COMPLETE):
        yield


@dataclass(frozen=True)
class _Belief:
    """What a model believes of the code of pictures, once it has seen what is given of them.

    Attributes:
        model: which.
        batch: the pictures, looked at.
        code: batch shape (N,).
        seen: what is known, where the model did not learn to take that into account.
    """

    model: LatentModel
    batch: Batch
    code: Distribution
    seen: Observation | None


def _believe(trained: TrainedModel, batch: Batch, steps: int | None) -> _Belief:
    if batch.given is None:
        raise OptionError("The batch does not say what is given of the pictures: set Batch.given.")
    chosen = default_steps(trained) if steps is None else steps
    model = trained.model
    binary = require_pictures(trained).most_probable(batch.x)
    # Noise makes pixels of any level of black and white, and models are shown it so.
    shown = replace(batch, x=binary if batch.noise is None else torch.where(batch.noise > 0, batch.x, binary))
    batch = shown.each(torch.clone).to(trained.device)
    seen = None if model.sees_parts else observation_of(batch)
    batch = model.look(batch)
    code = model.posterior_given(batch)
    if chosen and seen is not None:
        code = refine(model, batch, code, seen.nats, chosen)
    return _Belief(model, batch, code, seen)


def default_steps(trained: TrainedModel) -> int:
    """Returns how many steps of gradient a model needs to see parts of pictures.

    Raises:
        OptionError: it is a model of other data.
    """
    require_pictures(trained)
    return 0 if trained.model.sees_parts else REFINING_STEPS


def require_pictures(trained: TrainedModel) -> ImagePreprocessing:
    """Returns how a model has its pictures.

    Raises:
        OptionError: it is a model of other data.
    """
    form = trained.preprocessing
    if not isinstance(form, ImagePreprocessing):
        raise OptionError(f"This takes a model of pictures, and {trained.name} is one of {NOUNS[form.kind]}.")
    return form


def _decoded(belief: _Belief, draws: int) -> Iterator[View]:
    """Yields p(x|z, what is given) for draws of z, some at a time; the first do not depend on their number."""
    z = torch.cat([belief.code.sample((DRAWS,)) for _ in range(-(-draws // DRAWS))])[:draws]
    size = max(1, at_once(belief.batch.x.shape[1:], DECODED_AT_ONCE) // len(belief.batch))
    for start in range(0, draws, size):
        likelihood = belief.model.complete(Latents(z[start : start + size]), belief.batch)
        yield likelihood if belief.seen is None else belief.seen.view(likelihood)


def _averaged(belief: _Belief, n_samples: int, draws: int) -> Completions:
    """Takes mean and deviation of draws, of which the first are shown."""
    shown: list[Tensor] = []
    first = belief.batch.x
    total, square = torch.zeros_like(first), torch.zeros_like(first)
    for number, view in enumerate(_decoded(belief, draws)):
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


def _deviation(marginal: Likelihood, mean: Tensor) -> Tensor:
    """Returns the standard deviation of each pixel around its mean, of the mean's shape."""
    square = torch.zeros_like(mean)
    for _ in range(VALUES):
        square += (marginal.sample() - mean).square()
    return (square / VALUES).sqrt()
