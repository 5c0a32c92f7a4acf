"""What classifiers of two classes share."""

from __future__ import annotations

import numpy as np
from scipy.special import expit
from sklearn.base import ClassifierMixin
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


class TwoClassMixin(ClassifierMixin):
    """Judges by `predict_proba`; fitted to two classes only, `classes_`."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Judge each material: the second class where its probability is at least one half.

        Parameters
        ----------
        X : array of float, shape (n, n_columns)
            Descriptors.

        Returns
        -------
        array, shape (n,)
            Of `classes_`.
        """
        is_second = self.predict_proba(X)[:, 1] >= 0.5
        return self.classes_[is_second.astype(int)]


class LogOddsMixin(TwoClassMixin):
    """Judges by `decision_function`, the log-odds of the second class."""

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Compute the probabilities of the two classes.

        Parameters
        ----------
        X : array of float, shape (n, n_columns)
            Descriptors.

        Returns
        -------
        array of float, shape (n, 2)
        """
        z = self.decision_function(X)
        return np.column_stack([expit(-z), expit(z)])

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Judge each material: the second class where its log-odds are not negative.

        Parameters
        ----------
        X : array of float, shape (n, n_columns)
            Descriptors.

        Returns
        -------
        array, shape (n,)
            Of `classes_`.
        """
        is_second = self.decision_function(X) >= 0
        return self.classes_[is_second.astype(int)]
