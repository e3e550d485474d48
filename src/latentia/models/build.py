"""From a configuration to a model, and from a model's parts back to their configuration."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

from latentia.config import ModelConfig, Part
from latentia.data import FrontEnd
from latentia.distributions import (
    FRAME_PRIORS,
    LIKELIHOODS,
    POSTERIORS,
    PRIORS,
    LabelPosterior,
    LabelPrior,
    LazyLikelihood,
)
from latentia.errors import OptionError
from latentia.models.base import MODELS, LatentModel
from latentia.models.vocoder import VOCODERS, Vocoder
from latentia.objectives import OBJECTIVES, Objective
from latentia.registry import Registry

Shape = tuple[int, ...]
PriorRole = Literal["prior", "frame_prior"]
PRIOR_ROLES: dict[PriorRole, Registry[Any]] = {"prior": PRIORS, "frame_prior": FRAME_PRIORS}


def build_model(config: ModelConfig, event_shape: Shape, parts: Mapping[str, Any] | None = None) -> LatentModel:
    """Builds a model for examples of a shape.

    Args:
        config: names and settings of the parts.
        event_shape: shape of one example, (C, H, W) or (D,); of one position of a sequence, (F,).
        parts: objects that take the place of parts of the configuration, by their role ("encoder", "prior" ...).

    Raises:
        OptionError: an unknown part or setting, or parts that do not fit the data or one another.

    Example:
        >>> config = ModelConfig(latent_dim=2, likelihood=Part(name="gaussian"))
        >>> type(build_model(config, (6,))).__name__
        'SingleLatentVAE'
    """
    own = parts or {}
    kind = MODELS.get(config.kind)
    likelihood = own.get("likelihood") or build_likelihood(config, event_shape)
    sizes: dict[str, Any] = {
        "event_shape": event_shape,
        "out_shape": likelihood.parameter_shape(event_shape),
        "latent_dim": config.latent_dim,
        "frame_dim": config.frame_dim,
    }

    def build(registry: Registry[Any], role: str, **more: Any) -> Any:
        if own.get(role) is not None:
            return _checked(own[role], role, registry, config.kind)
        part: Part = getattr(config, role)
        return registry.build(part.name, part.arguments, **{**sizes, **more})

    wanted = MODELS.arguments(config.kind)
    classes = _classes(config) if "label" in wanted else 0
    encoder = build(kind.encoders, "encoder")
    posterior = partial(build, POSTERIORS, "posterior", features=encoder.features)
    made: dict[str, Any] = {}
    possible: dict[str, Callable[[], Any]] = {
        "posterior": posterior,
        "prior": lambda: own.get("prior") or build_prior(config, event_shape),
        "frame_posterior": partial(posterior, latent_dim=config.frame_dim),
        "frame_prior": lambda: own.get("frame_prior") or build_prior(config, event_shape, "frame_prior"),
        "label_prior": lambda: LabelPrior(classes),
        "label_posterior": lambda: LabelPosterior(encoder.features, classes),
        "decoder": partial(build, kind.decoders, "decoder", latent_dim=config.latent_dim + classes + kind.signs),
        "expectation": lambda: posterior(features=made["decoder"].features),
        "group_posteriors": lambda: [
            build(POSTERIORS, "group_posterior", features=features, latent_dim=shape[0])
            for features, shape in zip(made["decoder"].features, made["decoder"].shapes, strict=True)
        ],
    }
    for role, make in possible.items():
        if role in wanted:
            made[role] = make()
    known = {"encoder": encoder, "likelihood": likelihood, "latent_dim": config.latent_dim, "label": config.label}
    return MODELS.build(config.kind, {}, **known, **made)


def _checked(part: Any, role: str, registry: Registry[Any], kind: str) -> Any:
    """Returns a part that was given as an object, once it is known to be of the kind that a model takes."""
    if not isinstance(part, registry.base):
        raise OptionError(
            f"The {role} of a {kind} model is a {registry.base.__name__}, and {type(part).__name__} is none: give it "
            "another one, or choose another preset ('image' takes an Encoder and a Decoder)."
        )
    return part


def build_prior(config: ModelConfig, event_shape: Shape, role: PriorRole = "prior") -> Any:
    """Builds a prior alone.

    Args:
        config: names it, and says the sizes of the latents.
        event_shape: shape of one example; of one position of a sequence.
        role: of the code, or of groups of frames.

    Raises:
        OptionError: an unknown prior or setting.
    """
    part: Part = getattr(config, role)
    shape = MODELS.get(config.kind).example_shape(event_shape)
    sizes = {"latent_dim": config.latent_dim, "frame_dim": config.frame_dim, "example_shape": shape}
    return PRIOR_ROLES[role].build(part.name, part.arguments, **sizes)


def with_new_priors(
    model: LatentModel, config: ModelConfig, event_shape: Shape, parts: Mapping[str, Any] | None = None
) -> LatentModel:
    """Returns a copy of a model with new priors; the rest of it is the same.

    Args:
        model: stays as it is.
        config: of the new priors.
        event_shape: shape of one example; of one position of a sequence.
        parts: objects that take the place of parts of the configuration, by their role.

    Raises:
        OptionError: an unknown prior or setting.
    """
    device = next(model.parameters()).device
    copied = copy.deepcopy(model)
    for role in PRIOR_ROLES:
        if role in MODELS.arguments(config.kind):
            prior = (parts or {}).get(role) or build_prior(config, event_shape, role)
            copied.take_prior(role, prior.to(device))
    return copied


def build_likelihood(config: ModelConfig, event_shape: Shape) -> LazyLikelihood:
    """Builds the likelihood alone.

    Raises:
        OptionError: a likelihood of pictures for vectors, or an unknown one.
    """
    name = config.likelihood.name
    likelihood = LIKELIHOODS.build(name, config.likelihood.arguments, channels=event_shape[0])
    if likelihood.grid and len(event_shape) != 3:
        raise OptionError(f"The likelihood '{name}' is for 8-bit pictures; take 'gaussian' for vectors.")
    return likelihood


def build_objective(part: Part) -> Objective:
    """Builds an objective.

    Raises:
        OptionError: an unknown objective or setting.
    """
    return OBJECTIVES.build(part.name, part.arguments)


def build_vocoder(part: Part, front: FrontEnd) -> Vocoder:
    """Builds the vocoder of a front end, in evaluation mode.

    Args:
        part: its name and settings.
        front: how the features are made.

    Raises:
        OptionError: an unknown vocoder or setting, or one for other features.
    """
    return VOCODERS.build(part.name, part.arguments, front_end=front).eval()


def _classes(config: ModelConfig) -> int:
    """Returns the number of classes that a model is conditioned on."""
    if config.label is None or config.classes < 2:
        raise OptionError(
            f"A model of the kind '{config.kind}' needs labels of at least two classes: model.label says which, and "
            "model.classes how many."
        )
    return config.classes
