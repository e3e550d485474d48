"""From features that a model of speech makes to waveforms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from latentia.core import Batch
from latentia.data import Dataset
from latentia.runs import TrainedModel

Waveform = NDArray[np.float32]
BATCH = 64
PAUSE_SECONDS = 0.2


def sound(trained: TrainedModel, made: Batch, gains: Sequence[float] | None = None) -> list[Waveform]:
    """Turns what a task returns into waveforms, by the model's vocoder.

    Args:
        trained: a model of speech.
        made: features in the model's form, N of them.
        gains: what each recording was multiplied by when it was read, to be undone; the model's level stays if None.

    Returns:
        A waveform (S,) for each, mono, at the model's sample rate.

    Raises:
        OptionError: the model is not one of speech.
    """
    waves: list[Waveform] = []
    hop = trained.speech.front_end.hop
    for start in range(0, len(made), BATCH):
        part = made.rows(slice(start, start + BATCH))
        lengths = torch.full((len(part),), part.x.shape[1]) if part.lengths is None else part.lengths
        with torch.inference_mode():
            heard = trained.vocoder(part.x, lengths).numpy()
        samples = cast(list[int], (hop * lengths).tolist())
        waves += [wave[:count] for wave, count in zip(heard, samples, strict=True)]
    factors = [1.0] * len(waves) if gains is None else [1 / gain for gain in gains]
    return [(wave * factor).astype(np.float32) for wave, factor in zip(waves, factors, strict=True)]


def sound_of_files(trained: TrainedModel, made: Batch, dataset: Dataset) -> list[Waveform]:
    """Turns what became of a data set's examples into one waveform for each of its files, at the files' levels.

    The pieces of a recording are joined before the vocoder, which therefore makes no seams between them.

    Args:
        trained: a model of speech.
        made: features, one row for each example of the data set, in its order.
        dataset: whose `file_names` tell which examples are pieces of one recording, and `lengths` their samples.

    Returns:
        A waveform for each file, of the length that the pieces of the file have.
    """
    gains = np.ones(len(dataset)) if dataset.gains is None else dataset.gains
    samples = np.zeros(len(dataset), np.int64) if dataset.lengths is None else dataset.lengths
    waves: list[Waveform] = []
    for _, rows in groupby(range(len(dataset)), key=dataset.name):
        pieces = list(rows)
        joined = torch.cat([made.sequence(row) for row in pieces])[None]
        wave = sound(trained, Batch(joined, lengths=torch.tensor([joined.shape[1]])), [float(gains[pieces[0]])])[0]
        waves.append(wave[: int(samples[pieces].sum())])
    return waves


def joined(waves: Sequence[Waveform], sample_rate: int) -> Waveform:
    """Puts at least one waveform behind the other, with pauses between them."""
    pause = np.zeros(round(PAUSE_SECONDS * sample_rate), np.float32)
    return np.concatenate([part for wave in waves for part in (wave, pause)][:-1])
