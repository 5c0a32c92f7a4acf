"""Logistic regression over every subset of the descriptors, as in Sendek's procedure.

Sendek et al. fitted a logistic regression to each of the 2^20 subsets of 20 descriptors
and kept the one with the lowest leave-one-out error. Here each subset is ridge-penalised,
and the best subsets are the same as if every fold of every subset had been fitted.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from ionscout.errors import ModelError
from ionscout.models._classes import LogOddsMixin, two_classes
from ionscout.models._scaling import find_constant
from ionscout.models._subset_kernel import FAILED, fit_logistic, judge_subsets
from ionscout.models.held_out import base_rate

MAX_COLUMNS = 24
LOSS_DECIMALS = 9
_CHUNK = 4096


@dataclass(frozen=True)
class ScoredSubsets:
    """Subsets of the columns with their leave-one-out scores.

    Attributes
    ----------
    masks : array of bool, shape (n_subsets, n_columns)
        True for the columns of the subset.
    sizes : array of int, shape (n_subsets,)
        Number of columns in the subset.
    loo_misclassified : array of int, shape (n_subsets,)
        Materials put into the wrong class when left out; fast is P >= 0.5.
    loo_log_loss : array of float, shape (n_subsets,)
        Mean negative log likelihood (nats) of the materials left out.
    """

    masks: np.ndarray
    sizes: np.ndarray
    loo_misclassified: np.ndarray
    loo_log_loss: np.ndarray


@dataclass(frozen=True)
class SubsetSearch(ScoredSubsets):
    """The best subsets, best first, and what was searched.

    Attributes
    ----------
    best_of_size : ScoredSubsets
        The best subset of each size, from the empty one up.
    n_searched : int
        Number of subsets that were judged.
    n_refitted : int
        How many of them needed all their folds fitted; the others were dropped
        once the folds fitted so far proved them worse than the best.
    """

    best_of_size: ScoredSubsets
    n_searched: int
    n_refitted: int


def search_subsets(
    values: np.ndarray,
    is_fast: np.ndarray,
    *,
    penalty: float,
    max_features: int | None = None,
    n_best: int = 1000,
    n_threads: int = 1,
) -> SubsetSearch:
    """Find the subsets of columns whose logistic regression predicts best when one is left out.

    With standardised columns x, the weights w and the intercept b minimise the
    log loss summed over the materials plus penalty / 2 * |w|^2; b goes
    unpenalised. This is scikit-learn's LogisticRegression with C = 1 / penalty
    behind a StandardScaler, both fitted anew in each fold. Subsets are ordered
    by the number misclassified, the mean log loss (rounded to 1e-9), the size
    and at last the columns' positions.

    The result is that of fitting every fold of every subset, to the tolerance of
    Newton's method (1e-6 in the last step of a logit, which converges quadratically).
    A first pass scores all subsets by one Newton step from the fit to all
    materials; the exact scores of those that come out best bound what a subset
    has to reach. A second pass fits the folds of each other subset, the worst
    first, and drops it only when those fitted exceed the bound: errors and losses
    add up, so that the folds left cannot undo it.

    A column without variance enters no subset. In a fold whose other materials
    are of one class the prediction is `base_rate`'s, whatever the subset.

    Parameters
    ----------
    values : array of float, shape (n, n_columns)
        Descriptors, finite; at most 24 columns that vary.
    is_fast : array of bool, shape (n,)
        True for fast.
    penalty : float
        Above 0; 1 weighs as a standard normal prior on each weight.
    max_features : int, optional
        Largest size of a subset; all columns by default.
    n_best : int
        Number of subsets to return; fewer where there are not as many.
    n_threads : int
        Threads of the search; they change no more than the rounding of a loss.

    Returns
    -------
    SubsetSearch

    Raises
    ------
    ModelError
        Values that are missing or no matrix, labels of one class, too many
        columns, a setting out of range, or no convergence: the penalty is too
        small, or without one material the spread of a column is below 1e-7 of it.

    References
    ----------
    Sendek et al., Energy Environ. Sci. 10, 306 (2017), doi:10.1039/C6EE02697D.
    Leave-one-out by one step: Pregibon, Ann. Stat. 9, 705 (1981),
    doi:10.1214/aos/1176345513. Length of a damped Newton step: Sun and
    Tran-Dinh, Math. Program. 178, 145 (2019), doi:10.1007/s10107-018-1282-4.
    """
    values, is_fast = _check(values, is_fast, penalty, max_features, n_best, n_threads)
    varying = np.flatnonzero(~find_constant(values))
    if len(varying) > MAX_COLUMNS:
        raise ModelError(
            f"{len(varying)} columns have 2^{len(varying)} subsets: at most {MAX_COLUMNS} columns"
        )
    problem = _pose(values[:, varying], is_fast, penalty)
    codes = np.arange(1 << len(varying))
    if max_features is not None:
        codes = codes[np.bitwise_count(codes) <= max_features]
    ranked = _rank(_judge_enough(problem, codes, n_best, n_threads))
    masks = np.zeros((len(ranked), values.shape[1]), dtype=bool)
    masks[:, varying] = ranked["code"].to_numpy()[:, np.newaxis] >> np.arange(len(varying)) & 1
    scored = [masks, *(ranked[name].to_numpy() for name in ("size", "wrong", "loss"))]
    first_of_size = np.unique(scored[1], return_index=True)[1]
    return SubsetSearch(
        *(column[:n_best] for column in scored),
        best_of_size=ScoredSubsets(*(column[first_of_size] for column in scored)),
        n_searched=len(codes),
        n_refitted=len(ranked),
    )


class SubsetLogistic(LogOddsMixin, BaseEstimator):
    """Ridge-penalised logistic regression on the best subset of the columns.

    That is the first of `search_subsets`. Its leave-one-out score is the best of many
    and flatters it: validate it nested, each fold with a search of its own.

    Parameters
    ----------
    penalty : float
        As in `search_subsets`.
    max_features : int, optional
        Largest size of a subset; what keeps a nested validation affordable.
    n_best : int
        Number of subsets kept in `search_`.
    n_threads : int
        Threads of the search.

    Attributes
    ----------
    classes_ : array, shape (2,)
        The second is the one that `coef_` speaks for.
    support_ : array of bool, shape (n_columns,)
        The columns of the best subset.
    coef_ : array of float, shape (1, n_columns)
        Weights of the columns as given, before scaling; 0 outside the subset.
    intercept_ : array of float, shape (1,)
    scale_ : array of float, shape (n_columns,)
        Standard deviations; coef_ * scale_ are the standardised weights.
    search_ : SubsetSearch
    """

    def __init__(
        self,
        penalty: float = 1.0,
        *,
        max_features: int | None = None,
        n_best: int = 1,
        n_threads: int = 1,
    ):
        self.penalty = penalty
        self.max_features = max_features
        self.n_best = n_best
        self.n_threads = n_threads

    def fit(self, X: np.ndarray, y: np.ndarray) -> SubsetLogistic:
        """Search all subsets and fit the best to all materials.

        Parameters
        ----------
        X : array of float, shape (n, n_columns)
            Descriptors, finite.
        y : array, shape (n,)
            Two classes.

        Returns
        -------
        SubsetLogistic

        Raises
        ------
        ModelError
            As in `search_subsets`.
        ValueError
            X or y is no such array.
        """
        X, y = validate_data(self, X, y, dtype=float, ensure_min_samples=2)
        self.classes_ = two_classes(y)
        is_fast = y == self.classes_[1]
        self.search_ = search_subsets(
            X,
            is_fast,
            penalty=self.penalty,
            max_features=self.max_features,
            n_best=self.n_best,
            n_threads=self.n_threads,
        )
        self.support_ = self.search_.masks[0]
        mean, self.scale_ = X.mean(axis=0), _scales(X)
        problem = _pose(X[:, self.support_], is_fast, self.penalty)
        intercept, *weights = fit_logistic(*problem[:3])
        self.coef_ = np.zeros((1, X.shape[1]))
        self.coef_[0, self.support_] = weights / self.scale_[self.support_]
        self.intercept_ = intercept - self.coef_ @ mean
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Compute the logit of the second class.

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
        return X @ self.coef_[0] + self.intercept_[0]


class _Problem(NamedTuple):
    """Arguments of the kernel, as `judge_subsets` describes them."""

    design: np.ndarray
    is_fast: np.ndarray
    ridge: np.ndarray
    constant_logit: np.ndarray


def _check(
    values: np.ndarray,
    is_fast: np.ndarray,
    penalty: float,
    max_features: int | None,
    n_best: int,
    n_threads: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Refuse what cannot be searched; return values and classes as arrays."""
    values, is_fast = np.asarray(values, dtype=float), np.asarray(is_fast)
    if values.ndim != 2 or is_fast.shape != values.shape[:1]:
        raise ModelError(
            f"values {values.shape} and classes {is_fast.shape} are no (n, n_columns) and (n,)"
        )
    if is_fast.dtype != bool:
        raise ModelError(f"classes have to be True or False, not {is_fast.dtype}")
    if not np.isfinite(values).all():
        n_missing = np.count_nonzero(~np.isfinite(values).all(axis=1))
        raise ModelError(f"{n_missing} of {len(values)} materials have values that are not finite")
    if is_fast.all() or not is_fast.any():
        raise ModelError(f"{len(values)} materials of one class: nothing tells fast from slow")
    if not 0 < penalty < np.inf:
        raise ModelError(f"the penalty has to be positive and finite, not {penalty}")
    if max_features is not None and max_features < 0:
        raise ModelError(f"max_features has to be 0 or more, not {max_features}")
    for name, number in (("n_best", n_best), ("n_threads", n_threads)):
        if number < 1:
            raise ModelError(f"{name} has to be 1 or more, not {number}")
    return values, is_fast


def _scales(values: np.ndarray, of_constant: float | np.ndarray = 1.0) -> np.ndarray:
    """Compute standard deviations; a constant column's is given."""
    return np.where(find_constant(values), of_constant, values.std(axis=0))


def _pose(values: np.ndarray, is_fast: np.ndarray, penalty: float) -> _Problem:
    """Standardise once, and turn the standardisation inside a fold into its penalties.

    Shifting a column moves the intercept alone, which is free. Scaling it anew by
    s_fold instead of s is the same as a penalty times (s_fold / s)^2. A column that
    is constant in a fold has no weight there, whatever its penalty.
    """
    n, scale = len(values), _scales(values)
    design = np.ones((1 + values.shape[1], n))
    design[1:] = ((values - values.mean(axis=0)) / scale).T
    ridge = np.full((len(design), n + 1), penalty)
    ridge[0] = 0.0
    constant_logit = np.full(n, np.nan)
    for i in range(n):
        fold_scale = _scales(np.delete(values, i, axis=0), of_constant=scale)
        ridge[1:, i] *= (fold_scale / scale) ** 2
        others = np.delete(is_fast, i)
        if others.all() or not others.any():
            constant_logit[i] = logit(base_rate(others))
    return _Problem(design, is_fast.astype(float), ridge, constant_logit)


def _judge_enough(
    problem: _Problem, codes: np.ndarray, n_best: int, n_threads: int
) -> pd.DataFrame:
    """Score by all folds every subset that is among the best, or the best of its size."""
    guessed = _rank(_judge(problem, codes, None, n_threads))
    is_seed = ~guessed.duplicated("size")
    is_seed[:n_best] = True
    seeds = np.sort(guessed.loc[is_seed, "code"].to_numpy())
    none = [(len(problem.is_fast), np.inf)] * len(problem.design)
    judged = _judge(problem, seeds, none, n_threads)
    limits = _limits(_rank(judged), len(problem.design), n_best)
    others = np.setdiff1d(codes, seeds, assume_unique=True)
    return pd.concat([judged, _judge(problem, others, limits, n_threads)])


def _limits(ranked: pd.DataFrame, n_sizes: int, n_best: int) -> list[tuple[int, float]]:
    """Scores that a subset of each size must not exceed to be among the best.

    They are those of the last of the best, or of the best of that size where it is worse.
    """
    scores = list(zip(ranked["wrong"], ranked["loss"] + 10.0**-LOSS_DECIMALS, strict=True))
    last = scores[:n_best][-1]
    limits = [last] * n_sizes
    for first in np.flatnonzero(~ranked.duplicated("size")):
        limits[ranked["size"][first]] = max(last, scores[first])
    return limits


def _rank(judged: pd.DataFrame) -> pd.DataFrame:
    """Order subsets from the best; rounding does not decide between equal losses."""
    keys = judged["code"], judged["size"], judged["loss"].round(LOSS_DECIMALS), judged["wrong"]
    return judged.iloc[np.lexsort(keys)].reset_index(drop=True)


def _judge(
    problem: _Problem,
    codes: np.ndarray,
    limits: list[tuple[int, float]] | None,
    n_threads: int,
) -> pd.DataFrame:
    """Score subsets, in parallel; those that exceed the limits are left out.

    Without limits the scores are approximate. Returns columns code, size, wrong, loss.
    """
    exact = limits is not None
    most_wrong, highest_loss = zip(*(limits or [(0, 0.0)]), strict=True)
    settings = (np.array(most_wrong), np.array(highest_loss), exact)
    chunks = np.array_split(codes, len(codes) // _CHUNK + 1)
    with ThreadPoolExecutor(n_threads) as pool:
        results = list(pool.map(lambda chunk: judge_subsets(chunk, *problem, *settings), chunks))
    wrong, loss = (np.concatenate(parts) for parts in zip(*results, strict=True))
    if (wrong == FAILED).any():
        raise ModelError(
            "a logistic regression does not converge: raise the penalty,"
            " or leave out columns whose spread is one material's"
        )
    sizes = np.bitwise_count(codes).astype(int)
    table = pd.DataFrame({"code": codes, "size": sizes, "wrong": wrong, "loss": loss})
    return table[table["wrong"] >= 0]
