"""Fits that have not seen what they are asked about, and the constant they are held against."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.validation import has_fit_parameter

from ionscout.models._folds import find_twins, merge_groups
from ionscout.models.training_set import TrainingSet


def base_rate(y: np.ndarray) -> float:
    """Probability of fast by Laplace's rule of succession, (n_fast + 1) / (n + 2).

    Parameters
    ----------
    y : array of bool, shape (n,)
        True for fast.

    Returns
    -------
    float
        Never 0 or 1, so that its log loss stays finite.
    """
    return (np.count_nonzero(y) + 1) / (len(y) + 2)


class BaseRateClassifier(ClassifierMixin, BaseEstimator):
    """The constant baseline: the base rate of the materials it was fitted to.

    Attributes
    ----------
    rate_ : float
        Probability of fast, by `base_rate`.
    """

    def fit(self, X: np.ndarray, y: np.ndarray) -> BaseRateClassifier:
        """Count the fast materials.

        Parameters
        ----------
        X : array of float, shape (n, n_columns)
            Ignored.
        y : array of bool, shape (n,)
            True for fast.

        Returns
        -------
        BaseRateClassifier
        """
        self.classes_ = np.array([False, True])
        self.rate_ = base_rate(y)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Say the same of every material.

        Parameters
        ----------
        X : array of float, shape (n, n_columns)

        Returns
        -------
        array of float, shape (n, 2)
        """
        return np.tile([1 - self.rate_, self.rate_], (len(X), 1))


class Fold(NamedTuple):
    """A model, the rows that it was fitted to, and those that were held out.

    Attributes
    ----------
    train, test : array of int
        Rows of the training set; `train` may repeat one.
    model : scikit-learn classifier
        Fitted.
    """

    train: np.ndarray
    test: np.ndarray
    model: BaseEstimator


def fit_rows(estimator: BaseEstimator, training: TrainingSet, rows: np.ndarray) -> BaseEstimator:
    """Fit a clone to some of the labelled materials; nothing of the others enters.

    Parameters
    ----------
    estimator : scikit-learn classifier
        Its `fit` may take `groups`, chemical systems with twins in one, and `pool`,
        the unlabelled materials without the chemical systems that are left out.
    training : TrainingSet
        The labelled materials.
    rows : array of int
        Those to learn from; one may come more than once.

    Returns
    -------
    scikit-learn classifier
        `BaseRateClassifier` where the rows are of one class.
    """
    x, y = training.x[rows], training.y[rows]
    if y.all() or not y.any():
        return BaseRateClassifier().fit(x, y)
    extra = {}
    if has_fit_parameter(estimator, "groups"):
        extra["groups"] = merge_groups(training.chemical_system[rows], find_twins(x))
    if has_fit_parameter(estimator, "pool"):
        left_out = np.setdiff1d(np.arange(len(training.y)), rows)
        extra["pool"] = training.pool.without(training.chemical_system[left_out])
    return clone(estimator).fit(x, y, **extra)


def fit_folds(estimator: BaseEstimator, training: TrainingSet, folds: np.ndarray) -> list[Fold]:
    """Fit a model for each fold, to the materials of all others.

    Parameters
    ----------
    estimator, training
        As in `fit_rows`.
    folds : array, shape (n,)
        The fold that each material is held out in; n distinct ones make it leave-one-out.

    Returns
    -------
    list of Fold
        Empty where there is one fold, which leaves nothing to learn from.
    """
    names = np.unique(folds)
    if len(names) < 2:
        return []
    parts = [(np.flatnonzero(folds != name), np.flatnonzero(folds == name)) for name in names]
    return [Fold(train, test, fit_rows(estimator, training, train)) for train, test in parts]


def gather_held_out(folds: list[Fold], x: np.ndarray) -> np.ndarray:
    """Predict each material by the model that has not seen it.

    Parameters
    ----------
    folds : list of Fold
    x : array of float, shape (n, n_columns)
        Descriptors.

    Returns
    -------
    array of float, shape (n,)
        Probability of fast; NaN for what is held out in no fold.
    """
    probability = np.full(len(x), np.nan)
    for fold in folds:
        probability[fold.test] = fold.model.predict_proba(x[fold.test])[:, 1]
    return probability
