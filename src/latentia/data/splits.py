"""Splits that depend on the content of the examples, not on their order or names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from latentia.data.dataset import Dataset, Indices, Store
from latentia.errors import DataError

MIN_EXAMPLES = 2
SILENCE = b""  # the hash of every recording without a sound
_CHUNK = 128


def row_hashes(rows: Store, seed: int, lengths: Indices | None = None) -> list[bytes]:
    """Returns a hash of each row; only a few rows are in memory at a time.

    Args:
        rows: N of them.
        seed: another seed, other hashes.
        lengths: how much of each row counts, shape (N,); all of it if None.
    """
    key = _key(seed)
    hashes: list[bytes] = []
    for start in range(0, len(rows), _CHUNK):
        positions = np.arange(start, min(start + _CHUNK, len(rows)))
        chunk = rows[positions]
        valid = [None] * len(chunk) if lengths is None else lengths[positions].tolist()
        for row, length in zip(chunk, valid, strict=True):
            silent = lengths is not None and not row.any()
            hashes.append(SILENCE if silent else _hash(row[:length].tobytes(), key))
    return hashes


def holdout(dataset: Dataset, fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Splits examples in two by the hash of their content, so that duplicates land on one side.

    The same examples in another order are split in the same way. If all examples are equal, one of them is held out
    nevertheless. Examples with groups are split by the hashes of those: all recordings of a speaker land on one side;
    where there is one speaker only, all pieces of a recording do; where there is one recording only, each piece counts.

    Args:
        dataset: N examples.
        fraction: about how much to hold out, in [0, 1); at least one example if above 0 and N is at least 2.
        seed: another seed, another split.

    Returns:
        Positions of the examples to train on, and of those held out, both in ascending order.
    """
    n = len(dataset)
    everything = np.arange(n, dtype=np.int64)
    if fraction <= 0 or n < 2:
        return everything, everything[:0]
    wanted = min(n - 1, max(1, round(fraction * n)))
    groups: dict[bytes, list[int]] = {}
    for position, value in enumerate(_keys(dataset, seed)):
        groups.setdefault(value, []).append(position)
    held: list[int] = []
    for value in sorted(groups):
        if len(held) >= wanted:
            break
        # A group may be larger than what is wanted, but most must be left to train on.
        if len(held) + len(groups[value]) <= min(n - 1, 2 * wanted):
            held += groups[value]
    smallest = groups[min(sorted(groups), key=lambda value: len(groups[value]))]
    held = held or (smallest if len(smallest) < n else [n - 1])
    held_out = np.array(sorted(held), np.int64)
    return np.setdiff1d(everything, held_out), held_out


def spread(rows: Indices, most: int) -> Indices:
    """Returns at most so many of the rows, evenly spread over them, since neighbours in a data set are often alike.

    Example:
        >>> spread(np.arange(100, 201), 3).tolist(), spread(np.arange(2), 3).tolist()
        ([100, 150, 200], [0, 1])
    """
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(np.int64)]


def require_trainable(dataset: Dataset) -> None:
    """Checks that there are enough examples to learn from.

    Raises:
        DataError: fewer than two: one to learn from and one to check on.
    """
    if len(dataset) < MIN_EXAMPLES:
        raise DataError(
            f"A model cannot be learned from {len(dataset)} example(s): at least {MIN_EXAMPLES} are needed, one to "
            f"learn from and one to check on, and a few hundred to be useful."
        )


def _keys(dataset: Dataset, seed: int) -> list[bytes]:
    """Returns for each example the hash of what it must stay together with."""
    contents = row_hashes(dataset.x, seed, dataset.lengths)
    if not dataset.groups:
        return contents
    for groups in filter(None, (dataset.groups, dataset.file_names)):
        keys = _joined(groups, contents, seed)
        if len(set(keys)) > 1:
            return keys
    return contents


def _key(seed: int) -> bytes:
    """Returns the key of hashes, of at most 64 bytes however large the seed is."""
    digits = str(seed).encode()
    return digits if len(digits) <= hashlib.blake2b.MAX_KEY_SIZE else hashlib.blake2b(digits).digest()


def _joined(groups: Sequence[str], contents: list[bytes], seed: int) -> list[bytes]:
    """Returns a hash for each example's group; groups with equal examples become one."""
    key = _key(seed)
    names = [_hash(group.encode(errors="surrogateescape"), key) for group in groups]
    leader = {name: name for name in names}

    def leading(name: bytes) -> bytes:
        while leader[name] != name:
            name = leader[name]
        return name

    first: dict[bytes, bytes] = {}
    for name, content in zip(names, contents, strict=True):
        if content == SILENCE:  # which makes no two recordings the same
            continue
        one, other = sorted((leading(first.setdefault(content, name)), leading(name)))
        leader[other] = one
    return [leading(name) for name in names]


def _hash(content: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16, key=key).digest()
