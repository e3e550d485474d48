"""What the figures of a training mean in plain words, and what to do about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from latentia.config import Config, Part, TrainingConfig
from latentia.data import Kind
from latentia.evaluation.evaluate import Metrics
from latentia.metrics import aggregate_moments, gaussian_kl
from latentia.noise import Stream, seeded
from latentia.runs import DataRecord, TrainedModel
from latentia.tasks import Encoding

_TINY = {
    "image": (0.5 / 255, "of the grey range, less than half a grey level"),
    "vector": (0.02, "standard units"),
    "speech": (0.05, "nepers of power, a fifth of a decibel"),
}
Severity = Literal["good", "note", "warning", "problem"]
History = Sequence[Mapping[str, float]]
_ORDER: tuple[Severity, ...] = ("problem", "warning", "note", "good")
PRIOR_DRAWS = 8192
BITS_WITHOUT_MODEL = 8.0
LITTLE_NATS = 0.25  # for each latent in use
SMALL_SAMPLE = 100
SMALL_TRAINING = 500


@dataclass(frozen=True)
class Finding:
    """Something that a person should know about a model.

    Attributes:
        severity: "problem" where the model is of little use as it is, "warning" where it could clearly be better,
            "note" where a figure needs care, "good" where nothing is wrong.
        title: a few words.
        text: what was seen, with figures.
        advice: what to do; empty where nothing needs to be done.
    """

    severity: Severity
    title: str
    text: str
    advice: str = ""


def diagnose(trained: TrainedModel, metrics: Metrics, history: History, encoding: Encoding) -> list[Finding]:
    """Looks for the common troubles of VAEs.

    Args:
        trained: the model.
        metrics: from `evaluate`.
        history: one line of figures for each epoch of its training; may be empty.
        encoding: of the data that the metrics are of.

    Returns:
        Findings, the gravest first; never none.
    """
    config, unlearned = trained.config, find_worse_than_none(metrics)
    # Where little was learned, the latents are still on their way, and a better prior would not help.
    judge_prior = unlearned is None and len(encoding) > 1
    found: Iterable[Finding | None] = (
        unlearned,
        find_collapse(metrics, config.objective),
        find_overfitting(history, config.training),
        find_early_end(history, config.training),
        find_prior_gap(prior_gap(trained, encoding), metrics, config) if judge_prior else None,
        find_tiny_sigma(likelihood_sigma(trained), trained.preprocessing.kind),
        find_no_whole_pictures(config),
        find_nothing_held_out(trained.data),
        find_little_data(trained.data),
        find_small_sample(metrics),
        find_bad_files(trained.data),
    )
    findings = sorted((item for item in found if item), key=lambda item: _ORDER.index(item.severity))
    return findings or [Finding("good", "Nothing wrong was found", "All checks of the training and the model passed.")]


def verdict(metrics: Metrics, findings: Sequence[Finding]) -> str:
    """Says in two sentences how the training went.

    Example:
        >>> verdict(Metrics(100, -90.0, 70.0, 20.0, 9, 10), [])
        'The training went well. The model uses 9 of its 10 latents, which tell 28.9 bits about an average example.'
    """
    worst = min((_ORDER.index(item.severity) for item in findings), default=len(_ORDER) - 1)
    first = {
        "problem": "The model is of little use as it is; see the diagnosis below.",
        "warning": "The model works, but could be better; see the diagnosis below.",
        "note": "The training went well; the diagnosis below has a remark.",
        "good": "The training went well.",
    }[_ORDER[worst]]
    used = f"{'' if metrics.active_units is None else f'{metrics.active_units} of '}its {metrics.latent_dim} latents"
    if metrics.bits_per_second is not None:
        return (
            f"{first} The model uses {used} of the utterance; with those of the frames they tell "
            f"{max(0.0, metrics.bits_per_second):.0f} bits about a second."
        )
    bits = max(0.0, metrics.rate_nats) / float(np.log(2))  # an estimate may fall below
    return f"{first} The model uses {used}, which tell {bits:.1f} bits about an average example."


def find_worse_than_none(metrics: Metrics) -> Finding | None:
    """Finds a model whose code is longer than the 8 bits that every pixel and channel has without a model."""
    if metrics.bits_per_dim is None or metrics.bits_per_dim < BITS_WITHOUT_MODEL:
        return None
    return Finding(
        "problem",
        "The model has not learned its data",
        f"It needs {metrics.bits_per_dim:.1f} bits for each pixel and channel; without any model 8 are enough.",
        "Train longer, or raise training.learning_rate. If that does not help, the data may differ from those that the "
        "model was trained on.",
    )


def find_collapse(metrics: Metrics, objective: Part) -> Finding | None:
    """Finds latents that carry nothing, and tells apart a KL term that is too strong."""
    active, total, rate = metrics.active_units, metrics.latent_dim, max(0.0, metrics.rate_nats)
    if active == 0 or rate < 0.1:
        return Finding(
            "problem",
            "The latents are ignored",
            f"On average they tell {rate:.2f} nats about an example, so every reconstruction is alike "
            "(posterior collapse): the KL term is too strong for what the decoder gains from the latents.",
            f"{_weaken(objective)}, train longer, or take a less noisy likelihood.",
        )
    if active is None:
        return None
    beta = float(objective.arguments.get("beta", 1.0))
    if rate < LITTLE_NATS * active or (beta > 1 and 4 * active < total):
        weight = f"With objective.beta = {beta:g} the" if beta > 1 else "The"
        return Finding(
            "warning",
            "The KL term is strong",
            f"{weight} latents tell {rate:.1f} nats about an example, {rate / active:.2f} for each of the {active} in "
            f"use out of {total}, and detail is lost.",
            f"{_weaken(objective)} where reconstructions matter more.",
        )
    if 2 * active < total:
        return Finding(
            "note",
            f"{total - active} of {total} latents are unused",
            f"{active} carry all of the information; the others stayed at the prior (collapsed dimensions). "
            "That costs time, not quality.",
            f"A model with model.latent_dim={max(1, round(1.25 * active))} would probably do as well; if "
            "reconstructions look blurred, raise objective.warmup_steps instead.",
        )
    return None


def _weaken(objective: Part) -> str:
    """Says how to make the KL term weaker; the importance-weighted bound has no beta."""
    return f"{'Lower objective.beta or raise' if objective.name == 'elbo' else 'Raise'} objective.warmup_steps"


def find_overfitting(history: History, training: TrainingConfig) -> Finding | None:
    """Finds a validation bound that is clearly below that of training, in the epoch whose weights were kept."""
    needed = {"train_elbo", "validation_elbo", "validation_loss"}
    lines = [line for line in history if needed <= line.keys()]
    if not lines:
        return None
    best_is_kept = training.patience is not None
    kept = min(lines, key=lambda line: line["validation_loss"]) if best_is_kept else lines[-1]
    bound = kept["validation_elbo"]
    gap = kept["train_elbo"] - bound
    if gap <= 2.0 + 0.05 * abs(bound):
        return None
    fall = max(line["validation_elbo"] for line in lines) - bound
    falling = f" and was {fall:.1f} nats better earlier" if fall > 0.25 * gap else ""
    patience = "" if best_is_kept else ", set training.patience=10 so that the best epoch is kept"
    return Finding(
        "warning",
        "The model learned its training data by heart",
        f"The bound is {gap:.1f} nats worse on held-out examples than on training examples{falling} (over-fitting).",
        f"Give it more examples{patience}, or take a smaller model (narrower widths, fewer latents).",
    )


def find_early_end(history: History, training: TrainingConfig) -> Finding | None:
    """Finds a training that was still getting better when it ended."""
    name = "validation_elbo" if history and "validation_elbo" in history[-1] else "train_elbo"
    bounds = [line[name] for line in history if name in line]
    if len(bounds) < 2:
        return None
    recent = max(1, round(0.1 * len(bounds)))
    gain = max(bounds[-recent:]) - max(bounds[:-recent])
    if gain <= 0.2 + 0.005 * abs(bounds[-1]):
        return None
    epochs = "the last epoch" if recent == 1 else f"the last {recent} epochs"
    minutes = None if len(bounds) >= training.epochs else training.max_minutes
    longer = f"epochs={2 * len(bounds)}" if minutes is None else f"max_minutes={2 * minutes:g}"
    return Finding(
        "warning",
        "The training ended too early",
        f"The bound was still rising: by {gain:.1f} nats in {epochs} of {len(bounds)}.",
        f"Train longer, for example with training.{longer}.",
    )


def prior_gap(trained: TrainedModel, encoding: Encoding) -> float:
    """Measures how far the prior is from the aggregate posterior, nats.

    It is the KL divergence between normal distributions with the moments of both, so that it sees shifts, spreads and
    correlations, but not finer shapes. What finite samples add on average is taken off.
    """
    with torch.inference_mode(), seeded(0, Stream.GENERATE):
        draws = trained.model.code_prior().sample((PRIOR_DRAWS,)).double().cpu().numpy()
    dim = draws.shape[1]
    mean, covariance = aggregate_moments(encoding.mean, encoding.std)
    prior_mean, prior_covariance = aggregate_moments(draws, np.zeros_like(draws))
    chance = dim * (dim + 3) / 4 * (1 / len(encoding) + 1 / PRIOR_DRAWS)
    return max(0.0, gaussian_kl(mean, covariance, prior_mean, prior_covariance) - chance)


def find_prior_gap(gap: float, metrics: Metrics, config: Config) -> Finding | None:
    """Finds a prior that does not fit what the encoder makes of data."""
    if gap <= 1.0 + 0.1 * max(0.0, metrics.rate_nats):
        return None
    standard = config.model.prior.name == "standard-normal"
    better = "a learned prior (model.prior=flow)" if standard else "a prior of more freedom (model.prior)"
    weight = ", or raise objective.beta a little" if config.objective.name == "elbo" else ""
    return Finding(
        "warning",
        "The prior is far from the data's latents",
        f"The latents of data (the aggregate posterior) differ from the prior by {gap:.1f} nats in location, spread "
        "and correlation, so that generated samples look worse than reconstructions.",
        f"Fit a prior to the finished model: latentia train DATA -o RUN --stage prior. Or train with {better}{weight}.",
    )


@torch.inference_mode()
def likelihood_sigma(trained: TrainedModel) -> float | None:
    """Returns the median standard deviation of the likelihood, None where it has none."""
    with seeded(0, Stream.GENERATE):
        scale = getattr(trained.model.decode(trained.model.draw(1)), "scale", None)
    return float(scale.median()) if isinstance(scale, torch.Tensor) else None


def find_tiny_sigma(sigma: float | None, kind: Kind) -> Finding | None:
    """Finds a likelihood that claims near-perfect reconstructions."""
    least, unit = _TINY[kind]
    if sigma is None or sigma >= least:
        return None
    return Finding(
        "note",
        "The learned sigma is very small",
        f"The model claims to reproduce its data to {sigma:.4f} {unit}. Either the data hardly vary or repeat, or they "
        "are copied rather than understood; the bound is then ruled by tiny differences.",
        "Look for duplicates and constant features; lower model.latent_dim, or raise objective.beta.",
    )


def find_no_whole_pictures(config: Config) -> Finding | None:
    """Finds a model that was always told a part of a picture, and now is to make one of its own."""
    if config.model.kind != "masked" or any(mask.name == "nothing" for mask in config.training.masks):
        return None
    return Finding(
        "note",
        "It never made a whole picture in training",
        "No family of training.masks leaves nothing of a picture, so samples are of little worth, and so are figures "
        "of the bound, which are of pictures of which nothing is given. Filling in does not suffer.",
        "Add the family nothing to training.masks if you want to generate.",
    )


def find_nothing_held_out(data: DataRecord) -> Finding | None:
    """Finds a training that kept no examples to be measured on."""
    if data.n_validation:
        return None
    return Finding(
        "note",
        "Nothing was held out",
        "All examples were trained on, so that over-fitting could not be seen while training.",
        "Set data.validation_fraction=0.1, or look at figures of examples that the model has not seen: "
        "latentia evaluate RUN DATA -o OUT",
    )


def find_little_data(data: DataRecord) -> Finding | None:
    """Finds a training on few examples."""
    if data.n_train >= SMALL_TRAINING:
        return None
    return Finding(
        "note",
        "Few examples",
        f"The model was trained on {data.n_train} examples only; it can learn their rough common form, not detail.",
        "Add examples: hundreds give a form, thousands give detail.",
    )


def find_small_sample(metrics: Metrics) -> Finding | None:
    """Finds figures that rest on few examples."""
    if metrics.n_examples >= SMALL_SAMPLE:
        return None
    return Finding(
        "note",
        "Measured on few examples",
        f"The figures are means of {metrics.n_examples} examples; those of others could clearly differ.",
        "Evaluate on more examples.",
    )


def find_bad_files(data: DataRecord) -> Finding | None:
    """Finds many files that could not be used."""
    bad = sum(data.problems.values())
    if 20 * bad <= data.n_train + data.n_validation:
        return None
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(data.problems.items()))
    return Finding(
        "warning",
        "Many files have something wrong",
        f"Of the files, {kinds}.",
        "Look at the list of files below, or run: latentia data check FOLDER",
    )
