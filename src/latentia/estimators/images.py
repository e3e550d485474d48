"""`ImageVAE`: the estimator for pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted  # pyright: ignore[reportUnknownVariableType]

from latentia.core import Batch, Latents
from latentia.data import ARRAYS, NOUNS, Arrays, ArraySource, Canvas, Dataset, ImagePreprocessing, Source, open_for
from latentia.errors import DataError, OptionError
from latentia.estimators.base import BaseVAE, Floats, seed_of
from latentia.estimators.likelihood import log_likelihood
from latentia.estimators.target import class_names, classes_as_given, classes_of
from latentia.tasks import (
    class_probabilities,
    decode_means,
    encode,
    generate,
    inpaint,
    known_classes,
    one_hot,
    reconstruct,
    restore,
)
from latentia.tasks.walk import batches_of, look_at

Pictures = NDArray[np.float32]


@dataclass(frozen=True)
class Filled:
    """A picture, filled in.

    Attributes:
        samples: different completions, in the type of the picture, shape (n_samples, H, W) or (n_samples, H, W, C).
        mean: what is expected of each pixel, in the type and shape of the picture.
        std: standard deviation of what was filled in, in units of the picture, float32, (H, W) or (H, W, colours); 0
            where the picture was given.
    """

    samples: NDArray[Any]
    mean: NDArray[Any]
    std: NDArray[np.float32]


class ImageVAE(BaseVAE):
    """A variational autoencoder of pictures, with scikit-learn's conventions.

    Pictures go in as arrays, shape (N, H, W) or (N, H, W, C), uint8, uint16 or floats in [0, 1]; or as the path of a
    folder, a CSV manifest or an array file, or the name of a data set. They are brought into the model's size and
    colours. They come out as float32 in [0, 1], shape (N, H, W) from a grey model and (N, H, W, 3) from a colour model.

    The parameters are those of `BaseVAE`.

    Example:
        >>> images = np.random.default_rng(0).random((40, 8, 8), np.float32)
        >>> vae = ImageVAE(latent_dim=2, epochs=1).fit(images)
        >>> vae.transform(images).shape, vae.reconstruct(images).shape, vae.sample(3, random_state=0).shape
        ((40, 2), (40, 8, 8), (3, 8, 8))

        With the classes of some of them it makes pictures of a class:

        >>> y = np.where(np.arange(40) < 20, np.arange(40) % 2, -1)
        >>> ImageVAE(latent_dim=2, epochs=1).fit(images, y).sample(3, random_state=0, y=1).shape
        (3, 8, 8)
    """

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Trains on pictures.

        Args:
            X: pictures, at least 2.
            y: the class of each picture, N names or numbers, unknown where None, NaN or below 0. With them the preset
                is `conditional` unless another one was chosen. The labels of a folder or named set come with it.

        Raises:
            DataError: an array of another shape, nothing but NaN, floats outside of [0, 1], or pictures that cannot be
                read; y of another length, or numbers that are no classes.
            FileError: there is no such file or folder.
            OptionError: an unknown data set, preset, key or part, or a value that is out of range.
        """
        source = _source(X, y)
        if source.kind != "image":
            other = {"vector": "VAE", "speech": "SpeechVAE"}[source.kind]
            raise DataError(f"{source.name} holds {NOUNS[source.kind]}; ImageVAE takes pictures, {other} takes those.")
        self._train(source, None if y is None else "conditional")
        return self

    def transform(self, X: Any) -> Pictures:  # noqa: N803
        """Returns the means of the posteriors, shape (N, latent_dim)."""
        dataset = self._dataset(X)
        return encode(self.trained_, dataset).mean

    def inverse_transform(self, X: Any, y: Any = None) -> Pictures:  # noqa: N803
        """Returns the likelihood's means for latents; levels outside of [0, 1] are cut off.

        Args:
            X: latents, shape (N, latent_dim).
            y: of a model with labels the class of each picture, or one for all.
        """
        check_is_fitted(self)
        z = np.asarray(X, np.float32)
        if z.ndim != 2 or z.shape[1] != self._n_features_out or not np.isfinite(z).all():
            raise DataError(f"Expected finite latents of shape (N, {self._n_features_out}), not {z.shape}.")
        if y is None and self.trained_.config.model.label is not None:
            raise OptionError("This model decodes a class beside the latents: give it as y.")
        labels = None if y is None else one_hot(self.trained_, class_names(y, len(z)))[None]
        return self._pictures(decode_means(self.trained_, Latents(torch.from_numpy(z.copy())[None], labels=labels)))

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes of a model that was fitted with `y`: whole numbers if all of them are, else names; shape (C,).

        Raises:
            AttributeError: it was fitted without, so that `hasattr` tells.
        """
        check_is_fitted(self)
        try:
            return classes_as_given(known_classes(self.trained_))
        except OptionError as error:
            raise AttributeError(str(error)) from error

    def predict_proba(self, X: Any) -> Pictures:  # noqa: N803
        """Returns how probable each class is by the picture alone, in the order of `classes_`, shape (N, C).

        Raises:
            OptionError: the model was fitted without classes.
        """
        dataset = self._dataset(X)
        return class_probabilities(self.trained_, dataset)

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Returns the most probable class of each picture, shape (N,).

        Raises:
            OptionError: the model was fitted without classes.

        Example:
            >>> images = np.random.default_rng(0).random((40, 8, 8), np.float32) / 2
            >>> images[::2, :4] += 0.5
            >>> few = ImageVAE(latent_dim=2, epochs=30, random_state=0).fit(images, ["top", "none"] * 3 + [None] * 34)
            >>> few.predict(images[:3]).tolist()
            ['top', 'none', 'top']
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(1)]

    def reconstruct(self, X: Any) -> Pictures:  # noqa: N803
        """Encodes and decodes: the likelihood's means at the posteriors' means."""
        dataset = self._dataset(X)
        return self._pictures(reconstruct(self.trained_, dataset).mean)

    def sample(self, n_samples: int = 1, random_state: Any = None, *, y: Any = None) -> Pictures:
        """Makes new pictures: latents from the prior, and the likelihood's mean for each.

        Args:
            n_samples: how many.
            random_state: a seed or RandomState; None draws others at each call.
            y: of a model with labels the class of all pictures, or one for each; drawn too if None.

        Raises:
            OptionError: fewer than one, or a class that the model does not know.
        """
        check_is_fitted(self)
        if n_samples < 1:
            raise OptionError(f"n_samples must be at least 1, not {n_samples}.")
        label = None if y is None else class_names(y, n_samples)
        return self._pictures(generate(self.trained_, n_samples, seed_of(random_state), label=label))

    def inpaint(
        self,
        image: Any,
        missing: Any = None,
        n_samples: int = 8,
        *,
        steps: int | None = None,
        random_state: Any = None,
    ) -> Filled:
        """Fills in what is missing of a picture of any size; the rest comes back bit for bit.

        Models of the presets `inpainting`, `image-64` and `image-32` were trained for it; of any other what it believes
        is refined by steps of gradient, picture by picture.

        Args:
            image: uint8, uint16, bool or floats in [0, 1], shape (H, W) or (H, W, C) with 1 to 4 channels; NaN and
                transparent pixels are missing.
            missing: True where pixels are missing too, shape (H, W).
            n_samples: different completions.
            steps: of gradient; None leaves it to the model. One that was trained for it takes none, whatever is said.
            random_state: a seed or RandomState; None draws others at each call.

        Raises:
            DataError: an array of another shape or type, a mask of another size, nothing missing, or everything.
            OptionError: no samples.

        Example:
            >>> images = np.random.default_rng(0).random((40, 8, 8), np.float32)
            >>> missing = np.eye(8, dtype=bool)
            >>> filled = ImageVAE(latent_dim=2, epochs=1).fit(images).inpaint(images[0], missing, n_samples=3)
            >>> filled.samples.shape, bool((filled.mean == images[0])[~missing].all())
            ((3, 8, 8), True)
        """
        check_is_fitted(self)
        canvas = Canvas.from_array(np.asarray(image), None if missing is None else _flags(missing))
        result = inpaint(self.trained_, canvas, n_samples=n_samples, seed=seed_of(random_state), steps=steps)
        std = result.std() * np.float32(canvas.white)
        samples = np.stack([result.sample(number) for number in range(n_samples)])
        return Filled(samples, result.mean(), std[..., 0] if canvas.flat else std)

    def restore(
        self,
        image: Any,
        missing: Any = None,
        *,
        noise: float | None = None,
        steps: int | None = None,
        random_state: Any = None,
    ) -> NDArray[Any]:
        """Takes the noise off a picture of any size, and fills in what is missing of it.

        Args:
            image: as for `inpaint`.
            missing: True where pixels are missing, shape (H, W).
            noise: standard deviation of the noise, on the scale of [0, 1]; estimated if None.
            steps: as for `inpaint`.
            random_state: a seed or RandomState; None draws others at each call.

        Returns:
            The picture in its own type and shape.

        Raises:
            DataError: an array of another shape or type, or a mask of another size.
            OptionError: a level of noise outside of [0, 1], or noise on the picture and a model that fills in and was
                trained without any.
        """
        check_is_fitted(self)
        canvas = Canvas.from_array(np.asarray(image), None if missing is None else _flags(missing))
        return restore(self.trained_, canvas, noise=noise, seed=seed_of(random_state), steps=steps).picture()

    def score_samples(self, X: Any) -> Floats:  # noqa: N803
        """Estimates the log likelihood of each picture by importance sampling, nats, shape (N,).

        It is a probability mass on the 256-level grid; of the black and white picture where the model binarises.
        """
        dataset = self._dataset(X)
        parts = [self._nats(dataset, rows) for rows in batches_of(dataset)]
        return np.concatenate(parts)

    def _nats(self, dataset: Dataset, rows: NDArray[np.int64]) -> Floats:
        batch: Batch = look_at(self.trained_, dataset, rows)
        return log_likelihood(self.trained_.model, batch).cpu().numpy()

    def _dataset(self, X: Any, y: Any = None) -> Dataset:  # noqa: N803
        """Brings pictures into the model's form."""
        check_is_fitted(self)
        own = self.trained_.config.model.label
        dataset = self._load(_source(X, None if own is None else y), self.trained_.preprocessing)
        if not len(dataset):
            raise DataError("There are no pictures (0 examples).")
        if own is not None and y is not None:
            _require_same_classes(dataset.label_names.get(own, ()), self.trained_.label_names[own])
        return dataset

    def _pictures(self, made: Batch) -> Pictures:
        levels = made.x.clamp(0, 1).permute(0, 2, 3, 1).contiguous().numpy()
        return levels[..., 0] if cast(ImagePreprocessing, self.trained_.preprocessing).channels == 1 else levels


def _require_same_classes(given: Sequence[str], learned: Sequence[str]) -> None:
    if tuple(given) != tuple(learned):
        raise DataError(
            f"y has the classes {', '.join(given)}, and the model was trained with {', '.join(learned)}: give the y of "
            "its training."
        )


def _flags(missing: Any) -> NDArray[np.bool_]:
    flags = np.asarray(missing)
    if flags.dtype != np.bool_:
        raise DataError(f"missing must be True or False for each pixel, not {flags.dtype}; compare it with something.")
    return flags


def _source(X: Any, y: Any = None) -> Source:  # noqa: N803
    """Returns the source of what a person gave: a path, a name, or arrays, which may have classes beside them."""
    if isinstance(X, str | Path):
        if y is not None:
            raise DataError("y goes with arrays; the labels of a folder or named set come with it.")
        return open_for(X, "image")
    images = np.asarray(X)
    if images.ndim not in (3, 4):
        raise DataError(
            f"Expected pictures of shape (N, H, W) or (N, H, W, C), not {images.shape}; VAE takes vectors (N, D)."
        )

    labels, names = (None, ()) if y is None else classes_of(y, len(images))

    def digest() -> str:
        state = hashlib.blake2b(np.ascontiguousarray(images).tobytes(), digest_size=16)
        if labels is not None:
            state.update(labels.tobytes() + repr(names).encode())
        return state.hexdigest()

    return ArraySource(ARRAYS, lambda _split: Arrays(images, labels, names), digest)
