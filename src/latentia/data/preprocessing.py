"""Preprocessing: frozen configuration that is saved with the model, and pure functions forth and back."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, model_validator
from torch import Tensor

from latentia.config import Frozen
from latentia.data.pixels import INVISIBLE, OPAQUE, plain
from latentia.data.speech import SpeechPreprocessing
from latentia.errors import DataError

Pixels = NDArray[np.uint8]
Seen = NDArray[np.bool_]


class ImagePreprocessing(Frozen):
    """How pictures become rows of 8-bit pixels.

    Attributes:
        height: of the model's pictures, pixels.
        width: of the model's pictures, pixels.
        channels: 1 grey, 3 colour.
        fit: what is done about another aspect: cut the edges, pad (padding counts as missing), or distort.
        binarize: what is done to batches: nothing, a Bernoulli draw at each use, or a threshold at one half.
        log_volume: what a log probability of rows exceeds that of the pictures by, in nats.

    Example:
        >>> form = ImagePreprocessing(height=8, width=8, channels=1)
        >>> pixels, observed = form.apply(Image.new("RGB", (20, 30), "white"))
        >>> pixels.shape, observed
        ((8, 8, 1), None)
    """

    kind: Literal["image"] = "image"
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    channels: Literal[1, 3]
    fit: Literal["crop", "pad", "stretch"] = "crop"
    binarize: Literal["none", "dynamic", "threshold"] = "none"
    log_volume: ClassVar[float] = 0.0

    @property
    def event_shape(self) -> tuple[int, int, int]:
        """Shape of one example in a batch, (C, H, W)."""
        return (self.channels, self.height, self.width)

    @property
    def row_shape(self) -> tuple[int, int, int]:
        """Shape of one stored example, (H, W, C)."""
        return (self.height, self.width, self.channels)

    def apply(self, picture: Image.Image) -> tuple[Pixels, Seen | None]:
        """Brings a picture of any size and mode into form.

        Returns:
            uint8 pixels (H, W, C), and where they were seen, bool (H, W), None if everywhere. Pixels less than half
            opaque and padding are missing; missing pixels are 0.

        Raises:
            DataError: pixel values of an unknown range.
        """
        pixels = np.array(self._fitted(plain(picture, self.channels))).reshape(self.height, self.width, -1)
        if pixels.shape[-1] == self.channels:
            return pixels, None
        seen = pixels[..., -1] >= OPAQUE
        colour = np.ascontiguousarray(pixels[..., :-1])
        if seen.all():
            return colour, None
        colour[~seen] = 0
        return colour, seen

    def apply_array(self, images: NDArray[Any]) -> Pixels:
        """Brings many pictures into form; `fit_array` also tells what of them is missing.

        Args:
            images: uint8, uint16 (scaled by its full range), bool, or floats in [0, 1]; shape (N, H, W), or
                (N, H, W, C) with 1, 3 or 4 channels. Another size or number of channels is converted as for picture
                files. NaN is missing.

        Returns:
            uint8, shape (N, H, W, C).

        Raises:
            DataError: another shape, another type, floats outside of [0, 1], or a picture that is nothing but NaN.

        Example:
            >>> form = ImagePreprocessing(height=4, width=4, channels=1)
            >>> form.apply_array(np.ones((2, 4, 4), np.float32)).max()
            np.uint8(255)
        """
        return self.fit_array(images)[0]

    def fit_array(self, images: NDArray[Any], first: int = 0) -> tuple[Pixels, Seen | None]:
        """Brings many pictures into form, as `apply_array`, and tells what was seen, bool (N, H, W), None if all.

        Args:
            images: as `apply_array` takes them.
            first: number of the first of them, for messages.

        Raises:
            DataError: as `apply_array`, or a picture that is transparent all over.
        """
        pixels = _eight_bits(_nan_as_transparent(_with_channels(images), first))
        if pixels.shape[1:] == self.row_shape:
            return np.ascontiguousarray(pixels), None
        rows = np.empty((len(pixels), *self.row_shape), np.uint8)
        seen = np.ones(rows.shape[:3], np.bool_)
        for index, image in enumerate(pixels):
            rows[index], observed = self.apply(Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image))
            if observed is not None:
                seen[index] = observed
                if not observed.any():
                    raise DataError(f"Picture {first + index} cannot be used: {INVISIBLE}")
        return rows, None if seen.all() else seen

    def to_pictures(self, x: Tensor) -> Pixels:
        """Turns a batch (N, C, H, W) in [0, 1] into uint8 pictures (N, H, W, C).

        Values outside of [0, 1], as the mean of a likelihood may have them, are shown as the nearest level.

        Raises:
            DataError: NaN, or another shape.
        """
        if tuple(x.shape[1:]) != self.event_shape:
            raise DataError(f"Expected pictures of shape {self.event_shape}, not {tuple(x.shape[1:])}.")
        if bool(torch.isnan(x).any()):
            raise DataError("The pictures hold values that are not numbers (NaN).")
        levels = x.detach().float().mul(255.0).round().clamp(0, 255).to(torch.uint8)
        return levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()

    def binarise(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Makes a batch in [0, 1] binary, as `binarize` says.

        Args:
            x: shape (N, C, H, W).
            generator: source of randomness for dynamic binarisation, on the device of `x`; torch's own if None.
        """
        if self.binarize == "dynamic":
            return torch.bernoulli(x, generator=generator)
        return self.most_probable(x)

    def most_probable(self, x: Tensor) -> Tensor:
        """Makes a batch in [0, 1] what `binarise` makes of it, or makes of it most often, shape (N, C, H, W)."""
        return x if self.binarize == "none" else (x >= 0.5).to(x.dtype)

    def describe(self) -> str:
        """Says in plain words what is done."""
        colour = "grey" if self.channels == 1 else "colour (RGB)"
        fit = {
            "crop": f"scaled to fill {self.width} x {self.height} pixels, what stands out cut off evenly",
            "pad": f"scaled to fit into {self.width} x {self.height} pixels, the rest counted as missing",
            "stretch": f"scaled to {self.width} x {self.height} pixels, distorted where the aspect differs",
        }[self.fit]
        binary = {
            "none": "",
            "dynamic": " At each use a pixel is drawn black or white, its brightness being the probability of white.",
            "threshold": " Pixels of at least half brightness become white, the others black.",
        }[self.binarize]
        return (
            f"Pictures are turned upright, converted to 8-bit {colour}, and {fit}. Pixels less than half opaque count "
            f"as missing.{binary}"
        )

    def _fitted(self, picture: Image.Image) -> Image.Image:
        width, height = picture.size
        if (width, height) == (self.width, self.height):
            return picture
        across, down = self.width / width, self.height / height
        if self.fit == "pad":
            return self._padded(picture, min(across, down))
        box = (0.0, 0.0, float(width), float(height))
        if self.fit == "crop":
            scale = max(across, down)
            left = max(0.0, (width - self.width / scale) / 2)
            top = max(0.0, (height - self.height / scale) / 2)
            box = (left, top, width - left, height - top)
        return picture.resize((self.width, self.height), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)

    def _padded(self, picture: Image.Image, scale: float) -> Image.Image:
        width = min(self.width, max(1, round(picture.width * scale)))
        height = min(self.height, max(1, round(picture.height * scale)))
        small = picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
        sheet = Image.new("RGBA" if self.channels == 3 else "LA", (self.width, self.height))
        sheet.paste(small.convert(sheet.mode), ((self.width - width) // 2, (self.height - height) // 2))
        return sheet


class VectorPreprocessing(Frozen):
    """How vectors are standardised: `(x - mean) / scale`, feature by feature.

    Example:
        >>> form = VectorPreprocessing.fit(np.array([[0.0, 5.0], [2.0, 5.0]]))
        >>> form.mean, form.scale
        ((1.0, 5.0), (1.0, 1.0))
        >>> form.apply(np.array([[4.0, 5.0]])).tolist()
        [[3.0, 0.0]]
    """

    kind: Literal["vector"] = "vector"
    mean: tuple[float, ...]
    scale: tuple[Annotated[float, Field(gt=0)], ...]

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if len(self.mean) != len(self.scale):
            raise ValueError(f"there are {len(self.mean)} means, but {len(self.scale)} scales")
        return self

    @classmethod
    def fit(cls, x: NDArray[Any]) -> VectorPreprocessing:
        """Measures mean and standard deviation of each feature; constant features keep the scale 1.

        Args:
            x: numbers, shape (N, D), N at least 1.

        Raises:
            DataError: another shape, no rows, or values that are not finite or too large.
        """
        values = _finite_vectors(x)
        if not values.size:
            raise DataError(f"Expected vectors, but found an array of shape {values.shape}.")
        with np.errstate(over="ignore", invalid="ignore"):
            mean, scale = values.mean(0), values.std(0)
        if not np.isfinite([mean, scale]).all():
            raise DataError("The vectors hold numbers too large to be standardised: divide them by a power of ten.")
        # Rounding leaves a tiny spread in a constant feature; dividing by it would blow up the noise.
        constant = scale <= 1e-12 * np.maximum(1.0, np.abs(mean))
        scale[constant] = 1.0
        return cls(mean=tuple(mean.tolist()), scale=tuple(scale.tolist()))

    @property
    def event_shape(self) -> tuple[int]:
        """Shape of one example in a batch, (D,)."""
        return (len(self.mean),)

    @property
    def log_volume(self) -> float:
        """What a log density of standardised vectors exceeds that of the original ones by, in nats."""
        return float(sum(math.log(scale) for scale in self.scale))

    def apply(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Standardises vectors (N, D) to float32.

        Raises:
            DataError: another number of features, or values that are not finite or too large.
        """
        values = _finite_vectors(x)
        if values.shape[1] != len(self.mean):
            raise DataError(f"The vectors have {values.shape[1]} features, but the model takes {len(self.mean)}.")
        with np.errstate(over="ignore", invalid="ignore"):
            standardised = ((values - np.array(self.mean)) / np.array(self.scale)).astype(np.float32)
        if not np.isfinite(standardised).all():
            raise DataError("The vectors hold numbers too large for the model, far from those that it was trained on.")
        return standardised

    def invert(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Brings standardised vectors (..., D) back to the original units."""
        return np.asarray(x, np.float64) * np.array(self.scale) + np.array(self.mean)

    def describe(self) -> str:
        """Says in plain words what is done."""
        return f"Each of the {len(self.mean)} features is shifted to mean 0 and scaled to standard deviation 1."


Preprocessing = Annotated[ImagePreprocessing | VectorPreprocessing | SpeechPreprocessing, Field(discriminator="kind")]


def _finite_vectors(x: NDArray[Any]) -> NDArray[np.float64]:
    if x.ndim != 2 or x.dtype.kind not in "biuf":
        raise DataError(f"Expected numbers of shape (examples, features), not {x.dtype} of shape {x.shape}.")
    values = x.astype(np.float64)
    if not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0, 0])
        raise DataError(f"The vectors hold a value that is not finite (NaN or infinite), first in row {row}.")
    return values


def _with_channels(images: NDArray[Any]) -> NDArray[Any]:
    shaped = images[..., None] if images.ndim == 3 else images
    if shaped.ndim != 4 or shaped.shape[-1] not in (1, 3, 4) or 0 in shaped.shape[1:]:
        raise DataError(
            f"Expected images of shape (N, H, W) or (N, H, W, C) with 1, 3 or 4 channels, not {images.shape}; channels "
            f"come last."
        )
    return shaped


def _nan_as_transparent(images: NDArray[Any], first: int) -> NDArray[Any]:
    """Gives pictures in which there are NaN an opacity, 0 there."""
    if images.dtype.kind != "f" or not np.isnan(images).any():
        return images
    seen = cast(Seen, ~np.isnan(images).any(-1))
    if not seen.any((1, 2)).all():
        empty = first + int(np.flatnonzero(~seen.any((1, 2)))[0])
        raise DataError(f"Picture {empty} is nothing but NaN: leave it out.")
    colour = images.repeat(3, -1) if images.shape[-1] == 1 else images[..., :3]
    opacity = images[..., 3:] if images.shape[-1] == 4 else np.ones_like(images[..., :1])
    whole: NDArray[Any] = np.concatenate([colour, opacity], -1)
    whole[~seen] = 0.0
    return whole


def _eight_bits(images: NDArray[Any]) -> Pixels:
    if images.dtype == np.uint8:
        return images
    if images.dtype == np.bool_:
        return images.astype(np.uint8) * np.uint8(255)
    if images.dtype.newbyteorder("=") == np.uint16:
        return np.round(images / np.float32(257.0)).astype(np.uint8)
    if images.dtype.kind != "f":
        raise DataError(
            f"Expected images as uint8, uint16 or floats in [0, 1], not {images.dtype}: divide by the value of white."
        )
    if not images.size:
        return images.astype(np.uint8)
    low, high = float(images.min()), float(images.max())
    if low < 0.0 or high > 1.0:
        raise DataError(f"Float images must lie in [0, 1], but values from {low:g} to {high:g} were found: scale them.")
    return np.round(images * np.float32(255.0)).astype(np.uint8)
