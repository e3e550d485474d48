"""Ways between two examples."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from latentia.core import Batch, Latents, join_latents
from latentia.data import Dataset
from latentia.errors import OptionError, nearest
from latentia.runs import TrainedModel
from latentia.tasks.along import way_along
from latentia.tasks.encode import Encoding, encode
from latentia.tasks.walk import decode_means

Way = Literal["linear", "spherical", "along-data"]


def interpolate(
    trained: TrainedModel,
    dataset: Dataset,
    ends: tuple[int, int] = (0, 1),
    *,
    steps: int = 9,
    way: Way = "linear",
    along: Encoding | None = None,
) -> Batch:
    """Walks from one example to another in the space of the latents.

    Sequences of different lengths are stretched towards each other in time, so that the first half of one goes over
    into the first half of the other.

    Args:
        trained: the model.
        dataset: where the examples are.
        ends: positions of the first and the last.
        steps: frames, both ends included.
        way: straight; or along an arc that keeps the distance from the centre, as samples of a normal prior do; or
            along the data, from example to example.
        along: the data to go along.

    Returns:
        The likelihood's means along the way, `steps` of them.

    Raises:
        OptionError: fewer than two steps, an unknown way, or no data to go along.
    """
    encoding = encode(trained, dataset, list(ends))
    first, last = encoding.latents(0), encoding.latents(1)
    codes = way_between(first.code[0, 0], last.code[0, 0], steps, way, along)
    shares = [step / (steps - 1) for step in range(steps)]
    stride = trained.model.stride
    points = [_between(first, last, code, share, stride) for code, share in zip(codes, shares, strict=True)]
    return decode_means(trained, join_latents(points))


def _between(first: Latents, last: Latents, code: Tensor, share: float, stride: int) -> Latents:
    """Returns latents with a code, and with frames or labels (if there are any) between those of two examples."""
    if first.labels is not None and last.labels is not None:
        return Latents(code[None, None], labels=torch.lerp(first.labels, last.labels, share))
    if first.frames is None or last.frames is None or first.lengths is None or last.lengths is None:
        return Latents(code[None, None])
    lengths: list[int] = [int(first.lengths), int(last.lengths)]
    length = round((1 - share) * lengths[0] + share * lengths[1])
    before, behind = (
        _stretched(frames[0, 0, : -(-own // stride)], -(-length // stride))
        for frames, own in zip((first.frames, last.frames), lengths, strict=True)
    )
    return Latents(code[None, None], torch.lerp(before, behind, share)[None, None], torch.tensor([length]))


def _stretched(frames: Tensor, count: int) -> Tensor:
    """Brings frames (G, D) to another number of groups, linearly in time."""
    return F.interpolate(frames.T[None], size=count, mode="linear", align_corners=True)[0].T


def way_between(first: Tensor, last: Tensor, steps: int, way: Way = "linear", along: Encoding | None = None) -> Tensor:
    """Returns points from one latent (D,) to another, both included, shape (steps, D).

    Raises:
        OptionError: fewer than two steps, an unknown way, or no data to go along.

    Example:
        >>> way_between(torch.tensor([0.0]), torch.tensor([1.0]), 3).flatten().tolist()
        [0.0, 0.5, 1.0]
    """
    if steps < 2:
        raise OptionError(f"A way needs at least 2 steps, its two ends; not {steps}.")
    if way not in get_args(Way):
        raise OptionError(f"Unknown way '{way}': {nearest(way, get_args(Way))}")
    if way == "along-data":
        if along is None:
            raise OptionError("A way along the data needs data to go along.")
        return way_along(first, last, along, steps)
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
