"""Ways between two examples."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from latentia.data import Dataset
from latentia.errors import OptionError
from latentia.runs import TrainedModel
from latentia.tasks.encode import encode
from latentia.tasks.walk import decode_means

Way = Literal["linear", "spherical"]


def interpolate(
    trained: TrainedModel,
    dataset: Dataset,
    ends: tuple[int, int] = (0, 1),
    *,
    steps: int = 9,
    way: Way = "linear",
) -> Tensor:
    """Walks from one example to another in the space of the latents.

    Args:
        trained: the model.
        dataset: where the examples are.
        ends: positions of the first and the last.
        steps: frames, both ends included.
        way: straight, or along an arc that keeps the distance from the centre, as samples of a normal prior do.

    Returns:
        The likelihood's mean along the way, shape (steps, ...).

    Raises:
        OptionError: fewer than two steps, or an unknown way.
    """
    first, last = torch.from_numpy(encode(trained, dataset, list(ends)).mean)
    return decode_means(trained, way_between(first, last, steps, way))


def way_between(first: Tensor, last: Tensor, steps: int, way: Way = "linear") -> Tensor:
    """Returns points from one latent (D,) to another, both included, shape (steps, D).

    Raises:
        OptionError: fewer than two steps, or an unknown way.

    Example:
        >>> way_between(torch.tensor([0.0]), torch.tensor([1.0]), 3).flatten().tolist()
        [0.0, 0.5, 1.0]
    """
    if steps < 2:
        raise OptionError(f"A way needs at least 2 steps, its two ends; not {steps}.")
    if way not in ("linear", "spherical"):
        raise OptionError(f"Unknown way '{way}'. Valid: linear, spherical.")
    share = torch.linspace(0, 1, steps)[:, None]
    straight = torch.lerp(first[None], last[None], share)
    if way == "linear":
        return straight
    lengths = torch.sqrt((first @ first) * (last @ last))
    angle = torch.acos(torch.clamp(first @ last / lengths, -1, 1))
    # Between (nearly) parallel, opposite or zero vectors no arc is defined; the straight way is its limit.
    if not bool(torch.sin(angle) > 1e-4):
        return straight
    arc = (torch.sin((1 - share) * angle) * first + torch.sin(share * angle) * last) / torch.sin(angle)
    arc[0], arc[-1] = first, last
    return arc
