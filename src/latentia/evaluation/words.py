"""Whether words can be understood: a small classifier of real recordings listens to what a model makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA  # pyright: ignore[reportMissingTypeStubs]
from sklearn.linear_model import LogisticRegression  # pyright: ignore[reportMissingTypeStubs]
from sklearn.pipeline import Pipeline  # pyright: ignore[reportMissingTypeStubs]
from sklearn.preprocessing import StandardScaler  # pyright: ignore[reportMissingTypeStubs]

from latentia.core import Batch
from latentia.data import Dataset, FrontEnd, Indices
from latentia.errors import OptionError

STEPS, BANDS, COMPONENTS = 24, 40, 80
SURE = 0.9
BATCH = 256


@dataclass(frozen=True)
class Listener:
    """A classifier of words that was fitted to real recordings.

    Attributes:
        front: how it looks at sound.
        classifier: of scikit-learn, from pictures of words to numbers of classes.
        names: of the classes.
    """

    front: FrontEnd
    classifier: Any
    names: tuple[str, ...]

    @classmethod
    def fit(cls, dataset: Dataset, head: str = "word", sample_rate: int = 16_000) -> Listener:
        """Fits a logistic regression to spectrograms that were brought to one length.

        Args:
            dataset: recordings with labels.
            head: which labels.
            sample_rate: of the recordings, Hz.

        Raises:
            OptionError: the recordings have no such labels.
        """
        if head not in dataset.labels:
            raise OptionError(
                f"The recordings have no labels '{head}'; they have: {', '.join(dataset.labels) or 'none'}."
            )
        front = FrontEnd.for_rate(sample_rate, mels=BANDS)
        labels = dataset.labels[head]
        known = np.flatnonzero(labels >= 0)
        seen = _looks(front, _batches(dataset, known))
        components = min(COMPONENTS, *seen.shape)
        steps: list[tuple[str, Any]] = [
            ("scale", StandardScaler()),
            ("reduce", PCA(components, whiten=True, random_state=0)),
            ("classify", LogisticRegression(max_iter=300)),
        ]
        classifier: Any = Pipeline(steps)
        classifier.fit(seen, labels[known])
        return cls(front, classifier, dataset.label_names[head])

    def probabilities(self, waveforms: Sequence[NDArray[np.floating[Any]]]) -> NDArray[np.float64]:
        """Returns the probability of each class for waveforms at its sample rate, shape (N, classes)."""
        waves = [torch.from_numpy(np.asarray(wave, np.float32)) for wave in waveforms]
        lengths = torch.tensor([len(wave) for wave in waves])
        padded = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
        return self.classifier.predict_proba(_looks(self.front, [Batch(padded, lengths=lengths)]))

    def accuracy(self, waveforms: Sequence[NDArray[np.floating[Any]]], labels: Indices) -> float:
        """Returns the share of waveforms whose most probable class is the true one."""
        numbers: NDArray[np.int64] = self.classifier.classes_[self.probabilities(waveforms).argmax(1)]
        return float((numbers == labels).mean())


def _batches(dataset: Dataset, rows: Indices) -> list[Batch]:
    return [dataset.batch(rows[start : start + BATCH]) for start in range(0, len(rows), BATCH)]


def _looks(front: FrontEnd, batches: Sequence[Batch]) -> NDArray[np.float64]:
    """Brings log-mel spectrograms to one length and one level, shape (N, STEPS * BANDS)."""
    looks: list[NDArray[np.float64]] = []
    for batch in batches:
        features, lengths = front.features(batch.x, batch.lengths)
        seen = Batch(features, lengths=lengths)
        for row in range(len(seen)):
            levels = seen.sequence(row).T[None].double()
            short = torch.nn.functional.interpolate(levels, size=STEPS, mode="linear", align_corners=True)[0]
            short = short.clamp_min(float(short.max()) - 12.0)
            looks.append((short - short.mean()).flatten().numpy())
    return np.stack(looks)
