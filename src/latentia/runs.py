"""The run folder: what is written where, and how a trained model is read back safely.

Everything is plain files; nothing that is read can execute. `TrainedModel` is what every task takes.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import filelock
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor
from torch.nn.modules.module import register_module_parameter_registration_hook

import latentia
from latentia.config import Config
from latentia.data import NOUNS, Dataset, Indices, Preprocessing, SpeechPreprocessing, holdout
from latentia.errors import LatentiaError, OptionError, RunError
from latentia.files import (
    as_json,
    leftovers,
    make_folder,
    mend,
    replacing_together,
    require_permission,
    write_error,
    write_json,
    write_text,
)
from latentia.models import LatentModel, Vocoder, build_model, build_vocoder
from latentia.noise import Stream, seeded
from latentia.tensors import read_tensors, save_tensors

FORMAT_VERSION = 1
LOCK = ".lock"
CONFIG_LIMIT_BYTES = 16 * 2**20
_PREPROCESSING: TypeAdapter[Preprocessing] = TypeAdapter(Preprocessing)


@dataclass(frozen=True)
class RunFolder:
    """The names of the files in a run folder.

    Args:
        path: the folder.
    """

    path: Path

    @property
    def weights(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def log(self) -> Path:
        return self.path / "train_log.jsonl"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def card(self) -> Path:
        return self.path / "README.md"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        return self.checkpoints / "last.safetensors"

    @contextlib.contextmanager
    def locked(self) -> Generator[None]:
        """Keeps other trainings out of the folder while the block runs; the lock ends with the process.

        A folder that is still empty afterwards is removed.

        Raises:
            RunError: another training is at work in the folder.
        """
        make_folder(self.path)
        lock = filelock.FileLock(self.path / LOCK, timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise RunError(
                f"Another training is writing to {self.path}; wait for it to end, or choose another folder with -o."
            ) from error
        except OSError as error:
            raise write_error(self.path, error) from error
        mend(self.config, self.weights)
        mend(self.last_checkpoint)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                if self.is_new():
                    (self.path / LOCK).unlink()
                    self.path.rmdir()
            lock.release()

    def is_new(self) -> bool:
        """Tells whether there is nothing at this place yet but perhaps a folder without anything whole in it."""
        nothing = {self.path / LOCK, *leftovers(self.config), *leftovers(self.weights)}
        return not self.path.is_dir() or set(self.path.iterdir()) <= nothing


@dataclass(frozen=True)
class DataRecord:
    """What a model was trained on.

    Attributes:
        name: path or name of the data.
        fingerprint: changes when the data do.
        n_train: examples trained on.
        n_validation: examples held out.
        problems: how many files had each kind of problem.
        labels: changes when the labels do; "" where there were none, and in older run folders.
        labels_file: path of the labels file that was given, or how many labels were known ("10-per-class"); "" for all
            that come with the data.
        skip_bad: whether more files that cannot be read were allowed than usual.
        media: whether the report may show them.
    """

    name: str
    fingerprint: str
    n_train: int
    n_validation: int
    problems: Mapping[str, int] = field(default_factory=dict[str, int])
    labels: str = ""
    labels_file: str = ""
    skip_bad: bool = False
    media: bool = True


@dataclass(frozen=True)
class TrainedModel:
    """A model with everything that is needed to use it.

    Attributes:
        model: the networks and distributions, in evaluation mode.
        preprocessing: how data are brought into the model's form and back.
        config: what the model was built and trained from.
        data: what it was trained on.
        label_names: for each head the names of its classes in the training data.
        library_version: of the version that trained it.
        path: the run folder, None for a model that was not saved.
    """

    model: LatentModel
    preprocessing: Preprocessing
    config: Config
    data: DataRecord
    label_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    library_version: str = latentia.__version__
    path: Path | None = None

    @property
    def name(self) -> str:
        """A short name for titles."""
        return self.path.resolve().name if self.path else "model"

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def split(self, dataset: Dataset) -> tuple[Indices, Indices]:
        """Splits its data as they were split in its training: positions trained on, and held out."""
        return holdout(dataset, self.config.data.validation_fraction, self.config.training.seed)

    @property
    def speech(self) -> SpeechPreprocessing:
        """How a model of speech has its recordings.

        Raises:
            OptionError: the model is one of other data.
        """
        if self.preprocessing.kind != "speech":
            raise OptionError(
                f"This takes a model of speech, and {self.name} is one of {NOUNS[self.preprocessing.kind]}."
            )
        return self.preprocessing

    @cached_property
    def vocoder(self) -> Vocoder:
        """What makes waveforms of the features of a model of speech.

        Raises:
            OptionError: the model is not one of speech, or the configuration names no vocoder for its features.
        """
        return build_vocoder(self.config.vocoder, self.speech.front_end)


def write_config(run: RunFolder, trained: TrainedModel) -> None:
    """Writes `config.json`.

    Raises:
        FileError: the place cannot be written.
    """
    write_json(run.config, _description(trained))


def write_model(run: RunFolder, trained: TrainedModel) -> None:
    """Writes configuration and weights; a model that was there before stays whole until both are on the disk.

    Raises:
        FileError: the place cannot be written.
    """
    make_folder(run.path)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in trained.model.state_dict().items()}
    with replacing_together(run.config, run.weights) as (config, weights):
        config.write_text(as_json(_description(trained)), "utf-8", errors="backslashreplace")
        save_tensors(tensors, weights, {"format": "pt"})


def _description(trained: TrainedModel) -> dict[str, Any]:
    """Returns the content of `config.json`."""
    return {
        "format_version": FORMAT_VERSION,
        "library_version": trained.library_version,
        "config": trained.config.model_dump(mode="json"),
        "preprocessing": trained.preprocessing.model_dump(mode="json"),
        "label_names": {head: list(names) for head, names in trained.label_names.items()},
        "data": {**vars(trained.data), "problems": dict(trained.data.problems)},
    }


def write_history(run: RunFolder, history: Sequence[Mapping[str, float]]) -> None:
    """Writes `train_log.jsonl`, a line for each epoch.

    Raises:
        FileError: the place cannot be written.
    """
    write_text(run.log, "".join(json.dumps(dict(line)) + "\n" for line in history))


def read_history(run: RunFolder) -> tuple[dict[str, float], ...]:
    """Reads `train_log.jsonl`; a missing log is an empty one.

    Raises:
        RunError: the log is damaged.
    """
    if not run.log.is_file():
        return ()
    require_permission(run.log)
    try:
        lines = [json.loads(line) for line in run.log.read_text("utf-8").splitlines() if line]
        return TypeAdapter(tuple[dict[str, float], ...]).validate_python(lines)
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{run.log} is damaged and cannot be read; restore it from a copy, or remove it.") from error


def read_description(run: RunFolder) -> dict[str, Any]:
    """Reads `config.json` and checks its version.

    Raises:
        RunError: the folder or file is missing, damaged, or written by a newer version.
    """
    if not run.path.is_dir():
        raise RunError(f"There is no run folder {run.path}; train one with: latentia train DATA -o {run.path}")
    if not run.config.is_file():  # a pipe or a device might never end
        raise RunError(f"{run.path} is not a run folder: it has no config.json.")
    if run.config.stat().st_size > CONFIG_LIMIT_BYTES:
        raise RunError(f"{run.config} is larger than a configuration can be, and was not read.")
    require_permission(run.config)
    try:
        content = json.loads(run.config.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{run.config} is damaged and cannot be read; restore it from a copy or train again.") from error
    if not isinstance(content, dict):
        raise RunError(f"{run.config} does not describe a model.")
    description: dict[str, Any] = content  # pyright: ignore[reportUnknownVariableType]
    version = description.get("format_version")
    if type(version) is not int or version < 1:
        raise RunError(f"{run.config} has no valid format_version; it was not written by Latentia.")
    if version > FORMAT_VERSION:
        by = description.get("library_version", "a newer one")
        raise RunError(
            f"{run.path} has format {version}, and this Latentia ({latentia.__version__}) reads up to "
            f"{FORMAT_VERSION}; use Latentia {by} or newer."
        )
    return description


def read_parts(run: RunFolder) -> tuple[Config, Preprocessing, DataRecord, dict[str, tuple[str, ...]], str]:
    """Reads what `config.json` says, without the weights.

    Raises:
        RunError: something in it is missing or wrong.
    """
    description = read_description(run)
    try:
        config = Config().with_settings(description["config"], str(run.config))
        preprocessing = _PREPROCESSING.validate_python(description["preprocessing"])
        record = TypeAdapter(DataRecord).validate_python(description["data"])
        labels = TypeAdapter(dict[str, tuple[str, ...]]).validate_python(description["label_names"])
        known = 0 if config.model.label is None else len(labels[config.model.label])
        if known != config.model.classes:
            raise ValueError(f"there are names for {known} classes, but {config.model.classes} classes")
    except OptionError as error:
        raise RunError(str(error)) from error
    except (KeyError, ValueError, TypeError) as error:
        detail = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        detail = f"{detail} is missing" if isinstance(error, KeyError) else detail
        raise RunError(f"{run.config} does not describe a model of this version: {detail}.") from error
    return config, preprocessing, record, labels, str(description.get("library_version", "unknown"))


def read_model(path: Path | str) -> TrainedModel:
    """Reads a trained model from its run folder, onto the CPU, in evaluation mode and without gradients.

    Args:
        path: the run folder.

    Raises:
        RunError: the folder is missing, unfinished, damaged, of a newer format, or does not fit together.
    """
    run = RunFolder(Path(path))
    config, preprocessing, record, labels, version = read_parts(run)
    if not run.weights.exists() and run.last_checkpoint.exists():
        raise RunError(f"The training in {run.path} has not finished; go on with: latentia train ... --resume")
    tensors, _ = read_tensors(run.weights)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.isnan().any():
            raise RunError(
                f"{run.weights} is damaged: '{name}' holds values that are no numbers; train the model anew."
            )
    model = _rebuild(run, config, preprocessing, tensors)
    return TrainedModel(model.eval().requires_grad_(False), preprocessing, config, record, labels, version, run.path)


def _rebuild(run: RunFolder, config: Config, preprocessing: Preprocessing, tensors: dict[str, Tensor]) -> LatentModel:
    """Builds the model and fills in the weights, once their shapes are known to fit."""
    shape = preprocessing.event_shape
    try:
        # Without memory first, and no deeper than the weights: a hostile configuration could ask for any amount.
        with seeded(0, Stream.INITIALISE), torch.device("meta"), _at_most(4 * len(tensors) + 100):
            expected = _forms(build_model(config.model, shape).state_dict())
    except (LatentiaError, RuntimeError, ValueError, TypeError, OverflowError) as error:
        raise RunError(f"The model that {run.config} describes cannot be built: {error}") from error
    found = _forms(tensors)
    if expected != found:
        wrong = min(name for name, _ in set(expected.items()) ^ set(found.items()))
        raise RunError(
            f"{run.weights} does not fit {run.config}: the tensor '{wrong}' is {found.get(wrong, 'missing')}, expected "
            f"{expected.get(wrong, 'none')}."
        )
    with seeded(0, Stream.INITIALISE):
        model = build_model(config.model, shape)
    model.load_state_dict(tensors)
    return model


@contextlib.contextmanager
def _at_most(limit: int) -> Generator[None]:
    """Stops the building of models with more parameters, since a few digits can ask for millions of layers."""
    builder, made = threading.get_ident(), 0

    def count(module: torch.nn.Module, name: str, parameter: torch.nn.Parameter) -> None:
        nonlocal made
        made += threading.get_ident() == builder
        if made > limit:
            raise RunError("it has many more parameters than there are weights.")

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


def _forms(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Returns shape and type of each tensor, in words."""
    return {
        name: f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}" for name, tensor in tensors.items()
    }
