"""Masks of pictures: which pixels are given, and which are to be filled in; drawn anew at each visit of a training."""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from latentia.config import Part
from latentia.core import Batch
from latentia.errors import OptionError
from latentia.registry import Registry

NOISY = 0.3  # share of pictures on which there is noise
THINNEST = 0.7  # pixels from the middle of a line to its edge
LONGEST_SCRATCH = 1.0  # of the shorter side
STROKE_STEPS = 4
SHARPEST_TURN = 1.1  # radians to either side


class Mask(ABC):
    """A family of masks; lengths are shares of a picture's shorter side."""

    @abstractmethod
    def __call__(self, n: int, height: int, width: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws masks.

        Args:
            n: how many.
            height: of the pictures, pixels.
            width: of the pictures, pixels.
            generator: of the randomness; torch's own if None.

        Returns:
            True where a pixel is given, bool, shape (n, 1, height, width).
        """


MASKS: Registry[Mask] = Registry("mask")


def build_masks(parts: Sequence[Part]) -> list[Mask]:
    """Builds families of masks.

    Raises:
        OptionError: an unknown family or setting.

    Example:
        >>> [type(mask).__name__ for mask in build_masks([Part(name="half"), Part(name="scattered", least=0.8)])]
        ['Half', 'Scattered']
    """
    return [MASKS.build(part.name, part.arguments) for part in parts]


def give(batch: Batch, masks: Sequence[Mask], generator: torch.Generator | None = None) -> Batch:
    """Tells a model a part of what was observed of each picture: what a mask leaves, of a family that is drawn.

    Args:
        batch: pictures (N, C, H, W).
        masks: families, each as likely as the others; without any the batch stays as it is.
        generator: of the randomness; torch's own if None.

    Example:
        >>> batch = give(Batch(torch.zeros(2, 1, 8, 8)), [Centre()])
        >>> batch.given.sum((1, 2, 3))
        tensor([48, 48])
    """
    if not masks:
        return batch
    n, _, height, width = batch.x.shape
    family = torch.randint(len(masks), (n,), generator=generator)
    given = torch.empty(n, 1, height, width, dtype=torch.bool)
    for number, mask in enumerate(masks):
        rows = (family == number).nonzero()[:, 0]
        if len(rows):
            given[rows] = mask(len(rows), height, width, generator)
    given = given.to(batch.x.device)
    return replace(batch, given=given if batch.observed is None else given & batch.observed)


def spoil(batch: Batch, most: float, generator: torch.Generator | None = None) -> Batch:
    """Puts noise onto what is given of pictures: normally distributed, cut off at black and white.

    It is put onto some of them, and onto all of which everything that was observed is given, since nothing else is
    open there.

    Args:
        batch: of which a part is given.
        most: largest standard deviation; each picture has its own, from 0 on. 0 leaves the batch as it is.
        generator: of the randomness; torch's own if None.

    Example:
        >>> batch = spoil(Batch(torch.full((4, 1, 8, 8), 0.5), given=torch.ones(4, 1, 8, 8).bool()), 0.2)
        >>> batch.noise.shape, torch.equal(batch.told == 0.5, batch.noise.expand_as(batch.x) == 0)
        (torch.Size([4, 1, 1, 1]), True)
    """
    if most <= 0 or batch.given is None:
        return batch
    n, device = len(batch), batch.x.device
    noisy = torch.rand(n, 1, 1, 1, generator=generator) < NOISY
    hidden = ~batch.given if batch.observed is None else batch.observed & ~batch.given
    noisy |= ~hidden.flatten(1).any(1).view(n, 1, 1, 1).cpu()
    noise = (noisy * most * torch.rand(n, 1, 1, 1, generator=generator)).to(device)
    drawn = torch.randn(batch.x.shape, generator=generator).to(device)
    return replace(batch, noise=noise, told=(batch.x + noise * drawn).clamp(0, 1))


@MASKS.register("nothing")
class Nothing(Mask):
    """No pixel is given: what a model makes of that is a picture of its own.

    Example:
        >>> Nothing()(1, 4, 4).any()
        tensor(False)
    """

    def __call__(self, n: int, height: int, width: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.zeros(n, 1, height, width, dtype=torch.bool)


@MASKS.register("everything")
class Everything(Mask):
    """Every pixel is given; only noise is left to be taken off.

    Example:
        >>> Everything()(1, 4, 4).all()
        tensor(True)
    """

    def __call__(self, n: int, height: int, width: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.ones(n, 1, height, width, dtype=torch.bool)


@MASKS.register("scattered")
class Scattered(Mask):
    """Single pixels are missing, anywhere.

    Args:
        least: smallest share of them.
        most: largest share of them; each picture has its own, between the two.

    Raises:
        OptionError: shares that are not in order within [0, 1].

    Example:
        >>> Scattered(1.0, 1.0)(1, 4, 4).any()
        tensor(False)
    """

    def __init__(self, least: float = 0.5, most: float = 0.95) -> None:
        self.least, self.most = _in_order("scattered", least=least, most=most)

    def __call__(self, n: int, height: int, width: int, generator: torch.Generator | None = None) -> Tensor:
        share = _between(self.least, self.most, (n, 1, 1, 1), generator)
        return torch.rand(n, 1, height, width, generator=generator) >= share


@MASKS.register("blocks")
class Blocks(Mask):
    """Squares of one size are missing, side by side as in a chessboard, as where parts of a file are lost.

    Args:
        least: smallest share of them.
        most: largest share of them; each picture has its own, between the two.
        side: of a square.

    Raises:
        OptionError: shares that are not in order within [0, 1], or squares of less than 0.02.

    Example:
        >>> Blocks(1.0, 1.0)(1, 8, 8).any()
        tensor(False)
    """

    def __init__(self, least: float = 0.1, most: float = 0.5, side: float = 0.125) -> None:
        self.least, self.most = _in_order("blocks", least=least, most=most)
        self.side = _share("blocks", side=side)
        if side < 0.02:
            raise OptionError(
                f"The squares of the mask 'blocks' must be at least 0.02 of a picture's side, not {side}."
            )

    def __call__(self, n: int, height: int, width: int, generator: torch.Generator | None = None) -> Tensor:
        pixels = max(1, round(self.side * min(height, width)))
        rows, columns = -(-height // pixels), -(-width // pixels)
        given = Scattered(self.least, self.most)(n, rows, columns, generator)
        return given.repeat_interleave(pixels, 2).repeat_interleave(pixels, 3)[:, :, :height, :width]


@MASKS.register("centre")
class Centre(Mask):
    """A rectangle in the middle is missing, of the picture's own aspect.

    Args:
        share: of each side.

    Raises:
        OptionError: a share outside of [0, 1].

    Example:
        >>> Centre(0.5)(1, 4, 4)[0, 0].int().tolist()
        [[1, 1, 1, 1], [1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]]
    """

    def __init__(self, share: float = 0.5) -> None:
        self.share = _share("centre", share=share)

    def __call__(self, n: int, height: int, width: int, generator: torch.Generator | None = None) -> Tensor:
        given = torch.ones(n, 1, height, width, dtype=torch.bool)
        top, left = (round(side * (1 - self.share) / 2) for side in (height, width))
        given[:, :, top : height - top, left : width - left] = False
        return given


@MASKS.register("half")
class Half(Mask):
    """One half of the picture is missing: the upper, lower, left or right one.

    Example:
        >>> Half()(1, 4, 4).sum()
        tensor(8)
    """

    def __call__(self, n: int, height: int, width: int, generator: torch.Generator | None = None) -> Tensor:
        down, across = _coordinates(height, width)
        upper, left = (
            (down < height // 2).expand(1, 1, height, width),
            (across < width // 2).expand(1, 1, height, width),
        )
        sides = torch.cat([upper, ~upper, left, ~left])
        return sides[torch.randint(4, (n,), generator=generator)]


@MASKS.register("rectangles")
class Rectangles(Mask):
    """Rectangles are missing, as many as it takes to hide a part of the area.

    Args:
        area: share of the picture that is missing at least.
        shortest: side of a rectangle, at least.
        longest: side of a rectangle, at most.

    Raises:
        OptionError: shares that are not in order within [0, 1], an area above 0.9, or sides below 0.05.

    Example:
        >>> bool(Rectangles(0.3)(5, 16, 16).float().mean((1, 2, 3)).max() <= 0.7)
        True
    """

    def __init__(self, area: float = 0.3, shortest: float = 0.15, longest: float = 0.55) -> None:
        self.shortest, self.longest = _in_order("rectangles", shortest=shortest, longest=longest)
        self.area = _share("rectangles", 0.9, area=area)
        if shortest < 0.05:
            raise OptionError(f"The sides of rectangles must be at least 0.05 of a picture's side, not {shortest}.")

    def __call__(self, n: int, height: int, width: int, generator: torch.Generator | None = None) -> Tensor:
        given = torch.ones(n, 1, height, width, dtype=torch.bool)
        down, across = _coordinates(height, width)
        while (short := given.float().mean((1, 2, 3), keepdim=True) > 1 - self.area).any():
            tall = height * _between(self.shortest, self.longest, (n, 1, 1, 1), generator)
            wide = width * _between(self.shortest, self.longest, (n, 1, 1, 1), generator)
            top = torch.rand(n, 1, 1, 1, generator=generator) * (height - tall)
            left = torch.rand(n, 1, 1, 1, generator=generator) * (width - wide)
            rows = (down + 0.5 >= top) & (down + 0.5 < top + tall)  # of pixels whose middles are inside
            columns = (across + 0.5 >= left) & (across + 0.5 < left + wide)
            given &= ~(rows & columns & short)
        return given


@MASKS.register("scratches")
class Scratches(Mask):
    """Thin straight lines are missing, in any direction.

    Args:
        count: of lines.
        width: of a line; never thinner than a pixel or so.

    Raises:
        OptionError: no lines, or a width outside of [0, 1].

    Example:
        >>> bool(Scratches()(3, 32, 32).all((1, 2, 3)).any())
        False
    """

    def __init__(self, count: int = 5, width: float = 0.025) -> None:
        self.count = _counted("scratches", count)
        self.width = _share("scratches", width=width)

    def __call__(self, n: int, height: int, width: int, generator: torch.Generator | None = None) -> Tensor:
        side, shape = min(height, width), (n, self.count)
        middle = torch.rand(*shape, 2, generator=generator) * torch.tensor([height, width])
        half = side * _between(0.4, LONGEST_SCRATCH, shape, generator) / 2
        reach = half[..., None] * _direction(math.pi * torch.rand(shape, generator=generator))
        return ~_near_lines(height, width, middle - reach, middle + reach, torch.tensor(self.width * side / 2))


@MASKS.register("strokes")
class Strokes(Mask):
    """Broad lines that wind are missing, as a brush leaves them.

    Args:
        count: of strokes.
        thinnest: width of a stroke, at least.
        broadest: width of a stroke, at most.

    Raises:
        OptionError: no strokes, or widths that are not in order within [0, 1].

    Example:
        >>> bool(Strokes()(3, 32, 32).all((1, 2, 3)).any())
        False
    """

    def __init__(self, count: int = 3, thinnest: float = 0.06, broadest: float = 0.16) -> None:
        self.count = _counted("strokes", count)
        self.thinnest, self.broadest = _in_order("strokes", thinnest=thinnest, broadest=broadest)

    def __call__(self, n: int, height: int, width: int, generator: torch.Generator | None = None) -> Tensor:
        shape, size = (n, self.count), torch.tensor([height, width])
        place = torch.rand(*shape, 2, generator=generator) * size
        angle = 2 * math.pi * torch.rand(shape, generator=generator)
        radius = min(height, width) * _between(self.thinnest, self.broadest, shape, generator) / 2
        given = torch.ones(n, 1, height, width, dtype=torch.bool)
        for _ in range(STROKE_STEPS):
            angle = angle + _between(-SHARPEST_TURN, SHARPEST_TURN, shape, generator)
            length = min(height, width) * _between(0.15, 0.35, shape, generator)
            after = (place + length[..., None] * _direction(angle)).clamp(torch.zeros(2), size - 1)
            given &= ~_near_lines(height, width, place, after, radius)
            place = after
        return given


def _near_lines(height: int, width: int, start: Tensor, end: Tensor, radius: Tensor) -> Tensor:
    """Tells which pixels are near one of several lines, shape (N, 1, H, W).

    Args:
        height: of the pictures.
        width: of the pictures.
        start: of the lines (down, across), shape (N, L, 2).
        end: of the lines.
        radius: distance up to which a pixel is near, broadcastable to (N, L).
    """
    down, across = _coordinates(height, width)
    (y, x), (dy, dx) = (point[..., None, None].unbind(2) for point in (start, end - start))
    along = (((down - y) * dy + (across - x) * dx) / (dy**2 + dx**2).clamp_min(1e-6)).clamp(0, 1)
    distance = (down - y - along * dy) ** 2 + (across - x - along * dx) ** 2
    near = distance <= radius.clamp_min(THINNEST)[..., None, None] ** 2
    return near.any(1, keepdim=True)


def _coordinates(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Returns the positions of pixels, shapes (1, 1, H, 1) and (1, 1, 1, W)."""
    return torch.arange(height).view(1, 1, -1, 1), torch.arange(width).view(1, 1, 1, -1)


def _direction(angle: Tensor) -> Tensor:
    return torch.stack([angle.sin(), angle.cos()], -1)


def _between(low: float, high: float, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _in_order(mask: str, **shares: float) -> tuple[float, float]:
    """Checks two shares by their names."""
    (low_name, low), (high_name, high) = shares.items()
    if not 0 <= low <= high <= 1:
        raise OptionError(
            f"The mask '{mask}' needs {low_name} and {high_name} in order within [0, 1], not {low} and {high}."
        )
    return low, high


def _share(mask: str, most: float = 1.0, **share: float) -> float:
    """Checks a share by its name."""
    ((name, value),) = share.items()
    if not 0 <= value <= most:
        raise OptionError(f"The mask '{mask}' needs {name} in [0, {most:g}], not {value}.")
    return value


def _counted(mask: str, count: int) -> int:
    if count < 1:
        raise OptionError(f"The mask '{mask}' needs count of at least 1, not {count}.")
    return operator.index(count)  # fractions are refused here, and not by the first batch
