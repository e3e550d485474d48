"""Vocoders: from frames of features back to waveforms."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentia.data.frontend import FLOOR, Feature, FrontEnd
from latentia.errors import DataError
from latentia.models.phase import FrameGrid, changes, integrate, refine, with_magnitude
from latentia.registry import Registry

PIECE = 1024  # frames that are worked on at once, so that memory does not grow with the length
OVERLAP = 32  # frames that a piece shares with the one before
EDGE = 4  # frames at the end of a piece whose phases are less sure
INVERSION_STEPS = 16


class Vocoder(nn.Module, ABC):
    """Maps frames of features to waveforms; deterministic, and the same for a recording alone and in a batch.

    The first five settings are those of the front end that made the features, so that
    `VOCODERS.build(name, front_end.model_dump())` makes the vocoder of a front end.

    Args:
        sample_rate: of the waveforms, Hz.
        feature: "log-mel" or "power".
        window: samples of one frame.
        hop: samples from one frame to the next.
        mels: number of mel bands.
        iterations: steps of the fast Griffin-Lim algorithm.
        momentum: of these steps.

    Attributes:
        context: frames to each side of those in question that `start` wants to see.
    """

    context: ClassVar[int] = 0

    def __init__(
        self, sample_rate: int, feature: Feature, window: int, hop: int, mels: int, iterations: int, momentum: float
    ) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.feature: Feature = feature
        self.window = window
        self.hop = hop
        self.mels = mels
        self.iterations = iterations
        self.momentum = momentum
        self.front_end = FrontEnd(sample_rate=sample_rate, feature=feature, window=window, hop=hop, mels=mels)

    @abstractmethod
    def start(self, features: Tensor, known: Tensor | None, piece: int) -> tuple[Tensor, Tensor]:
        """Returns what the iterations start from.

        Args:
            features: of the frames of one piece and `context` more at each end, shape (context + T + context, F).
            known: spectra of the first frames that the piece before has found, shape (T', K); None in the first.
            piece: number of the piece.

        Returns:
            Magnitudes, shape (T, K), and complex spectra of the same shape; `known` need not be among them.
        """

    @torch.no_grad()
    def forward(self, features: Tensor, lengths: Tensor, samples: Tensor | None = None) -> Tensor:
        """Makes waveforms, one recording after the other: iterations would blow up the rounding of a common batch.

        Args:
            features: shape (N, T, F).
            lengths: frames of each recording, shape (N,).
            samples: samples of each, shape (N,); as many as its frames have if None.

        Returns:
            Waveforms, shape (N, S), zero behind their ends.

        Raises:
            DataError: the features are not those of the front end, or there are fewer frames than it takes.
        """
        samples = lengths * self.hop if samples is None else samples
        self._check(features, lengths, samples)
        waves = features.new_zeros(len(features), int(samples.max()), dtype=torch.float32)
        for row, (frames, size) in enumerate(zip(lengths.tolist(), samples.tolist(), strict=True)):
            self._fill(waves[row, :size], features[row, :frames].float())
        return waves

    def _fill(self, wave: Tensor, features: Tensor) -> None:
        """Writes the waveform of a recording, piece by piece."""
        silence = math.log(FLOOR) if self.feature == "log-mel" else 0.0
        heard = F.pad(features, (0, 0, self.context, self.context), value=silence)
        known: Tensor | None = None
        for piece, first in enumerate(range(0, len(features), PIECE)):
            span = range(max(0, first - OVERLAP), min(first + PIECE, len(features)))
            begin = span.start * self.hop - self._before  # of the window of the piece's first frame
            grid = FrameGrid(self.front_end, len(span), slice(max(0, -begin), len(wave) - begin), wave.device)
            magnitude, start = self.start(heard[span.start : span.stop + 2 * self.context], known, piece)
            if known is not None:
                start = torch.cat([with_magnitude(known, magnitude[: len(known)]), start[len(known) :]])
            spectrum = refine(grid, magnitude, start, self.iterations, self.momentum)
            self._join(wave, grid.waveform(spectrum), span)
            known = spectrum[-OVERLAP:-EDGE]

    def _join(self, wave: Tensor, piece: Tensor, span: range) -> None:
        """Lays a piece over the waveform so far, faded in where the piece before covers it too."""
        edge = EDGE if span.start else 0
        start, stop = (span.start + edge) * self.hop, min(span.stop * self.hop, len(wave))
        fade = torch.ones(stop - start, device=wave.device)
        if span.start:
            slope = torch.linspace(0, 1, (OVERLAP - 2 * EDGE) * self.hop, device=wave.device)[: len(fade)]
            fade[: len(slope)] = slope
        offset = edge * self.hop + self._before
        wave[start:stop] = torch.lerp(wave[start:stop], piece[offset : offset + len(fade)], fade)

    @property
    def _before(self) -> int:
        """Samples of the first window that lie before its middle part."""
        return (self.window - self.hop) // 2

    def _check(self, features: Tensor, lengths: Tensor, samples: Tensor) -> None:
        expected = self.front_end.n_features
        if features.dim() != 3 or features.shape[-1] != expected:
            raise DataError(f"The vocoder takes features (N, T, {expected}), not {tuple(features.shape)}.")
        if len(lengths) != len(features) or len(samples) != len(features) or int(lengths.max()) > features.shape[1]:
            raise DataError(f"The lengths {lengths.tolist()} do not fit features of shape {tuple(features.shape)}.")
        if bool((samples > lengths * self.hop).any()):
            raise DataError(f"The vocoder makes {self.hop} samples of each frame, so more were asked for than it has.")


VOCODERS: Registry[Vocoder] = Registry("vocoder")


@VOCODERS.register("griffin-lim")
class GriffinLim(Vocoder):
    """Random phases, improved by the fast Griffin-Lim algorithm (Perraudin, Balazs and Sondergaard, 2013).

    Args:
        sample_rate: of the waveforms, Hz.
        feature: "log-mel" or "power".
        window: samples of one frame.
        hop: samples from one frame to the next.
        mels: number of mel bands.
        iterations: steps of the algorithm.
        momentum: of the algorithm; 0 is that of Griffin and Lim (1984).
        seed: of the random phases.

    Example:
        >>> front = FrontEnd.for_rate(8000)
        >>> features, lengths = front.features(torch.randn(2, 4000).clamp(-1, 1), torch.tensor([4000, 1000]))
        >>> VOCODERS.build("griffin-lim", front.model_dump())(features, lengths).shape
        torch.Size([2, 4000])
    """

    def __init__(
        self,
        sample_rate: int = 16_000,
        feature: Feature = "log-mel",
        window: int = 640,
        hop: int = 160,
        mels: int = 80,
        iterations: int = 32,
        momentum: float = 0.99,
        seed: int = 0,
    ) -> None:
        super().__init__(sample_rate, feature, window, hop, mels, iterations, momentum)
        self.seed = seed

    def start(self, features: Tensor, known: Tensor | None, piece: int) -> tuple[Tensor, Tensor]:
        magnitude = magnitudes(self.front_end, features)
        # Drawn on the CPU, so that the device changes nothing.
        generator = torch.Generator().manual_seed(self.seed + piece)
        angles = 2 * math.pi * torch.rand(magnitude.shape, generator=generator)
        return magnitude, torch.polar(magnitude, angles.to(magnitude.device))


@VOCODERS.register("phase-gradient")
class PhaseGradient(Vocoder):
    """Phases that follow from the magnitudes' slopes, improved by the fast Griffin-Lim algorithm.

    Args:
        sample_rate: of the waveforms, Hz.
        feature: "log-mel" or "power".
        window: samples of one frame.
        hop: samples from one frame to the next.
        mels: number of mel bands.
        iterations: steps of the algorithm.
        momentum: of the algorithm.

    Example:
        >>> front = FrontEnd.for_rate(16000, feature="power")
        >>> features, lengths = front.features(torch.randn(1, 1600).clamp(-1, 1))
        >>> PhaseGradient(**front.model_dump())(features, lengths, torch.tensor([1590])).shape
        torch.Size([1, 1590])
    """

    context = 1

    def __init__(
        self,
        sample_rate: int = 16_000,
        feature: Feature = "log-mel",
        window: int = 640,
        hop: int = 160,
        mels: int = 80,
        iterations: int = 32,
        momentum: float = 0.99,
    ) -> None:
        super().__init__(sample_rate, feature, window, hop, mels, iterations, momentum)

    def start(self, features: Tensor, known: Tensor | None, piece: int) -> tuple[Tensor, Tensor]:
        seen = magnitudes(self.front_end, features)
        magnitude = seen[1:-1]
        return magnitude, integrate(self.front_end, magnitude, changes(self.front_end, seen), known)


def magnitudes(front: FrontEnd, features: Tensor, steps: int = INVERSION_STEPS) -> Tensor:
    """Returns the magnitude of each frequency, shape (..., K), of features (..., F).

    Of power it is the square root. Mel bands do not tell the power of single frequencies: of all non-negative powers
    that explain them, one is found near to the smooth spectrum through the bands, by steps that multiply (Lee and
    Seung, 2001, for the Kullback-Leibler divergence).

    Args:
        front: how the features were made.
        features: shape (..., F).
        steps: of the inversion of mel bands.

    Example:
        >>> front = FrontEnd()
        >>> power = torch.full((1, 1, 321), 0.25)
        >>> magnitudes(front, front.mel(power))[0, 0, 1:-1].mean().round(decimals=3)
        tensor(0.5000)
    """
    if front.feature == "power":
        return features.clamp_min(0).sqrt()
    bands = front.bands(features)
    mel, share = (features.exp() - FLOOR).clamp_min(0), bands.sum(1).clamp_min(1e-8)  # silence is at the floor
    power = (mel @ bands.T) / share
    for _ in range(steps):
        power = power * ((mel / (power @ bands).clamp_min(FLOOR / 10)) @ bands.T) / share
    return power.sqrt()
