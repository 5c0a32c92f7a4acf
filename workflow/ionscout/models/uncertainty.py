"""How far each probability can be believed, and whether that ranks the errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.base import BaseEstimator

from ionscout.models.domain import Domain
from ionscout.models.held_out import Fold, fit_rows, gather_held_out
from ionscout.models.scores import (
    INTERVAL_PERCENT,
    UNDEFINED,
    Score,
    draw_groups,
    score,
)
from ionscout.models.training_set import TrainingSet

N_RESAMPLES = 10
N_SHUFFLES = 200
COLUMNS = ["uncertainty", "spread", "distance", "in_domain"]


def fit_resamples(
    estimator: BaseEstimator, training: TrainingSet, rows: np.ndarray, *, seed: int
) -> list[BaseEstimator]:
    """Fit clones to bootstrap samples of whole chemical systems.

    Parameters
    ----------
    estimator, training, rows
        As in `fit_rows`.
    seed : int
        Of the drawing.

    Returns
    -------
    list of scikit-learn classifier
        Ten.
    """
    rng = np.random.default_rng(seed)
    members = [rows[training.systems[rows] == name] for name in np.unique(training.systems[rows])]
    samples = rng.integers(len(members), size=(N_RESAMPLES, len(members)))
    return [
        fit_rows(estimator, training, np.concatenate([members[i] for i in sample]))
        for sample in samples
    ]


def spread_of(models: list[BaseEstimator], x: np.ndarray) -> np.ndarray:
    """Compute the standard deviation of what models say.

    Parameters
    ----------
    models : list of scikit-learn classifier
    x : array of float, shape (n, n_columns)

    Returns
    -------
    array of float, shape (n,)
        Of the probability of fast.
    """
    said = np.stack([model.predict_proba(x)[:, 1] for model in models])
    return said.std(axis=0, ddof=1)


def tabulate_uncertainty(
    probability: np.ndarray, spread: np.ndarray, distance: np.ndarray
) -> pd.DataFrame:
    """Put the measures of doubt side by side.

    Parameters
    ----------
    probability, spread, distance : array of float, shape (n,)
        NaN where there is none.

    Returns
    -------
    DataFrame
        uncertainty, sqrt(p (1 - p) + spread^2): the standard deviation of a class, 0 or 1,
        of probability p, which holds all the doubt there is where p is right, raised by
        the spread as a heuristic for a p that is not; spread; distance; in_domain,
        nullable.
    """
    doubt = np.sqrt(probability * (1 - probability) + np.nan_to_num(spread) ** 2)
    inside = pd.array(distance <= 1, dtype="boolean")
    inside[~np.isfinite(distance)] = pd.NA
    values = (doubt, spread, distance, inside)
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))


def hold_out_uncertainty(
    estimator: BaseEstimator,
    training: TrainingSet,
    folds: list[Fold],
    read: np.ndarray,
    *,
    seed: int,
) -> pd.DataFrame:
    """Compute the doubts of each labelled material without what its fold holds out.

    Parameters
    ----------
    estimator, training
        As in `fit_rows`.
    folds : list of Fold
        Grouped.
    read : array of int
        Positions of the columns that the domain is measured in.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame, n rows
        Columns probability, and those of `tabulate_uncertainty`.
    """
    probability = gather_held_out(folds, training.x)
    spread, distance = np.full((2, len(probability)), np.nan)
    for fold in folds:
        x = training.x[fold.test]
        spread[fold.test] = spread_of(fit_resamples(estimator, training, fold.train, seed=seed), x)
        if len(fold.train) > 1:
            around = Domain.around(training.x[fold.train][:, read])
            distance[fold.test] = around.distance(x[:, read])
    table = tabulate_uncertainty(probability, spread, distance)
    return table.assign(probability=probability)


def score_uncertainty(
    y: np.ndarray, doubts: pd.DataFrame, groups: np.ndarray, *, seed: int
) -> pd.DataFrame:
    """Ask whether the doubts rank the errors of held-out probabilities.

    Parameters
    ----------
    y : array of bool, shape (n,)
        True for fast.
    doubts : DataFrame, n rows
        As `hold_out_uncertainty` returns it.
    groups : array of shape (n,)
        Rows that are drawn together in the bootstrap.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        Columns metric, value, low, high, n: the probability that a misjudged material is in
        more doubt than one judged right; Spearman's correlation of each doubt with
        |y - p|, and the mean and the range of 95 % of the same with the labels shuffled
        (`shuffled_`), which is far above 0 where most materials are of one class: only
        what exceeds it is knowledge; the misclassification inside and outside the domain.
    """
    p = doubts["probability"].to_numpy()
    known = np.isfinite(p)
    y, p, doubts, groups = y[known], p[known], doubts[known], groups[known]
    error, is_wrong = np.abs(y - p), (p >= 0.5) != y
    ranked = _score_one("roc_auc", is_wrong, doubts["uncertainty"].to_numpy(), groups, seed=seed)
    rows = [("uncertainty_of_errors_roc_auc", *ranked, len(y))]
    for name in ("uncertainty", "spread", "distance"):
        doubt = doubts[name].to_numpy()
        rows.append((f"{name}_spearman", *spearman(doubt, error, groups, seed=seed), len(y)))
        by_chance = _spearman_by_chance(doubt, y, p, seed=seed)
        rows.append((f"shuffled_{name}_spearman", *by_chance, len(y)))
    for name, wanted in (("in_domain", True), ("out_of_domain", False)):
        where = (doubts["in_domain"] == wanted).fillna(False).to_numpy(dtype=bool)
        scored = _score_one("misclassification", y[where], p[where], groups[where], seed=seed)
        rows.append((f"{name}_misclassification", *scored, np.count_nonzero(where)))
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high", "n"])


def _score_one(
    metric: str, y: np.ndarray, p: np.ndarray, groups: np.ndarray, *, seed: int
) -> Score:
    """Take one of the scores, with its interval."""
    table = score(y, p, groups, seed=seed).set_index("metric")
    return tuple(table.loc[metric, ["value", "low", "high"]].astype(float))


def _spearman_by_chance(doubt: np.ndarray, y: np.ndarray, p: np.ndarray, *, seed: int) -> Score:
    """Mean and range of Spearman's correlation with |y - p| when the labels are shuffled."""
    if len(y) < 3 or not np.isfinite(doubt).all() or np.ptp(doubt) == 0:
        return UNDEFINED
    rng = np.random.default_rng(seed)
    errors = (np.abs(rng.permutation(y) - p) for _ in range(N_SHUFFLES))
    ranks, evenly = rankdata(doubt), np.ones((1, len(y)))
    values = [
        float(_correlate(np.stack([ranks, rankdata(error)]), evenly)[0])
        for error in errors
        if np.ptp(error) > 0
    ]
    if not values:
        return UNDEFINED
    return float(np.mean(values)), *map(float, np.percentile(values, INTERVAL_PERCENT))


def spearman(a: np.ndarray, b: np.ndarray, groups: np.ndarray, *, seed: int) -> Score:
    """Compute Spearman's rank correlation, with the percentile bootstrap over groups.

    Parameters
    ----------
    a, b : array of float, shape (n,)
    groups : array of shape (n,)
        Rows that are drawn together; the ranks are those of all rows.
    seed : int
        Of the bootstrap.

    Returns
    -------
    value, low, high : float
        NaN with fewer than 3 rows, or where one of the two is constant or missing.
    """
    if len(a) < 3 or not np.isfinite(a).all() or np.ptp(a) == 0 or np.ptp(b) == 0:
        return UNDEFINED
    ranks = np.stack([rankdata(a), rankdata(b)])
    drawn = draw_groups(groups, seed=seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = _correlate(ranks, drawn)
    value = float(_correlate(ranks, np.ones((1, len(a))))[0])
    known = correlations[np.isfinite(correlations)]
    return value, *map(float, np.percentile(known, INTERVAL_PERCENT))


def _correlate(ranks: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted correlation of two rows, shape (n_weightings,)."""
    weights = weights / weights.sum(axis=1, keepdims=True)
    mean = weights @ ranks.T
    second = weights @ (ranks**2).T - mean**2
    both = weights @ (ranks[0] * ranks[1]) - mean[:, 0] * mean[:, 1]
    return both / np.sqrt(second[:, 0] * second[:, 1])
