"""Why each shortlisted material was judged as it was, model by model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ionscout.config import CLASSIFIER_SETS, ModelSettings
from ionscout.models._missing import find_known
from ionscout.models.attribution import attribute_by_sampling, attribute_linear, log_odds
from ionscout.models.domain import Domain
from ionscout.models.predictor import Predictor, select_matrix
from ionscout.models.registry import get_classifier
from ionscout.models.training import Learned, gather_training

N_CONDUCTORS = 5
ATTRIBUTION_COLUMNS = [
    *("material_id", "model", "rank", "column", "value", "training_mean"),
    *("attribution", "standard_error", "log_odds", "mean_log_odds"),
]
NEIGHBOUR_COLUMNS = [
    *("material_id", "model", "rank", "neighbour_id", "distance"),
    *("n_slow_closer", "sigma_rt_s_cm", "is_upper_bound", "reduced_formula"),
]


def explain_predictions(
    predictors: Mapping[str, Predictor],
    tables: Mapping[str, pd.DataFrame],
    labels: pd.DataFrame,
    manifest: pd.DataFrame,
    material_ids: Sequence[str],
    settings: ModelSettings,
    *,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Deal out each material's log-odds to the descriptors, and find the conductors like it.

    Parameters
    ----------
    predictors : mapping of str to Predictor
        The trained models by name.
    tables : mapping of str to DataFrame, index material_id
        The descriptor sets by name; those that the models read at least.
    labels, manifest : DataFrame
        As in `train_model`.
    material_ids : sequence of str
        The materials asked about.
    settings : ModelSettings
        The campaign's.
    seed : int
        Of the sampling.

    Returns
    -------
    attribution : DataFrame
        Columns material_id; model; rank, from the largest attribution by size; column;
        value; training_mean, that of all described materials for a published model where
        no labels can be learned from; attribution, in log-odds of fast; standard_error, 0 where
        the model is linear; log_odds, of the material; mean_log_odds, from which the
        attributions start. They add up: log_odds = mean_log_odds + their sum.
    neighbours : DataFrame
        The five nearest known fast conductors of each material in the descriptor space
        of each model: material_id, model, rank, neighbour_id, distance (standardised, in
        units of the reach of `Domain`), n_slow_closer (slow ones that are nearer),
        sigma_rt_s_cm, is_upper_bound, reduced_formula. The material itself is left out.

    A model that could not be trained, or has no value for a material, has no rows.
    """
    attributions, neighbours = [], []
    for name, predictor in predictors.items():
        own = {kind: tables[kind] for kind in CLASSIFIER_SETS[name]}
        learned = gather_training(name, own, labels, manifest, settings)
        matrix = select_matrix(name, learned.features, predictor.columns)
        described = matrix[find_known(matrix.to_numpy()).all(axis=1)]
        asked = described.loc[described.index.isin(material_ids)]
        if predictor.estimator is None or asked.empty:
            continue
        if learned.training.unusable:
            background = described.to_numpy()
        else:
            background = learned.training.x[:, get_classifier(name).read_positions]
            neighbours.append(_find_conductors(name, learned, asked, labels, manifest))
        attributions.append(_attribute(predictor, background, asked, seed=seed))
    return _stack(attributions, ATTRIBUTION_COLUMNS), _stack(neighbours, NEIGHBOUR_COLUMNS)


def _attribute(
    predictor: Predictor, background: np.ndarray, asked: pd.DataFrame, *, seed: int
) -> pd.DataFrame:
    """Attribute the log-odds of each material asked about."""
    classifier = get_classifier(predictor.name)
    mean, x = background.mean(axis=0), asked.to_numpy()
    if classifier.linear is not None:
        weights, intercept = classifier.linear(predictor.estimator)
        attribution, error = attribute_linear(weights, x, mean)
        z = x @ weights + intercept
    else:
        z = log_odds(predictor.estimator, x)
        attribution, error = attribute_by_sampling(
            lambda rows: log_odds(predictor.estimator, rows), x, background, seed=seed
        )
    tables = []
    for i, material_id in enumerate(asked.index):
        table = {
            "material_id": material_id,
            "model": predictor.name,
            "column": predictor.columns,
            "value": x[i],
            "training_mean": mean,
            "attribution": attribution[i],
            "standard_error": error[i],
            "log_odds": z[i],
            "mean_log_odds": z[i] - attribution[i].sum(),
        }
        ordered = pd.DataFrame(table).sort_values(
            "attribution", key=np.abs, ascending=False, kind="stable"
        )
        tables.append(ordered.assign(rank=np.arange(1, len(ordered) + 1)))
    return pd.concat(tables, ignore_index=True)[ATTRIBUTION_COLUMNS]


def _find_conductors(
    name: str,
    learned: Learned,
    asked: pd.DataFrame,
    labels: pd.DataFrame,
    manifest: pd.DataFrame,
) -> pd.DataFrame:
    """Find the known fast conductors that are nearest to each material asked about."""
    training = learned.training
    domain = Domain.around(training.x[:, get_classifier(name).read_positions])
    apart = domain.to_each(asked.to_numpy()) / domain.reach
    rows = []
    for material_id, distances in zip(asked.index, apart, strict=True):
        itself = training.members.get(material_id)
        order = [
            i for i in np.argsort(distances, kind="stable") if training.material_id[i] != itself
        ]
        conductors = [i for i in order if training.y[i]][:N_CONDUCTORS]
        for rank, i in enumerate(conductors, start=1):
            n_slow = sum(not training.y[j] for j in order[: order.index(i)])
            found = (training.material_id[i], distances[i], n_slow)
            rows.append((material_id, name, rank, *found))
    table = pd.DataFrame(rows, columns=NEIGHBOUR_COLUMNS[:6])
    known = labels.set_index("material_id")[["sigma_rt_s_cm", "is_upper_bound"]]
    formulas = manifest.set_index("material_id")["reduced_formula"]
    return table.join(known, on="neighbour_id").join(formulas, on="neighbour_id")


def _stack(tables: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    parts = [table for table in tables if len(table)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
