"""What the support-vector machines share: inner choice of settings, and Platt's probabilities."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from sklearn.utils.validation import check_is_fitted, validate_data

from ionscout.models._classes import LogOddsMixin, two_classes
from ionscout.models._folds import inner_folds
from ionscout.models._scaling import fit_scaling

_ALMOST_UNPENALISED = 1e6
_LEAST_SPREAD = 1e-6  # of decision values, which are 1 at the margin


class CalibratedSVM(LogOddsMixin, BaseEstimator):
    """A support-vector machine with settings and probabilities from inner folds.

    For each candidate the decision values of the training materials are computed in
    inner folds, scaling included, and turned into probabilities by Platt's sigmoid. The
    candidate with the least log loss is fitted to all. A sigmoid that would fall, or a
    fold without both classes, is one that knows nothing: its slope is 0.

    Parameters
    ----------
    candidates : sequence of dict
        Parameters of scikit-learn's SVC, the simplest first.
    n_folds : int
        Inner folds, grouped where `fit` is given groups.
    random_state : int
        Seed of the inner folds.

    Attributes
    ----------
    classes_ : array, shape (2,)
    mean_, scale_ : array of float, shape (n_columns,)
    settings_ : dict
        The candidate chosen.
    slope_, offset_ : float
        Log-odds of the second class = slope_ * decision value + offset_.

    References
    ----------
    Platt, Advances in Large Margin Classifiers (1999) 61, with his smoothed targets.
    """

    def __init__(self, candidates, n_folds: int = 5, random_state: int = 0):
        self.candidates = candidates
        self.n_folds = n_folds
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None):
        """Choose a candidate by inner folds and fit it to all materials.

        Parameters
        ----------
        X : array of float, shape (n, n_columns)
            Descriptors, finite.
        y : array, shape (n,)
            Two classes.
        groups : array of shape (n,), optional
            Rows that inner folds must not split.

        Returns
        -------
        CalibratedSVM

        Raises
        ------
        ValueError
            X or y is no such array.
        """
        X, y = validate_data(self, X, y, dtype=float, ensure_min_samples=2)
        self.classes_ = two_classes(y)
        is_second = y == self.classes_[1]
        folds = inner_folds(is_second, groups, self.n_folds, seed=self.random_state)
        best = np.inf
        for candidate in self.candidates:
            slope, offset, loss = fit_platt(_held_out(candidate, X, is_second, folds), is_second)
            if loss < best:
                best, self.settings_ = loss, dict(candidate)
                self.slope_, self.offset_ = slope, offset
        self.mean_, self.scale_ = fit_scaling(X)
        self._keep(SVC(**self.settings_).fit((X - self.mean_) / self.scale_, is_second))
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Compute the log-odds of the second class.

        Parameters
        ----------
        X : array of float, shape (n, n_columns)
            Descriptors.

        Returns
        -------
        array of float, shape (n,)
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=float, reset=False)
        return self.slope_ * self._decide((X - self.mean_) / self.scale_) + self.offset_

    def _keep(self, machine: SVC) -> None:
        """Keep what the fitted machine decides by."""
        self.machine_ = machine

    def _decide(self, z: np.ndarray) -> np.ndarray:
        """Compute decision values from standardised columns."""
        return self.machine_.decision_function(z)


def fit_platt(decisions: np.ndarray, is_second: np.ndarray) -> tuple[float, float, float]:
    """Fit the sigmoid that turns decision values into probabilities.

    Parameters
    ----------
    decisions : array of float, shape (n,)
        Held-out decision values, positive for the second class.
    is_second : array of bool, shape (n,)
        Both classes.

    Returns
    -------
    slope, offset : float
        Log-odds = slope * decision + offset; the slope is not negative.
    log_loss : float
        Mean over the materials, in nats.
    """
    n, n_second = len(is_second), np.count_nonzero(is_second)
    high, low = (n_second + 1) / (n_second + 2), 1 / (n - n_second + 2)
    target = np.where(is_second, high, low)
    mean, spread = decisions.mean(), decisions.std()
    slope, offset = 0.0, float(np.log(target.mean() / (1 - target.mean())))
    if spread > _LEAST_SPREAD:
        regression = LogisticRegression(C=_ALMOST_UNPENALISED, solver="newton-cholesky")
        regression.fit(
            np.tile((decisions - mean) / spread, 2)[:, np.newaxis],
            np.repeat([True, False], n),
            sample_weight=np.concatenate([target, 1 - target]),
        )
        if regression.coef_[0, 0] > 0:
            slope = float(regression.coef_[0, 0] / spread)
            offset = float(regression.intercept_[0] - slope * mean)
    z = slope * decisions + offset
    return slope, offset, float(np.logaddexp(0, np.where(is_second, -z, z)).mean())


def _held_out(
    candidate: dict, x: np.ndarray, is_second: np.ndarray, folds: np.ndarray
) -> np.ndarray:
    """Compute decision values in folds; 0 where the other folds have one class only."""
    decisions = np.zeros(len(x))
    for fold in np.unique(folds):
        test = folds == fold
        if is_second[~test].all() or not is_second[~test].any():
            continue
        mean, scale = fit_scaling(x[~test])
        machine = SVC(**candidate).fit((x[~test] - mean) / scale, is_second[~test])
        decisions[test] = machine.decision_function((x[test] - mean) / scale)
    return decisions
