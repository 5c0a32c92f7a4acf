"""Curves behind the scores: ROC, calibration, and what more labels would bring."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.base import BaseEstimator
from sklearn.metrics import roc_curve

from ionscout.models.held_out import BaseRateClassifier, Fold, fit_rows, gather_held_out
from ionscout.models.scores import score
from ionscout.models.training_set import TrainingSet

CURVE_COLUMNS = ["model", "kind", "series", "x", "y", "low", "high", "n"]
BIN_EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
LEARNING_SHARES = (0.25, 0.5, 0.75, 1.0)
LEARNING_METRICS = ("misclassification", "log_loss")


def trace_roc(y: np.ndarray, p: np.ndarray, series: str) -> pd.DataFrame:
    """Trace the ROC curve.

    Parameters
    ----------
    y : array of bool, shape (n,)
        True for fast.
    p : array of float, shape (n,)
        Held-out probability of fast; rows with NaN are left out.
    series : str
        Name of the curve.

    Returns
    -------
    DataFrame
        Columns kind (roc), series, x (share of the slow called fast), y (share of the
        fast called fast), low, high (NaN), n. Empty without both classes.
    """
    known = np.isfinite(p)
    if len(np.unique(y[known])) < 2:
        return pd.DataFrame(columns=CURVE_COLUMNS[1:])
    x, found, _ = roc_curve(y[known], p[known])
    table = {"kind": "roc", "series": series, "x": x, "y": found, "low": np.nan, "high": np.nan}
    return pd.DataFrame(table).assign(n=np.count_nonzero(known))


def trace_calibration(y: np.ndarray, p: np.ndarray, series: str) -> pd.DataFrame:
    """Count how many of the materials given a probability are fast.

    Parameters
    ----------
    y, p, series
        As in `trace_roc`.

    Returns
    -------
    DataFrame
        Columns kind (calibration), series, x (mean probability in a fifth of the scale), y
        (share of fast ones), low, high (Wilson's interval), n (materials in it). Fifths
        without a material are left out.
    """
    known = np.isfinite(p)
    y, p = y[known], p[known]
    bins = np.digitize(p, BIN_EDGES[1:-1])
    rows = []
    for number in np.unique(bins):
        inside = y[bins == number]
        low, high = binomtest(int(inside.sum()), len(inside)).proportion_ci(method="wilson")
        point = (p[bins == number].mean(), inside.mean(), low, high, len(inside))
        rows.append(("calibration", series, *point))
    return pd.DataFrame(rows, columns=CURVE_COLUMNS[1:])


def trace_learning(
    estimator: BaseEstimator, training: TrainingSet, folds: list[Fold], *, seed: int
) -> pd.DataFrame:
    """Score models that learned from a part of the chemical systems.

    In each fold the systems of its training part are put in a random order, and the
    first quarter, half, three quarters and all of them are learned from. What is left out
    of the training part is not judged; the materials judged are always the same.

    Parameters
    ----------
    estimator, training
        As in `fit_rows`.
    folds : list of Fold
        Grouped by chemical system.
    seed : int
        Of the order, and of the intervals.

    Returns
    -------
    DataFrame
        Columns kind (learning), series (misclassification, log_loss; constant_ before
        them for the baseline), x (mean number of materials learned from), y (score), low,
        high, n (materials judged).
    """
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(np.unique(training.systems[fold.train])) for fold in folds]
    tables = []
    for share in LEARNING_SHARES if folds else ():
        parts = []
        for fold, order in zip(folds, orders, strict=True):
            chosen = order[: max(1, round(share * len(order)))]
            parts.append(fold.train[np.isin(training.systems[fold.train], chosen)])
        size = np.mean([len(part) for part in parts])
        for prefix, method in (("", estimator), ("constant_", BaseRateClassifier())):
            p = _hold_out_parts(method, training, folds, parts, is_whole=share == 1 and not prefix)
            scores = score(training.y, p, training.systems, seed=seed).set_index("metric")
            scores = scores.loc[list(LEARNING_METRICS)].reset_index()
            scores = scores.assign(kind="learning", series=prefix + scores["metric"], x=size)
            tables.append(scores.rename(columns={"value": "y"})[CURVE_COLUMNS[1:]])
    return pd.concat(tables) if tables else pd.DataFrame(columns=CURVE_COLUMNS[1:])


def _hold_out_parts(
    estimator: BaseEstimator,
    training: TrainingSet,
    folds: list[Fold],
    parts: list[np.ndarray],
    *,
    is_whole: bool,
) -> np.ndarray:
    """Predict by models fitted to parts; the folds' own models where the parts are whole."""
    if not is_whole:
        folds = [
            Fold(part, fold.test, fit_rows(estimator, training, part))
            for part, fold in zip(parts, folds, strict=True)
        ]
    return gather_held_out(folds, training.x)
