"""Models: networks and distributions, composed; one file a family."""

from latentia.models.base import MODELS, LatentModel
from latentia.models.build import build_likelihood, build_model, build_objective
from latentia.models.single import SingleLatentVAE

__all__ = ["MODELS", "LatentModel", "SingleLatentVAE", "build_likelihood", "build_model", "build_objective"]
