"""Classical ways to take noise off pictures: scikit-image's, with all settings that are tried."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.choosing import Pixels, Tried

WAVELET = "scikit-image wavelet"
FAMILIES = ("db1", "db2", "sym4", "sym8")
DEPTHS = (2, 3, 4)  # of decompositions; the default is 1 to 3 for pictures as small as these
SHIFTS = (3, 7)  # pixels in each direction, over which wavelets are averaged

Way = Callable[..., NDArray[Any]]


def candidates(level: float, colour: bool) -> dict[str, list[Tried]]:
    """Returns each way with the settings that are tried; all are told the level of the noise.

    Args:
        level: standard deviation of the noise, on the scale of [0, 1].
        colour: whether pictures have it; then wavelets are tried on brightness and differences of colours too.
    """
    from skimage import restoration

    means = (
        *product((3, 5, 7, 9, 11, 13), (0.4, 0.6, 0.8, 1.0, 1.2), (True, False), (2, 3, 5, 7, 13)),
        *product((17, 21), (0.4, 0.6, 0.8, 1.0, 1.2), (True,), (2, 3, 5, 7)),  # slow without it
    )
    thresholds = [(method, share) for method in ("BayesShrink", "VisuShrink") for share in (0.25, 0.5, 0.7, 1.0, 1.4)]
    shrunk = product(thresholds, FAMILIES, DEPTHS, ("soft", "hard"), (True, False) if colour else (False,))
    return {
        "scikit-image non-local means": [
            _tried(
                restoration.denoise_nl_means,
                patch_size=size,
                h=share * level,
                fast_mode=fast,
                patch_distance=distance,
                sigma=level,
            )
            for size, share, fast, distance in means
        ],
        WAVELET: [
            _tried(
                restoration.denoise_wavelet,
                method=method,
                sigma=share * level,
                wavelet=family,
                wavelet_levels=depth,
                mode=mode,
                convert2ycbcr=turned,
                rescale_sigma=True,
            )
            for (method, share), family, depth, mode, turned in shrunk
        ],
        "scikit-image total variation": [
            *(
                _tried(restoration.denoise_tv_chambolle, weight=share * level, eps=1e-5, max_num_iter=500)
                for share in (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
            ),
            *(
                _tried(restoration.denoise_tv_bregman, weight=share / level, eps=1e-4, max_num_iter=200)
                for share in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
            ),
        ],
    }


def spun(way: Tried, shifts: int) -> Tried:
    """Returns a way that is averaged over shifts of the picture (Coifman and Donoho, 1995).

    Args:
        way: one of `candidates`.
        shifts: pixels in each direction.
    """
    applied = way.way
    if not isinstance(applied, _Applied):
        raise TypeError(f"{way.settings} is none of the candidates.")
    return Tried(f"{way.settings}, shifts={shifts}", _Applied(applied.function, applied.settings, shifts))


def _tried(function: Way, **settings: Any) -> Tried:
    shown = {"way": function.__name__.removeprefix("denoise_"), **settings}
    named = (f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in shown.items())
    return Tried(", ".join(named), _Applied(function, settings))


@dataclass(frozen=True)
class _Applied:
    """One of scikit-image's functions, on 8-bit pictures (N, H, W, C)."""

    function: Way
    settings: dict[str, Any] = field(default_factory=dict, hash=False)
    shifts: int = 0

    def __call__(self, images: Pixels) -> Pixels:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deep decompositions of small pictures reach their rims
            restored = [self._one(image / 255.0) for image in images]
        return np.round(np.clip(np.stack(restored), 0, 1) * 255).astype(np.uint8).reshape(images.shape)

    def _one(self, image: NDArray[np.float64]) -> NDArray[np.float64]:
        from skimage.restoration import cycle_spin

        settings = {**self.settings, "channel_axis": -1}
        if not self.shifts:
            return self.function(image, **settings)
        return cycle_spin(image, self.function, self.shifts, workers=1, func_kw=settings, channel_axis=-1)
