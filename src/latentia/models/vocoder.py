"""Vocoders: from frames of features back to waveforms."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentia.data.frontend import FLOOR, FrontEnd
from latentia.errors import DataError
from latentia.models.phase import FrameGrid, Way, changes, integrate, refine, scaled, with_magnitude
from latentia.registry import Registry

PIECE = 1024  # frames that are worked on at once, so that memory does not grow with the length
OVERLAP = 32  # frames that a piece shares with the one before
EDGE = 4  # frames at the end of a piece whose phases are less sure
INVERSION_STEPS = 16
DEFAULT = FrontEnd()


class Vocoder(nn.Module, ABC):
    """Maps frames of features to waveforms; deterministic, and the same for a recording alone and in a batch.

    Args:
        front_end: how the features were made; the model sets it.
        iterations: steps of the fast Griffin-Lim algorithm.
        momentum: of these steps.

    Attributes:
        context: frames to each side of those in question that `plan` wants to see.
    """

    context: ClassVar[int] = 0

    def __init__(self, front_end: FrontEnd, iterations: int, momentum: float) -> None:
        super().__init__()
        self.front_end = front_end
        self.iterations = iterations
        self.momentum = momentum

    @abstractmethod
    def plan(self, features: Tensor, known: Tensor | None, piece: int) -> tuple[Tensor, Way]:
        """Returns what the iterations start from, and the way back that each of them takes.

        Args:
            features: of the frames of one piece and `context` more at each end, shape (context + T + context, F).
            known: spectra of the first frames that the piece before has found, shape (T', K); None in the first.
            piece: number of the piece.

        Returns:
            Complex spectra, shape (T, K), the first T' of which are not used; and the function to spectra that the
            features allow.
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
        samples = lengths * self.front_end.hop if samples is None else samples
        self._check(features, lengths, samples)
        waves = features.new_zeros(len(features), int(samples.max()), dtype=torch.float32)
        for row in range(len(features)):
            self._fill(waves[row, : int(samples[row])], features[row, : int(lengths[row])].float())
        return waves

    def _fill(self, wave: Tensor, features: Tensor) -> None:
        """Writes the waveform of a recording, piece by piece."""
        silence = math.log(FLOOR) if self.front_end.feature == "log-mel" else 0.0
        heard = F.pad(features, (0, 0, self.context, self.context), value=silence)
        known: Tensor | None = None
        for piece, first in enumerate(range(0, len(features), PIECE)):
            span = range(max(0, first - OVERLAP), min(first + PIECE, len(features)))
            begin = span.start * self.front_end.hop - self._before  # of the window of the piece's first frame
            grid = FrameGrid(self.front_end, len(span), slice(max(0, -begin), max(0, len(wave) - begin)), wave.device)
            start, back = self.plan(heard[span.start : span.stop + 2 * self.context], known, piece)
            start = start if known is None else torch.cat([known, start[len(known) :]])
            spectrum = refine(grid, start, back, self.iterations, self.momentum)
            self._join(wave, grid.waveform(spectrum), span)
            known = spectrum[-OVERLAP:-EDGE]

    def _join(self, wave: Tensor, piece: Tensor, span: range) -> None:
        """Lays a piece over the waveform so far, faded in where the piece before covers it too."""
        edge = EDGE if span.start else 0
        start = min((span.start + edge) * self.front_end.hop, len(wave))
        stop = min(span.stop * self.front_end.hop, len(wave))
        fade = torch.ones(stop - start, device=wave.device)
        if span.start:
            slope = torch.linspace(0, 1, (OVERLAP - 2 * EDGE) * self.front_end.hop, device=wave.device)[: len(fade)]
            fade[: len(slope)] = slope
        offset = edge * self.front_end.hop + self._before
        wave[start:stop] = torch.lerp(wave[start:stop], piece[offset : offset + len(fade)], fade)

    @property
    def _before(self) -> int:
        """Samples of the first window that lie before its middle part."""
        return (self.front_end.window - self.front_end.hop) // 2

    def _check(self, features: Tensor, lengths: Tensor, samples: Tensor) -> None:
        expected = self.front_end.n_features
        if features.dim() != 3 or features.shape[-1] != expected:
            raise DataError(f"The vocoder takes features (N, T, {expected}), not {tuple(features.shape)}.")
        if len(lengths) != len(features) or len(samples) != len(features) or int(lengths.max()) > features.shape[1]:
            raise DataError(f"The lengths {lengths.tolist()} do not fit features of shape {tuple(features.shape)}.")
        if bool((samples > lengths * self.front_end.hop).any()):
            raise DataError(
                f"The vocoder makes {self.front_end.hop} samples of each frame, so more were asked for than it has."
            )


VOCODERS: Registry[Vocoder] = Registry("vocoder")


@VOCODERS.register("griffin-lim")
class GriffinLim(Vocoder):
    """Random phases, improved by the fast Griffin-Lim algorithm (Perraudin, Balazs and Sondergaard, 2013).

    Args:
        front_end: how the features were made; the model sets it.
        iterations: steps of the algorithm.
        momentum: of the algorithm; 0 is that of Griffin and Lim (1984).
        seed: of the random phases.

    Example:
        >>> front = FrontEnd.for_rate(8000)
        >>> features, lengths = front.features(torch.randn(2, 4000).clamp(-1, 1), torch.tensor([4000, 1000]))
        >>> VOCODERS.build("griffin-lim", {}, front_end=front)(features, lengths).shape
        torch.Size([2, 4000])
    """

    def __init__(
        self, front_end: FrontEnd = DEFAULT, iterations: int = 32, momentum: float = 0.99, seed: int = 0
    ) -> None:
        super().__init__(front_end, iterations, momentum)
        self.seed = seed

    def plan(self, features: Tensor, known: Tensor | None, piece: int) -> tuple[Tensor, Way]:
        magnitude = magnitudes(self.front_end, features)
        # Drawn on the CPU, so that the device changes nothing.
        generator = torch.Generator().manual_seed(self.seed + piece)
        angles = 2 * math.pi * torch.rand(magnitude.shape, generator=generator)
        return torch.polar(magnitude, angles.to(magnitude.device)), partial(with_magnitude, magnitude=magnitude)


@VOCODERS.register("phase-gradient")
class PhaseGradient(Vocoder):
    """Phases that follow from the magnitudes' slopes, improved by the fast Griffin-Lim algorithm.

    The first phases are those of Prusa, Balazs and Sondergaard (2017), put together from frame to frame. Where features
    are mel bands, each step lets the magnitudes of single frequencies go where the overlapping frames want them, as
    long as they explain the bands.

    Args:
        front_end: how the features were made; the model sets it.
        iterations: steps of the algorithm.
        momentum: of the algorithm.

    Example:
        >>> front = FrontEnd.for_rate(16000, feature="power")
        >>> features, lengths = front.features(torch.randn(1, 1600).clamp(-1, 1))
        >>> PhaseGradient(front)(features, lengths, torch.tensor([1590])).shape
        torch.Size([1, 1590])
    """

    context = 1

    def __init__(self, front_end: FrontEnd = DEFAULT, iterations: int = 40, momentum: float = 0.99) -> None:
        super().__init__(front_end, iterations, momentum)

    def plan(self, features: Tensor, known: Tensor | None, piece: int) -> tuple[Tensor, Way]:
        seen = magnitudes(self.front_end, features)
        magnitude = seen[1:-1]
        start = integrate(self.front_end, magnitude, changes(self.front_end, seen), known)
        if self.front_end.feature == "power":
            return start, partial(with_magnitude, magnitude=magnitude)
        return start, MelBands(self.front_end, features[1:-1]).explain


def magnitudes(front: FrontEnd, features: Tensor) -> Tensor:
    """Returns the magnitude of each frequency, shape (T, K), of features (T, F), as far as these tell it.

    Args:
        front: how the features were made.
        features: shape (T, F).

    Example:
        >>> front = FrontEnd()
        >>> power = torch.full((1, 321), 0.25)
        >>> magnitudes(front, front.mel(power))[0, 1:-1].mean().round(decimals=3)
        tensor(0.5000)
    """
    return features.clamp_min(0).sqrt() if front.feature == "power" else MelBands(front, features).power().sqrt()


class MelBands:
    """The power in mel bands, and powers of single frequencies that explain it.

    Bands do not tell these. Of all that explain them, some near to a first guess are found by steps that multiply, and
    so never become negative (Lee and Seung, 2001, for the Kullback-Leibler divergence).

    Args:
        front: how the bands were made.
        features: natural logarithms of the power in bands, shape (T, F).
    """

    def __init__(self, front: FrontEnd, features: Tensor) -> None:
        self._mel = (features.exp() - FLOOR).clamp_min(0)  # silence lies at the floor
        self._bands = front.bands(features)
        self._spread = (self._bands / self._bands.sum(1, keepdim=True).clamp_min(1e-8)).T.contiguous()

    def power(self, steps: int = INVERSION_STEPS) -> Tensor:
        """Returns powers, shape (T, K), near to the smooth spectrum through the bands."""
        power = self._mel @ self._spread
        for _ in range(steps):
            power = power * self._correction(power)
        return power

    def explain(self, spectrum: Tensor) -> Tensor:
        """Returns spectra, shape (T, K), of the same phases that explain the bands better."""
        return scaled(spectrum, self._correction(torch.view_as_real(spectrum).square().sum(-1)).sqrt())

    def _correction(self, power: Tensor) -> Tensor:
        return (self._mel / (power @ self._bands).clamp_min(FLOOR / 10)) @ self._spread
