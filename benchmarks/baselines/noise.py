"""Classical ways to take noise off pictures: scikit-image's, with all settings that are tried."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.choosing import Pixels, Tried

WAVELETS = ("db1", "db2", "sym4")
SHIFTS = 3  # pixels in each direction, over which wavelets are averaged


def candidates(level: float, colour: bool) -> dict[str, list[Tried]]:
    """Returns each way with the settings that are tried; all are told the level of the noise.

    Args:
        level: standard deviation of the noise, on the scale of [0, 1].
        colour: whether pictures have it; then wavelets are tried on brightness and differences of colours too.
    """
    from skimage import restoration

    nl_means, variation = restoration.denoise_nl_means, restoration.denoise_tv_chambolle
    means = product((3, 5, 7, 9, 11), (0.4, 0.6, 0.8, 1.0, 1.2), (True, False), (5, 7, 13))
    thresholds = [(method, share) for method in ("BayesShrink", "VisuShrink") for share in (0.25, 0.5, 0.7, 1.0, 1.4)]
    shrunk = product(thresholds, WAVELETS, (True, False) if colour else (False,), (0, SHIFTS))
    return {
        "scikit-image non-local means": [
            _tried(nl_means, patch_size=size, h=share * level, fast_mode=fast, patch_distance=distance, sigma=level)
            for size, share, fast, distance in means
        ],
        "scikit-image wavelet": [
            _tried(_wavelets, shifts=shifts, method=method, sigma=share * level, wavelet=family, convert2ycbcr=turned)
            for (method, share), family, turned, shifts in shrunk
        ],
        "scikit-image total variation": [
            _tried(variation, weight=share * level) for share in (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
        ],
    }


def _wavelets(image: NDArray[np.float64], *, shifts: int, channel_axis: int, **settings: Any) -> NDArray[np.float64]:
    """Shrinks wavelets, averaged over shifts of the picture where there are any (Coifman and Donoho, 1995)."""
    from skimage.restoration import cycle_spin, denoise_wavelet

    chosen = {**settings, "rescale_sigma": True, "channel_axis": channel_axis}
    if not shifts:
        return denoise_wavelet(image, **chosen)
    return cycle_spin(image, denoise_wavelet, shifts, workers=1, func_kw=chosen, channel_axis=channel_axis)


def _tried(function: Callable[..., NDArray[Any]], **settings: Any) -> Tried:
    named = (
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in settings.items()
    )
    return Tried(", ".join(named), partial(_apply, function, settings))


def _apply(function: Callable[..., NDArray[Any]], settings: dict[str, Any], images: Pixels) -> Pixels:
    restored = [function(image / 255.0, channel_axis=-1, **settings) for image in images]
    return np.round(np.clip(np.stack(restored), 0, 1) * 255).astype(np.uint8).reshape(images.shape)
