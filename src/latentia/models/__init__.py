"""Models: networks and distributions, composed; one file a family."""

from latentia.models.base import MODELS, LatentModel
from latentia.models.build import (
    PRIOR_ROLES,
    build_likelihood,
    build_model,
    build_objective,
    build_vocoder,
    prior_roles,
    with_new_priors,
)
from latentia.models.conditional import ConditionalVAE
from latentia.models.ladder import LadderVAE
from latentia.models.masked import MaskedVAE
from latentia.models.sequence import SequenceVAE
from latentia.models.single import SingleLatentVAE
from latentia.models.vocoder import VOCODERS, GriffinLim, PhaseGradient, Vocoder

__all__ = [
    "MODELS",
    "PRIOR_ROLES",
    "VOCODERS",
    "ConditionalVAE",
    "GriffinLim",
    "LadderVAE",
    "LatentModel",
    "MaskedVAE",
    "PhaseGradient",
    "SequenceVAE",
    "SingleLatentVAE",
    "Vocoder",
    "build_likelihood",
    "build_model",
    "build_objective",
    "build_vocoder",
    "prior_roles",
    "with_new_priors",
]
