"""Classical ways to take noise off pictures: scikit-image's, with the settings that do best on validation pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Denoise = Callable[[Pixels], Pixels]
WAVELETS = ("db1", "db2", "sym4")


def candidates(level: float, colour: bool) -> dict[str, list[Denoise]]:
    """Returns each way with the settings that are tried; all are told the level of the noise.

    Args:
        level: standard deviation of the noise, on the scale of [0, 1].
        colour: whether pictures have it; then wavelets are tried on brightness and differences of colours too.
    """
    from skimage import restoration

    nl_means, wavelet = restoration.denoise_nl_means, restoration.denoise_wavelet

    means = product((3, 5, 7), (0.4, 0.6, 0.8, 1.0), (True, False))
    thresholds = (("BayesShrink", 1.0), *(("VisuShrink", share) for share in (1.0, 0.5, 0.25)))
    shrunk = product(thresholds, WAVELETS, (True, False) if colour else (False,))
    return {
        "scikit-image non-local means": [
            _each(nl_means, patch_size=size, h=share * level, fast_mode=fast, patch_distance=9, sigma=level)
            for size, share, fast in means
        ],
        "scikit-image wavelet": [
            _each(wavelet, method=method, sigma=share * level, wavelet=family, convert2ycbcr=turned, rescale_sigma=True)
            for (method, share), family, turned in shrunk
        ],
        "scikit-image total variation": [
            _each(restoration.denoise_tv_chambolle, weight=share * level) for share in (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
        ],
    }


def best_of(ways: Sequence[Denoise], noisy: Pixels, error: Callable[[Pixels], float]) -> Denoise:
    """Returns the settings that do best on validation pictures."""
    return min(ways, key=lambda way: error(way(noisy)))


def _each(function: Callable[..., NDArray[Any]], **settings: Any) -> Denoise:
    return partial(_apply, function, settings)


def _apply(function: Callable[..., NDArray[Any]], settings: dict[str, Any], images: Pixels) -> Pixels:
    restored = [function(image / 255.0, channel_axis=-1, **settings) for image in images]
    return np.round(np.clip(np.stack(restored), 0, 1) * 255).astype(np.uint8).reshape(images.shape)
