from __future__ import annotations

import numpy as np
import pytest

from latentia.metrics import frechet_distance, precision_recall


def normal(mean, covariance, n=200_000, seed=0):
    return np.random.default_rng(seed).multivariate_normal(mean, covariance, n)


def test_the_distance_of_normal_distributions_has_a_closed_form():
    """Of commuting covariances: |m1 - m2|^2 + sum of (s1 - s2)^2 over their common axes."""
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    one, two = (turn @ np.diag(np.square(scales)) @ turn.T for scales in ([1.0, 2.0, 0.5], [3.0, 1.0, 0.5]))
    real, made = normal([0, 0, 0], one), normal([1, 0, -2], two, seed=2)
    assert frechet_distance(real, made) == pytest.approx(1 + 4 + (2**2 + 1**2 + 0), rel=0.02)
    assert frechet_distance(made, real) == pytest.approx(frechet_distance(real, made))


def test_the_distance_of_a_rotated_distribution():
    """Of covariances that do not commute, by the eigenvalues of their product: here 2 and 8 at 45 degrees."""
    first, second = np.diag([8.0, 2.0]), np.array([[5.0, 3.0], [3.0, 5.0]])
    root = np.sqrt(np.linalg.eigvals(first @ second)).sum()
    assert frechet_distance(normal([0, 0], first), normal([0, 0], second, seed=3)) == pytest.approx(
        20 - 2 * root, rel=0.05
    )


def test_equal_sets_are_at_no_distance_whatever_their_rank():
    few = np.random.default_rng(0).normal(size=(5, 30)).astype(np.float32)
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-5)
    assert frechet_distance(few[:, :1], few[:, :1] + 2) == pytest.approx(4, rel=1e-4)


def test_precision_and_recall_of_uniform_distributions():
    """Made examples on half of the real square: all look real, half of the real ones are made."""
    random = np.random.default_rng(0)
    real, made = random.random((4000, 2)), random.random((4000, 2)) * [0.5, 1.0]
    overlap = precision_recall(real, made)
    assert overlap.precision > 0.97
    assert overlap.recall == pytest.approx(0.5, abs=0.04)
    swapped = precision_recall(made, real)
    assert (swapped.precision, swapped.recall) == (overlap.recall, overlap.precision)


def test_precision_and_recall_of_modes():
    random = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0], [50.0, 50.0]])
    real = centres[random.integers(4, size=1500)] + random.normal(size=(1500, 2))
    made = np.concatenate([centres[random.integers(2, size=1000)], np.full((500, 2), 200.0)]) + random.normal(
        size=(1500, 2)
    )
    overlap = precision_recall(real, made)
    assert overlap.precision == pytest.approx(2 / 3, abs=0.03)
    assert overlap.recall == pytest.approx(1 / 2, abs=0.06)


def test_more_examples_than_fit_into_one_piece_change_nothing():
    random = np.random.default_rng(0)
    real, made = random.normal(size=(1500, 3)), random.normal(size=(1100, 3)) + 0.5
    distance = np.linalg.norm(real[:, None] - real, axis=2)
    radius = np.sort(distance, axis=1)[:, 3]
    inside = np.linalg.norm(made[:, None] - real, axis=2) <= radius
    assert precision_recall(real, made).precision == pytest.approx(inside.any(1).mean())
