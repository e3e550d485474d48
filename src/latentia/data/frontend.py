"""The front end of speech: from waveforms to frames of features, with recorded settings.

Shapes: N recordings, S samples, T frames, F features. Frame t is centred on sample `t * hop + hop / 2`, so that
`ceil(S / hop)` frames cover a recording. What lies before its start and behind its end counts as silence, so that a
recording gives the same frames alone as in a batch with longer ones.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal, Self, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor

from latentia.config import Frozen

Feature = Literal["log-mel", "power"]
FLOOR = 1e-9  # of power, relative to a full-scale sine: -90 dB


class FrontEnd(Frozen):
    """How waveforms become frames.

    Attributes:
        sample_rate: of the waveforms, Hz.
        feature: "log-mel", natural logarithms of the power in mel bands; or "power", the power of each frequency.
        window: samples of one frame (a Hann window), also the size of its Fourier transform.
        hop: samples from one frame to the next.
        mels: number of mel bands; without meaning for "power".

    Example:
        >>> front = FrontEnd.for_rate(16000)
        >>> features, lengths = front.features(torch.zeros(2, 1601), torch.tensor([1601, 800]))
        >>> features.shape, lengths.tolist()
        (torch.Size([2, 11, 80]), [11, 5])
    """

    sample_rate: int = Field(default=16_000, ge=8_000, le=48_000)
    feature: Feature = "log-mel"
    window: int = Field(default=640, ge=64, le=8192)
    hop: int = Field(default=160, ge=16)
    mels: int = Field(default=80, ge=8, le=512)

    @classmethod
    def for_rate(cls, sample_rate: int, feature: Feature = "log-mel", mels: int = 80) -> FrontEnd:
        """Returns the default front end of a sample rate: windows of 40 ms, 100 frames a second."""
        hop = 2 * round(sample_rate / 200)
        return cls(sample_rate=sample_rate, feature=feature, window=4 * hop, hop=hop, mels=mels)

    @model_validator(mode="after")
    def _overlapping(self) -> Self:
        if self.window % 2 or self.hop % 2 or self.window < 2 * self.hop:
            raise ValueError("window and hop must be even, and a window at least two hops long")
        return self

    @property
    def n_frequencies(self) -> int:
        """Frequencies of the Fourier transform, from 0 to half the sample rate."""
        return self.window // 2 + 1

    @property
    def n_features(self) -> int:
        """Features of one frame, F."""
        return self.mels if self.feature == "log-mel" else self.n_frequencies

    @property
    def frames_per_second(self) -> float:
        """Frames in a second."""
        return self.sample_rate / self.hop

    def n_frames(self, lengths: Tensor) -> Tensor:
        """Returns the number of frames of recordings with so many samples."""
        return torch.div(lengths + self.hop - 1, self.hop, rounding_mode="floor").clamp_min(1)

    def features(self, waveforms: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Turns waveforms into features.

        Args:
            waveforms: in [-1, 1], shape (N, S).
            lengths: valid samples of each, shape (N,); all if None. What lies behind them is ignored.

        Returns:
            Features, shape (N, T, F), of silence behind the end of a recording; and valid frames, shape (N,).
        """
        spectrum, frames = self.spectrum(waveforms, lengths)
        power = torch.view_as_real(spectrum).square().sum(-1)
        return (self.mel(power) if self.feature == "log-mel" else power), frames

    def spectrum(self, waveforms: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Returns the complex spectrum of each frame, shape (N, T, n_frequencies), and valid frames, shape (N,).

        A sine of full scale has the magnitude 1 at its frequency.
        """
        n, samples = waveforms.shape
        if lengths is None:
            lengths = torch.full((n,), samples, device=waveforms.device)
        valid = torch.arange(samples, device=waveforms.device) < lengths[:, None]
        frames = self.n_frames(lengths)
        before = (self.window - self.hop) // 2
        total = (int(frames.max()) - 1) * self.hop + self.window
        padded = waveforms.new_zeros(n, total)
        kept = min(samples, total - before)
        padded[:, before : before + kept] = waveforms.masked_fill(~valid, 0.0)[:, :kept]
        window = self._window(waveforms)
        pieces = padded.unfold(1, self.window, self.hop) * window
        spectrum = cast(Tensor, torch.fft.rfft(pieces, dim=-1))
        return spectrum * (2.0 / window.sum()), frames

    def mel(self, power: Tensor) -> Tensor:
        """Returns natural logarithms of the power in mel bands, shape (..., mels), of power (..., n_frequencies)."""
        return (power @ self.bands(power)).clamp_min(FLOOR).log()

    def bands(self, like: Tensor) -> Tensor:
        """Returns the weights of the mel bands, shape (n_frequencies, mels), as type and device of a tensor."""
        return mel_bands(self.sample_rate, self.n_frequencies, self.mels).to(like)

    def _window(self, like: Tensor) -> Tensor:
        return torch.hann_window(self.window, dtype=like.dtype, device=like.device)

    def describe(self) -> str:
        """Says in plain words what is done."""
        window, hop = (1000 * samples / self.sample_rate for samples in (self.window, self.hop))
        what = f"the log power in {self.mels} mel bands" if self.feature == "log-mel" else "the power of each frequency"
        return f"Each {hop:g} ms, a window of {window:g} ms gives {what} ({self.n_features} features)."


@lru_cache(maxsize=8)
def mel_bands(sample_rate: int, n_frequencies: int, mels: int) -> Tensor:
    """Returns triangular bands, evenly spaced on the mel scale (O'Shaughnessy), shape (n_frequencies, mels).

    Each band's weights sum to 1, so that it holds a mean of power. A band narrower than the distance of two frequencies
    takes its share of the nearest ones.

    Example:
        >>> mel_bands(16000, 321, 80).shape
        torch.Size([321, 80])
    """
    highest = 2595 * math.log10(1 + sample_rate / 2 / 700)
    corners = 700 * (10 ** (torch.linspace(0, highest, mels + 2, dtype=torch.float64) / 2595) - 1)
    step = sample_rate / 2 / (n_frequencies - 1)
    frequencies = torch.arange(n_frequencies, dtype=torch.float64)[:, None] * step
    low, centre, high = corners[:-2], corners[1:-1], corners[2:]
    # At least one step to each side, so that no band falls between two frequencies.
    rising = (frequencies - torch.minimum(low, centre - step)) / (centre - torch.minimum(low, centre - step))
    falling = (torch.maximum(high, centre + step) - frequencies) / (torch.maximum(high, centre + step) - centre)
    weights = torch.minimum(rising, falling).clamp_min(0)
    return (weights / weights.sum(0)).float()
