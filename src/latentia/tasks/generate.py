"""New examples out of the prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from latentia.core import Batch, Latents, join_latents
from latentia.errors import OptionError
from latentia.noise import Stream, seeded
from latentia.runs import TrainedModel
from latentia.tasks.labels import one_hot
from latentia.tasks.walk import BATCH, decode_means


def generate(
    trained: TrainedModel, n: int, seed: int = 0, *, label: str | Sequence[str] | None = None, head: str | None = None
) -> Batch:
    """Draws latents from the prior and returns the likelihood's mean for each.

    Sample number i depends on the seed and on i, not on `n`.

    Args:
        trained: the model.
        n: number of samples.
        seed: of the draws.
        label: the class of all samples, or one for each, by name; drawn too if None.
        head: the labels that are meant; those of the model if None.

    Returns:
        In the model's form, on the CPU.

    Raises:
        OptionError: a negative number of samples or seed, or a class that the model does not know.
    """
    if n < 0 or seed < 0:
        raise OptionError(f"The number of samples and the seed must be at least 0, not {n} and {seed}.")
    drawn = prior_latents(trained, n, seed)
    if label is None:
        return decode_means(trained, drawn)
    chosen = [label] * n if isinstance(label, str) else label
    if len(chosen) != n:
        raise OptionError(f"Labels are needed for {n} samples, but there are {len(chosen)}.")
    return decode_means(trained, replace(drawn, labels=one_hot(trained, chosen, head)[None]))


def prior_latents(trained: TrainedModel, n: int, seed: int) -> Latents:
    """Draws latents of `n` examples from the prior, K = 1, on the CPU."""
    parts: list[Latents] = []
    for step in range(max(1, -(-n // BATCH))):
        with (
            torch.inference_mode(),
            seeded(seed, Stream.GENERATE, step),
        ):  # always a whole batch, so that the first draws do not depend on n
            parts.append(trained.model.draw(BATCH).to("cpu"))
    drawn = join_latents(parts).rows(slice(0, n))
    return replace(drawn, code=drawn.code.float())
