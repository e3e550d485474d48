"""`y`: the classes that a person gives, in scikit-learn's way or by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentia.data import Indices, encode_labels
from latentia.errors import DataError


def classes_of(y: Any, n: int) -> tuple[Indices, tuple[str, ...]]:
    """Numbers the classes of examples.

    Args:
        y: N names or whole numbers; unknown where None, NaN, empty or below 0.
        n: number of examples.

    Returns:
        Numbers of classes, int64 (N,), -1 where unknown; and the names of the classes.

    Raises:
        DataError: another number of them, or numbers with a fraction.

    Example:
        >>> classes_of([3, None, 1], 3)
        (array([ 1, -1,  0]), ('1', '3'))
    """
    values = _listed(y)
    if len(values) != n:
        raise DataError(f"y must hold the class of each of the {n} pictures, but there are {len(values)}.")
    odd = [value for value in values if isinstance(value, float) and np.isfinite(value) and value % 1]
    if odd:
        raise DataError(f"y must hold classes, names or whole numbers, but {odd[0]:g} is none.")
    return encode_labels(values)


def classes_as_given(names: Sequence[str]) -> NDArray[Any]:
    """Returns the classes as scikit-learn has them: whole numbers if all names are such, else names.

    Example:
        >>> classes_as_given(["0", "7"]), classes_as_given(["0", "07"])
        (array([0, 7]), array(['0', '07'], dtype='<U2'))
    """
    numbers = all(name.isascii() and name.isdecimal() and str(int(name)) == name for name in names)
    return np.array([int(name) for name in names] if numbers else names)


def class_names(y: Any, n: int) -> list[str]:
    """Returns the names of the classes that samples are to have.

    Args:
        y: one for all, or one for each; names or whole numbers.
        n: number of samples.

    Raises:
        DataError: another number of them, or some that are unknown.
    """
    values = [y] * n if np.ndim(y) == 0 else _listed(y)
    numbers, names = classes_of(values, n)
    if (numbers < 0).any():
        raise DataError("y must name a class for each sample; None and numbers below 0 are none.")
    return [names[number] for number in numbers]


def _listed(y: Any) -> Sequence[Any]:
    """Returns one Python value for each example."""
    values = np.asarray(y, dtype=None if isinstance(y, np.ndarray) else object)
    if values.ndim != 1:
        raise DataError(f"y must hold one class for each picture, shape (N,), not {values.shape}.")
    return values.tolist()
