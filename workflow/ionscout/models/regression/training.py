"""Train a regressor on a campaign's labels, validate it and predict every material."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from ionscout.config import RegressionSettings
from ionscout.labels import duplicate_groups
from ionscout.models.predictor import select_matrix
from ionscout.models.regression.description import describe_table
from ionscout.models.regression.domain import measure_distance, tabulate_domain
from ionscout.models.regression.labelled import SYSTEM, Labelled, make_groups
from ionscout.models.regression.registry import (
    ACTIVATION_ENERGY,
    BASELINE,
    CONSTANT,
    SIGMA,
    get_regressor,
)
from ionscout.models.regression.replicated import Replicated
from ionscout.models.regression.validation import (
    METRIC_COLUMNS,
    empty_scores,
    predict_held_out,
    validate,
)
from ionscout.models.training_set import one_a_group

VOLUME = "volume_per_atom_ang3"
_COLUMN_OF = {SIGMA: "sigma_rt_s_cm", ACTIVATION_ENERGY: ACTIVATION_ENERGY}


@dataclass(frozen=True)
class TrainedRegressor:
    """A regressor after training, with what it says and how well.

    Attributes
    ----------
    name : str
    estimators : dict of str to Replicated
        By target; without those for which nothing could be learned.
    predictions : DataFrame
        One row a material and target: material_id, target, value, low, high, reason,
        in_training, measured, held_out, held_out_low, held_out_high, is_upper_bound, distance,
        in_domain. The held-out values, of materials in training, come from folds that part
        chemical systems, and so does the distance of those materials from the others
        (see `measure_distance`). A duplicate of a training material is in training, and
        shares them.
    metrics : DataFrame
        See `validate`; rows of the model `constant` are the baseline of the same folds.
    provenance : dict
        n_training, data_sha256, versions, settings, seed.
    """

    name: str
    estimators: dict[str, Replicated]
    predictions: pd.DataFrame
    metrics: pd.DataFrame
    provenance: dict[str, Any]


def train_regressor(
    name: str,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    manifest: pd.DataFrame,
    settings: RegressionSettings,
    *,
    fast_threshold_s_cm: float,
    seed: int,
) -> TrainedRegressor:
    """Train a regressor on the labels, validate it and predict every material.

    Parameters
    ----------
    name : str
        One of `REGRESSORS`.
    features : DataFrame, index material_id
        Any descriptor set with the column volume_per_atom_ang3.
    labels : DataFrame
        As `join_labels` returns it.
    manifest : DataFrame
        Columns material_id, duplicate_of, chemical_system, space_group_number, and
        stated_formula or reduced_formula.
    settings : RegressionSettings
    fast_threshold_s_cm : float
        For the ROC-AUC.
    seed : int

    Returns
    -------
    TrainedRegressor
        Too few labels are no error: there are no predictions then, and the reason is said.

    Raises
    ------
    ModelError
        No such regressor, or the features lack their column.
    """
    regressor = get_regressor(name)
    x, reasons = describe_manifest(manifest, features)
    threshold = float(np.log10(fast_threshold_s_cm))
    outcomes = {}
    for target in regressor.targets:
        data, members = _gather(manifest, labels, x, reasons, target)
        estimator, rows, metrics = _train_target(
            (name, target), data, x, reasons, members, settings, threshold=threshold, seed=seed
        )
        described = {"n_training": len(data.y), "data_sha256": data.sha256}
        outcomes[target] = (estimator, rows, metrics, described)
    return TrainedRegressor(
        name,
        {target: parts[0] for target, parts in outcomes.items() if parts[0] is not None},
        pd.concat([parts[1] for parts in outcomes.values()], ignore_index=True),
        pd.concat([parts[2] for parts in outcomes.values()], ignore_index=True),
        {
            "targets": {target: parts[3] for target, parts in outcomes.items()},
            **_provenance(settings, seed),
        },
    )


def _train_target(
    name_and_target: tuple[str, str],
    data: Labelled,
    x: np.ndarray,
    reasons: list[str],
    members: pd.Series,
    settings: RegressionSettings,
    *,
    threshold: float,
    seed: int,
) -> tuple[Replicated | None, pd.DataFrame, pd.DataFrame]:
    """Fit, validate and apply the regressor of one target; no estimator without labels."""
    name, target = name_and_target
    rows = pd.DataFrame({"material_id": members.index.to_numpy(), "target": target})
    if data.unusable:
        scores = empty_scores(data.unusable).assign(target=target, scheme="")
        scores = pd.concat([scores.assign(model=model) for model in (name, CONSTANT)])
        return None, _without_values(rows, data.unusable), scores[METRIC_COLUMNS]
    estimator = get_regressor(name).build(settings, seed)
    held_out, scores = cross_validate(
        {name: estimator, CONSTANT: BASELINE.build(settings, seed)},
        data,
        settings,
        target=target,
        threshold=threshold if target == SIGMA else None,
        seed=seed,
    )
    estimator.fit(data.x, data.y, data.is_upper_bound, data.inner_groups)
    known = predict_or_fall_back(estimator, x, reasons, settings.interval_level)
    rows = _join_held_out(pd.concat([rows, known], axis=1), data, members, held_out[name][SYSTEM])
    distance = measure_distance(data.x, x)
    learned = members.to_numpy() >= 0
    distance[learned] = held_out[name][SYSTEM].distance.mean(axis=0)[members[learned]]
    return estimator, pd.concat([rows, tabulate_domain(distance)], axis=1), scores


def describe_manifest(
    manifest: pd.DataFrame, features: pd.DataFrame
) -> tuple[np.ndarray, list[str]]:
    """Describe the materials of a campaign.

    Parameters
    ----------
    manifest, features : DataFrame
        As in `train_regressor`.

    Returns
    -------
    x : array of float, shape (n, n_columns)
    reasons : list of str
        As `describe_table` returns them. The shape of the cell is not described: that of
        a curated crystal need not be the conventional one.
    """
    volume = select_matrix("regression", features, [VOLUME])
    formulas = manifest["reduced_formula"]
    if "stated_formula" in manifest:
        formulas = manifest["stated_formula"].fillna(formulas)
    table = pd.DataFrame(
        {
            "formula": formulas.to_numpy(),
            "space_group_number": manifest["space_group_number"].to_numpy(),
            VOLUME: volume[VOLUME].reindex(manifest["material_id"]).to_numpy(dtype=float),
        }
    )
    return describe_table(table)


def cross_validate(
    estimators: dict[str, Replicated],
    data: Labelled,
    settings: RegressionSettings,
    *,
    target: str,
    threshold: float | None,
    seed: int,
) -> tuple[dict[str, dict[str, Any]], pd.DataFrame]:
    """Predict held-out values of several regressors under every scheme, and score them.

    Parameters
    ----------
    estimators : dict of str to Replicated
        By name.
    data : Labelled
    settings : RegressionSettings
    target, threshold, seed
        As in `validate`.

    Returns
    -------
    held_out : dict of dict of Predicted
        By name and scheme.
    scores : DataFrame
        Columns model, target, scheme, metric, value, low, high, n, note.
    """
    held_out = {
        name: {
            scheme: predict_held_out(estimator, data, scheme, settings, seed=seed)
            for scheme in data.groups
        }
        for name, estimator in estimators.items()
    }
    tables = [
        validate(name, predicted, data, target=target, threshold=threshold, seed=seed)
        for name, predicted in held_out.items()
    ]
    scores = pd.concat(tables, ignore_index=True)
    is_auc = (scores["model"] == CONSTANT) & (scores["metric"] == "roc_auc")
    is_auc &= scores["value"].notna()
    scores.loc[is_auc, ["value", "low", "high"]] = 0.5
    scores.loc[is_auc, "note"] = "by definition: a constant ranks nothing"
    return held_out, scores


def predict_or_fall_back(
    estimator: Replicated, x: np.ndarray, reasons: list[str], level: float
) -> pd.DataFrame:
    """Predict each row; one that has no description gets what is known of all.

    Parameters
    ----------
    estimator : Replicated
        Fitted.
    x : array of float, shape (n, n_columns)
    reasons : list of str
        Why a row has no description, else empty.
    level : float
        Of the interval.

    Returns
    -------
    DataFrame
        Columns value, low, high, reason. The fallback is the median of the training values, its
        interval their percentiles.
    """
    is_described = np.array([not reason for reason in reasons], dtype=bool)
    ends = [0.5, (1 - level) / 2, (1 + level) / 2]
    values = np.tile(np.quantile(estimator.target_, ends), (len(x), 1))
    values[is_described, 0] = estimator.predict(x[is_described])
    values[is_described, 1:] = np.transpose(estimator.predict_interval(x[is_described], level))
    table = pd.DataFrame(values, columns=["value", "low", "high"])
    said = [f"median of the training values; {why}" if why else "" for why in reasons]
    return table.assign(reason=np.array(said, dtype=object))


def _gather(
    manifest: pd.DataFrame,
    labels: pd.DataFrame,
    x: np.ndarray,
    reasons: list[str],
    target: str,
) -> tuple[Labelled, pd.Series]:
    """Collect the labelled materials, each crystal once, and who is one of them.

    The series gives for every material of the manifest the position of its crystal among
    the labelled, or -1.
    """
    groups = duplicate_groups(manifest)
    measured = labels.set_index("material_id")[[_COLUMN_OF[target], "is_upper_bound"]].dropna()
    place = pd.Series(np.arange(len(manifest)), index=manifest["material_id"].to_numpy())
    described = pd.Series([not why for why in reasons], index=place.index)
    usable = groups[groups.index.isin(measured.index) & described[groups.index].to_numpy()]
    chosen = one_a_group(usable)
    rows = place[chosen.index].to_numpy()
    y = measured.loc[chosen.index, _COLUMN_OF[target]].to_numpy(dtype=float)
    bounded = measured.loc[chosen.index, "is_upper_bound"].to_numpy(dtype=bool)
    systems = manifest["chemical_system"].to_numpy(dtype=object)[rows]
    data = Labelled(
        names=chosen.index.to_numpy(dtype=object),
        x=x[rows],
        y=np.log10(y) if target == SIGMA else y,
        is_upper_bound=bounded if target == SIGMA else np.zeros(len(y), bool),
        groups=make_groups(x[rows], systems),
    )
    position = pd.Series(np.arange(len(chosen)), index=chosen.to_numpy())
    members = groups.map(position).fillna(-1).astype(int)
    return data, members.reindex(manifest["material_id"])


def _join_held_out(
    rows: pd.DataFrame, data: Labelled, members: pd.Series, held_out: Any
) -> pd.DataFrame:
    position = members.to_numpy()
    known = position >= 0
    columns = {
        "measured": data.y,
        "held_out": held_out.value.mean(axis=0),
        "held_out_low": held_out.low.mean(axis=0),
        "held_out_high": held_out.high.mean(axis=0),
    }
    rows = rows.assign(in_training=known)
    for name, values in columns.items():
        rows[name] = np.where(known, values[position], np.nan)
    return rows.assign(is_upper_bound=known & data.is_upper_bound[position])


def _without_values(rows: pd.DataFrame, reason: str) -> pd.DataFrame:
    names = ("value", "low", "high", "measured", "held_out", "held_out_low", "held_out_high")
    empty = dict.fromkeys(names, np.nan)
    rows = rows.assign(**empty, reason=reason, in_training=False, is_upper_bound=False)
    return pd.concat([rows, tabulate_domain(np.full(len(rows), np.nan))], axis=1)


def _provenance(settings: RegressionSettings, seed: int) -> dict[str, Any]:
    packages = ("ionscout", "scikit-learn", "numpy")
    return {
        "versions": {package: version(package) for package in packages},
        "settings": settings.model_dump(mode="json", exclude={"names", "split"}),
        "seed": seed,
    }
