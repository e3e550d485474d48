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


def information_per_latent(mean: NDArray[Any], std: NDArray[Any]) -> Floats:
    """Returns how much each latent by itself tells about an example, nats.

    It is the mean KL divergence from the posteriors to the normal distribution with the moments of the aggregate
    posterior: an upper bound on the mutual information, that is 0 where all posteriors are alike. It asks for no prior,
    and the scale of a latent, which a learned prior leaves open, changes nothing.

    Args:
        mean: posterior means, shape (N, D).
        std: posterior standard deviations, shape (N, D).

    Returns:
        Shape (D,).

    Example:
        >>> information_per_latent(np.array([[0.0, 30.0], [0.0, -30.0]]), np.array([[1.0, 10.0], [1.0, 10.0]])).round(2)
        array([0.  , 1.15])
    """
    _, covariance = aggregate_moments(mean, std)
    return 0.5 * np.log(np.diag(covariance)) - np.log(std.astype(np.float64)).mean(axis=0)


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
