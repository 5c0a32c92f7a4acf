"""Scores of held-out predictions, each with a 95 % interval by the bootstrap over groups."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from ionscout.models.regression.censoring import signed_errors
from ionscout.models.scores import INTERVAL_PERCENT, draw_groups

METRICS = (
    "mae",
    "mae_bounds_as_values",
    "rmse",
    "r2_bounds_as_values",
    "spearman",
    "roc_auc",
    "coverage",
    "interval_spearman",
    "distance_spearman",
)
N_BOOTSTRAP = 1000
MIN_RANKED = 3
TINY = 1e-12


class Measured(NamedTuple):
    """What was measured.

    Attributes
    ----------
    y : array of float, shape (n,)
    is_upper_bound : array of bool, shape (n,)
        Where the value itself is only known to be smaller.
    """

    y: np.ndarray
    is_upper_bound: np.ndarray


class Predicted(NamedTuple):
    """Predictions of the same materials, one row a repetition.

    Attributes
    ----------
    value, low, high : array of float, shape (n_repeats, n)
        Prediction, and the ends of its interval.
    distance : array of float, shape (n_repeats, n)
        From the materials that were learned from; NaN where not known.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    distance: np.ndarray


def score(
    measured: Measured,
    predicted: Predicted,
    groups: np.ndarray,
    *,
    threshold: float | None,
    seed: int,
) -> pd.DataFrame:
    """Compute all scores, each the mean over the repetitions.

    Parameters
    ----------
    measured : Measured
    predicted : Predicted
        All finite, but for the distance.
    groups : array of shape (n,)
        Rows that the bootstrap draws together.
    threshold : float or None
        The value from which a material is fast; None leaves out the ROC-AUC.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        Columns metric, value, low, high, n, NaN where a score has no meaning. In `mae`, `rmse`
        and `coverage` a prediction below a bound is no error; `..._bounds_as_values` and
        `spearman` take a bound for the value, as the benchmarks of OBELiX do with `<1E-10`.
        `interval_spearman` and `distance_spearman` correlate the absolute error with the width
        of the interval and with the distance, over the values that are no bounds: above 0,
        what is said to be less certain errs more.
    """
    n_drawn = N_BOOTSTRAP if len(np.unique(groups)) > 1 else 0
    drawn = draw_groups(groups, seed=seed, n_drawn=n_drawn)
    weights = np.vstack([np.ones(len(measured.y)), drawn])
    repetitions = [
        _scores(measured, Predicted(*part), threshold, weights)
        for part in zip(*predicted, strict=True)
    ]
    table = np.mean(repetitions, axis=0)
    low, high = _percentiles(table[1:])
    is_value = ~measured.is_upper_bound
    n_of = {
        "interval_spearman": is_value.sum(),
        "distance_spearman": (is_value & np.isfinite(predicted.distance[0])).sum(),
    }
    n = [int(n_of.get(metric, len(measured.y))) for metric in METRICS]
    return pd.DataFrame({"metric": METRICS, "value": table[0], "low": low, "high": high, "n": n})


def _scores(
    measured: Measured, predicted: Predicted, threshold: float | None, weights: np.ndarray
) -> np.ndarray:
    """Compute the scores of one repetition for each row of weights, (n_weights, n_metrics)."""
    y, bounded = measured
    value, low, high, distance = predicted
    shares = weights / weights.sum(axis=1, keepdims=True)
    errors, literal = signed_errors(y, value, bounded), value - y
    spread = shares @ y**2 - (shares @ y) ** 2
    unknown = np.full(len(weights), np.nan)
    columns = [
        shares @ np.abs(errors),
        shares @ np.abs(literal),
        np.sqrt(shares @ errors**2),
        1 - np.divide(shares @ literal**2, spread, out=unknown.copy(), where=spread > TINY),
        _correlation(rankdata(y), rankdata(value), shares),
        unknown if threshold is None else _roc_auc(measured, value, threshold, weights),
        shares @ ((low <= y) & ((y <= high) | bounded)),
        *(_rank_errors(doubt, literal, bounded, weights) for doubt in (high - low, distance)),
    ]
    return np.column_stack(columns)


def _rank_errors(
    doubt: np.ndarray, errors: np.ndarray, is_upper_bound: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Correlate the ranks of doubts and absolute errors, shape (n_weights,)."""
    known = np.isfinite(doubt) & ~is_upper_bound
    total = weights[:, known].sum(axis=1)
    if known.sum() < MIN_RANKED:
        return np.full(len(weights), np.nan)
    shares = weights[:, known] / np.where(total > 0, total, np.nan)[:, np.newaxis]
    return _correlation(rankdata(doubt[known]), rankdata(np.abs(errors[known])), shares)


def _correlation(a: np.ndarray, b: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Correlate ranks, shape (n_weights,); ties made by drawing rows twice are left as they are."""
    a, b = a - a.mean(), b - b.mean()
    mean_a, mean_b = shares @ a, shares @ b
    product = (shares @ a**2 - mean_a**2) * (shares @ b**2 - mean_b**2)
    norm = np.sqrt(np.maximum(product, 0))
    empty = np.full(len(shares), np.nan)
    return np.divide(shares @ (a * b) - mean_a * mean_b, norm, out=empty, where=norm > TINY)


def _roc_auc(
    measured: Measured, value: np.ndarray, threshold: float, weights: np.ndarray
) -> np.ndarray:
    """Find how often a fast material is predicted above a slow one, ties counting half."""
    y, bounded = measured
    fast = (y >= threshold) & ~bounded
    slow = y < threshold
    above = np.sign(value[fast][:, np.newaxis] - value[slow]) / 2 + 0.5
    of_fast, of_slow = weights[:, fast], weights[:, slow]
    pairs = of_fast.sum(axis=1) * of_slow.sum(axis=1)
    won = ((of_fast @ above) * of_slow).sum(axis=1)
    return np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def _percentiles(drawn: np.ndarray) -> np.ndarray:
    """Find the ends of the interval of each score, shape (2, n_metrics); NaN where none is."""
    ends = np.full((2, drawn.shape[1]), np.nan)
    for column, values in enumerate(drawn.T):
        values = values[np.isfinite(values)]
        if len(values):
            ends[:, column] = np.percentile(values, INTERVAL_PERCENT)
    return ends
