"""Batches in an order that is a function of seed and step alone, so that a resumed run sees the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from latentia.core import Batch
from latentia.data import Dataset, Indices, epoch_batches, epoch_steps


class TrainingLoader:
    """Shuffled batches of equal size; an iterator starts wherever the training stands.

    What is left of an epoch when no full batch remains is left out; the next epoch's order is another.

    Args:
        dataset: where the examples come from.
        indices: which of them to train on.
        batch_size: examples a batch; all of them where there are fewer.
        seed: of the order.
        position: tells the number of batches already trained on, over all epochs.
    """

    def __init__(
        self, dataset: Dataset, indices: Indices, batch_size: int, seed: int, position: Callable[[], int]
    ) -> None:
        self._dataset = dataset
        self._indices = indices
        self._batch_size = min(batch_size, len(indices))
        self._seed = seed
        self._position = position

    # No __len__: after a resume within an epoch fewer batches are left than a full epoch has.
    def __iter__(self) -> Iterator[Batch]:
        epoch, first = divmod(self._position(), epoch_steps(len(self._indices), self._batch_size))
        lengths = None if self._dataset.lengths is None else self._dataset.lengths[self._indices]
        for rows in epoch_batches(self._indices, lengths, self._batch_size, self._seed, epoch)[first:]:
            yield self._dataset.batch(rows)


class ValidationLoader:
    """All examples in their order, in batches of at most a size."""

    def __init__(self, dataset: Dataset, indices: Indices, batch_size: int) -> None:
        self._dataset = dataset
        self._indices = indices
        self._batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self._indices) // self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self._indices), self._batch_size):
            yield self._dataset.batch(self._indices[start : start + self._batch_size])
