"""From magnitudes to phases: frames that overlap, the fast Griffin-Lim algorithm, and phases from their gradients.

Shapes: T frames of one recording, K frequencies. Spectra are those of `FrontEnd.spectrum`. Where changes of phase are
spoken of, the phases are those at the middle of a frame, since there a tone has one phase in all its bins.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from latentia.data.frontend import FrontEnd

HANN_SPREAD = 0.25645  # a Hann window of L samples is like exp(-pi t^2 / (HANN_SPREAD L^2)) (Prusa et al., 2017)
MAIN_LOBE = 2  # bins to each side of a tone that its main lobe covers
TINY = 1e-12
QUIETEST = 1e-6  # magnitudes below it, -120 dB, have no slope
FFT: Any = torch.fft  # PyTorch leaves it untyped

Way = Callable[[Tensor], Tensor]


class FrameGrid:
    """Frames of a recording, or of a piece of one, and the waveform that they overlap to.

    The waveform begins where the window of the first frame does: `(window - hop) / 2` samples before the part of the
    recording that is the frame's own.

    Args:
        front: how frames are made.
        frames: how many there are.
        within: the samples that belong to the recording; the others are silent.

    Example:
        >>> front, wave = FrontEnd(), torch.randn(1, 1600)
        >>> spectrum, _ = front.spectrum(wave)
        >>> again = FrameGrid(front, 10, slice(240, 1840)).waveform(spectrum[0])
        >>> torch.allclose(again[240:1840], wave[0], atol=1e-4)
        True
    """

    def __init__(self, front: FrontEnd, frames: int, within: slice, device: torch.device | None = None) -> None:
        self._size, self._hop = front.window, front.hop
        window = torch.hann_window(front.window, device=device)
        self._analysis = window * (2.0 / window.sum())
        self._synthesis = window * (window.sum() / 2.0)
        weights = self._overlapped((window**2).expand(frames, -1)).clamp_min(1e-8)
        self._share = torch.zeros_like(weights)
        self._share[within] = 1 / weights[within]

    def spectrum(self, wave: Tensor) -> Tensor:
        """Returns the spectra of a waveform (S,), shape (T, K)."""
        return FFT.rfft(wave.unfold(0, self._size, self._hop) * self._analysis, dim=-1)

    def waveform(self, spectrum: Tensor) -> Tensor:
        """Returns the waveform, shape (S,), whose spectra come closest to those given."""
        return self._overlapped(FFT.irfft(spectrum, n=self._size, dim=-1) * self._synthesis) * self._share

    def _overlapped(self, pieces: Tensor) -> Tensor:
        turns = math.ceil(self._size / self._hop)
        parts = F.pad(pieces, (0, turns * self._hop - self._size)).view(len(pieces), turns, self._hop)
        wave = pieces.new_zeros(len(pieces) - 1 + turns, self._hop)
        for turn in range(turns):
            wave[turn : turn + len(pieces)] += parts[:, turn]
        return wave.flatten()


def refine(grid: FrameGrid, start: Tensor, back: Way, iterations: int, momentum: float) -> Tensor:
    """Improves the phases of spectra by the fast Griffin-Lim algorithm (Perraudin, Balazs and Sondergaard, 2013).

    Each step goes to the spectra of the nearest waveform, beyond them by the momentum, and back to what is known.

    Args:
        grid: the frames.
        start: complex spectra, shape (T, K).
        back: from any spectra to near ones with the right magnitudes.
        iterations: number of steps.
        momentum: 0 is the algorithm of Griffin and Lim (1984).
    """
    current, before = start, None
    for _ in range(iterations):
        projected = grid.spectrum(grid.waveform(current))
        moved = projected if before is None else torch.sub(projected * (1 + momentum), before, alpha=momentum)
        before, current = projected, back(moved)
    return current


def with_magnitude(spectrum: Tensor, magnitude: Tensor) -> Tensor:
    """Returns spectra of the same phases and these magnitudes."""
    return scaled(spectrum, magnitude / spectrum.abs().clamp_min(TINY))


def scaled(spectrum: Tensor, factor: Tensor) -> Tensor:
    """Returns a complex tensor times a real one, faster than PyTorch, which would make the factor complex."""
    return torch.view_as_complex(torch.view_as_real(spectrum) * factor[..., None])


class Changes(NamedTuple):
    """How phases change, in radians.

    Attributes:
        time: from the frame before, beyond what the middle frequency of a bin turns in a hop; shape (T, K).
        frequency: from the next lower frequency; shape (T, K).
    """

    time: Tensor
    frequency: Tensor


def changes(front: FrontEnd, magnitude: Tensor) -> Changes:
    """Returns how phases change, as far as the magnitudes tell (Prusa, Balazs and Sondergaard, 2017).

    Under a Gaussian window the slopes of the phase are those of the log magnitude, turned by a right angle; a Hann
    window is nearly Gaussian.

    Args:
        front: how frames are made.
        magnitude: of the frames in question and one more at each end, shape (T + 2, K).
    """
    log = magnitude.clamp_min(QUIETEST).log()
    along, across = torch.gradient(log)
    turn = front.hop / (HANN_SPREAD * front.window)
    time = 0.5 * turn * (across[:-2] + across[1:-1])
    frequency = F.pad(-0.5 / turn * (along[:, :-1] + along[:, 1:]), (1, 0))[1:-1]
    limit = MAIN_LOBE * 2 * math.pi * front.hop / front.window
    return Changes(time.clamp(-limit, limit), frequency.clamp(-math.pi, math.pi))


def integrate(front: FrontEnd, magnitude: Tensor, change: Changes, known: Tensor | None = None) -> Tensor:
    """Returns spectra whose phases change in the given way, frame after frame.

    In each frame a bin's phase is what it and its two neighbours, the louder the more, carry on from the frame before;
    so a tone keeps one phase however its loudest bin moves.

    Args:
        front: how frames are made.
        magnitude: shape (T, K).
        change: of the phases.
        known: spectra of the first frames, shape (T', K); None where there are none.
    """
    number = torch.arange(magnitude.shape[1], device=magnitude.device)
    centre = 1 - 2 * (number % 2)  # from the start of a frame, where the transform begins, to its middle
    slope = change.frequency.cumsum(-1)
    turns = 2 * math.pi * front.hop / front.window * number + change.time - slope.diff(dim=0, prepend=slope[:1])
    loud = magnitude.clamp_min(TINY)
    steps = torch.polar((loud * torch.cat([loud[:1], loud[:-1]])).sqrt(), turns)
    if known is None:
        phases = [torch.polar(torch.ones_like(slope[0]), math.pi * number**2 / len(number))]  # a chirp, not a click
    else:
        count = len(known)
        phases = list(torch.sgn(known) * centre * torch.polar(torch.ones_like(slope), -slope)[:count])
    room = steps.new_zeros(len(number) + 2)
    for frame in range(len(phases), len(magnitude)):
        torch.mul(phases[-1], steps[frame], out=room[1:-1])
        phases.append(torch.sgn(room[:-2] + room[1:-1] + room[2:]))
    return torch.stack(phases) * torch.polar(magnitude, slope) * centre
