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


def prior_roles(kind: str) -> list[PriorRole]:
    """Returns the roles of the priors that a kind of model has."""
    return [role for role in PRIOR_ROLES if role in MODELS.arguments(kind)]


def build_model(config: ModelConfig, event_shape: Shape, parts: Mapping[str, Any] | None = None) -> LatentModel:
    """Builds a model for examples of a shape.

    Args:
        config: names and settings of the parts.
        event_shape: shape of one example, (C, H, W) or (D,); of one position of a sequence, (F,).
        parts: objects that take the place of parts of the configuration, by their role: "encoder", "decoder", "prior",
            "frame_prior" or "likelihood".

    Raises:
        OptionError: an unknown part or setting, or parts that do not fit the data or one another.

    Example:
        >>> config = ModelConfig(latent_dim=2, likelihood=Part(name="gaussian"))
        >>> type(build_model(config, (6,))).__name__
        'SingleLatentVAE'
    """
    kind = MODELS.get(config.kind)
    likelihood = build_likelihood(config, event_shape, parts)
    sizes: dict[str, Any] = {
        "event_shape": event_shape,
        "out_shape": likelihood.parameter_shape(event_shape),
        "latent_dim": config.latent_dim,
        "frame_dim": config.frame_dim,
    }

    def build(registry: Registry[Any], role: str, own: Mapping[str, Any] | None = None, **more: Any) -> Any:
        return _build(registry, role, getattr(config, role), own, **{**sizes, **more})

    wanted = MODELS.arguments(config.kind)
    classes = _classes(config) if "label" in wanted else 0
    encoder = build(kind.encoders, "encoder", parts)
    posterior = partial(build, POSTERIORS, "posterior", features=encoder.features)
    made: dict[str, Any] = {}
    code = config.latent_dim + classes + kind.extra_inputs  # what the decoder takes
    possible: dict[str, Callable[[], Any]] = {
        "posterior": posterior,
        "prior": lambda: build_prior(config, event_shape, "prior", parts),
        "frame_posterior": partial(posterior, latent_dim=config.frame_dim),
        "frame_prior": lambda: build_prior(config, event_shape, "frame_prior", parts),
        "label_prior": lambda: LabelPrior(classes),
        "label_posterior": lambda: LabelPosterior(encoder.features, classes),
        "decoder": partial(build, kind.decoders, "decoder", parts, latent_dim=code),
        "conditional_prior": lambda: posterior(features=made["decoder"].features),
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


def _build(registry: Registry[Any], role: str, part: Part, parts: Mapping[str, Any] | None, **sizes: Any) -> Any:
    """Builds a part; or takes the object that was given for it, if it is of the kind and the sizes that a model needs.

    An object of other sizes could be broadcast in silence.
    """
    own = (parts or {}).get(role)
    if own is None:
        return registry.build(part.name, part.arguments, **sizes)
    if not isinstance(own, registry.base):
        raise OptionError(
            f"The {role} of this model is a {registry.base.__name__}, and {type(own).__name__} is none: give one, or "
            "choose another preset ('image' takes an Encoder and a Decoder)."
        )
    for name, wanted in sizes.items():
        found = getattr(own, name, wanted)
        if found != wanted:
            raise OptionError(f"The {role} was made with {name}={found}, but the model needs {wanted}.")
    return own


def build_prior(
    config: ModelConfig, event_shape: Shape, role: PriorRole = "prior", parts: Mapping[str, Any] | None = None
) -> Any:
    """Builds a prior alone.

    Args:
        config: names it, and says the sizes of the latents.
        event_shape: shape of one example; of one position of a sequence.
        role: of the code, or of groups of frames.
        parts: objects that take the place of parts of the configuration, by their role.

    Raises:
        OptionError: an unknown prior or setting, or an object of another kind or size.
    """
    shape = MODELS.get(config.kind).example_shape(event_shape)
    sizes = {"latent_dim": config.latent_dim, "frame_dim": config.frame_dim, "example_shape": shape}
    return _build(PRIOR_ROLES[role], role, getattr(config, role), parts, **sizes)


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
        OptionError: an unknown prior or setting, or an object of another kind or size.
    """
    device = next(model.parameters()).device
    copied = copy.deepcopy(model)
    for role in PRIOR_ROLES:
        if role in MODELS.arguments(config.kind):
            setattr(copied, role, build_prior(config, event_shape, role, parts).to(device))
    return copied


def build_likelihood(config: ModelConfig, event_shape: Shape, parts: Mapping[str, Any] | None = None) -> LazyLikelihood:
    """Builds the likelihood alone.

    Args:
        config: names it.
        event_shape: shape of one example; of one position of a sequence.
        parts: objects that take the place of parts of the configuration, by their role.

    Raises:
        OptionError: a likelihood of pictures for vectors, an unknown one, or an object of another kind or size.
    """
    part = config.likelihood
    likelihood: LazyLikelihood = _build(LIKELIHOODS, "likelihood", part, parts, channels=event_shape[0])
    if likelihood.grid and len(event_shape) != 3:
        raise OptionError(f"The likelihood '{part.name}' is for 8-bit pictures; take 'gaussian' for vectors.")
    return likelihood


def build_objective(part: Part, parts: Mapping[str, Any] | None = None) -> Objective:
    """Builds an objective.

    Args:
        part: its name and settings.
        parts: objects that take the place of parts of the configuration, by their role.

    Raises:
        OptionError: an unknown objective or setting, or an object that is none.
    """
    return _build(OBJECTIVES, "objective", part, parts)


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
