"""`VAE`: the estimator for vectors."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import (
    check_array,  # pyright: ignore[reportUnknownVariableType]
    check_is_fitted,  # pyright: ignore[reportUnknownVariableType]
    validate_data,  # pyright: ignore[reportUnknownVariableType]
)
from torch import Tensor

from latentia.core import Batch, Latents
from latentia.data import ARRAYS, Arrays, ArraySource, Dataset, VectorPreprocessing
from latentia.errors import OptionError
from latentia.estimators.base import BaseVAE, Floats, History, seed_of
from latentia.estimators.likelihood import log_likelihood
from latentia.estimators.parts import Parts
from latentia.noise import Stream, seeded
from latentia.runs import TrainedModel

Vectors = NDArray[np.float64]
CHUNK = 1024


class VAE(BaseVAE):
    """A variational autoencoder of vectors, shape (N, D), with scikit-learn's conventions.

    Features are standardised before and after, so that all results are in the units of the data. Once trained, the
    model calculates in double precision, so that the result for a row does not depend on the rows beside it.

    The parameters are those of `BaseVAE`.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(60, 4)) * [1, 10, 100, 1000]
        >>> vae = VAE(latent_dim=2, epochs=2).fit(x)
        >>> vae.transform(x).shape, vae.inverse_transform(vae.transform(x)).shape
        ((60, 2), (60, 4))
        >>> vae.sample(5, random_state=0).shape, vae.score_samples(x).shape
        ((5, 4), (60,))
    """

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Trains on vectors.

        Args:
            X: numbers, shape (N, D), N at least 2.
            y: ignored.

        Raises:
            ValueError: the data are not finite numbers of that shape.
            OptionError: an unknown preset, key or part, or a value that is out of range.
        """
        x = cast(Vectors, validate_data(self, X, dtype=np.float64, ensure_min_samples=2))
        digest = hashlib.blake2b(np.ascontiguousarray(x).tobytes(), digest_size=16).hexdigest()
        self._train(ArraySource(ARRAYS, lambda _split: Arrays(x), lambda: digest))
        return self

    def transform(self, X: Any) -> Vectors:  # noqa: N803
        """Returns the means of the posteriors, shape (N, latent_dim)."""
        return _in_chunks(lambda x: self._exact.posterior_of(Batch(x)).mean, self._standardised(X))

    def inverse_transform(self, X: Any) -> Vectors:  # noqa: N803
        """Returns the likelihood's means for latents (N, latent_dim), in the units of the data, shape (N, D)."""
        check_is_fitted(self)
        z = torch.from_numpy(np.array(cast(Vectors, check_array(X, dtype="float64"))))
        if z.shape[1] != self._n_features_out:
            raise OptionError(f"Expected {self._n_features_out} latents, not {z.shape[1]}.")
        return self._preprocessing.invert(_in_chunks(lambda part: self._exact.decode(Latents(part[None])).mean[0], z))

    def reconstruct(self, X: Any) -> Vectors:  # noqa: N803
        """Encodes and decodes: the likelihood's means at the posteriors' means, shape (N, D)."""
        return self.inverse_transform(self.transform(X))

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Vectors:
        """Draws new vectors from the model: latents from the prior, then data from the likelihood.

        Args:
            n_samples: how many.
            random_state: a seed or RandomState; None draws others at each call.

        Returns:
            Shape (n_samples, D), in the units of the data.
        """
        check_is_fitted(self)
        if n_samples < 1:
            raise OptionError(f"n_samples must be at least 1, not {n_samples}.")
        with torch.inference_mode(), seeded(seed_of(random_state), Stream.GENERATE):
            drawn = self._exact.decode(self._exact.draw(n_samples)).sample()[0]
        return self._preprocessing.invert(drawn.numpy())

    def score_samples(self, X: Any) -> Floats:  # noqa: N803
        """Estimates the log density of each vector by importance sampling, nats, shape (N,)."""
        nats = _in_chunks(lambda x: log_likelihood(self._exact, Batch(x)), self._standardised(X))
        return nats - self._preprocessing.log_volume

    @property
    def _preprocessing(self) -> VectorPreprocessing:
        return cast(VectorPreprocessing, self.trained_.preprocessing)

    def _dataset(self, X: Any, y: Any = None) -> Dataset:  # noqa: N803
        check_is_fitted(self)
        x = cast(Vectors, validate_data(self, X, dtype=np.float64, reset=False))
        return Dataset(self._preprocessing.apply(x))

    def _standardised(self, X: Any) -> Tensor:  # noqa: N803
        check_is_fitted(self)
        x = cast(Vectors, validate_data(self, X, dtype=np.float64, reset=False))
        return torch.from_numpy(self._preprocessing.apply(x)).double()

    def _keep(self, trained: TrainedModel, history: History, parts: Parts) -> None:
        super()._keep(trained, history, parts)
        self._exact = copy.deepcopy(trained.model).double()


@torch.inference_mode()
def _in_chunks(function: Callable[[Tensor], Tensor], rows: Tensor) -> Vectors:
    """Applies a function to some rows at a time and joins the results."""
    parts = [function(rows[start : start + CHUNK]) for start in range(0, len(rows), CHUNK)]
    return torch.cat(parts).double().numpy()
