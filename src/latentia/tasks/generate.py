"""New examples out of the prior."""

from __future__ import annotations

from dataclasses import replace

import torch

from latentia.core import Batch, Latents, join_latents
from latentia.errors import OptionError
from latentia.noise import Stream
from latentia.runs import TrainedModel
from latentia.tasks.walk import BATCH, decode_means, seeded


def generate(trained: TrainedModel, n: int, seed: int = 0) -> Batch:
    """Draws latents from the prior and returns the likelihood's mean for each.

    Sample number i depends on the seed and on i, not on `n`.

    Args:
        trained: the model.
        n: number of samples.
        seed: of the draws.

    Returns:
        In the model's form, on the CPU.

    Raises:
        OptionError: a negative number of samples or seed.
    """
    if n < 0 or seed < 0:
        raise OptionError(f"The number of samples and the seed must be at least 0, not {n} and {seed}.")
    return decode_means(trained, prior_latents(trained, n, seed))


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
