"""The configuration of a run: frozen, checked, and readable in a file.

`Config` says everything that a training run depends on, apart from the data themselves. Parts are named by
a `Part`: a registered name and its settings, so that `prior: mixture` and
`prior: {name: mixture, components: 50}` are both right.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from latentia.errors import FileError, OptionError, nearest

# What reading YAML may end in: impossible dates and bytes that are no text are ValueErrors.
NO_YAML = (yaml.YAMLError, ValueError, RecursionError)


class _Loader(yaml.SafeLoader):
    """Reads 1e-3 as a number, which it is in YAML 1.2; in 1.1 numbers with an exponent need a point."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+[eE][-+]?\d+$"), list("-+0123456789"))


class Frozen(BaseModel):
    """Base of all configuration: immutable; unknown keys, NaN and infinite numbers are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Section(Frozen):
    """Base of what people write by hand: true and false, which pydantic would read as 1 and 0, are no numbers."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and cls.model_fields[info.field_name or ""].annotation is not bool:
            raise ValueError("true and false are not numbers")
        return value


def _of_numpy(value: Any) -> Any:
    """Returns a number or an array of NumPy as Python's."""
    if type(value).__module__ != "numpy":
        raise TypeError(f"a setting cannot hold an object of type {type(value).__name__}")
    return value.tolist()


class Part(BaseModel):
    """An exchangeable part: its registered name; every other key is an argument of its constructor."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        """Brings numbers of NumPy into Python's, and refuses what no file of settings can hold."""
        if not isinstance(value, Mapping):
            return value
        try:
            return json.loads(json.dumps(dict(cast(Mapping[str, Any], value)), default=_of_numpy))
        except (TypeError, RecursionError) as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _finite(self) -> Self:
        for key, value in self.arguments.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{key} must be a finite number")
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """The settings without the name."""
        return dict(self.model_extra or {})


class DataConfig(Section):
    """How the data are brought into the form that the model takes; None means: decided from the data."""

    kind: Literal["image", "speech"] | None = Field(
        default=None, description="which files of a folder are meant, if it holds pictures and recordings"
    )
    size: tuple[int, int] | int | None = Field(
        default=None, description="height and width of the model's pictures, pixels"
    )
    channels: Literal[1, 3] | None = Field(default=None, description="1 grey, 3 colour")
    fit: Literal["crop", "pad", "stretch"] = Field(
        default="crop", description="how a picture of another aspect is fitted"
    )
    binarize: Literal["none", "dynamic", "threshold"] = Field(
        default="none", description="dynamic: each pixel is drawn anew at every visit; threshold: at one half"
    )
    sample_rate: int | None = Field(default=None, ge=8_000, le=48_000, description="of the model's recordings, Hz")
    feature: Literal["log-mel", "power"] | None = Field(default=None, description="what a frame of a recording holds")
    mels: int | None = Field(default=None, ge=8, le=512, description="mel bands of a frame")
    level: Literal["utterance", "none"] | None = Field(
        default=None, description="whether recordings are scaled to one level of speech"
    )
    piece_seconds: float | None = Field(
        default=None, ge=0.1, le=600, description="longer recordings are cut into equal pieces"
    )
    validation_fraction: float = Field(default=0.1, ge=0, lt=1, description="share of the examples that is held out")


class ModelConfig(Section):
    """The parts of the model."""

    kind: str = Field(
        default="single-latent", description="how the parts are put together: ladder, conditional, masked, sequence ..."
    )
    latent_dim: int = Field(default=32, ge=1, description="latents of the whole; in ladders of the first group")
    frame_dim: int = Field(default=16, ge=1, description="latents of a group of frames, in models of sequences")
    label: str | None = Field(default=None, description="the labels that a conditional model has; None: the first")
    classes: int = Field(default=0, ge=0, description="number of classes of these labels; set from the data")
    encoder: Part = Field(default=Part(name="dense"), description="examples to features")
    decoder: Part = Field(default=Part(name="dense"), description="latents to the likelihood's parameters")
    posterior: Part = Field(default=Part(name="diagonal-gaussian"), description="features to q(z|x)")
    group_posterior: Part = Field(
        default=Part(name="residual-gaussian"), description="the same of the lower groups of a ladder"
    )
    prior: Part = Field(default=Part(name="standard-normal"), description="p(z)")
    frame_prior: Part = Field(
        default=Part(name="recurrent"), description="p of latents of frames, in models of sequences"
    )
    likelihood: Part = Field(default=Part(name="discretised-gaussian"), description="p(x|z)")


class TrainingConfig(Section):
    """How the model is trained; clock time plays a part only if `max_minutes` is set."""

    epochs: int = Field(default=100, ge=1, description="passes over the data, at most")
    max_minutes: float | None = Field(default=None, gt=0, description="longest time of training")
    batch_size: int = Field(default=128, ge=1, description="examples of a step")
    optimizer: Literal["adamw", "muon"] = Field(
        default="adamw", description="muon takes the hidden layers, and AdamW the rest"
    )
    learning_rate: float = Field(default=1e-3, gt=0, description="the highest, of all layers under adamw")
    hidden_learning_rate: float = Field(default=0.02, gt=0, description="of the hidden layers under muon")
    warmup_steps: int = Field(
        default=100,
        ge=0,
        description="linear warm-up of the learning rate; at most a tenth of the training, or 10; then cosine decay",
    )
    weight_decay: float = Field(default=0.01, ge=0, description="of layers, a share of their learning rate")
    gradient_clip: float = Field(default=200.0, gt=0, description="largest norm of the gradient, nats per example")
    weight_average: float = Field(
        default=0.999, ge=0, lt=1, description="decay of the moving average of the weights; 0: none"
    )
    speed_perturbation: float = Field(
        default=0.0, ge=0, le=0.5, description="largest change of a recording's speed at each visit, as a share"
    )
    mirror: bool = Field(default=False, description="pictures are mirrored left to right at half of the visits")
    shift: float = Field(
        default=0.0, ge=0, le=0.5, description="largest shift of a picture at each visit, as a share of its side"
    )
    zoom: float = Field(
        default=0.0, ge=0, le=1, description="largest change of a picture's size at each visit, as a share"
    )
    turn: float = Field(
        default=0.0, ge=0, le=180, description="largest turn of a picture to either side at each visit, degrees"
    )
    contrast: float = Field(
        default=0.0, ge=0, le=0.9, description="largest change of a picture's contrast at each visit, as a share"
    )
    masks: tuple[Part, ...] = Field(
        default=(), description="families of masks, one of which hides a part of each picture at each visit"
    )
    noise: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="largest standard deviation of noise on what masks leave, of the full range",
    )
    prior_steps: int = Field(
        default=0, ge=0, description="steps at the end in which the priors of a model of sequences alone are trained"
    )
    patience: int | None = Field(
        default=None, ge=1, description="epochs without a better validation loss before stopping"
    )
    checkpoint_minutes: float = Field(default=2.0, gt=0, description="longest time between two checkpoints")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="of the networks; auto is bfloat16 where the processor multiplies it faster"
    )
    seed: int = Field(default=0, ge=0, description="of weights, order, noise and what is held out")


class PriorStageConfig(Section):
    """How priors are fitted to a finished model, and whether that was done."""

    steps: int = Field(default=3000, ge=1, description="at most")
    batch_size: int = Field(default=512, ge=1, description="examples of a step")
    learning_rate: float = Field(default=5e-3, gt=0, description="the highest")
    patience: int = Field(default=6, ge=1, description="looks at held-out data without improvement before stopping")
    seed: int = Field(default=0, ge=0, description="of order and noise")
    first: ModelConfig | None = Field(
        default=None, description="the model as encoder and decoder were trained with it; null: no prior was fitted"
    )


class Config(Section):
    """Everything that a run depends on, apart from the data."""

    preset: str | None = Field(default=None, description="what these settings started from")
    data: DataConfig = Field(default=DataConfig(), description="the form of an example")
    model: ModelConfig = Field(default=ModelConfig(), description="networks and distributions")
    objective: Part = Field(default=Part(name="elbo"), description="what is minimised")
    vocoder: Part = Field(default=Part(name="phase-gradient"), description="features to waveforms, in models of speech")
    training: TrainingConfig = Field(default=TrainingConfig(), description="optimiser, schedule, changes of examples")
    prior_stage: PriorStageConfig = Field(default=PriorStageConfig(), description="the fit of a second-stage prior")

    @property
    def first_stage(self) -> Config:
        """The configuration that encoder and decoder were trained with; another one where a prior was fitted since."""
        if self.prior_stage.first is None:
            return self
        return self.model_copy(update={"model": self.prior_stage.first, "prior_stage": PriorStageConfig()})

    def with_settings(self, settings: Mapping[str, Any], origin: str = "the settings") -> Config:
        """Returns a configuration with nested settings laid over this one.

        A part that is given another name starts from that part's defaults; the same name keeps its other
        settings.

        Args:
            settings: nested, as in a YAML file.
            origin: where they come from, for messages.

        Raises:
            OptionError: an unknown key (the nearest is named) or a value of the wrong type.
        """
        try:
            return Config.model_validate(merge_settings(self.model_dump(mode="json"), dict(settings)))
        except ValidationError as error:
            raise OptionError(_explain(error, origin)) from error


_SECTIONS = frozenset(name for name, field in Config.model_fields.items() if isinstance(field.default, Section))


def parse_assignments(assignments: list[str]) -> dict[str, Any]:
    """Turns `["objective.beta=4", ...]` into nested settings; values are read as YAML.

    Raises:
        OptionError: an assignment without '=' or a value that is not YAML.

    Example:
        >>> parse_assignments(["objective.beta=4", "data.size=[28, 28]"])
        {'objective': {'beta': 4}, 'data': {'size': [28, 28]}}
    """
    settings: dict[str, Any] = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise OptionError(f"'{assignment}' is not of the form key.path=value.")
        try:
            value = _read_yaml(text)
        except NO_YAML as error:
            raise OptionError(f"The value of '{path}' cannot be read: {text[:80]!r}.") from error
        nested: Any = value
        for key in reversed(path.split(".")):
            nested = {key: nested}
        settings = merge_settings(settings, nested)
    return settings


def read_settings(path: Path) -> dict[str, Any]:
    """Reads nested settings from a YAML or JSON file.

    Raises:
        FileError: the file cannot be read.
        OptionError: it holds something else than settings.
    """
    try:
        content = _read_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"Cannot read the configuration {path}: {error.strerror or error}.") from error
    except NO_YAML as error:
        raise OptionError(f"{path} is not a YAML file: {str(error).splitlines()[0]}.") from error
    if not isinstance(content, dict):
        raise OptionError(
            f"{path} must hold settings such as 'training: {{epochs: 20}}', not {type(content).__name__}."
        )
    return content  # pyright: ignore[reportUnknownVariableType]


def _read_yaml(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)  # of plain data only


def merge_settings(base: dict[str, Any], update: dict[str, Any]) -> dict[str, Any]:
    """Lays `update` over `base`, dictionary by dictionary; a part under a new name replaces the old part.

    Example:
        >>> merge_settings({"objective": "iwae"}, {"objective": {"n_samples": 9}})
        {'objective': {'name': 'iwae', 'n_samples': 9}}
    """
    merged = dict(base)
    for key, value in update.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, str) and key not in _SECTIONS:
            value = {"name": value}
        if isinstance(old, str) and isinstance(value, dict):
            old = {"name": old}  # a part that was given by its name alone
        if isinstance(old, dict) and isinstance(value, dict):
            before, after = cast(dict[str, Any], old), cast(dict[str, Any], value)
            renamed = {"name"} <= before.keys() & after.keys() and before["name"] != after["name"]
            merged[key] = after if renamed else merge_settings(before, after)
        else:
            merged[key] = value
    return merged


def _explain(error: ValidationError, origin: str) -> str:
    """Says the first of pydantic's complaints in one sentence."""
    first = error.errors()[0]
    path = [str(step) for step in first["loc"]]
    where = ".".join(path)
    if first["type"] == "extra_forbidden":
        return f"Unknown key '{where}' in {origin}: {_nearest_key(path)}"
    shown = json.dumps(first["input"], default=str)[:60]
    reason = first["msg"].removeprefix("Value error, ")
    return f"'{where}' in {origin} cannot be {shown}: {reason[0].lower()}{reason[1:]}."


def _nearest_key(path: list[str]) -> str:
    """Names the nearest valid key, first beside the wrong one, then anywhere."""
    everywhere = list(_keys(Config))
    parent = path[:-1]
    beside = [key for key in everywhere if key[:-1] == tuple(parent)]
    names = [key[-1] for key in beside]
    if difflib.get_close_matches(path[-1], names, n=1, cutoff=0.5):
        return nearest(path[-1], names)
    last = {key[-1]: ".".join(key) for key in everywhere}
    match = difflib.get_close_matches(path[-1], last, n=1, cutoff=0.6)
    return f"did you mean '{last[match[0]]}'?" if match else nearest(path[-1], names)


def _keys(model: type[BaseModel], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    keys: list[tuple[str, ...]] = []
    for name, info in model.model_fields.items():
        keys.append((*prefix, name))
        if isinstance(info.annotation, type) and issubclass(info.annotation, Frozen):
            keys += _keys(info.annotation, (*prefix, name))
    return keys
