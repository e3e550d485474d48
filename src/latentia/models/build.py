"""From a configuration to a model, and from a model's parts back to their configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentia.config import ModelConfig, Part
from latentia.distributions import LIKELIHOODS, POSTERIORS, PRIORS, LazyLikelihood
from latentia.errors import OptionError
from latentia.models.base import MODELS, LatentModel
from latentia.nets import DECODERS, ENCODERS
from latentia.objectives import OBJECTIVES, Objective

Shape = tuple[int, ...]


def build_model(config: ModelConfig, event_shape: Shape, parts: Mapping[str, Any] | None = None) -> LatentModel:
    """Builds a model for examples of a shape.

    Args:
        config: names and settings of the parts.
        event_shape: shape of one example, (C, H, W) or (D,).
        parts: objects that take the place of parts of the configuration, by their role ("encoder", "prior" ...).

    Raises:
        OptionError: an unknown part or setting, or parts that do not fit the data or one another.

    Example:
        >>> config = ModelConfig(latent_dim=2, likelihood=Part(name="gaussian"))
        >>> type(build_model(config, (6,))).__name__
        'SingleLatentVAE'
    """
    own = parts or {}
    likelihood = own.get("likelihood") or build_likelihood(config, event_shape)
    out_shape = likelihood.parameter_shape(event_shape)
    sizes = {"event_shape": event_shape, "latent_dim": config.latent_dim, "out_shape": out_shape}
    encoder = own.get("encoder") or ENCODERS.build(config.encoder.name, config.encoder.arguments, **sizes)
    return MODELS.build(
        config.kind,
        {},
        encoder=encoder,
        posterior=POSTERIORS.build(
            config.posterior.name, config.posterior.arguments, features=encoder.features, **sizes
        ),
        prior=own.get("prior") or PRIORS.build(config.prior.name, config.prior.arguments, **sizes),
        decoder=own.get("decoder") or DECODERS.build(config.decoder.name, config.decoder.arguments, **sizes),
        likelihood=likelihood,
    )


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
