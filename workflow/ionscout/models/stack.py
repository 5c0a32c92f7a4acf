"""Stack of classifiers: a logistic regression on what they say of materials held out."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy.special import logit
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted, has_fit_parameter, validate_data

from ionscout.config import ModelSettings
from ionscout.features.elemental import COLUMNS as ELEMENTAL_COLUMNS
from ionscout.models import forest, kernel_svm, linear_svm
from ionscout.models._classes import TwoClassMixin, two_classes
from ionscout.models._folds import inner_folds
from ionscout.models.base import Classifier
from ionscout.models.logistic import build_logistic
from ionscout.models.sendek2017 import SENDEK_COLUMNS
from ionscout.models.skops_format import dump_skops, load_skops

LEAST_PROBABILITY = 1e-3


class Stack(TwoClassMixin, BaseEstimator):
    """Logistic regression on the log-odds that its members give in inner folds.

    Parameters
    ----------
    members : list of (str, estimator, list of int)
        Name, classifier, and positions of the columns it reads.
    penalty : float
        L2 penalty of the regression, as in `build_logistic`, unscaled.
    n_folds : int
        Inner folds, grouped where `fit` is given groups.
    random_state : int
        Seed of the inner folds.

    Attributes
    ----------
    classes_ : array, shape (2,)
    fitted_ : list of estimator
        The members, fitted to all materials.
    combine_ : LogisticRegression

    References
    ----------
    Wolpert, Neural Networks 5, 241 (1992), doi:10.1016/S0893-6080(05)80023-1.
    """

    def __init__(self, members, penalty: float = 1.0, n_folds: int = 5, random_state: int = 0):
        self.members = members
        self.penalty = penalty
        self.n_folds = n_folds
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Stack:
        """Fit the members in inner folds, the regression on them, and the members to all.

        Parameters
        ----------
        X : array of float, shape (n, n_columns)
            Descriptors, finite.
        y : array of bool, shape (n,)
            Both classes.
        groups : array of shape (n,), optional
            Rows that no inner fold may split.

        Returns
        -------
        Stack

        Raises
        ------
        ValueError
            X or y is no such array.
        """
        X, y = validate_data(self, X, y, dtype=float, ensure_min_samples=2)
        self.classes_ = two_classes(y)
        is_second = y == self.classes_[1]
        folds = inner_folds(is_second, groups, self.n_folds, seed=self.random_state)
        odds = np.zeros((len(X), len(self.members)))
        for fold in np.unique(folds):
            test = folds == fold
            if len(np.unique(y[~test])) == 2:
                inside = None if groups is None else np.asarray(groups)[~test]
                odds[test] = self._odds(self._fit_members(X[~test], y[~test], inside), X[test])
        self.combine_ = LogisticRegression(C=1 / self.penalty, solver="newton-cholesky")
        self.combine_.fit(odds, is_second)
        self.fitted_ = self._fit_members(X, y, groups)
        return self

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
        check_is_fitted(self)
        X = validate_data(self, X, dtype=float, reset=False)
        return self.combine_.predict_proba(self._odds(self.fitted_, X))

    def _fit_members(
        self, x: np.ndarray, y: np.ndarray, groups: np.ndarray | None
    ) -> list[BaseEstimator]:
        fitted = []
        for _, estimator, columns in self.members:
            extra = {"groups": groups} if has_fit_parameter(estimator, "groups") else {}
            fitted.append(clone(estimator).fit(x[:, columns], y, **extra))
        return fitted

    def _odds(self, fitted: list[BaseEstimator], x: np.ndarray) -> np.ndarray:
        """Log-odds of each member, shape (n, n_members), within those of 0.1 and 99.9 %."""
        columns_of = [columns for _, _, columns in self.members]
        p = [
            one.predict_proba(x[:, columns])[:, 1]
            for one, columns in zip(fitted, columns_of, strict=True)
        ]
        return logit(np.clip(np.column_stack(p), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY))


def _build(settings: ModelSettings, seed: int) -> Stack:
    places = {column: i for i, column in enumerate(forest.COLUMNS)}
    logistic = build_logistic(ridge_penalty=settings.ridge_penalty, seed=seed)
    members = [
        ("logistic", logistic, [places[f"sendek.{column}"] for column in SENDEK_COLUMNS]),
        (
            "linear_svm",
            linear_svm.build(settings, seed),
            [places[f"elemental.{column}"] for column in ELEMENTAL_COLUMNS],
        ),
        (
            "kernel_svm",
            kernel_svm.build(settings, seed),
            [places[column] for column in kernel_svm.COLUMNS],
        ),
        ("forest", forest.build(settings, seed), list(range(len(forest.COLUMNS)))),
    ]
    return Stack(members, settings.ridge_penalty, settings.n_folds, seed)


CLASSIFIER = Classifier(
    columns=forest.COLUMNS,
    learns=True,
    build=_build,
    dump=dump_skops,
    load=partial(load_skops, kind=Stack, n_columns=len(forest.COLUMNS)),
    note="a stack of logistic, linear_svm, kernel_svm and forest, stacked anew in every fold",
)
