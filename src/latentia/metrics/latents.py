"""Metrics of latents."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ACTIVE_VARIANCE = 0.01
Floats = NDArray[np.float64]


def active_units(means: NDArray[Any], threshold: float = ACTIVE_VARIANCE) -> NDArray[np.bool_]:
    """Tells which latents depend on the data: those whose posterior mean varies (Burda et al., 2016).

    Args:
        means: posterior means, shape (N, D).
        threshold: smallest variance of an active unit.

    Returns:
        Shape (D,).

    Example:
        >>> active_units(np.array([[0.0, 1.0], [0.0, -1.0]]))
        array([False,  True])
    """
    return means.astype(np.float64).var(axis=0) > threshold


def rate_per_latent(mean: NDArray[Any], std: NDArray[Any], prior_mean: Any = 0.0, prior_std: Any = 1.0) -> Floats:
    """Returns what each latent costs: the mean KL divergence from normal posteriors to a normal prior, nats.

    Args:
        mean: posterior means, shape (N, D).
        std: posterior standard deviations, shape (N, D).
        prior_mean: shape (D,) or a number.
        prior_std: shape (D,) or a number.

    Returns:
        Shape (D,).

    Example:
        >>> rate_per_latent(np.array([[0.0, 2.0]]), np.array([[1.0, 1.0]])).tolist()
        [0.0, 2.0]
    """
    scale = std.astype(np.float64) / prior_std
    shift = (mean.astype(np.float64) - prior_mean) / prior_std
    return (0.5 * (scale**2 + shift**2 - 1.0) - np.log(scale)).mean(axis=0)


def aggregate_moments(mean: NDArray[Any], std: NDArray[Any]) -> tuple[Floats, Floats]:
    """Returns mean (D,) and covariance (D, D) of the aggregate posterior, the mixture of all posteriors.

    Args:
        mean: posterior means, shape (N, D).
        std: posterior standard deviations, shape (N, D).

    Example:
        >>> centre, covariance = aggregate_moments(np.array([[1.0], [-1.0]]), np.array([[0.5], [0.5]]))
        >>> centre.tolist(), covariance.tolist()
        ([0.0], [[1.25]])
    """
    means = mean.astype(np.float64)
    centre = means.mean(axis=0)
    between = (means - centre).T @ (means - centre) / len(means)
    return centre, between + np.diag((std.astype(np.float64) ** 2).mean(axis=0))


def gaussian_kl(mean: Floats, covariance: Floats, other_mean: Floats, other_covariance: Floats) -> float:
    """Returns the KL divergence between two normal distributions with full covariances, nats.

    Args:
        mean: shape (D,).
        covariance: shape (D, D), positive definite.
        other_mean: of the second distribution.
        other_covariance: of the second distribution.

    Example:
        >>> gaussian_kl(np.ones(1), np.eye(1), np.zeros(1), np.eye(1))
        0.5
    """
    shift = other_mean - mean
    log_ratio = np.linalg.slogdet(other_covariance)[1] - np.linalg.slogdet(covariance)[1]
    spread = np.trace(np.linalg.solve(other_covariance, covariance))
    distance = shift @ np.linalg.solve(other_covariance, shift)
    return float(0.5 * (spread + distance - len(mean) + log_ratio))
