"""`SpeechVAE`: the estimator for recordings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted  # pyright: ignore[reportUnknownVariableType]

from latentia.core import Latents
from latentia.data import ARRAYS, Clips, ClipSource, Dataset, Source, SpeechPreprocessing, open_for, prepare
from latentia.errors import DataError, OptionError
from latentia.estimators.base import BaseVAE, Floats, seed_of
from latentia.evaluation import log_likelihood
from latentia.noise import Stream, seeded
from latentia.runs import TrainedModel
from latentia.tasks import decode_means, encode, generate, reconstruct, sound, sound_of_files
from latentia.tasks.walk import row_batches

Waveform = NDArray[np.float32]
Recordings = list[Waveform]
IMPORTANCE_SAMPLES = 16
SCORED_AT_ONCE = 32


class SpeechVAE(BaseVAE):
    """A variational autoencoder of recordings, with scikit-learn's conventions.

    Recordings go in as a list of mono waveforms (S,), floats in [-1, 1] at `sample_rate`; or as the path of a folder or
    a CSV manifest, or the name of a data set. They come out as float32 waveforms at the model's sample rate,
    `model_rate_`. A recording longer than the model's pieces has one code for each piece.

    The other parameters are those of `BaseVAE`; networks are set by name (`settings={"model": {"encoder": ...}}`).

    Args:
        latent_dim: number of latents of an utterance.
        sample_rate: of waveforms that are given, Hz.

    Attributes:
        trained_: the model, its preprocessing and configuration: what the functions in `latentia.tasks` take.
        history_: one line of figures for each epoch.
        model_rate_: sample rate of the model, Hz.
        n_features_in_: features of a frame.

    Example:
        >>> waves = [0.1 * np.sin(np.arange(2400) * (0.1 + 0.02 * n)).astype(np.float32) for n in range(8)]
        >>> small = {"encoder": {"name": "conv-gru", "width": 8}, "decoder": {"name": "conv-gru", "width": 8}}
        >>> settings = {"model": small, "training": {"prior_steps": 10}}
        >>> voice = SpeechVAE(latent_dim=2, sample_rate=8000, epochs=1, settings=settings).fit(waves)
        >>> voice.transform(waves).shape, len(voice.reconstruct(waves)), voice.model_rate_
        ((8, 2), 8, 8000)
    """

    def __init__(
        self,
        latent_dim: int | None = None,
        *,
        sample_rate: int = 16_000,
        preset: str | None = None,
        settings: dict[str, Any] | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        beta: float | None = None,
        max_minutes: float | None = None,
        prior: Any = None,
        likelihood: Any = None,
        objective: Any = None,
        random_state: int | np.random.RandomState | None = None,
        skip_bad: bool = False,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            latent_dim,
            preset=preset,
            settings=settings,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            beta=beta,
            max_minutes=max_minutes,
            prior=prior,
            likelihood=likelihood,
            objective=objective,
            random_state=random_state,
            skip_bad=skip_bad,
            verbose=verbose,
        )
        self.sample_rate = sample_rate

    @classmethod
    def from_trained(cls, trained: TrainedModel, history: Sequence[dict[str, float]] = ()) -> Self:
        estimator = super().from_trained(trained, history)
        estimator.sample_rate = estimator.model_rate_
        return estimator

    @property
    def model_rate_(self) -> int:
        """Sample rate of the model, Hz."""
        return self._form.sample_rate

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Trains on recordings.

        Args:
            X: recordings, at least 2.
            y: ignored.

        Raises:
            DataError: arrays of another shape, samples that are not finite, or files that cannot be read.
            FileError: there is no such file or folder.
            OptionError: an unknown data set, preset, key or part, or a value that is out of range.
        """
        source = self._source(X)
        if source.kind != "speech":
            raise DataError(f"{source.name} holds {source.kind}s; SpeechVAE takes recordings.")
        self._train(source)
        return self

    def transform(self, X: Any) -> Waveform:  # noqa: N803
        """Returns the means of the posteriors of the utterances' codes, shape (N, latent_dim)."""
        return encode(self.trained_, self._dataset(X)).mean

    def inverse_transform(self, X: Any, random_state: Any = 0) -> Recordings:  # noqa: N803
        """Makes an utterance with each code (N, latent_dim); what is said is drawn from the prior of the frames."""
        check_is_fitted(self)
        code = np.asarray(X, np.float32)
        if code.ndim != 2 or code.shape[1] != self._n_features_out or not np.isfinite(code).all():
            raise DataError(f"Expected finite latents of shape (N, {self._n_features_out}), not {code.shape}.")
        if not len(code):
            return []
        with torch.inference_mode(), seeded(seed_of(random_state), Stream.GENERATE):
            drawn: Latents = self.trained_.model.draw(len(code), torch.from_numpy(code.copy()))
        return sound(self.trained_, decode_means(self.trained_, drawn))

    def reconstruct(self, X: Any) -> Recordings:  # noqa: N803
        """Encodes and decodes: a waveform for each recording, of its length and level."""
        dataset = self._dataset(X)
        return sound_of_files(self.trained_, reconstruct(self.trained_, dataset).mean, dataset)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Recordings:
        """Makes new utterances.

        Args:
            n_samples: how many.
            random_state: a seed or RandomState; None draws others at each call.
        """
        check_is_fitted(self)
        if n_samples < 1:
            raise OptionError(f"n_samples must be at least 1, not {n_samples}.")
        return sound(self.trained_, generate(self.trained_, n_samples, seed_of(random_state)))

    def score_samples(self, X: Any) -> Floats:  # noqa: N803
        """Estimates the log density of the features of each recording by importance sampling, nats, shape (N,).

        That of a recording in pieces is the sum of theirs.
        """
        dataset = self._dataset(X)
        nats: list[float] = []
        for rows in row_batches(len(dataset), size=SCORED_AT_ONCE):
            batch = prepare(dataset.batch(rows), self._form)
            with torch.inference_mode(), seeded(0, Stream.IMPORTANCE, int(rows[0])):
                nats += cast(list[float], log_likelihood(self.trained_.model, batch, IMPORTANCE_SAMPLES).tolist())
        files = groupby(range(len(dataset)), key=dataset.name)
        return np.array([sum(nats[row] for row in rows) for _, rows in files])

    @property
    def _form(self) -> SpeechPreprocessing:
        return cast(SpeechPreprocessing, self.trained_.preprocessing)

    def _dataset(self, X: Any, y: Any = None) -> Dataset:  # noqa: N803
        check_is_fitted(self)
        dataset = self._load(self._source(X), self._form)
        if not len(dataset):
            raise DataError("There are no recordings (0 examples).")
        return dataset

    def _source(self, X: Any) -> Source:  # noqa: N803
        """Returns the source of what a person gave: a path, a name, or waveforms."""
        if isinstance(X, str | Path):
            return open_for(X, "speech")
        waves = _waveforms(X)
        rate = self.sample_rate
        clips = Clips(tuple(f"#{n}" for n in range(len(waves))), lambda n: (waves[n], rate))

        def digest() -> str:
            state = hashlib.blake2b(str(rate).encode(), digest_size=16)
            for wave in waves:
                state.update(wave.tobytes())
            return state.hexdigest()

        return ClipSource(ARRAYS, lambda _split: clips, digest)


def _waveforms(X: Any) -> Sequence[Waveform]:  # noqa: N803
    """Checks that a person gave waveforms.

    Raises:
        DataError: they gave something else.
    """
    waves = [np.asarray(wave) for wave in X]
    for number, wave in enumerate(waves):
        if wave.ndim != 1 or wave.dtype.kind != "f" or not len(wave):
            raise DataError(
                f"Expected a list of mono waveforms (S,) of floats in [-1, 1], but number {number} is {wave.dtype} of "
                f"shape {wave.shape}."
            )
    return [np.ascontiguousarray(wave, np.float32) for wave in waves]
