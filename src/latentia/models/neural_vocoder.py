"""The neural vocoder: a small network that reads magnitudes and changes of phase off the features."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor, nn

from latentia.data.frontend import Feature, FrontEnd
from latentia.models.phase import Changes, integrate
from latentia.models.vocoder import VOCODERS, PhaseGradient, Vocoder, magnitudes

WEIGHTS = "weights"
QUIETEST = 1e-5  # the least magnitude that is told from silence, -100 dB


class Reading(NamedTuple):
    """What the network reads off the features, for each frame and frequency.

    Attributes:
        log_magnitude: natural logarithm, shape (N, T, K).
        time: unit vector of the change of phase from the frame before, shorter the less sure, shape (N, T, K, 2).
        frequency: the same for the change from the next lower frequency.
    """

    log_magnitude: Tensor
    time: Tensor
    frequency: Tensor


class ResidualFrames(nn.Module):
    """`x + mix(relu(conv(relu(x))))`, the identity at first; a frame at each end is used up.

    Args:
        width: number of channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3)
        self.mix = nn.Conv1d(width, width, 1)
        nn.init.zeros_(self.mix.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x[..., 1:-1] + self.mix(F.relu(self.conv(F.relu(x))))


@VOCODERS.register("neural")
class NeuralVocoder(Vocoder):
    """A convolutional network gives magnitudes and changes of phase; a few steps of fast Griffin-Lim polish them.

    Changes of phase, unlike phases, follow from what the features show. They are put together as in `PhaseGradient`.

    Args:
        sample_rate: of the waveforms, Hz.
        feature: "log-mel" or "power".
        window: samples of one frame.
        hop: samples from one frame to the next.
        mels: number of mel bands.
        width: channels of the network.
        blocks: residual blocks; the network sees one frame more to each side for each of them.
        iterations: steps of the fast Griffin-Lim algorithm.
        momentum: of these steps.

    Example:
        >>> front = FrontEnd()
        >>> vocoder = NeuralVocoder(**front.model_dump(), width=8, blocks=1)
        >>> features, lengths = front.features(torch.randn(1, 1600).clamp(-1, 1))
        >>> vocoder(features, lengths).shape
        torch.Size([1, 1600])
    """

    def __init__(
        self,
        sample_rate: int = 16_000,
        feature: Feature = "log-mel",
        window: int = 640,
        hop: int = 160,
        mels: int = 80,
        width: int = 256,
        blocks: int = 5,
        iterations: int = 8,
        momentum: float = 0.99,
    ) -> None:
        super().__init__(sample_rate, feature, window, hop, mels, iterations, momentum)
        self.width = width
        self.blocks = blocks
        self.context = blocks + 1
        bins = self.front_end.n_frequencies
        self.stem = nn.Conv1d(self.front_end.n_features, width, 3)
        self.trunk = nn.Sequential(*(ResidualFrames(width) for _ in range(blocks)))
        self.head = nn.Conv1d(width, 5 * bins, 1)
        nn.init.zeros_(self.head.weight)
        self.register_buffer("centre", torch.zeros(self.front_end.n_features, 1))
        self.register_buffer("scale", torch.ones(self.front_end.n_features, 1))

    def read(self, features: Tensor) -> Reading:
        """Reads magnitudes and changes of phase off the features.

        Args:
            features: of the frames in question and `context` more at each end, shape (N, T + 2 context, F).
        """
        smooth = magnitudes(self.front_end, features[:, self.context : -self.context], steps=0)
        shown = features if self.feature == "log-mel" else features.clamp_min(QUIETEST**2).log()
        hidden = self.trunk(self.stem((shown.transpose(1, 2) - self.centre) / self.scale))
        parts = self.head(F.relu(hidden)).float().transpose(1, 2).unflatten(-1, (5, -1)).unbind(2)
        log_magnitude = smooth.clamp_min(QUIETEST).log() + parts[0]
        return Reading(log_magnitude, torch.stack(parts[1:3], -1), torch.stack(parts[3:5], -1))

    def start(self, features: Tensor, known: Tensor | None, piece: int) -> tuple[Tensor, Tensor]:
        reading = self.read(features[None])
        magnitude = reading.log_magnitude[0].exp()
        change = Changes(*(torch.atan2(part[0, ..., 1], part[0, ..., 0]) for part in reading[1:]))
        return magnitude, integrate(self.front_end, magnitude, change, known)


@lru_cache(maxsize=1)
def bundled_vocoder() -> NeuralVocoder:
    """Returns the neural vocoder that comes with Latentia, in evaluation mode; its card lies beside its weights.

    Example:
        >>> bundled_vocoder().sample_rate
        16000
    """
    folder = resources.files("latentia.models") / WEIGHTS
    description: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
    vocoder = NeuralVocoder(**description["arguments"])
    tensors = load((folder / "model.safetensors").read_bytes())
    vocoder.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return vocoder.eval().requires_grad_(False)


def vocoder_for(front: FrontEnd) -> Vocoder:
    """Returns the best vocoder for a front end: the neural one that was trained for it, else phases from gradients.

    Example:
        >>> type(vocoder_for(FrontEnd.for_rate(8000))).__name__
        'PhaseGradient'
    """
    neural = bundled_vocoder()
    return neural if neural.front_end == front else PhaseGradient(**front.model_dump())
