"""Changes of examples at each visit of a training, which stand in for those that the data lack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from latentia.core import Batch


@dataclass(frozen=True)
class PictureChanges:
    """How pictures are changed at each visit.

    Attributes:
        mirror: whether half of them are mirrored left to right.
        shift: largest shift in each direction, as a share of the side; what a picture leaves bare counts as unobserved.
        contrast: largest change of contrast, as a share, and of brightness, as half of that share of the full range.
    """

    mirror: bool = False
    shift: float = 0.0
    contrast: float = 0.0

    @property
    def none(self) -> bool:
        """Whether pictures stay as they are."""
        return not (self.mirror or self.shift or self.contrast)


def perturb_pictures(batch: Batch, changes: PictureChanges) -> Batch:
    """Mirrors, shifts and relights pictures, each in its own way, with torch's current noise.

    Nothing is interpolated, since that would teach a model that pictures are smooth.

    Args:
        batch: pictures (N, C, H, W).
        changes: what is done.

    Example:
        >>> changed = perturb_pictures(Batch(torch.ones(2, 1, 8, 8)), PictureChanges(shift=0.25))
        >>> bool(changed.x[changed.observed].eq(1).all())
        True
    """
    if changes.none:
        return batch
    n, _, height, width = batch.x.shape
    x, observed = batch.x, batch.observed
    if changes.mirror:
        mirrored = torch.rand(n, 1, 1, 1) < 0.5
        x = torch.where(mirrored, x.flip(3), x)
        observed = None if observed is None else torch.where(mirrored, observed.flip(3), observed)
    if changes.contrast:
        factor, offset = (changes.contrast * (2 * torch.rand(n, 1, 1, 1) - 1) for _ in range(2))
        x = (0.5 + (1 + factor) * (x - 0.5) + offset / 2).clamp(0, 1)
        x = (x * 255).round() / 255  # stays on the levels that likelihoods know
    if changes.shift:
        down, across = (_shifts(n, length, changes.shift) for length in (height, width))
        rows, columns = torch.arange(height) - down, torch.arange(width) - across
        inside = _within(rows, height)[:, None, :, None] & _within(columns, width)[:, None, None, :]
        place = (
            torch.arange(n)[:, None, None],
            rows.clamp(0, height - 1)[:, :, None],
            columns.clamp(0, width - 1)[:, None],
        )
        x = _moved(x, place)
        observed = inside if observed is None else inside & _moved(observed, place)
    return replace(batch, x=x, observed=observed)


def _shifts(n: int, length: int, most: float) -> Tensor:
    """Draws shifts, whole pixels, shape (n, 1)."""
    limit = int(most * length)
    return torch.randint(-limit, limit + 1, (n, 1))


def _within(positions: Tensor, length: int) -> Tensor:
    return (positions >= 0) & (positions < length)


def _moved(x: Tensor, place: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Gathers pixels (N, C, H, W) from places (N, H, W); the result is channels-last in memory."""
    return x.permute(0, 2, 3, 1)[place].permute(0, 3, 1, 2)


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
