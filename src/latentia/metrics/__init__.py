"""Metrics: pure functions of arrays."""

from latentia.metrics.classes import Recognition, recognition
from latentia.metrics.latents import (
    ACTIVE_VARIANCE,
    active_units,
    aggregate_moments,
    gaussian_kl,
    information_per_latent,
)
from latentia.metrics.pictures import noise_level, psnr
from latentia.metrics.samples import Overlap, frechet_distance, precision_recall
from latentia.metrics.speech import (
    active_level,
    log_spectral_distance,
    mel_cepstral_distortion,
    pitch,
    si_sdr,
    spectral_centroid,
)

__all__ = [
    "ACTIVE_VARIANCE",
    "Overlap",
    "Recognition",
    "active_level",
    "active_units",
    "aggregate_moments",
    "frechet_distance",
    "gaussian_kl",
    "information_per_latent",
    "log_spectral_distance",
    "mel_cepstral_distortion",
    "noise_level",
    "pitch",
    "precision_recall",
    "psnr",
    "recognition",
    "si_sdr",
    "spectral_centroid",
]
