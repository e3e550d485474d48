"""Conjugate gradients for many small systems of equations at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

TINY = 1e-12  # keeps what is solved already from dividing by zero


def solve(
    pull: Tensor,
    product: Callable[[Tensor], Tensor],
    nearly_solve: Callable[[Tensor], Tensor],
    steps: int,
    together: tuple[int, ...],
) -> Tensor:
    """Returns nearly what a matrix, symmetric and positive definite, turns into `pull` (Hestenes and Stiefel, 1952,
    doi:10.6028/jres.049.044).

    Args:
        pull: right-hand sides.
        product: the matrix times what has the shape of `pull`.
        nearly_solve: a matrix that is near to its inverse, symmetric and positive definite too, times the same.
        steps: of the search.
        together: axes along which numbers depend on each other; each position along the others is a system.

    Example:
        >>> matrix = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
        >>> found = solve(torch.tensor([[3.0, 4.0]]), lambda x: x @ matrix, lambda x: x, 2, (1,))
        >>> bool((found - 1).abs().max() < 1e-5)
        True
    """

    def products(left: Tensor, right: Tensor) -> Tensor:
        return (left * right).sum(together, keepdim=True)

    found, residual = torch.zeros_like(pull), pull
    direction = ahead = nearly_solve(residual)
    size = products(residual, ahead)
    for _ in range(steps):
        image = product(direction)
        step = size / (products(direction, image) + TINY)
        found = found + step * direction
        residual = residual - step * image
        ahead = nearly_solve(residual)
        size, before = products(residual, ahead), size
        direction = ahead + size / (before + TINY) * direction
    return found
