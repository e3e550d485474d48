"""What is missing of a picture of any size and mode, filled in; the rest comes back bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from latentia.core import at_once
from latentia.data import Canvas, Progress, from_channels
from latentia.errors import DataError
from latentia.runs import TrainedModel
from latentia.tasks.complete import Completions, complete, require_pictures
from latentia.tasks.patches import as_batches, to_size
from latentia.tasks.squares import Square, squares_around

Unit = NDArray[np.float32]
SQUARES_AT_ONCE = 32


@dataclass(frozen=True)
class Patch:
    """What a model fills into the P pixels of the holes of a square: colours in [0, 1], channels of the picture.

    Attributes:
        square: where.
        samples: different completions, shape (n, P, C).
        mean: what is expected of each pixel, shape (P, C).
        std: their standard deviation, shape (P, C).
    """

    square: Square
    samples: Unit
    mean: Unit
    std: Unit


@dataclass(frozen=True)
class Inpainting:
    """A picture of which something is missing, and what may stand there.

    Attributes:
        canvas: the picture.
        patches: what may stand in its holes.
    """

    canvas: Canvas
    patches: Sequence[Patch]

    @property
    def effective_size(self) -> tuple[int, int]:
        """Height and width, in pixels of the picture, of the largest square that was scaled to the model."""
        largest = max((patch.square for patch in self.patches), key=lambda square: square.factor).box
        return largest.height, largest.width

    @property
    def factor(self) -> float:
        """By how much the largest square was scaled down; detail finer than that is lost in its hole."""
        return max(patch.square.factor for patch in self.patches)

    def sample(self, number: int) -> NDArray[Any]:
        """Returns one completion, in the picture's own form."""
        return self._filled([patch.samples[number] for patch in self.patches])

    def mean(self) -> NDArray[Any]:
        """Returns what is expected of each pixel, in the picture's own form."""
        return self._filled([patch.mean for patch in self.patches])

    def std(self) -> Unit:
        """Returns the standard deviation of completions, on the scale of [0, 1], shape (H, W, C); 0 where given."""
        return self._gathered([patch.std for patch in self.patches])

    def _filled(self, values: Sequence[Unit]) -> NDArray[Any]:
        return self.canvas.with_values(self.canvas.holes, self._gathered(values))

    def _gathered(self, values: Sequence[Unit]) -> Unit:
        """Puts values of all squares into their holes."""
        size = self.canvas.size
        result = np.zeros((*size, self.canvas.channels), np.float32)
        for patch, part in zip(self.patches, values, strict=True):
            inside, there = patch.square.box.overlap(size)
            result[inside][patch.square.holes[there]] = part
        return result


def inpaint(
    trained: TrainedModel,
    canvas: Canvas,
    *,
    n_samples: int = 8,
    seed: int = 0,
    steps: int | None = None,
    progress: Progress | None = None,
) -> Inpainting:
    """Fills in what is missing of a picture.

    A picture that is larger than the model's is filled in from squares: for each hole the smallest with twice its size,
    scaled to the model and back. A model of grey pictures fills in each colour by itself.

    Args:
        trained: a model of pictures.
        canvas: the picture, and what is missing of it.
        n_samples: different completions.
        seed: of the draws.
        steps: of gradient to refine what the model believes; see `complete`.
        progress: is told how many squares of how many are done.

    Raises:
        DataError: nothing is missing, or everything.
        OptionError: a model of other data, or no samples.

    Example:
        >>> import latentia
        >>> vae = latentia.ImageVAE(latent_dim=2, epochs=1).fit(np.random.default_rng(0).random((40, 8, 8)))
        >>> canvas = Canvas.from_array(np.zeros((8, 8), np.uint8), np.eye(8, dtype=bool))
        >>> result = inpaint(vae.trained_, canvas, n_samples=2)
        >>> result.sample(1).shape, result.mean().dtype
        ((8, 8), dtype('uint8'))
    """
    form = require_pictures(trained)
    if not canvas.holes.any():
        raise DataError("Nothing of the picture is missing: there is nothing to fill in.")
    require_seen(canvas)
    size = (form.height, form.width)
    squares = squares_around(canvas.holes, size)
    patches: list[Patch] = []
    count = at_once(form.event_shape, SQUARES_AT_ONCE)
    for start in range(0, len(squares), count):
        part = squares[start : start + count]
        completed = [
            complete(trained, batch, n_samples=n_samples, seed=seed, steps=steps)
            for batch in as_batches(canvas, part, form.channels, size)
        ]
        patches += [_patch(canvas, square, completed, number) for number, square in enumerate(part)]
        if progress is not None:
            progress(len(patches), len(squares))
    return Inpainting(canvas, tuple(patches))


def require_seen(canvas: Canvas) -> None:
    """Refuses a picture of which nothing is seen.

    Raises:
        DataError: all of it is missing.
    """
    if canvas.missing.all():
        raise DataError("All of the picture is missing: to make new pictures, use generate.")


def _patch(canvas: Canvas, square: Square, completed: Sequence[Completions], number: int) -> Patch:
    """Brings what was completed of a square back to the picture's size and channels."""
    size = (square.box.height, square.box.width)

    def back(values: Sequence[Tensor]) -> Unit:
        whole = from_channels([to_size(value[number], size) for value in values], canvas.channels)
        return whole[..., square.holes, :]  # of large pictures many squares are kept, so no more than is filled in

    n_samples = len(completed[0].samples)
    return Patch(
        square,
        # One by one: scaled to a large square, all of them would take as much memory as so many pictures.
        samples=np.stack([back([part.samples[sample] for part in completed]) for sample in range(n_samples)]),
        mean=back([part.mean for part in completed]),
        std=back([part.std for part in completed]).clip(0, None),  # which bicubic curves undershoot
    )
