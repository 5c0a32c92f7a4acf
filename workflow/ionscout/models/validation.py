"""Scores of classifiers, each beside the constant baseline of the same materials.

What is fitted here, scaling included, is fitted inside the fold, so that its
scores are held out. A published model was fitted by its authors, in part to the
same compounds: its scores carry names of their own and are no held-out ones.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from ionscout.models.scores import INTERVAL_PERCENT, METRICS, misclassification, score
from ionscout.models.training_set import TrainingSet

METRIC_COLUMNS = ["model", "metric", "value", "low", "high", "n", "note"]
CONSTANT = "constant"
X_RANDOMISED = "x_randomised_misclassification"
N_RANDOMISATIONS = 20

HeldOut = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


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


def held_out_probabilities(
    estimator: BaseEstimator | None, x: np.ndarray, y: np.ndarray, groups: np.ndarray
) -> np.ndarray:
    """Predict each group by a model fitted on all others.

    Parameters
    ----------
    estimator : scikit-learn classifier or None
        Cloned and fitted in each fold. None stands for the constant baseline.
        A fold whose training part has one class only is predicted by `base_rate` too.
    x : array of shape (n, n_columns)
        Descriptors.
    y : array of bool, shape (n,)
        True for fast.
    groups : array of shape (n,)
        Rows of one group are held out together; n distinct values make it leave-one-out.

    Returns
    -------
    array of float, shape (n,)
        Probability of fast; NaN where a single group leaves nothing to learn from.
    """
    probabilities = np.full(len(y), np.nan)
    for group in np.unique(groups):
        test = groups == group
        train = ~test
        if not train.any():
            continue
        if estimator is None or y[train].all() or not y[train].any():
            probabilities[test] = base_rate(y[train])
        else:
            model = clone(estimator).fit(x[train], y[train])
            probabilities[test] = model.predict_proba(x[test])[:, 1]
    return probabilities


def published_probabilities(
    estimator: BaseEstimator, x: np.ndarray, y: np.ndarray, groups: np.ndarray
) -> np.ndarray:
    """Predict by a model that learns nothing: leaving rows out changes nothing.

    Parameters
    ----------
    estimator, x, y, groups
        As in `held_out_probabilities`; y and groups are not used.

    Returns
    -------
    array of float, shape (n,)
        Probability of fast.
    """
    return estimator.predict_proba(x)[:, 1]


def randomised_misclassification(
    held_out: HeldOut, x: np.ndarray, y: np.ndarray, *, seed: int
) -> tuple[float, float, float]:
    """Misclassification when descriptors are shuffled between materials.

    Parameters
    ----------
    held_out : callable
        (x, y, groups) -> probabilities; called with every material a group of its own.
    x : array of shape (n, n_columns)
        Descriptors; whole rows are shuffled.
    y : array of bool, shape (n,)
        True for fast.
    seed : int
        Seed of the shuffles.

    Returns
    -------
    mean, low, high : float
        Over 20 shuffles; low and high enclose 95 % of them.
    """
    rng = np.random.default_rng(seed)
    rows = np.arange(len(y))
    rates = [
        misclassification(y, held_out(x[rng.permutation(rows)], y, rows))[0]
        for _ in range(N_RANDOMISATIONS)
    ]
    return float(np.mean(rates)), *map(float, np.percentile(rates, INTERVAL_PERCENT))


def validate(
    name: str, held_out: HeldOut, training: TrainingSet, *, note: str, seed: int
) -> tuple[pd.DataFrame, np.ndarray]:
    """Score a classifier by leave-one-out and by leave-one-chemical-system-out.

    Parameters
    ----------
    name : str
        The classifier's.
    held_out : callable
        (x, y, groups) -> held-out probabilities, shape (n,).
    training : TrainingSet
        The labelled materials.
    note : str
        Goes beside each of its scores.
    seed : int
        Seed of bootstrap and shuffles.

    Returns
    -------
    metrics : DataFrame
        Columns model, metric, value, low, high, n, note. A metric is prefixed
        by `loo_` (each material left out alone) or `grouped_` (with all others
        of its chemical system); rows with the model `constant` are the
        baseline of the same folds. Without usable labels the values are NaN
        and the note is the reason.
    probability_loo : array of float, shape (n,)
        Leave-one-out probability of fast.
    """
    x, y = training.x, training.y
    if training.unusable:
        empty = _empty_metrics(name, ("loo", "grouped"), training.unusable)
        return empty, np.full(len(y), np.nan)
    alone, system = np.arange(len(y)), training.chemical_system
    probability_loo = held_out(x, y, alone)
    tables = [
        _compare(name, f"{scheme}_", y, p, groups, note=note, seed=seed)
        for scheme, groups, p in (
            ("loo", alone, probability_loo),
            ("grouped", system, held_out(x, y, system)),
        )
    ]
    tables.append(_shuffle(name, held_out, training, note=note, seed=seed))
    return pd.concat(tables, ignore_index=True), probability_loo


def validate_published(
    name: str,
    estimator: BaseEstimator,
    training: TrainingSet,
    seen: np.ndarray,
    *,
    note: str,
    seed: int,
) -> pd.DataFrame:
    """Score a classifier as its authors fitted it.

    Parameters
    ----------
    name : str
        The classifier's.
    estimator : scikit-learn classifier
        Fitted.
    training : TrainingSet
        The labelled materials.
    seen : array of bool, shape (n,)
        Did the authors fit it to a compound of this formula?
    note : str
        Goes beside each of its scores, after the number of compounds seen.
    seed : int
        Seed of bootstrap and shuffles.

    Returns
    -------
    DataFrame
        Columns as in `validate`. A metric is prefixed by `published_` (all
        labelled materials, those seen by the authors included) or by
        `published_unseen_` (the others); rows with the model `constant` are the
        leave-one-out baseline of the same materials. The misclassification with
        shuffled descriptors is that of all labelled materials.
    """
    if training.unusable:
        return _empty_metrics(name, ("published", "published_unseen"), training.unusable)
    x, y = training.x, training.y
    note = (
        f"{np.count_nonzero(seen)} of the {len(y)} labelled materials are in its training set,"
        f" judged by formula alone, whatever the polymorph; a doped or disordered variant counts"
        f" as unseen; {note}"
    )
    predict = partial(published_probabilities, estimator)
    tables = []
    for scheme, rows in (("published", np.ones(len(y), bool)), ("published_unseen", ~seen)):
        alone = np.arange(np.count_nonzero(rows))
        p = predict(x[rows], y[rows], alone)
        tables.append(_compare(name, f"{scheme}_", y[rows], p, alone, note=note, seed=seed))
    tables.append(_shuffle(name, predict, training, note=note, seed=seed))
    return pd.concat(tables, ignore_index=True)


def _compare(
    name: str,
    prefix: str,
    y: np.ndarray,
    p: np.ndarray,
    groups: np.ndarray,
    *,
    note: str,
    seed: int,
) -> pd.DataFrame:
    """Put the scores of a model above those of the constant baseline of the same folds."""
    constant = held_out_probabilities(None, p[:, np.newaxis], y, groups)
    of_model = score(y, p, groups, seed=seed).assign(model=name, note=note)
    of_constant = _tie_constant(score(y, constant, groups, seed=seed)).assign(model=CONSTANT)
    table = pd.concat([of_model, of_constant], ignore_index=True)
    return table.assign(metric=prefix + table["metric"])[METRIC_COLUMNS]


def _shuffle(
    name: str, held_out: HeldOut, training: TrainingSet, *, note: str, seed: int
) -> pd.DataFrame:
    """Make the row of the misclassification with shuffled descriptors."""
    rates = randomised_misclassification(held_out, training.x, training.y, seed=seed)
    row = (name, X_RANDOMISED, *rates, len(training.y), note)
    return pd.DataFrame([row], columns=METRIC_COLUMNS)


def _tie_constant(table: pd.DataFrame) -> pd.DataFrame:
    """Set the ROC-AUC of a constant to one half: its folds differ by what they hold out alone."""
    is_auc = (table["metric"] == "roc_auc") & table["value"].notna()
    table.loc[is_auc, ["value", "low", "high"]] = 0.5
    return table.assign(note=np.where(is_auc, "by definition: a constant ranks nothing", ""))


def _empty_metrics(name: str, schemes: tuple[str, ...], reason: str) -> pd.DataFrame:
    metrics = [f"{scheme}_{metric}" for scheme in schemes for metric in METRICS]
    rows = [{"model": model, "metric": metric} for metric in metrics for model in (name, CONSTANT)]
    rows.append({"model": name, "metric": X_RANDOMISED})
    return pd.DataFrame(rows).assign(value=np.nan, low=np.nan, high=np.nan, n=0, note=reason)[
        METRIC_COLUMNS
    ]
