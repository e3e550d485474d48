"""Rows of one kind laid out together, so that products of matrices take many of them at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

TILE = 32  # rows


@dataclass(frozen=True)
class Tiles:
    """Rows of sorted kinds laid out in tiles of one kind each, so that products of matrices take many at once.

    Attributes:
        kinds: of the tiles, shape (T,).
        places: of the rows among those of all tiles, shape (M,).

    Example:
        >>> tiles = Tiles.of(torch.tensor([0, 0, 3]))
        >>> tiles.kinds, tiles.lay(torch.ones(3, 5)).shape
        (tensor([0, 3]), torch.Size([2, 32, 5]))
    """

    kinds: Tensor
    places: Tensor

    @classmethod
    def of(cls, kinds: Tensor) -> Tiles:
        """Lays out rows of kinds (M,)."""
        present, group, counts = cast(
            tuple[Tensor, Tensor, Tensor], kinds.unique_consecutive(return_inverse=True, return_counts=True)
        )
        tiles = (counts + TILE - 1) // TILE
        moved = TILE * (tiles.cumsum(0) - tiles) - (counts.cumsum(0) - counts)
        return cls(present.repeat_interleave(tiles), torch.arange(len(kinds), device=kinds.device) + moved[group])

    def lay(self, rows: Tensor) -> Tensor:
        """Returns rows (M, D) in their tiles, with zeros in between, shape (T, TILE, D)."""
        laid = rows.new_zeros(len(self.kinds) * TILE, rows.shape[1])
        laid[self.places] = rows
        return laid.view(-1, TILE, rows.shape[1])

    def lift(self, tiles: Tensor) -> Tensor:
        """Undoes `lay`."""
        return tiles.flatten(0, 1)[self.places]
