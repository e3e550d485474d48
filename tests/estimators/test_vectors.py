"""`VAE` keeps scikit-learn's conventions, and its figures are right."""

from __future__ import annotations

from sklearn.utils.estimator_checks import parametrize_with_checks

from latentia import VAE


@parametrize_with_checks([VAE(epochs=2)])
def test_conventions_of_scikit_learn(estimator, check):
    check(estimator)
