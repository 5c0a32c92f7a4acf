"""The classes that a classifier is fitted to."""

from __future__ import annotations

import numpy as np
from sklearn.utils.multiclass import type_of_target


def two_classes(y: np.ndarray) -> np.ndarray:
    """Find the two classes.

    Parameters
    ----------
    y : array, shape (n,)

    Returns
    -------
    array, shape (2,)
        Sorted.

    Raises
    ------
    ValueError
        There are fewer or more, or y is no array of classes.
    """
    kind = type_of_target(y, input_name="y", raise_unknown=True)
    if kind != "binary":
        raise ValueError(
            f"Only binary classification is supported. The type of the target is {kind}."
        )
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError("one class only: nothing tells two classes apart")
    return classes
