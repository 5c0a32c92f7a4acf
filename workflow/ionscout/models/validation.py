"""Scores of classifiers, each beside the constant baseline of the same materials.

What is fitted here, scaling included, is fitted inside the fold, so that its
scores are held out. A published model was fitted by its authors, in part to the
same compounds: its scores carry names of their own and are no held-out ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from ionscout.config import ModelSettings
from ionscout.models._folds import assign_folds
from ionscout.models.curves import CURVE_COLUMNS, trace_calibration, trace_learning, trace_roc
from ionscout.models.domain import Domain
from ionscout.models.held_out import (
    BaseRateClassifier,
    Fold,
    base_rate,
    fit_folds,
    fit_rows,
    gather_held_out,
)
from ionscout.models.scores import (
    INTERVAL_PERCENT,
    METRICS,
    Score,
    misclassification,
    score_repeats,
    tie_constant,
)
from ionscout.models.training_set import TrainingSet
from ionscout.models.uncertainty import (
    hold_out_uncertainty,
    score_uncertainty,
    tabulate_uncertainty,
)

METRIC_COLUMNS = ["model", "metric", "value", "low", "high", "n", "note"]
CONSTANT = "constant"
X_RANDOMISED = "x_randomised_misclassification"
SCHEMES = ("loo", "grouped_system", "grouped_framework")


class Validation(NamedTuple):
    """How well a classifier judges what it has not seen.

    Attributes
    ----------
    metrics : DataFrame
        Columns model, metric, value, low, high, n, note.
    curves : DataFrame
        Columns model, kind, series, x, y, low, high, n; see `ionscout.models.curves`.
    probability_loo : array of float, shape (n,)
        Leave-one-out probability of fast, twins left out together, unlike in the scores
        of leave-one-out; NaN for a published model.
    doubts : DataFrame, n rows
        As `hold_out_uncertainty` returns it.
    folds : list of Fold
        Those of the first cross-validation grouped by chemical system.
    """

    metrics: pd.DataFrame
    curves: pd.DataFrame
    probability_loo: np.ndarray
    doubts: pd.DataFrame
    folds: list[Fold]


def validate(
    name: str,
    estimator: BaseEstimator,
    training: TrainingSet,
    settings: ModelSettings,
    *,
    read: np.ndarray,
    note: str,
    seed: int,
) -> Validation:
    """Score a classifier by leave-one-out and by grouped cross-validations.

    Parameters
    ----------
    name : str
        The classifier's.
    estimator : scikit-learn classifier
        Unfitted.
    training : TrainingSet
        The labelled materials.
    settings : ModelSettings
        Numbers of folds, repeats and shuffles.
    read : array of int
        Positions of the columns that it judges by.
    note : str
        Goes beside each of its scores.
    seed : int
        Seed of folds, bootstrap and shuffles.

    Returns
    -------
    Validation
        A metric is prefixed by `loo_` (each material left out alone),
        `grouped_system_` or `grouped_framework_` (repeated k-fold cross-validation in
        which no chemical system, or anion framework, is on both sides); rows with the
        model `constant` are the baseline of the same folds. Others are of the
        X-randomisation, and `score_uncertainty`'s. The intervals take chemical systems,
        or frameworks, as what was drawn, those of leave-one-out too. Without usable
        labels the values are NaN and the note is the reason.
    """
    if training.unusable:
        return validate_nothing(name, training, training.unusable)
    alone = np.arange(len(training.y))
    loo = gather_held_out(fit_folds(estimator, training, alone), training.x)
    constant = _hold_out(BaseRateClassifier(), training, alone)
    pair = (loo[None], constant[None])
    tables = [_compare(name, "loo_", training.y, *pair, training.systems, seed=seed)]
    by_system, folds = _cross_validate(name, estimator, training, settings, "system", seed=seed)
    by_framework, _ = _cross_validate(name, estimator, training, settings, "framework", seed=seed)
    doubts = hold_out_uncertainty(estimator, training, folds, read, seed=seed)
    tables += [
        by_system,
        by_framework,
        randomise(name, estimator, training, settings, seed=seed),
        _rank_errors(name, training, doubts, seed=seed),
    ]
    curves = [
        *_trace(training.y, loo, "loo"),
        *_trace(training.y, doubts["probability"].to_numpy(), "grouped_system"),
        trace_learning(estimator, training, folds, seed=seed),
    ]
    apart = _hold_out_twins(estimator, training, loo)
    return Validation(_note(tables, name, note), _name(curves, name), apart, doubts, folds)


def validate_nothing(name: str, training: TrainingSet, reason: str) -> Validation:
    """Say why a classifier that learns has no scores.

    Parameters
    ----------
    name, training
        As in `validate`.
    reason : str

    Returns
    -------
    Validation
        The values are NaN and the note is the reason.
    """
    return _nothing(_empty_metrics(name, SCHEMES, reason), training)


def validate_published(
    name: str,
    estimator: BaseEstimator,
    training: TrainingSet,
    seen: np.ndarray,
    settings: ModelSettings,
    *,
    note: str,
    seed: int,
) -> Validation:
    """Score a classifier as its authors fitted it.

    Parameters
    ----------
    name, training, settings, seed
        As in `validate`.
    estimator : scikit-learn classifier
        Fitted.
    seen : array of bool, shape (n,)
        Did the authors fit it to a compound of this formula?
    note : str
        Goes beside each of its scores, after the number of compounds seen.

    Returns
    -------
    Validation
        A metric is prefixed by `published_` (all labelled materials, those seen by the
        authors included) or by `published_unseen_` (the others); rows with the model
        `constant` are the leave-one-out baseline of the same materials. The
        misclassification with shuffled descriptors is that of all labelled materials.
    """
    if training.unusable:
        empty = _empty_metrics(name, ("published", "published_unseen"), training.unusable)
        return _nothing(empty, training)
    x, y, alone = training.x, training.y, np.arange(len(training.y))
    note = (
        f"{np.count_nonzero(seen)} of the {len(y)} labelled materials are in its training set,"
        f" judged by formula alone, whatever the polymorph; a doped or disordered variant counts"
        f" as unseen; {note}"
    )
    p = estimator.predict_proba(x)[:, 1]
    tables, curves = [], []
    for scheme, rows in (("published", np.ones(len(y), bool)), ("published_unseen", ~seen)):
        constant = _constant_of(y[rows])
        pair = (p[rows][None], constant[None])
        groups = training.systems[rows]
        tables.append(_compare(name, f"{scheme}_", y[rows], *pair, groups, seed=seed))
        curves += _trace(y[rows], p[rows], scheme)
    tables.append(randomise(name, estimator, training, settings, seed=seed))
    distance = np.full(len(y), np.nan)
    if np.count_nonzero(seen) > 1 and not seen.all():
        distance[~seen] = Domain.around(x[seen]).distance(x[~seen])
    doubts = tabulate_uncertainty(p, np.full(len(y), np.nan), distance).assign(probability=p)
    tables.append(_rank_errors(name, training, doubts, seed=seed))
    folds = [Fold(alone[:0], alone, estimator)]
    none = np.full(len(y), np.nan)
    return Validation(_note(tables, name, note), _name(curves, name), none, doubts, folds)


def randomise(
    name: str,
    estimator: BaseEstimator,
    training: TrainingSet,
    settings: ModelSettings,
    *,
    seed: int,
) -> pd.DataFrame:
    """Score models of descriptors that were shuffled between the materials.

    Parameters
    ----------
    name, estimator, training, settings, seed
        As in `validate`.

    Returns
    -------
    DataFrame
        A row of the misclassification, the mean over the shuffles with the range of 95 %
        of them, in k-fold cross-validation by material; the constant's of the same folds.
    """
    rng = np.random.default_rng(seed)
    rates: dict[str, list[float]] = {name: [], CONSTANT: []}
    for shuffle in range(settings.n_randomisations):
        shuffled = replace(training, x=training.x[rng.permutation(len(training.y))])
        alone = np.arange(len(training.y))
        folds = assign_folds(training.y, alone, settings.n_folds, seed=seed + shuffle)
        for model, method in ((name, estimator), (CONSTANT, BaseRateClassifier())):
            p = _hold_out(method, shuffled, folds)
            rates[model].append(misclassification(training.y, p)[0])
    note = f"{settings.n_randomisations} shuffles in {settings.n_folds} folds, the range of 95 %"
    rows = [(model, X_RANDOMISED, *_range(values)) for model, values in rates.items()]
    table = pd.DataFrame(rows, columns=METRIC_COLUMNS[:5])
    return table.assign(n=len(training.y), note=note)


def _range(values: list[float]) -> Score:
    return float(np.mean(values)), *map(float, np.percentile(values, INTERVAL_PERCENT))


def _cross_validate(
    name: str,
    estimator: BaseEstimator,
    training: TrainingSet,
    settings: ModelSettings,
    kind: str,
    *,
    seed: int,
) -> tuple[pd.DataFrame, list[Fold]]:
    """Score by repeated k-fold cross-validation; the folds of the first repeat beside."""
    groups = training.systems if kind == "system" else training.frameworks
    dealt = [
        assign_folds(training.y, groups, settings.n_folds, seed=seed + repeat)
        for repeat in range(settings.n_repeats)
    ]
    fits = [fit_folds(estimator, training, folds) for folds in dealt]
    p = np.stack([gather_held_out(fit, training.x) for fit in fits])
    constant = np.stack([_hold_out(BaseRateClassifier(), training, folds) for folds in dealt])
    table = _compare(name, f"grouped_{kind}_", training.y, p, constant, groups, seed=seed)
    return table, fits[0]


def _hold_out(estimator: BaseEstimator, training: TrainingSet, folds: np.ndarray) -> np.ndarray:
    return gather_held_out(fit_folds(estimator, training, folds), training.x)


def _hold_out_twins(
    estimator: BaseEstimator, training: TrainingSet, alone: np.ndarray
) -> np.ndarray:
    """Compute leave-one-out probabilities without the twins, from those with them."""
    probability = alone.copy()
    names, sizes = np.unique(training.twins, return_counts=True)
    for name in names[sizes > 1]:
        test = training.twins == name
        model = fit_rows(estimator, training, np.flatnonzero(~test))
        probability[test] = model.predict_proba(training.x[test])[:, 1]
    return probability


def _constant_of(y: np.ndarray) -> np.ndarray:
    """Compute the leave-one-out base rates of some materials, shape (n,)."""
    return np.array([base_rate(np.delete(y, i)) for i in range(len(y))])


def _compare(
    name: str,
    prefix: str,
    y: np.ndarray,
    p: np.ndarray,
    constant: np.ndarray,
    groups: np.ndarray,
    *,
    seed: int,
) -> pd.DataFrame:
    """Put the scores of a model above those of the constant baseline; p is (n_repeats, n)."""
    of_model = score_repeats(y, p, groups, seed=seed).assign(model=name, note="")
    of_constant = tie_constant(score_repeats(y, constant, groups, seed=seed))
    table = pd.concat([of_model, of_constant.assign(model=CONSTANT)], ignore_index=True)
    return table.assign(metric=prefix + table["metric"])[METRIC_COLUMNS]


def _rank_errors(
    name: str, training: TrainingSet, doubts: pd.DataFrame, *, seed: int
) -> pd.DataFrame:
    scores = score_uncertainty(training.y, doubts, training.systems, seed=seed)
    return scores.assign(model=name, note="")[METRIC_COLUMNS]


def _trace(y: np.ndarray, p: np.ndarray, series: str) -> list[pd.DataFrame]:
    return [trace_roc(y, p, series), trace_calibration(y, p, series)]


def _note(tables: list[pd.DataFrame], name: str, note: str) -> pd.DataFrame:
    """Join the tables of metrics; the classifier's note goes beside its scores without one."""
    table = pd.concat(tables, ignore_index=True)
    table.loc[(table["model"] == name) & (table["note"] == ""), "note"] = note
    return table[METRIC_COLUMNS]


def _name(curves: list[pd.DataFrame], name: str) -> pd.DataFrame:
    parts = [curve for curve in curves if len(curve)]
    if not parts:
        return pd.DataFrame(columns=CURVE_COLUMNS)
    return pd.concat(parts, ignore_index=True).assign(model=name)[CURVE_COLUMNS]


def _nothing(metrics: pd.DataFrame, training: TrainingSet) -> Validation:
    none = np.full(len(training.y), np.nan)
    doubts = tabulate_uncertainty(none, none, none).assign(probability=none)
    return Validation(metrics, pd.DataFrame(columns=CURVE_COLUMNS), none, doubts, [])


def _empty_metrics(name: str, schemes: tuple[str, ...], reason: str) -> pd.DataFrame:
    metrics = [f"{scheme}_{metric}" for scheme in schemes for metric in METRICS]
    rows = [{"model": model, "metric": metric} for metric in metrics for model in (name, CONSTANT)]
    rows.append({"model": name, "metric": X_RANDOMISED})
    return pd.DataFrame(rows).assign(value=np.nan, low=np.nan, high=np.nan, n=0, note=reason)[
        METRIC_COLUMNS
    ]
