"""The classifiers on the same materials and folds, and an honest score of choosing among them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ionscout.config import CLASSIFIER_SETS, ModelSettings
from ionscout.errors import ModelError
from ionscout.models._folds import assign_folds, inner_folds, merge_groups
from ionscout.models.held_out import BaseRateClassifier, fit_rows
from ionscout.models.registry import get_classifier
from ionscout.models.scores import INTERVAL_PERCENT, draw_groups, losses_nats
from ionscout.models.training import gather_training
from ionscout.models.training_set import TrainingSet

CONSTANT, SELECTED = "constant", "selected"
COMPARISON_COLUMNS = [
    *("model", "metric", "value", "low", "high"),
    *("difference", "difference_low", "difference_high", "n", "chosen_in_folds", "note"),
]


def compare_models(
    tables: Mapping[str, pd.DataFrame],
    labels: pd.DataFrame,
    manifest: pd.DataFrame,
    settings: ModelSettings,
    *,
    seed: int,
) -> pd.DataFrame:
    """Judge the classifiers that learn, and the choice among them, on the same materials.

    Only the labelled materials that all of them can describe count. In each fold, no chemical
    system of which is learned from, nor a twin by the descriptors of any of them, the
    classifier with the least log loss in inner folds of the training part is chosen and
    fitted to it: the row `selected` is the score of doing so, which the best of the other
    rows, picked by hindsight, flatters. The order of the names does not matter.

    Parameters
    ----------
    tables : mapping of str to DataFrame, index material_id
        The descriptor sets by name.
    labels, manifest : DataFrame
        As in `train_model`.
    settings : ModelSettings
        The classifiers are its `names`.
    seed : int
        Of folds and bootstrap.

    Returns
    -------
    DataFrame
        Columns model (`selected` and `constant` among them), metric (misclassification,
        log_loss), value, low, high (percentile bootstrap over chemical systems, 95 %),
        difference, difference_low, difference_high (the same of the value less that of
        `selected`, paired by material: above 0 is worse), n, chosen_in_folds, note.
        Empty but for the note where nothing can be compared.
    """
    names = [name for name in settings.names if get_classifier(name).learns]
    sets = {name: _gather(name, tables, labels, manifest, settings) for name in names}
    sets = _in_common(sets)
    reason = _reason(sets)
    if reason:
        return pd.DataFrame([{"note": reason}], columns=COMPARISON_COLUMNS)
    one = next(iter(sets.values()))
    groups = merge_groups(*(training.systems for training in sets.values()))
    folds = assign_folds(one.y, groups, settings.n_folds, seed=seed)
    if len(np.unique(folds)) < 2:
        note = "all labelled materials are of one chemical system: nothing can be held out"
        return pd.DataFrame([{"note": note}], columns=COMPARISON_COLUMNS)
    try:
        held_out, chosen = _hold_out(sets, groups, folds, settings, seed=seed)
    except ModelError as error:
        return pd.DataFrame([{"note": str(error)}], columns=COMPARISON_COLUMNS)
    return _tabulate(held_out, one.y, groups, chosen, seed=seed)


def _hold_out(
    sets: dict[str, TrainingSet],
    groups: np.ndarray,
    folds: np.ndarray,
    settings: ModelSettings,
    *,
    seed: int,
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Predict each fold by every model, and by the one chosen; count the choices."""
    one = next(iter(sets.values()))
    held_out = {name: np.full(len(one.y), np.nan) for name in (SELECTED, *sets, CONSTANT)}
    chosen = dict.fromkeys(sets, 0)
    for fold in np.unique(folds):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        best = _choose(sets, groups, train, settings, seed=seed)
        chosen[best] += 1
        for name, training in sets.items():
            held_out[name][test] = _predict(name, training, train, test, settings, seed=seed)
        held_out[SELECTED][test] = held_out[best][test]
        constant = BaseRateClassifier().fit(one.x[train], one.y[train])
        held_out[CONSTANT][test] = constant.rate_
    return held_out, chosen


def _gather(
    name: str,
    tables: Mapping[str, pd.DataFrame],
    labels: pd.DataFrame,
    manifest: pd.DataFrame,
    settings: ModelSettings,
) -> TrainingSet:
    own = {kind: tables[kind] for kind in CLASSIFIER_SETS[name]}
    return gather_training(name, own, labels, manifest, settings).training


def _in_common(sets: dict[str, TrainingSet]) -> dict[str, TrainingSet]:
    """Keep the materials that every set has."""
    if not sets:
        return {}
    ids = [training.material_id for training in sets.values()]
    common = sorted(set(ids[0]).intersection(*ids[1:]))
    return {
        name: training.keep(np.isin(training.material_id, common))
        for name, training in sets.items()
    }


def _reason(sets: dict[str, TrainingSet]) -> str:
    """Why nothing can be compared, else empty."""
    if not sets:
        return "no classifier that learns"
    return next(iter(sets.values())).unusable


def _choose(
    sets: dict[str, TrainingSet],
    groups: np.ndarray,
    rows: np.ndarray,
    settings: ModelSettings,
    *,
    seed: int,
) -> str:
    """Name the classifier with the least log loss in inner folds; of equals the first by name."""
    y = next(iter(sets.values())).y[rows]
    folds = inner_folds(y, groups[rows], settings.n_folds, seed=seed)
    losses = {}
    for name, training in sets.items():
        p = np.empty(len(rows))
        for fold in np.unique(folds):
            test = folds == fold
            p[test] = _predict(name, training, rows[~test], rows[test], settings, seed=seed)
        losses[name] = losses_nats(y, p).mean()
    return min(sorted(losses), key=losses.__getitem__)


def _predict(
    name: str,
    training: TrainingSet,
    train: np.ndarray,
    test: np.ndarray,
    settings: ModelSettings,
    *,
    seed: int,
) -> np.ndarray:
    """Predict rows by a model fitted to others."""
    try:
        model = fit_rows(get_classifier(name).build(settings, seed), training, train)
    except ModelError as error:
        raise ModelError(f"model {name!r}: {error}") from None
    return model.predict_proba(training.x[test])[:, 1]


def _tabulate(
    held_out: dict[str, np.ndarray],
    y: np.ndarray,
    groups: np.ndarray,
    chosen: dict[str, int],
    *,
    seed: int,
) -> pd.DataFrame:
    """Score every model, and its difference from the selected one."""
    weights = draw_groups(groups, seed=seed)
    weights = weights / weights.sum(axis=1, keepdims=True)
    rows = []
    for metric in ("misclassification", "log_loss"):
        points = {
            name: ((p >= 0.5) != y).astype(float)
            if metric == "misclassification"
            else losses_nats(y, p)
            for name, p in held_out.items()
        }
        for name, of_model in points.items():
            less = of_model - points[SELECTED]
            low, high = np.percentile(weights @ of_model, INTERVAL_PERCENT)
            less_low, less_high = np.percentile(weights @ less, INTERVAL_PERCENT)
            scores = (of_model.mean(), low, high, less.mean(), less_low, less_high)
            rows.append((name, metric, *scores, len(y), chosen.get(name), ""))
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS).astype({"chosen_in_folds": "Int64"})
