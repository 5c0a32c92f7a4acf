"""Cross-validation of regressors: what is fitted is fitted inside the fold."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from ionscout.config import RegressionSettings
from ionscout.models._folds import assign_folds
from ionscout.models.regression.domain import measure_distance
from ionscout.models.regression.labelled import Labelled
from ionscout.models.regression.scores import METRICS, Predicted, score

METRIC_COLUMNS = ["model", "target", "scheme", "metric", "value", "low", "high", "n", "note"]


def predict_held_out(
    estimator: BaseEstimator,
    data: Labelled,
    scheme: str,
    settings: RegressionSettings,
    *,
    seed: int,
) -> Predicted:
    """Predict each fold by a regressor fitted to the others.

    Parameters
    ----------
    estimator : scikit-learn regressor
        With `predict_interval`; cloned for each fold.
    data : Labelled
    scheme : str
        One of the schemes that the data have groups for.
    settings : RegressionSettings
        n_folds, n_repeats, interval_level.
    seed : int
        Of the dealing of groups.

    Returns
    -------
    Predicted
        Shape (n_repeats, n); NaN where one group leaves nothing to learn from.
    """
    tables = np.full((4, settings.n_repeats, len(data.y)), np.nan)
    upper_half = data.y >= np.median(data.y)
    for repeat in range(settings.n_repeats):
        folds = assign_folds(upper_half, data.groups[scheme], settings.n_folds, seed=seed + repeat)
        for fold in np.unique(folds):
            test = folds == fold
            train = ~test
            if not train.any():
                continue
            model = clone(estimator).fit(
                data.x[train],
                data.y[train],
                data.is_upper_bound[train],
                data.inner_groups[train],
            )
            tables[0, repeat, test] = model.predict(data.x[test])
            interval = model.predict_interval(data.x[test], settings.interval_level)
            tables[1:3, repeat, test] = interval
            tables[3, repeat, test] = measure_distance(data.x[train], data.x[test])
    return Predicted(*tables)


def validate(
    name: str,
    held_out: dict[str, Predicted],
    data: Labelled,
    *,
    target: str,
    threshold: float | None,
    seed: int,
) -> pd.DataFrame:
    """Score held-out predictions under every scheme.

    Parameters
    ----------
    name : str
        The regressor's.
    held_out : dict of str to Predicted
        By scheme.
    data : Labelled
    target : str
        What was predicted, with its unit.
    threshold : float or None
        As in `score`.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        Columns model, target, scheme, metric, value, low, high, n, note.
    """
    tables = []
    for scheme, predicted in held_out.items():
        if np.isfinite(predicted.value).all():
            table = score(
                data.measured, predicted, data.groups[scheme], threshold=threshold, seed=seed
            ).assign(note="")
        else:
            table = empty_scores("all materials are one group")
        tables.append(table.assign(scheme=scheme))
    return pd.concat(tables).assign(model=name, target=target)[METRIC_COLUMNS]


def empty_scores(reason: str) -> pd.DataFrame:
    """Make the rows of scores that cannot be had.

    Parameters
    ----------
    reason : str

    Returns
    -------
    DataFrame
        Columns metric, value, low, high, n, note.
    """
    return pd.DataFrame({"metric": METRICS}).assign(
        value=np.nan, low=np.nan, high=np.nan, n=0, note=reason
    )
