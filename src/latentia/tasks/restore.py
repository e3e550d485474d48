"""Noise taken off a picture of any size, whatever its level, and holes in it filled in."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentia.core import Batch, at_once
from latentia.data import Canvas, Progress, from_channels
from latentia.errors import OptionError
from latentia.metrics import noise_level
from latentia.runs import TrainedModel
from latentia.tasks.complete import complete, expect, require_pictures
from latentia.tasks.inpaint import inpaint, require_seen
from latentia.tasks.patches import as_batches, to_size
from latentia.tasks.squares import Square, tiles

Flags = NDArray[np.bool_]
Unit = NDArray[np.float32]
DRAWS = 4  # under noise the latents leave little open
TILES_AT_ONCE = 32
PROBED = 16  # tiles that the level of noise is estimated on
ROUNDS = 3
LEAST_NOISE = 0.3 / 255  # less is not seen on 8 bits


@dataclass(frozen=True)
class Restoration:
    """A restored picture.

    Attributes:
        canvas: the picture as it came.
        values: colours in [0, 1], shape (H, W, C).
        noise: standard deviation of the noise that was found, on the scale of [0, 1].
        changed: True where noise was taken off, or something filled in, shape (H, W).
        beyond: whether the noise is stronger than any that the model was trained with.
    """

    canvas: Canvas
    values: Unit
    noise: float
    changed: Flags
    beyond: bool = False

    def picture(self) -> NDArray[Any]:
        """Returns it in the picture's own form; what did not change is as it came."""
        return self.canvas.with_values(self.changed, self.values)


def restore(
    trained: TrainedModel,
    canvas: Canvas,
    *,
    noise: float | None = None,
    fill: bool = True,
    seed: int = 0,
    steps: int | None = None,
    progress: Progress | None = None,
) -> Restoration:
    """Takes the noise off a picture, and then fills in what is missing of it.

    The picture is worked on in overlapping tiles of the model's own size. The level of the noise is estimated from the
    finest differences, and where these are texture lowered by expectation maximisation (Dempster, Laird and Rubin,
    1977): noise is what the restored picture leaves of the noisy one, and what is not certain of it.

    Args:
        trained: a model of pictures.
        canvas: the picture, and what is missing of it.
        noise: standard deviation of the noise, on the scale of [0, 1]; estimated if None.
        fill: whether what is missing is filled in; else it only does not count.
        seed: of the draws.
        steps: of gradient to refine what the model believes; see `complete`.
        progress: is told how many tiles of how many are done.

    Raises:
        OptionError: a model of other data, one that fills in and was trained without noise where there is some, or a
            level outside of [0, 1].
        DataError: all of the picture is missing.

    Example:
        >>> import latentia
        >>> vae = latentia.ImageVAE(latent_dim=2, epochs=1).fit(np.random.default_rng(0).random((40, 8, 8)))
        >>> result = restore(vae.trained_, Canvas.from_array(np.zeros((20, 12), np.uint8)))
        >>> result.picture().shape, result.noise
        ((20, 12), 0.0)
    """
    form = require_pictures(trained)
    if noise is not None and not 0 <= noise <= 1:
        raise OptionError(f"The level of noise must lie in [0, 1], not {noise}.")
    require_seen(canvas)
    squares = [square for square in tiles(canvas.size, (form.height, form.width)) if canvas.crop(square.box)[1].any()]
    work = _Work(trained, canvas, squares, canvas.is_grey(), seed, steps)
    coarse = noise_level(*canvas.crop_all()) if noise is None else noise
    if coarse > (LEAST_NOISE if noise is None else 0):
        _require_noise_learned(trained)
    level = work.lowered(coarse) if noise is None else noise
    noisy = level > 0
    values = work.blend(level, progress) if noisy else canvas.crop_all()[0]
    changed = ~canvas.missing & noisy
    if fill and canvas.holes.any():
        clean = replace(canvas, pixels=values, flat=False)
        values = inpaint(trained, clean, n_samples=1, seed=seed, steps=steps).mean()
        changed |= canvas.holes
    return Restoration(canvas, values, level, changed, beyond=work.told(level) > _most_noise(trained))


def _most_noise(trained: TrainedModel) -> float:
    """Returns the strongest noise that a model can be told of; any, where it is not told but weighs what it sees."""
    return trained.config.training.noise if trained.model.sees_parts else math.inf


def _require_noise_learned(trained: TrainedModel) -> None:
    """Refuses a model that would take what it is told of noise for something that it never saw."""
    if not _most_noise(trained):
        raise OptionError(
            f"{trained.name} fills in, and was trained without noise, so it cannot take any off: train one with "
            "training.noise=0.3, or let nothing but holes be filled in (with --mask; noise=0 in Python)."
        )


@dataclass(frozen=True)
class _Work:
    """What is needed to restore a picture.

    Attributes:
        trained: the model.
        canvas: the picture.
        squares: its tiles, those of which something is seen.
        grey: whether it is grey, also if it is stored in colour.
        seed: of the draws.
        steps: of gradient; see `complete`.
    """

    trained: TrainedModel
    canvas: Canvas
    squares: Sequence[Square]
    grey: bool
    seed: int
    steps: int | None

    def lowered(self, level: float) -> float:
        """Lowers a first guess of the level where some of the tiles say so; 0 of what nobody would see."""
        crops = ((square, torch.from_numpy(self.canvas.crop(square.box)[0])) for square in self.squares)
        telling = [square for square, values in crops if _between(values).any()]
        probed = random.Random(0).sample(telling, min(PROBED, len(telling)))
        for _ in range(ROUNDS):
            if level < LEAST_NOISE:
                break
            square, count = 0.0, 0
            for batch in (batch for part in self.pieces(probed) for batch in self.noisy(part, level)):
                done = complete(self.trained, batch, n_samples=1, draws=DRAWS, seed=self.seed, steps=self.steps)
                given = _between(batch.x)
                if batch.given is not None:
                    given &= batch.given
                left = (batch.x - done.mean).square() + done.std.square()
                square, count = square + float(left[given].sum()), count + int(given.sum())
            level = min(level, math.sqrt(square / max(1, count)))
        return level if level >= LEAST_NOISE else 0.0

    def blend(self, level: float, progress: Progress | None) -> Unit:
        """Restores all tiles and blends them."""
        canvas = self.canvas
        total, weight = np.zeros((*canvas.size, canvas.channels), np.float32), np.zeros(canvas.size, np.float32)
        done = 0
        for part in self.pieces(self.squares):
            means = [
                expect(self.trained, batch, draws=DRAWS, seed=self.seed, steps=self.steps)
                for batch in self.noisy(part, level)
            ]
            for number, square in enumerate(part):
                size = (square.box.height, square.box.width)
                channels = 1 if self.grey else canvas.channels
                values = from_channels([to_size(mean[number], size) for mean in means], channels)
                inside, there = square.box.overlap(canvas.size)
                window = _window(*size)
                total[inside] += (values * window[..., None])[there]
                weight[inside] += window[there]
            done += len(part)
            if progress is not None:
                progress(done, len(self.squares))
        weight[weight == 0] = 1  # where nothing is seen
        return total / weight[..., None]

    def pieces(self, squares: Sequence[Square]) -> Iterator[Sequence[Square]]:
        """Yields as many tiles at a time as fit into little memory."""
        count = at_once(self.trained.preprocessing.event_shape, TILES_AT_ONCE)
        for start in range(0, len(squares), count):
            yield squares[start : start + count]

    def noisy(self, squares: Sequence[Square], level: float) -> list[Batch]:
        """Returns tiles with noise of a level on what is given; one batch for each colour that a grey model sees."""
        form = require_pictures(self.trained)
        size = (form.height, form.width)
        noise = torch.full((len(squares), 1, 1, 1), self.told(level))
        return [replace(batch, noise=noise) for batch in as_batches(self.canvas, squares, form.channels, size)]

    def told(self, level: float) -> float:
        """Returns the level of noise that the model is told."""
        # Grey noise is the same in the three channels of a model of colour, which takes it for three that are not. One
        # that is not told weighs each pixel by itself, against what it leaves unexplained there.
        repeats = require_pictures(self.trained).channels if self.grey and self.trained.model.sees_parts else 1
        return level * math.sqrt(repeats)


def _between(x: Tensor) -> Tensor:
    """Tells where noise is not cut off, which then looks smaller than it is."""
    return (x > 0) & (x < 1)


def _window(height: int, width: int) -> Unit:
    """Returns weights that fall off towards the edges of a tile, above 0."""
    down, across = (1 - np.abs(np.linspace(-1, 1, side + 2)[1:-1]) for side in (height, width))
    return np.outer(down, across).astype(np.float32)
