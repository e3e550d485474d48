"""Posteriors, priors and likelihoods: modules that take a context and return a distribution."""

from latentia.distributions.base import (
    LIKELIHOODS,
    POSTERIORS,
    PRIORS,
    Encode,
    LazyLikelihood,
    LazyPosterior,
    LazyPrior,
)
from latentia.distributions.either import EitherPrior
from latentia.distributions.flow import FlowPrior
from latentia.distributions.frames import (
    FRAME_PRIORS,
    Expectation,
    IndependentFramePrior,
    LazyFramePrior,
    RecurrentFramePrior,
)
from latentia.distributions.label import LabelPosterior, LabelPrior, clamp
from latentia.distributions.likelihood import Bernoulli, DiscretisedGaussian, Gaussian
from latentia.distributions.logistic_mixture import DiscretisedLogisticMixture
from latentia.distributions.mixture import CorrelatedMixture, NormalMixture
from latentia.distributions.mixture_prior import MixtureOfGaussians
from latentia.distributions.posterior import DiagonalGaussian, ResidualGaussian
from latentia.distributions.prior import StandardNormal
from latentia.distributions.rest import RestLikelihood
from latentia.distributions.spectral import ItakuraSaito
from latentia.distributions.vamp import VampPrior

__all__ = [
    "FRAME_PRIORS",
    "LIKELIHOODS",
    "POSTERIORS",
    "PRIORS",
    "Bernoulli",
    "CorrelatedMixture",
    "DiagonalGaussian",
    "DiscretisedGaussian",
    "DiscretisedLogisticMixture",
    "EitherPrior",
    "Encode",
    "Expectation",
    "FlowPrior",
    "Gaussian",
    "IndependentFramePrior",
    "ItakuraSaito",
    "LabelPosterior",
    "LabelPrior",
    "LazyFramePrior",
    "LazyLikelihood",
    "LazyPosterior",
    "LazyPrior",
    "MixtureOfGaussians",
    "NormalMixture",
    "RecurrentFramePrior",
    "ResidualGaussian",
    "RestLikelihood",
    "StandardNormal",
    "VampPrior",
    "clamp",
]
