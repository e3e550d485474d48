"""Fitting a model to a data set: Lightning's trainer with our module and callbacks around it."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import logging
import warnings
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

from latentia.config import Config, ModelConfig, PriorStageConfig, TrainingConfig
from latentia.core import Batch
from latentia.data import (
    ARRAYS,
    NOUNS,
    Dataset,
    Indices,
    Preprocessing,
    SpeechPreprocessing,
    build_masks,
    epoch_steps,
    give,
    holdout,
    prepare,
    require_trainable,
    spoil,
    spread,
)
from latentia.errors import OptionError, RunError
from latentia.files import make_folder
from latentia.hardware import choose_precision, detect, tuned_cpu
from latentia.models import MODELS, ConditionalVAE, LatentModel, SequenceVAE, build_model, build_objective
from latentia.noise import Stream, kept_noise, seeded
from latentia.objectives import Objective
from latentia.runs import DataRecord, RunFolder, TrainedModel, write_config, write_model
from latentia.training.callbacks import BestWeights, Checkpointer, EpochLog, Interruption, Limits
from latentia.training.checkpoint import load_checkpoint
from latentia.training.ending import Ending
from latentia.training.estimate import Estimate, estimate
from latentia.training.labels import with_classes
from latentia.training.loader import TrainingLoader, ValidationLoader
from latentia.training.look import first_look
from latentia.training.module import VAEModule
from latentia.training.prior import fit_prior, read_posteriors
from latentia.training.progress import TrainingProgress

PRIOR_EXAMPLES = 4096


@dataclass(frozen=True)
class Fit:
    """A finished or interrupted training.

    Attributes:
        trained: the model with averaged (or best) weights, in evaluation mode.
        history: one line of figures for each epoch.
        ending: why it ended; "interrupted" can be resumed.
    """

    trained: TrainedModel
    history: tuple[dict[str, float], ...]
    ending: Ending


@dataclass(frozen=True)
class Training:
    """Everything that a training needs, ready to start.

    Attributes:
        model: with its first weights.
        objective: what its loss is.
        dataset: all examples.
        train: positions of those trained on.
        validation: positions of those held out.
        trained: the record that the result will fill; its model is `model`.
    """

    model: LatentModel
    objective: Objective
    dataset: Dataset
    train: Indices
    validation: Indices
    trained: TrainedModel

    @property
    def config(self) -> Config:
        """The configuration."""
        return self.trained.config

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the training examples."""
        return epoch_steps(len(self.train), self.config.training.batch_size)

    def estimate(self) -> Estimate:
        """Measures how long this will take and how much memory; see `estimate`."""
        rows = self.train[: self.config.training.batch_size]
        with tuned_cpu(), kept_noise():
            batch = prepare(self.dataset.batch(rows), self.trained.preprocessing)
            batch = spoil(give(batch, build_masks(self.config.training.masks)), self.config.training.noise)
            hardware, steps = detect(), self.steps_per_epoch * self.config.training.epochs
            precision = choose_precision(self.config.training.precision, hardware)
            with torch.autocast(hardware.device, torch.bfloat16, enabled=precision == "bfloat16"):
                return estimate(self.model, self.objective, batch.to(hardware.device), steps)


def prepare_training(
    dataset: Dataset,
    preprocessing: Preprocessing,
    config: Config,
    *,
    name: str = ARRAYS,
    fingerprint: str = "",
    labels_file: str = "",
    skip_bad: bool = False,
    media: bool = True,
    parts: Mapping[str, Any] | None = None,
) -> Training:
    """Splits the data, builds the model with its first weights, and checks that the parts fit together.

    Args:
        dataset: the training data.
        preprocessing: what was done to them.
        config: the whole configuration.
        name: of the data, for the record.
        fingerprint: of the data, for the record.
        labels_file: path of the labels file that was given, or how many labels were known, for the record.
        skip_bad: whether more files that cannot be read were allowed than usual, for the record.
        media: whether the report may show the data, for the record.
        parts: objects that take the place of parts of the configuration, by their role ("encoder", "objective" ...).

    Raises:
        DataError: too few examples.
        OptionError: parts that do not fit the data or one another.
    """
    require_trainable(dataset)
    if config.prior_stage != PriorStageConfig():
        raise OptionError("prior_stage is about a second stage, which comes after this training: leave it out here.")
    config = with_classes(config, dataset)
    seed = config.training.seed
    train, validation = holdout(dataset, config.data.validation_fraction, seed)
    with seeded(seed, Stream.INITIALISE):
        model = build_model(config.model, preprocessing.event_shape, parts)
    _require_fit(model, preprocessing)
    _require_used(config.model)
    _require_masks(model, config.training)
    _require_changes(config.training, preprocessing)
    with seeded(seed, Stream.INITIALISE, 1):
        _start(model, first_look(dataset, train, preprocessing, config.training.mirror), parts or {})
    problems = dict(Counter(problem.kind for problem in dataset.problems))
    digest = labels_digest(dataset)
    counts = (len(train), len(validation), problems)
    record = DataRecord(name, fingerprint, *counts, digest, labels_file, skip_bad, media)
    trained = TrainedModel(model, preprocessing, config, record, dict(dataset.label_names))
    objective = build_objective(config.objective, parts)
    _require_label_weight(model, objective, dataset)
    return Training(model, objective, dataset, train, validation, trained)


def labels_digest(dataset: Dataset) -> str:
    """Returns what changes when labels do; "" where there are none."""
    state = hashlib.blake2b(digest_size=16)
    for head, values in sorted(dataset.labels.items()):
        state.update(head.encode(errors="surrogateescape") + np.ascontiguousarray(values).tobytes())
    return state.hexdigest() if dataset.labels else ""


def fit(
    training: Training,
    run: RunFolder | None = None,
    *,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Fit:
    """Trains; the result is the same bit for bit whether or not it was killed and resumed on the way.

    Args:
        training: what to train on what.
        run: where checkpoints, log and the result go; None keeps all in memory.
        resume: go on from the run's last checkpoint.
        callbacks: Lightning's, for example a progress bar.

    Raises:
        TrainingError: the loss is no longer a number.
        RunError: there is nothing to resume from, or it does not fit.
        FileError: the run folder cannot be written.
    """
    config = training.config.training
    module = VAEModule(
        cast(LatentModel, training.model.to(memory_format=torch.channels_last)),  # pyright: ignore[reportCallIssue]
        training.objective,
        training.trained.preprocessing,
        config,
        training.steps_per_epoch,
        lambda index: training.dataset.name(index),
    )
    if resume:
        if run is None:
            raise RunError("A training without a run folder left nothing to resume from.")
        module.load_training_state(load_checkpoint(run.last_checkpoint))
    elif run is not None:
        make_folder(run.path)
        write_config(run, training.trained)
    interruption = Interruption()
    checkpoints = [] if run is None else [Checkpointer(run, config.checkpoint_minutes)]
    best = [] if config.patience is None else [BestWeights()]
    if not resume or module.ending() is None:  # at least one step, and with it a checkpoint, whatever the time
        with tuned_cpu(), kept_noise(), _quiet():
            _run(training, module, [*checkpoints, EpochLog(run), *best, Limits(), *callbacks, interruption])
        for checkpointer in checkpoints:
            checkpointer.save(module)
    ending = module.ending() or "interrupted"
    result = Fit(_result(training, module, run, ending, callbacks), tuple(module.history), ending)
    if run is not None and ending != "interrupted":
        write_model(run, result.trained)
    return result


def _run(training: Training, module: VAEModule, callbacks: list[Callback]) -> None:
    """Runs Lightning's loop over the steps that are left."""
    config, hardware = module.config, detect()
    interruption = cast(Interruption, callbacks[-1])
    trainer = pl.Trainer(
        accelerator=hardware.accelerator,
        devices=1,
        precision="bf16-mixed" if choose_precision(config.precision, hardware) == "bfloat16" else "32-true",
        max_epochs=-1,
        max_steps=-1,
        callbacks=callbacks,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    batches = TrainingLoader(training.dataset, training.train, config.batch_size, config.seed, lambda: module.step)
    held_out = ValidationLoader(training.dataset, training.validation, 2 * config.batch_size)
    try:
        trainer.fit(module, batches, held_out if len(training.validation) else None)
    except SystemExit as error:  # with which Lightning answers a second Ctrl-C
        raise KeyboardInterrupt from error
    finally:
        interruption.restore()


def _result(
    training: Training, module: VAEModule, run: RunFolder | None, ending: Ending, callbacks: Sequence[Callback]
) -> TrainedModel:
    """Takes the weights that are kept: the best where they were tracked, else the averaged ones."""
    model = training.model.cpu()
    model.load_state_dict(module.best_weights or module.averaged.state_dict())
    model.eval().requires_grad_(False)
    if isinstance(model, SequenceVAE) and ending != "interrupted":
        _finish(model, training, callbacks)
    return replace(training.trained, model=model, path=run.path if run else None)


def _finish(model: SequenceVAE, training: Training, callbacks: Sequence[Callback]) -> None:
    """Trains the priors alone on what the encoder says of the training data, some thousands at most."""
    config, form = training.config.training, training.trained.preprocessing
    if not config.prior_steps:
        return
    rows = spread(training.train, PRIOR_EXAMPLES)
    parts = (rows[start : start + config.batch_size] for start in range(0, len(rows), config.batch_size))
    shown = next((each for each in callbacks if isinstance(each, TrainingProgress)), None)
    watching = contextlib.nullcontext() if shown is None else shown.watching_priors(config.prior_steps)
    with tuned_cpu(), kept_noise(), watching as progress:
        posteriors = read_posteriors(model, (prepare(training.dataset.batch(part), form) for part in parts))
        stage = PriorStageConfig(steps=config.prior_steps, batch_size=64, learning_rate=2e-3, seed=config.seed)
        fit_prior(model, posteriors, stage, progress=progress)


def _start(model: LatentModel, batch: Batch, given: Mapping[str, Any]) -> None:
    """Lets a model look at the data; parts that a person made stay as they are."""
    own = [part for part in given.values() if isinstance(part, nn.Module)]
    before = [copy.deepcopy(part.state_dict()) for part in own]
    model.start_at(batch)
    for part, state in zip(own, before, strict=True):
        part.load_state_dict(state)


def _require_fit(model: LatentModel, preprocessing: Preprocessing) -> None:
    """Refuses models of other data, and likelihoods: densities of other data would look plausible and mean nothing."""
    if isinstance(model, SequenceVAE) != (preprocessing.kind == "speech"):
        raise OptionError(
            f"This model.kind is not for {NOUNS[preprocessing.kind]}: take 'sequence' for recordings, and others for "
            "pictures and vectors."
        )
    binarised = preprocessing.kind == "image" and preprocessing.binarize != "none"
    if model.likelihood.binary and not binarised:
        raise OptionError(
            "The likelihood 'bernoulli' is for binarised pictures; set data.binarize=dynamic, or take "
            "'discretised-gaussian' for grey levels and 'gaussian' for vectors."
        )
    powers = isinstance(preprocessing, SpeechPreprocessing) and preprocessing.front_end.feature == "power"
    if model.likelihood.power and not powers:
        raise OptionError(
            "The likelihood 'itakura-saito' is for powers: set data.feature=power with recordings, or take 'gaussian'."
        )
    if model.likelihood.grid and binarised:
        raise OptionError("Binarised pictures need the likelihood 'bernoulli'; or set data.binarize=none.")


def _require_used(config: ModelConfig) -> None:
    """Refuses settings of parts that a kind of model does not have."""
    roles = {"frame_dim": "frame_prior", "frame_prior": "frame_prior", "group_posterior": "group_posteriors"}
    for name, role in roles.items():
        if role not in MODELS.arguments(config.kind) and getattr(config, name) != getattr(ModelConfig(), name):
            raise OptionError(f"model.{name} has no effect on a model of the kind '{config.kind}': leave it out.")


def _require_changes(config: TrainingConfig, preprocessing: Preprocessing) -> None:
    """Refuses changes of examples that are for other data."""
    others = {"speech": ("mirror", "shift", "zoom", "turn", "contrast"), "image": ("speed_perturbation", "prior_steps")}
    for name in others.get(preprocessing.kind, (*others["speech"], *others["image"])):
        if getattr(config, name):
            meant = "recordings" if name in others["image"] else "pictures"
            raise OptionError(f"training.{name} is for {meant}, not for {NOUNS[preprocessing.kind]}.")


def _require_label_weight(model: LatentModel, objective: Objective, dataset: Dataset) -> None:
    """Refuses to train a model of labelled data that would never learn to tell the labels."""
    if not isinstance(model, ConditionalVAE) or getattr(objective, "label_weight", 1.0):
        return
    if bool((dataset.labels[model.label] >= 0).all()):
        raise OptionError(
            "All examples are labelled, so the model learns to tell their classes by objective.label_weight alone: set "
            "it to 100, for example."
        )


def _require_masks(model: LatentModel, config: TrainingConfig) -> None:
    """Refuses masks for a model that has no use for them, and one that needs them without any."""
    if config.masks and not model.sees_parts:
        raise OptionError("training.masks is for models that are told a part of a picture: set model.kind=masked.")
    if config.noise and not model.sees_parts:
        raise OptionError("training.noise is for models that are told a part of a picture: set model.kind=masked.")
    if model.sees_parts and not config.masks:
        raise OptionError(
            "A model that is told a part of a picture learns to fill in what training.masks hides: name some, or take "
            "the preset 'inpainting'."
        )
    if model.sees_parts and getattr(model.likelihood, "scale", "") == "closed-form":
        # It would be that of the decoder's errors and those of the forecast, mixed.
        raise OptionError("A model that fills in takes model.likelihood.scale=predicted or shared, not closed-form.")
    build_masks(config.masks)


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Silences Lightning's log and the hints that do not apply to in-memory batches."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning.*")
            yield
    finally:
        logger.setLevel(level)
