"""The discretised mixture of logistic distributions, for 8-bit pictures in grey or colour."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Categorical

from latentia.distributions.base import LIKELIHOODS, LazyLikelihood, Shape, full_precision
from latentia.distributions.likelihood import HALF_BIN, LEVELS
from latentia.errors import OptionError

MIN_LOG_SCALE = -7.0


@dataclass(frozen=True)
class LogisticMixturePixels:
    """A mixture for each pixel; in colour, green depends on red, and blue on both, within each component.

    All values are on [0, 1]. M components, C channels.

    Attributes:
        logits: of the components, shape (K, N, M, H, W).
        location: shape (K, N, M, C, H, W).
        log_scale: shape (K, N, M, C, H, W).
        coupling: of green to red, blue to red, blue to green, shape (K, N, M, 3, H, W); None for grey.
    """

    logits: Tensor
    location: Tensor
    log_scale: Tensor
    coupling: Tensor | None

    def _shifted(self, colour: Tensor) -> Tensor:
        """Returns the locations given the colour (..., C, H, W), which may itself have a components' axis."""
        if self.coupling is None:
            return self.location
        red, green = 2 * colour[..., 0, :, :] - 1, 2 * colour[..., 1, :, :] - 1
        a, b, c = self.coupling.unbind(-3)
        zero = torch.zeros_like(a * red)
        return self.location + 0.5 * torch.stack([zero, a * red, b * red + c * green], dim=-3)

    @property
    def mean(self) -> Tensor:
        """The components' means, weighed; what lies outside of [0, 1] counts as 0 and 1.

        In colour each channel is taken at the means of those that it depends on: exact but for what they scatter beyond
        the ends of the range.
        """
        expected = self._clipped(self.location)
        if self.coupling is not None:
            for _ in range(2):  # red settles green, then both settle blue
                expected = self._clipped(self._shifted(expected))
        weights = self.logits.softmax(2).unsqueeze(3)
        return (weights * expected).sum(2)

    def _clipped(self, location: Tensor) -> Tensor:
        """Returns the means of logistic distributions whose tails are moved to 0 and 1.

        It is the integral over [0, 1] of the probability to lie above, whose antiderivative is a softplus.
        """
        scale = self.log_scale.exp()
        return scale * (F.softplus(location / scale) - F.softplus((location - 1) / scale))

    def sample(self) -> Tensor:
        choice = Categorical(logits=self.logits.movedim(2, -1)).sample()
        index = choice[:, :, None, None].expand(*self.location.shape[:2], 1, *self.location.shape[3:])
        chosen = LogisticMixturePixels(
            logits=torch.zeros_like(self.logits[:, :, :1]),
            location=self.location.gather(2, index),
            log_scale=self.log_scale.gather(2, index),
            coupling=None if self.coupling is None else self.coupling.gather(2, index),
        )
        uniform = torch.rand_like(chosen.location).clamp(1e-5, 1 - 1e-5)
        noise = chosen.log_scale.exp() * uniform.logit()
        colour = _to_grid(chosen.location + noise)
        if chosen.coupling is not None:
            for _ in range(2):
                colour = _to_grid(chosen._shifted(colour) + noise)
        return colour.squeeze(2)

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        colour = x.unsqueeze(-4)  # an axis for the components
        inverse = torch.exp(-self.log_scale)
        distance = colour - self._shifted(colour)
        upper, lower = (distance + HALF_BIN) * inverse, (distance - HALF_BIN) * inverse
        # sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(a - b)): no cancellation anywhere.
        inside = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(-2 * HALF_BIN * inverse))
        nats = torch.where(
            colour < HALF_BIN,
            F.logsigmoid(upper),
            torch.where(colour > 1 - HALF_BIN, F.logsigmoid(-lower), inside),
        )
        pixels = torch.logsumexp(nats.sum(-3) + self.logits.log_softmax(2), dim=2)
        if observed is not None:
            pixels = pixels.where(observed.all(1), pixels.new_zeros(()))
        return pixels.flatten(2).sum(-1)


@LIKELIHOODS.register("discretised-logistic-mixture")
class DiscretisedLogisticMixture(LazyLikelihood):
    """A probability mass on the 256 levels of each pixel, joint over its channels (PixelCNN++; Salimans et al.,
    2017, arXiv:1701.05517).

    A pixel counts as observed or missing as a whole.

    Args:
        components: number of logistic components of each pixel.
        channels: 1 for grey, 3 for colour; the model sets it.

    Raises:
        OptionError: another number of channels.

    Example:
        >>> part = DiscretisedLogisticMixture(components=2, channels=3)
        >>> parameters = torch.zeros(1, 5, *part.parameter_shape((3, 4, 4)))
        >>> part(parameters).log_prob(torch.zeros(5, 3, 4, 4)).shape
        torch.Size([1, 5])
    """

    grid = True

    def __init__(self, components: int = 5, channels: int = 3) -> None:
        super().__init__()
        if components < 1:
            raise OptionError(f"discretised-logistic-mixture takes at least 1 component, not {components}.")
        if channels not in (1, 3):
            raise OptionError(f"discretised-logistic-mixture takes pictures of 1 or 3 channels, not {channels}.")
        self.components = components
        self.channels = channels
        # weight, location and log scale for each channel, and for colour three couplings
        self._per_component = 1 + 2 * channels + (3 if channels == 3 else 0)

    def parameter_shape(self, event_shape: Shape) -> Shape:
        return (self.components * self._per_component, *event_shape[1:])

    def centre(self, mean: Tensor) -> Tensor:
        parameters = mean.new_zeros(self.components, self._per_component, *mean.shape[1:])
        parameters[:, 1 : 1 + self.channels] = mean - 0.5
        return parameters.flatten(0, 1)

    def forward(self, parameters: Tensor) -> LogisticMixturePixels:
        split = full_precision(parameters).reshape(
            *parameters.shape[:2], self.components, self._per_component, *parameters.shape[3:]
        )
        sizes = [1, self.channels, self.channels, *([3] if self.channels == 3 else [])]
        logits, location, log_scale, *coupling = torch.split(split, sizes, dim=3)
        spread = torch.linspace(-0.3, 0.3, self.components, device=parameters.device)[:, None, None, None]
        spread = spread - spread.mean()  # of one component too
        return LogisticMixturePixels(
            logits=logits.squeeze(3),
            location=0.5 + spread + location,
            log_scale=(log_scale - 2.5).clamp_min(MIN_LOG_SCALE),
            coupling=torch.tanh(coupling[0]) if coupling else None,
        )


def _to_grid(value: Tensor) -> Tensor:
    return (value.clamp(0, 1) * (LEVELS - 1)).round() / (LEVELS - 1)
