"""Changes of examples at each visit of a training, which stand in for those that the data lack."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from latentia.core import Batch


@dataclass(frozen=True)
class PictureChanges:
    """How pictures are changed at each visit.

    Attributes:
        mirror: whether half of them are mirrored left to right.
        shift: largest shift in each direction, as a share of the side; what a picture leaves bare counts as unobserved.
        zoom: largest change of size, as a share.
        turn: largest turn to either side, degrees.
        contrast: largest change of contrast, as a share, and of brightness, as half of that share of the full range.
    """

    mirror: bool = False
    shift: float = 0.0
    zoom: float = 0.0
    turn: float = 0.0
    contrast: float = 0.0

    @property
    def none(self) -> bool:
        """Whether pictures stay as they are."""
        return self == PictureChanges()


def perturb_pictures(batch: Batch, changes: PictureChanges) -> Batch:
    """Mirrors, moves and relights pictures, each in its own way, with torch's current noise.

    Shifts alone are of whole pixels. Zooms and turns have to interpolate, which makes pictures a little smoother than
    they are.

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
    x, observed = batch.x, batch.observed
    if changes.mirror:
        mirrored = (torch.rand(len(x), 1, 1, 1) < 0.5).to(x.device)
        x = torch.where(mirrored, x.flip(3), x)
        observed = None if observed is None else torch.where(mirrored, observed.flip(3), observed)
    if changes.contrast:
        factor, offset = (changes.contrast * _evenly(len(x), 1, 1, 1).to(x) for _ in range(2))
        x = 0.5 + (1 + factor) * (x - 0.5) + offset / 2
    if changes.shift or changes.zoom or changes.turn:
        x, observed = _moved(x, observed, _places(x, changes).to(x.device), bool(changes.zoom or changes.turn))
    x = (x.clamp(0, 1) * 255).round() / 255  # stays on the levels that likelihoods know
    return replace(batch, x=x, observed=observed)


def both_ways(batch: Batch) -> Batch:
    """Returns pictures, each followed by its mirror image.

    Example:
        >>> both_ways(Batch(torch.tensor([0.25, 0.75]).view(1, 1, 1, 2))).x.flatten()
        tensor([0.2500, 0.7500, 0.7500, 0.2500])
    """

    def change(value: Tensor) -> Tensor:
        return torch.stack([value, value.flip(3) if value.ndim == 4 else value], 1).flatten(0, 1)

    return batch.each(change)


def _places(x: Tensor, changes: PictureChanges) -> Tensor:
    """Draws where each pixel of pictures comes from: (across, down) in pixels from the middle, shape (N, H, W, 2)."""
    n, _, height, width = x.shape
    down, across = torch.meshgrid(*(torch.arange(side) - (side - 1) / 2 for side in (height, width)), indexing="ij")
    size = (1 + changes.zoom) ** _evenly(n, 1, 1)
    angle = math.radians(changes.turn) * _evenly(n, 1, 1)
    shifts = [(int(changes.shift * side) * _evenly(n, 1, 1)).round() for side in (width, height)]
    along, aside = angle.cos() / size, angle.sin() / size
    return torch.stack([across * along - down * aside - shifts[0], across * aside + down * along - shifts[1]], -1)


def _moved(x: Tensor, observed: Tensor | None, places: Tensor, interpolated: bool) -> tuple[Tensor, Tensor]:
    """Fetches pictures from elsewhere, and tells what of them was observed there; channels-last in memory."""
    height, width = x.shape[2:]
    grid = 2 * places / torch.tensor([width, height], device=x.device)
    hidden = torch.zeros_like(x[:, :1])
    if observed is not None:
        x = torch.where(observed, x, 0.0)
        hidden = (~observed).to(x.dtype)
        if interpolated:  # from two pixels to either side, none of which may be hidden
            hidden = F.max_pool2d(hidden, 3, stride=1, padding=1)
    # Bicubic, since bilinear would blur; on whole pixels both return what is there.
    moved = F.grid_sample(x.contiguous(), grid, mode="bicubic", padding_mode="border", align_corners=False)
    inside = F.grid_sample(1 - hidden, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return moved.contiguous(memory_format=torch.channels_last), inside > 1 - 1e-3


def _evenly(*shape: int) -> Tensor:
    """Draws numbers between -1 and 1."""
    return 2 * torch.rand(shape) - 1


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
