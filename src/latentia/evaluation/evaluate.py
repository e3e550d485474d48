"""How well a model describes data it has not seen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentia.core import Batch, at_once
from latentia.data import Dataset, Indices, prepare
from latentia.errors import DataError, OptionError
from latentia.evaluation.recognise import recognised
from latentia.metrics import Recognition, active_units
from latentia.models import LatentModel
from latentia.noise import Stream, seeded
from latentia.objectives import Elbo, log_weights
from latentia.runs import TrainedModel
from latentia.tasks.walk import row_batches

# Fixed, so that every model and every seed is measured on the same binarised pictures.
BINARISATION_SEED = 0
BATCH = 128
DECODED_AT_ONCE = 1024  # examples
_PER_SECOND = ("elbo_nats", "distortion_nats", "rate_nats")


@dataclass(frozen=True)
class Metrics:
    """The figures of a model on some data: means per example, in nats.

    For vectors they are densities of the original data, before standardisation.

    Attributes:
        n_examples: measured on.
        elbo_nats: evidence lower bound, -(distortion + rate).
        distortion_nats: expected negative log likelihood, one draw from the posterior for each example.
        rate_nats: KL divergence from posterior to prior.
        active_units: latents whose posterior mean varies with the data; None of a single example, where nothing varies.
        latent_dim: latents in all.
        bits_per_dim: the bound as code length for each pixel and channel seen, of a probability mass on the 256-level
            grid; None for binarised pictures and for vectors.
        nll_nats: negative log likelihood by importance sampling; None where not asked for.
        is_samples: importance samples for each example.
        seconds: mean length of a recording; None for other data.
        heads: how well the model recognises classes, by head of labels; empty where it learned none, or none is known.
    """

    n_examples: int
    elbo_nats: float
    distortion_nats: float
    rate_nats: float
    active_units: int | None
    latent_dim: int
    bits_per_dim: float | None = None
    nll_nats: float | None = None
    is_samples: int | None = None
    seconds: float | None = None
    heads: Mapping[str, Recognition] = field(default_factory=dict[str, Recognition])

    @property
    def bits_per_second(self) -> float | None:
        """The rate of recordings: how many bits the latents say about a second."""
        return self.rate_nats / math.log(2) / self.seconds if self.seconds else None

    def as_dict(self) -> dict[str, Any]:
        """Returns the content of `metrics.json`; what was not asked for or does not apply is not in it."""
        content = asdict(self)
        if self.nll_nats is None:
            del content["nll_nats"], content["is_samples"]
        if not self.heads:
            del content["heads"]
        if self.seconds is None:
            del content["seconds"]
            return content
        per_second = {f"{name}_per_second": content[name] / self.seconds for name in _PER_SECOND}
        return {**content, **per_second, "rate_bits_per_second": self.bits_per_second}


@torch.inference_mode()
def evaluate(
    trained: TrainedModel,
    dataset: Dataset,
    *,
    rows: Indices | None = None,
    seed: int = 0,
    is_samples: int | None = None,
) -> Metrics:
    """Measures a model on data.

    Pictures that are binarised at random are drawn once, from a fixed seed, whatever `seed` is. Labels are left out:
    all figures are of the examples alone. Those that are known are what recognition of classes is compared with.

    Args:
        trained: the model.
        dataset: the data, best such that the model has not seen.
        rows: which of them; all if None.
        seed: of the draws from the posterior.
        is_samples: importance samples for each example, for `nll_nats`; None leaves it out.

    Raises:
        DataError: no examples.
        OptionError: a negative seed, or no importance samples.
    """
    if seed < 0:
        raise OptionError(f"The seed must be at least 0, not {seed}.")
    if is_samples is not None and is_samples < 1:
        raise OptionError(f"is_samples must be at least 1, or None for no importance sampling; not {is_samples}.")
    n = len(dataset) if rows is None else len(rows)
    if n == 0:
        raise DataError("There are no examples to evaluate on.")
    sums = np.zeros(3)
    seen = frames = 0
    means: list[NDArray[np.float32]] = []
    size = at_once(dataset.x.shape[1:], BATCH)
    for step, part in enumerate(row_batches(len(dataset), rows, size)):
        with seeded(BINARISATION_SEED, Stream.BINARISE, step):
            alone = replace(dataset.batch(part), labels={})
            batch = prepare(alone, trained.preprocessing).to(trained.device)
        with seeded(seed, Stream.EVALUATE, step):
            inference = trained.model.infer(batch)
        terms = Elbo()(inference, batch)
        _require_finite(terms.distortion + terms.rate, dataset, part)
        means.append(trained.model.posterior_of(batch).mean.float().cpu().numpy())
        sums[:2] += terms.distortion.double().sum().item(), terms.rate.double().sum().item()
        seen += _dimensions(batch)
        frames += 0 if batch.lengths is None else int(batch.lengths.sum())
        if is_samples is not None:
            with seeded(seed, Stream.IMPORTANCE, step):
                sums[2] -= log_likelihood(trained.model, batch, is_samples).double().sum().item()
    # A density of standardised vectors is that of the original ones times the volume of the scaling.
    form = trained.preprocessing
    volume = form.log_volume
    distortion, rate, nll = (sums / n + (volume, 0.0, volume)).tolist()
    return Metrics(
        n_examples=n,
        elbo_nats=-(distortion + rate),
        distortion_nats=distortion,
        rate_nats=rate,
        active_units=int(active_units(np.concatenate(means)).sum()) if n > 1 else None,
        latent_dim=trained.model.latent_dim,
        bits_per_dim=float(sums[:2].sum()) / seen / math.log(2) if trained.model.likelihood.grid and seen else None,
        nll_nats=None if is_samples is None else nll,
        is_samples=is_samples,
        seconds=frames / n / form.front_end.frames_per_second if form.kind == "speech" else None,
        heads=recognised(trained, dataset, rows),
    )


def _require_finite(nats: Tensor, dataset: Dataset, rows: Indices) -> None:
    """Checks the bound of some examples.

    Raises:
        DataError: of one it is not a finite number; it is named.
    """
    wrong = (~nats.isfinite()).nonzero()
    if len(wrong):
        row = int(rows[int(wrong[0])])
        name = f" ({dataset.name(row)})" if dataset.name(row) else ""
        raise DataError(
            f"The bound of example {row}{name} is no finite number: its values are far outside of what the model was "
            "trained on."
        )


def log_likelihood(model: LatentModel, batch: Batch, n_samples: int) -> Tensor:
    """Estimates log p(x) by importance sampling with torch's current noise, nats, shape (N,).

    The samples are taken in pieces and added up as they come, so that memory grows neither with their number nor with
    the size of an example.

    Args:
        model: in evaluation mode.
        batch: prepared examples.
        n_samples: draws for each example.
    """
    piece = max(1, at_once(batch.x.shape[1:], DECODED_AT_ONCE) // len(batch))
    total = torch.full((len(batch),), -math.inf, dtype=torch.float64, device=batch.x.device)
    for start in range(0, n_samples, piece):
        weights = log_weights(model.infer(batch, min(piece, n_samples - start)), batch).double()
        total = torch.logaddexp(total, weights.logsumexp(0))
    return total - math.log(n_samples)


def _dimensions(batch: Batch) -> int:
    """Counts the pixels and channels, or features, that were seen."""
    if batch.observed is None:
        return batch.x.numel()
    return int(batch.observed.expand_as(batch.x).sum())
