"""Noise that is a function of what it is for: the streams, and the seeding of torch."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator
from enum import IntEnum

import numpy as np
import torch

from latentia.errors import OptionError

_ALONE = threading.RLock()  # torch has one random state for all threads


class Stream(IntEnum):
    """What noise is drawn for; different streams of one seed are independent. Numbers are never reused."""

    TRAIN = 0
    VALIDATE = 1
    INITIALISE = 2
    PRIOR = 3
    GENERATE = 10
    EVALUATE = 11
    BINARISE = 12
    IMPORTANCE = 13
    COMPLETE = 20


@contextlib.contextmanager
def kept_noise() -> Generator[None]:
    """Leaves torch's random state, that of GPUs included, as it was before the block."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        yield


@contextlib.contextmanager
def seeded(seed: int, stream: Stream, step: int = 0) -> Generator[None]:
    """Makes torch's noise within the block a function of the arguments; the caller's random state stays as it is.

    Blocks of other threads wait, so that models can be used by several at once; trainings do not.

    Raises:
        OptionError: a negative seed.
    """
    if seed < 0:
        raise OptionError(f"The seed must be at least 0, not {seed}.")
    with _ALONE, kept_noise():
        seed_noise(seed, stream, step)
        yield


def seed_noise(seed: int, stream: Stream, step: int = 0) -> None:
    """Seeds torch so that all noise that follows is a function of seed, stream and step.

    Example:
        >>> seed_noise(0, Stream.GENERATE)
        >>> first = torch.rand(2)
        >>> seed_noise(0, Stream.GENERATE)
        >>> torch.equal(first, torch.rand(2))
        True
    """
    number = int(np.random.SeedSequence([seed, stream, step]).generate_state(1, np.uint64)[0] >> 1)
    # Not torch.manual_seed: without a GPU it keeps a call stack for each call, and takes longer than a small step.
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(number)
