"""Likelihoods with one parameter or two for each dimension: Bernoulli, Gaussian, discretised Gaussian."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal
from torch.special import log_ndtr  # pyright: ignore[reportUnknownVariableType]

from latentia.distributions.base import LIKELIHOODS, LazyLikelihood, Shape, full_precision, sum_event
from latentia.errors import OptionError

Scale = Literal["shared", "predicted", "closed-form"]
LEVELS = 256
HALF_BIN = 0.5 / (LEVELS - 1)
MIN_SCALE = 1e-3
LARGEST_SCALE = 100.0  # at the start
SLOWEST_AVERAGE = 0.01
LOG_HALF = math.log(0.5)


@dataclass(frozen=True)
class BernoulliPixels:
    """Independent binary dimensions.

    Attributes:
        logits: shape (K, N, ...).
    """

    logits: Tensor

    @property
    def mean(self) -> Tensor:
        return self.logits.sigmoid()

    def sample(self) -> Tensor:
        return torch.bernoulli(self.mean)

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        target = x.expand_as(self.logits)
        return sum_event(-F.binary_cross_entropy_with_logits(self.logits, target, reduction="none"), observed)


@LIKELIHOODS.register("bernoulli")
class Bernoulli(LazyLikelihood):
    """Independent binary dimensions, for binarised pictures. Grey values are refused by the training checks.

    Example:
        >>> Bernoulli()(torch.zeros(1, 2, 1, 4, 4)).log_prob(torch.ones(2, 1, 4, 4)).shape
        torch.Size([1, 2])
    """

    binary = True

    def parameter_shape(self, event_shape: Shape) -> Shape:
        return event_shape

    def centre(self, mean: Tensor) -> Tensor:
        return torch.logit(mean, eps=0.005)

    def forward(self, parameters: Tensor) -> BernoulliPixels:
        return BernoulliPixels(full_precision(parameters))


@dataclass(frozen=True)
class GaussianValues:
    """Independent normal dimensions.

    Attributes:
        location: shape (K, N, ...).
        scale: standard deviation, broadcastable to the location.
    """

    location: Tensor
    scale: Tensor

    @property
    def mean(self) -> Tensor:
        return self.location

    def sample(self) -> Tensor:
        return self.location + self.scale * torch.randn_like(self.location)

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        standard = (x - self.location) / self.scale
        return sum_event(-0.5 * standard**2 - self.scale.log() - 0.5 * math.log(2 * math.pi), observed)


@dataclass(frozen=True)
class DiscretisedGaussianPixels:
    """Independent dimensions on the grid 0/255, 1/255 ... 1: the normal mass of each bin, tails in the end bins.

    Attributes:
        location: of the normal distribution, shape (K, N, ...).
        scale: standard deviation, broadcastable to the location.
    """

    location: Tensor
    scale: Tensor

    @property
    def mean(self) -> Tensor:
        # The tails count as 0 and 1: the mean of a clipped normal distribution.
        normal = Normal(torch.zeros_like(self.scale), torch.ones_like(self.scale), validate_args=False)
        low, high = -self.location / self.scale, (1 - self.location) / self.scale
        inside = normal.cdf(high) - normal.cdf(low)
        edge = normal.log_prob(low).exp() - normal.log_prob(high).exp()
        return self.location * inside + self.scale * edge + normal.cdf(-high)

    def sample(self) -> Tensor:
        value = self.location + self.scale * torch.randn_like(self.location)
        return (value.clamp(0, 1) * (LEVELS - 1)).round() / (LEVELS - 1)

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        upper = (x + HALF_BIN - self.location) / self.scale
        lower = (x - HALF_BIN - self.location) / self.scale
        # Both ends on the left side of the curve, where the logarithm of the normal CDF is exact.
        flip = lower + upper > 0
        left, right = torch.where(flip, -upper, lower), torch.where(flip, -lower, upper)
        log_left, log_right = _log_cdf(left), _log_cdf(right)
        inside = log_right + torch.log(-torch.expm1(torch.clamp_max(log_left - log_right, -1e-7)))
        # The end bins reach to infinity: beyond the near end of the bin lies the curve up to there, or all but that.
        beyond = torch.log1p(-log_left.clamp_max(LOG_HALF).exp())
        below, above = torch.where(flip, beyond, log_right), torch.where(flip, log_right, beyond)
        nats = torch.where(x < HALF_BIN, below, torch.where(x > 1 - HALF_BIN, above, inside))
        return sum_event(nats, observed)


def _log_cdf(value: Tensor) -> Tensor:
    """Logarithm of the standard normal CDF."""
    return cast(Tensor, log_ndtr(value))


class _ScaledLikelihood(LazyLikelihood):
    """A likelihood with a location for each dimension and a scale that is shared, predicted or closed-form.

    `shared` learns one scale for all dimensions; `predicted` has the decoder give one for each dimension;
    `closed-form` sets it to the root mean squared error of the batch in training, and to its running average
    afterwards (sigma-VAE; Rybkin, Daniilidis and Levine, 2021, arXiv:2006.13202).
    """

    mean_square: Tensor
    updates: Tensor
    middle = 0.0  # where a decoder's zero lies

    def __init__(self, scale: Scale, initial_scale: float) -> None:
        super().__init__()
        if scale not in ("shared", "predicted", "closed-form"):
            raise OptionError(f"The likelihood's scale cannot be '{scale}'. Valid: shared, predicted, closed-form.")
        if not 0 < initial_scale <= LARGEST_SCALE:
            raise OptionError(
                f"The likelihood's initial_scale must be above 0 and at most {LARGEST_SCALE}, not {initial_scale}."
            )
        self.scale = scale
        self.initial_scale = initial_scale
        if scale == "shared":
            self.log_scale = nn.Parameter(torch.tensor(math.log(initial_scale)))
        if scale == "closed-form":
            self.register_buffer("mean_square", torch.tensor(initial_scale**2))
            self.register_buffer("updates", torch.tensor(0.0))

    def parameter_shape(self, event_shape: Shape) -> Shape:
        per_dimension = 2 if self.scale == "predicted" else 1
        return (per_dimension * event_shape[0], *event_shape[1:])

    def centre(self, mean: Tensor) -> Tensor:
        location = mean - self.middle
        return torch.cat([location, torch.zeros_like(location)]) if self.scale == "predicted" else location

    @torch.no_grad()
    def start_at_error(self, mean_square: Tensor) -> None:
        if self.scale == "shared":
            self.log_scale.copy_(0.5 * mean_square.log())

    def locate(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Splits the decoder's output into location and scale."""
        parameters = full_precision(parameters)
        if self.scale == "predicted":
            location, raw = parameters.chunk(2, dim=2)
            scale = F.softplus(raw + math.log(math.expm1(self.initial_scale))) + MIN_SCALE
            return location + self.middle, scale
        scale = self.log_scale.exp() if self.scale == "shared" else self.mean_square.sqrt()
        return parameters + self.middle, scale + MIN_SCALE

    @torch.no_grad()
    def closed_form_scale(self, location: Tensor, x: Tensor, observed: Tensor | None) -> Tensor:
        """Returns the batch's root mean squared error, and moves the running average towards it."""
        square = (x - location) ** 2
        if observed is not None:
            seen = observed.expand_as(square[0]).expand_as(square)
            square = square[seen]
        if not square.numel():
            return self.mean_square.sqrt() + MIN_SCALE
        # A plain mean at first, so that the initial scale is forgotten, then a moving one.
        self.updates += 1
        self.mean_square.lerp_(square.mean(), max(SLOWEST_AVERAGE, 1 / self.updates.item()))
        return square.mean().sqrt() + MIN_SCALE


@dataclass(frozen=True)
class _ClosedForm:
    """Defers the scale to the moment when the data are known; used in training only."""

    likelihood: _ScaledLikelihood
    distribution: GaussianValues | DiscretisedGaussianPixels

    @property
    def mean(self) -> Tensor:
        return self.distribution.mean

    def sample(self) -> Tensor:
        return self.distribution.sample()

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        scale = self.likelihood.closed_form_scale(self.distribution.location, x, observed)
        return type(self.distribution)(self.distribution.location, scale).log_prob(x, observed)


@LIKELIHOODS.register("gaussian")
class Gaussian(_ScaledLikelihood):
    """Independent normal dimensions, for standardised vectors.

    Args:
        scale: how the standard deviation is found: "shared", "predicted" or "closed-form".
        initial_scale: standard deviation at the start of training.

    Example:
        >>> Gaussian()(torch.zeros(1, 2, 5)).log_prob(torch.zeros(2, 5)).shape
        torch.Size([1, 2])
    """

    def __init__(self, scale: Scale = "shared", initial_scale: float = 0.5) -> None:
        super().__init__(scale, initial_scale)

    def forward(self, parameters: Tensor) -> GaussianValues | _ClosedForm:
        distribution = GaussianValues(*self.locate(parameters))
        return _ClosedForm(self, distribution) if self.scale == "closed-form" and self.training else distribution


@LIKELIHOODS.register("discretised-gaussian")
class DiscretisedGaussian(_ScaledLikelihood):
    """A probability mass on the 256 levels of 8-bit pictures, from a normal distribution.

    Args:
        scale: how the standard deviation is found: "shared", "predicted" or "closed-form".
        initial_scale: standard deviation at the start of training, in units of the full range.

    Example:
        >>> DiscretisedGaussian()(torch.zeros(1, 2, 1, 4, 4)).log_prob(torch.zeros(2, 1, 4, 4)).shape
        torch.Size([1, 2])
    """

    grid = True
    middle = 0.5

    def __init__(self, scale: Scale = "shared", initial_scale: float = 0.1) -> None:
        super().__init__(scale, initial_scale)

    def forward(self, parameters: Tensor) -> DiscretisedGaussianPixels | _ClosedForm:
        distribution = DiscretisedGaussianPixels(*self.locate(parameters))
        return _ClosedForm(self, distribution) if self.scale == "closed-form" and self.training else distribution
