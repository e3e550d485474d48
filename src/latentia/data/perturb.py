"""Changes of recordings at each visit of a training, which stand in for voices that the data lack."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from latentia.core import Batch


def perturb_speed(batch: Batch, most: float) -> Batch:
    """Plays a batch of recordings faster or slower, pitch and timbre included (Ko et al., 2015, Interspeech).

    The factor is drawn once for the batch with torch's current noise, evenly from both directions.

    Args:
        batch: waveforms (N, S) with lengths.
        most: largest change of speed, as a share; 0 leaves the batch as it is.

    Example:
        >>> wave = torch.sin(torch.arange(8000) * 0.1)[None]
        >>> changed = perturb_speed(Batch(wave, lengths=torch.tensor([8000])), 0.2)
        >>> 6600 < changed.x.shape[1] < 10100
        True
    """
    if most <= 0 or batch.lengths is None:
        return batch
    samples = batch.x.shape[1]
    speed = (1 + most) ** (2 * torch.rand(()).item() - 1)
    size = max(2, round(samples / speed))
    spectrum = cast(Tensor, torch.fft.rfft(batch.x))
    # Band-limited: what does not fit under half the sample rate is cut off, what is not there stays silent.
    waves = cast(Tensor, torch.fft.irfft(spectrum[:, : size // 2 + 1], n=size)) * (size / samples)
    lengths = (batch.lengths * size // samples).clamp_min(1)
    return replace(batch, x=waves, lengths=lengths)
