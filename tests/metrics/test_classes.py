from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix

from latentia.metrics import recognition


def test_figures_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    labels = random.choice(4, 200, p=[0.6, 0.3, 0.1, 0.0])
    probabilities = random.dirichlet(np.ones(4), 200)
    probabilities[np.arange(200), labels] += 0.3
    found = recognition(probabilities / 1.3, labels)
    most = probabilities.argmax(1)
    assert found.n_examples == 200
    assert found.accuracy == pytest.approx(accuracy_score(labels, most))
    with pytest.warns(UserWarning, match="not in y_true"):
        assert found.uar == pytest.approx(balanced_accuracy_score(labels, most))
    assert np.array_equal(found.confusion, confusion_matrix(labels, most, labels=range(4)))


@pytest.mark.parametrize(("confidence", "gap"), [(0.7, 0.0), (0.9, 0.2), (0.5, 0.2)])
def test_calibration_is_how_far_confidence_is_from_the_share_of_right_ones(confidence, gap) -> None:
    labels = (np.arange(100) % 10 >= 7).astype(np.int64)  # seven of ten are of the class that is always taken
    probabilities = np.tile([confidence, 1 - confidence - 1e-9], (100, 1))
    assert recognition(probabilities, labels).ece == pytest.approx(gap, abs=1e-6)


def test_being_sure_of_a_class_falls_into_the_last_bin() -> None:
    assert recognition(np.eye(3), np.arange(3)).ece == 0.0
