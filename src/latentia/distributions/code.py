"""The prior of the code of a ladder."""

from __future__ import annotations

import torch
import zuko
from torch import nn
from torch.distributions import Distribution

from latentia.distributions.base import LazyPrior, Shape
from latentia.distributions.prior import StandardNormal


class CodePrior(LazyPrior):
    """A prior of the first latents of a code; the others are standard normal.

    It is not registered: the model makes it of the prior that a person chooses.

    Args:
        first: prior of the first group of latents.
        shapes: of the other groups, (C, H, W).

    Attributes:
        sizes: latents of each group, the first included.

    Example:
        >>> prior = CodePrior(StandardNormal(2), ((3, 1, 1), (1, 2, 2)))
        >>> prior().sample((5,)).shape, prior.sizes
        (torch.Size([5, 9]), [2, 3, 4])
    """

    def __init__(self, first: LazyPrior, shapes: tuple[Shape, ...]) -> None:
        super().__init__()
        self.first = first
        self.shapes = tuple(shapes)
        self.deviations = nn.ModuleList(StandardNormal(shape[0]) for shape in self.shapes)
        others = [torch.Size(shape).numel() for shape in self.shapes]
        self.rest = StandardNormal(sum(others))
        self.sizes = [first().event_shape.numel(), *others]

    def forward(self) -> Distribution:
        return zuko.distributions.Joint(self.first(), self.rest())

    def deviation(self, number: int) -> Distribution:
        """Returns the distribution at a position of one of the other groups, event shape (C,)."""
        return self.deviations[number]()
