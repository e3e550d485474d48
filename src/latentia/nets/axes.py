"""Principal component analysis, for networks that start from it."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor


def principal_axes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Returns variances (D,), largest first, and the directions (D, D) that they belong to, as rows.

    Args:
        x: examples, shape (N, D).

    Example:
        >>> variances, directions = principal_axes(torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
        >>> variances.tolist(), directions.abs().tolist()
        ([4.5, 0.5], [[1.0, 0.0], [0.0, 1.0]])
    """
    centred = (x - x.mean(0)).double()
    variances, directions = cast(tuple[Tensor, Tensor], torch.linalg.eigh(centred.T @ centred / len(x)))
    return variances.flip(0).clamp_min(0).to(x.dtype), directions.flip(1).T.to(x.dtype)
