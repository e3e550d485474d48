"""The second stage: a finished model keeps its encoder and decoder, and gets a prior that fits what they agreed on.

Whatever prior a model was trained with, what its encoder says of data is distributed in another way, and samples from
the prior land where the decoder has never been. A prior that is fitted afterwards mends that (Dai and Wipf, 2019,
arXiv:1903.05789).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor

from latentia.config import Config
from latentia.core import Batch, at_once
from latentia.data import Dataset, Indices, prepare, require_trainable, spread
from latentia.errors import OptionError, TrainingError
from latentia.hardware import tuned_cpu
from latentia.models import PRIOR_ROLES, LatentModel, prior_roles, with_new_priors
from latentia.noise import Stream, kept_noise, seed_noise
from latentia.runs import TrainedModel
from latentia.training.look import affordable
from latentia.training.prior import Posteriors, Progress, fit_prior, mean_prior_nats, read_posteriors

# It leaves the space between clusters as empty as the data do, where a flow draws bridges. Samples of MNIST have these
# Frechet distances to 3000 training digits that were held out (decoded draws from posteriors: 9): those of 50, 100 and
# 200 components with full covariances 17, 14 and 11, of 400 in the same time 12; of 1024 with diagonal covariances 27.
# So many learn the latents of few examples by heart: held-out ones of 288 faces cost 112.8 nats under 200 components,
# about 94 under 10 to 20 (under 1024 with diagonal covariances 106.5).
MOST_COMPONENTS = 200
MOST_WEIGHTS = 2**20  # of covariances: three times those of 200 components of 40 latents, which take two minutes
NOTHING_TO_FIT = "standard-normal"
MOST_SEQUENCES = 4096
MOST_EXAMPLES = {"image": 2**17, "vector": 2**17, "speech": MOST_SEQUENCES}
EXAMPLES_SHOWN = 4096
BATCH = 256
VISITS = 3  # of pictures that are binarised anew at each


@dataclass(frozen=True)
class SecondStage:
    """A fitted prior.

    Attributes:
        trained: the model with it.
        costs: what the prior cost on held-out examples before the first step and along the way, nats for each example.
        before: the rate of the same examples under the prior that it replaced; None where nothing was held out.
        after: that under the new one.
    """

    trained: TrainedModel
    costs: tuple[float, ...]
    before: float | None
    after: float | None


def default_prior(n: int, latent_dim: int) -> dict[str, Any]:
    """Returns the settings of the prior that is fitted where none is named: as many components as examples can tell.

    Args:
        n: examples that it is fitted to.
        latent_dim: size of the latents; where they are so many that covariances would be dear, there are fewer
            components, or ones of independent dimensions.

    Example:
        >>> default_prior(400, latent_dim=16)
        {'name': 'mixture', 'components': 20, 'covariance': 'full'}
    """
    components = max(1, min(MOST_COMPONENTS, math.isqrt(n)))
    full = MOST_WEIGHTS // latent_dim**2  # components with full covariances
    if full == 0:
        return {"name": "mixture", "components": components, "covariance": "diagonal"}
    return {"name": "mixture", "components": min(components, full), "covariance": "full"}


def second_stage_config(config: Config, n_train: int, settings: Mapping[str, Any]) -> Config:
    """Returns the configuration of a model whose prior is to be fitted anew.

    Args:
        config: of the finished model.
        n_train: examples that it was trained on.
        settings: nested: of `model.prior` (laid over `default_prior` where they do not name one), `model.frame_prior`
            and `prior_stage`.

    Raises:
        OptionError: settings of something that stays as it is, or wrong ones.

    Example:
        >>> second_stage_config(Config(), 1000, {}).model.prior.name
        'mixture'
    """
    parts: Any = settings.get("model", {})
    names = list(cast(Mapping[str, Any], parts)) if isinstance(parts, Mapping) else []
    fixed = [key for key in settings if key not in ("model", "prior_stage")]
    learned = prior_roles(config.model.kind)
    fixed += [f"model.{key}" for key in names if key not in learned]
    if fixed:
        raise OptionError(
            f"'{fixed[0]}' cannot be set in the second stage: encoder, decoder and all else stay as they were trained; "
            f"only {', '.join(f'model.{role}' for role in learned)} and prior_stage can."
        )
    first = config.first_stage  # nothing of an earlier second stage is left
    read = min(n_train, MOST_SEQUENCES if config.model.kind == "sequence" else n_train)
    # One that is named starts from its own defaults, also where encoder and decoder were trained with one of that name.
    start = NOTHING_TO_FIT if _names_prior(parts) else default_prior(read, config.model.latent_dim)
    chosen = first.with_settings({"model": {"prior": start}}).with_settings(settings)
    return chosen.with_settings({"prior_stage": {"first": first.model.model_dump(mode="json")}})


def fit_second_stage(
    trained: TrainedModel,
    dataset: Dataset,
    config: Config,
    *,
    parts: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> SecondStage:
    """Fits a new prior to what a finished model says of its training data; the model given stays as it is.

    The data are split as they were in its training, and the part that was held out decides when to stop.

    Args:
        trained: the finished model.
        dataset: its training data.
        config: from `second_stage_config`.
        parts: objects that take the place of parts of the configuration, by their role.
        progress: is called with the number of steps done and in all.

    Raises:
        DataError: too few examples.
        OptionError: an unknown prior or setting, or a prior that has nothing to fit.
        TrainingError: the cost of the prior is no longer a number, or what the model says of the data.
    """
    require_trainable(dataset)
    rows, kept = trained.split(dataset)
    form, seed = trained.preprocessing, config.prior_stage.seed
    with tuned_cpu(), kept_noise():
        seed_noise(seed, Stream.INITIALISE)
        model = with_new_priors(trained.model, config.model, form.event_shape, parts).eval().requires_grad_(False)
        _require_weights(model, config)
        posteriors = _posteriors(trained, dataset, spread(rows, MOST_EXAMPLES[form.kind]), seed)
        held_out = _posteriors(trained, dataset, kept, seed) if len(kept) else None
        seed_noise(seed, Stream.INITIALISE, 1)
        count = min(EXAMPLES_SHOWN, affordable(dataset.x.shape[1:]))
        shown = prepare(dataset.batch(spread(rows, count)), form).to(trained.device)
        model.prior.start_at(model.examples(shown))
        model.prior.start_near(_drawn(posteriors))
        costs = fit_prior(model, posteriors, config.prior_stage, held_out=held_out, progress=progress)
        costs_of = [
            None if held_out is None else mean_prior_nats(each, held_out, seed, lengths=False)
            for each in (trained.model, model)
        ]
    return SecondStage(replace(trained, model=model, config=config), costs, *costs_of)


def _names_prior(parts: Any) -> bool:
    prior = cast(Mapping[str, Any], parts).get("prior") if isinstance(parts, Mapping) else None
    return prior is not None and not (isinstance(prior, Mapping) and "name" not in prior)


def _posteriors(trained: TrainedModel, dataset: Dataset, rows: Indices, seed: int) -> Posteriors:
    """Encodes examples; those that look different at each visit several times."""
    form = trained.preprocessing
    visits = VISITS if form.kind == "image" and form.binarize == "dynamic" else 1
    size = at_once(dataset.x.shape[1:], BATCH)

    def batches() -> Iterator[Batch]:
        for visit in range(visits):
            seed_noise(seed, Stream.BINARISE, visit)
            for start in range(0, len(rows), size):
                yield prepare(dataset.batch(rows[start : start + size]), form).to(trained.device)

    return read_posteriors(trained.model, batches())


def _drawn(posteriors: Posteriors) -> Tensor:
    """Draws latents of all examples, shape (N, D)."""
    mean, scale = posteriors.code
    latents = mean + scale * torch.randn_like(scale)
    if not bool(latents.isfinite().all()):
        raise TrainingError(
            "What the model says of its training data is no longer a number, so that no prior can be fitted to it; "
            "train it anew with a smaller training.learning_rate."
        )
    return latents


def _require_weights(model: LatentModel, config: Config) -> None:
    """Refuses priors without anything to fit."""
    roles = [role for role in PRIOR_ROLES if hasattr(model, role)]
    if not any(True for role in roles for _ in getattr(model, role).parameters()):
        raise OptionError(
            f"The prior '{config.model.prior.name}' has nothing to fit; take one that learns, such as "
            "model.prior=mixture."
        )
