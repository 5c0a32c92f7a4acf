"""A learner, its replicas on resampled groups, and what they say of its errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import GridSearchCV, GroupKFold

from ionscout.models.regression.censoring import expect_below, signed_errors

BOOTSTRAP, FOLDS = "bootstrap", "folds"
MIN_GROUPS = 3
_N_PAIRS = 4000
_CHUNK = 512


class Replicated(RegressorMixin, BaseEstimator):
    """A learner with intervals, for values some of which are upper bounds only.

    The learner is fitted to all rows, for the prediction. Replicas of it are fitted to resampled
    groups, by the bootstrap or by leaving out one fold after the other, a bound taken for
    the value, and predict the groups that they did not see. These held-out predictions
    serve twice.

    A value that is only known to lie below a bound is replaced by its expectation below it,
    given its held-out prediction and the root mean square of the errors, before the learner is
    fitted: one step of expectation-maximisation, whatever the learner.

    An interval holds the percentiles of the prediction, plus a replica's deviation from the
    mean of the replicas, plus a held-out error, over all pairs of replica and error
    (bootstrap percentiles as in Fujimura 2013, doi:10.1002/aenm.201300060; folds as in CV+,
    Barber, Ann. Stat. 49, 486 (2021), doi:10.1214/20-AOS1965, but with all pairs).

    Parameters
    ----------
    learner : scikit-learn regressor
        Takes NaN.
    grid : mapping of str to sequence, optional
        Hyper-parameters of the learner; chosen by the mean absolute error in grouped folds.
    resampling : {'folds', 'bootstrap'}
    n_replicas : int
        Fewer folds are made where there are fewer groups.
    random_state : int

    Attributes
    ----------
    learner_ : scikit-learn regressor
        Fitted.
    replicas_ : list of scikit-learn regressor
    errors_ : array of float
        Held-out errors, measured minus predicted, of the values that are no bounds; sorted.
    target_ : array of float, shape (n,)
        What was learned: bounds replaced by expectations.
    n_features_in_ : int
    """

    def __init__(
        self,
        learner: BaseEstimator,
        *,
        grid: Mapping[str, Sequence] | None = None,
        resampling: str = FOLDS,
        n_replicas: int = 5,
        random_state: int = 0,
    ) -> None:
        self.learner = learner
        self.grid = grid
        self.resampling = resampling
        self.n_replicas = n_replicas
        self.random_state = random_state

    def fit(
        self,
        x: np.ndarray,
        y: np.ndarray,
        is_upper_bound: np.ndarray | None = None,
        groups: np.ndarray | None = None,
    ) -> Replicated:
        """Fit the learner and its replicas.

        Parameters
        ----------
        x : array of float, shape (n, n_columns)
            NaN where missing.
        y : array of float, shape (n,)
        is_upper_bound : array of bool, shape (n,), optional
            Where y is a bound; none by default.
        groups : array of shape (n,), optional
            Rows that share a fold, or are drawn together. Each row is a group of its
            own by default, and where there are fewer than three groups.

        Returns
        -------
        Replicated
        """
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        bounded = np.zeros(len(y), bool) if is_upper_bound is None else np.asarray(is_upper_bound)
        if groups is None or len(np.unique(groups)) < MIN_GROUPS:
            groups = np.arange(len(y))
        self.n_features_in_, self.target_ = x.shape[1], y.copy()
        learner = self._choose(x, y, groups)
        draws = self._draw(groups)
        held_out = self._fit_replicas(learner, x, draws)
        if bounded.any():
            deviation = float(np.sqrt(np.mean(signed_errors(y, held_out, bounded) ** 2)))
            self.target_[bounded] = expect_below(y[bounded], held_out[bounded], deviation)
        self.errors_ = np.sort((y - held_out)[~bounded if not bounded.all() else bounded])
        self.learner_ = clone(learner).fit(x, self.target_)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predict by the learner fitted to all rows.

        Parameters
        ----------
        x : array of float, shape (n, n_columns)

        Returns
        -------
        array of float, shape (n,)
        """
        return np.ravel(self.learner_.predict(x)) if len(x) else np.zeros(0)

    def predict_interval(self, x: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Compute the percentile interval of a new measured value.

        Parameters
        ----------
        x : array of float, shape (n, n_columns)
        level : float
            Share of new values that the interval is meant to hold.

        Returns
        -------
        low, high : array of float, shape (n,)
        """
        if len(x) == 0:
            return np.zeros(0), np.zeros(0)
        replicas = np.array([np.ravel(replica.predict(x)) for replica in self.replicas_]).T
        centres = self.predict(x)[:, np.newaxis] + replicas - replicas.mean(axis=1, keepdims=True)
        n_errors = max(_N_PAIRS // centres.shape[1], 1)
        errors = np.quantile(self.errors_, (np.arange(n_errors) + 0.5) / n_errors)
        ends = [(1 - level) / 2, (1 + level) / 2]
        parts = [
            np.quantile((part[:, :, np.newaxis] + errors).reshape(len(part), -1), ends, axis=1)
            for part in np.split(centres, range(_CHUNK, len(centres), _CHUNK))
        ]
        low, high = np.concatenate(parts, axis=1)
        return low, high

    def _choose(self, x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> BaseEstimator:
        """Set the hyper-parameters; bounds count as values here."""
        learner, n_folds = clone(self.learner), min(5, len(np.unique(groups)))
        if not self.grid or n_folds < 2:
            return learner
        folds = GroupKFold(n_folds, shuffle=True, random_state=self.random_state)
        search = GridSearchCV(
            learner,
            self.grid,
            scoring="neg_mean_absolute_error",
            cv=list(folds.split(x, y, groups)),
            refit=False,
        )
        return learner.set_params(**search.fit(x, y).best_params_)

    def _draw(self, groups: np.ndarray) -> np.ndarray:
        """How often each replica sees each row, shape (n_replicas, n)."""
        names, member_of = np.unique(groups, return_inverse=True)
        rng = np.random.default_rng(self.random_state)
        if self.resampling == BOOTSTRAP:
            share = np.full(len(names), 1 / len(names))
            times = rng.multinomial(len(names), share, size=self.n_replicas)
        else:
            n_folds = min(self.n_replicas, len(names))
            fold = rng.permutation(np.arange(len(names)) % n_folds)
            times = (fold != np.arange(n_folds)[:, np.newaxis]).astype(int)
        return times[:, member_of]

    def _fit_replicas(self, learner: BaseEstimator, x: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Fit all replicas to `target_`; return the held-out predictions, shape (n,)."""
        total, count = np.zeros(len(x)), np.zeros(len(x))
        self.replicas_ = []
        for times in draws:
            rows, out = np.repeat(np.arange(len(x)), times), times == 0
            if len(rows) == 0:
                rows = np.arange(len(x))
            self.replicas_.append(clone(learner).fit(x[rows], self.target_[rows]))
            if out.any():
                total[out] += np.ravel(self.replicas_[-1].predict(x[out]))
                count[out] += 1
        return np.where(count > 0, total / np.maximum(count, 1), self.target_.mean())
