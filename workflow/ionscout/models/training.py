"""Train a classifier on the campaign's labels, and judge every material by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import has_fit_parameter

from ionscout.config import ModelSettings
from ionscout.errors import ModelError
from ionscout.models.base import Classifier
from ionscout.models.domain import Domain
from ionscout.models.held_out import BaseRateClassifier, fit_rows
from ionscout.models.importance import permute_columns, tabulate_coefficients
from ionscout.models.predictor import Predictor, select_matrix
from ionscout.models.registry import get_classifier
from ionscout.models.saved_model import dump_model
from ionscout.models.training_set import TrainingSet, join_feature_sets, make_training_set
from ionscout.models.uncertainty import COLUMNS as DOUBTS
from ionscout.models.uncertainty import fit_resamples, spread_of, tabulate_uncertainty
from ionscout.models.validation import (
    Validation,
    validate,
    validate_nothing,
    validate_published,
)

PACKAGES = ("ionscout", "scikit-learn", "numpy", "scipy", "skops")


@dataclass(frozen=True)
class TrainedModel:
    """A classifier after training, with what it says, how well, and why.

    Attributes
    ----------
    predictor : Predictor
        Judges further materials.
    predictions : DataFrame
        One row a material of the manifest: material_id, probability, reason,
        in_training, probability_loo (leave-one-out, twins left out with it, NaN outside
        the training set),
        uncertainty, spread, distance, in_domain (see `tabulate_uncertainty` and
        `Domain`). A duplicate of a training material is in training too, and shares
        its leave-one-out probability; the four doubts are then those of the material
        held out with its chemical system. For a published model every compound that its
        authors are known to have fitted it to, by reduced formula, is in training,
        and no leave-one-out probability or spread can be had.
    metrics, curves : DataFrame
        See `Validation`.
    coefficients, importance : DataFrame
        See `tabulate_coefficients` and `permute_columns`.
    provenance : dict
        n_training, n_fast, n_pool, data_sha256, versions, settings, seed.
    """

    predictor: Predictor
    predictions: pd.DataFrame
    metrics: pd.DataFrame
    curves: pd.DataFrame
    coefficients: pd.DataFrame
    importance: pd.DataFrame
    provenance: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Describe the model in full, without pickle.

        Returns
        -------
        dict
            What `load_model` takes; holds nothing that JSON cannot.
        """
        return dump_model(self.predictor, self.provenance)


class Learned(NamedTuple):
    """What a classifier can learn from, and everything it is asked about.

    Attributes
    ----------
    features : DataFrame, index material_id
        The sets side by side, a row for every material of the manifest.
    training : TrainingSet
    """

    features: pd.DataFrame
    training: TrainingSet


def gather_training(
    name: str,
    tables: Mapping[str, pd.DataFrame],
    labels: pd.DataFrame,
    manifest: pd.DataFrame,
    settings: ModelSettings,
) -> Learned:
    """Join a classifier's descriptors with the labels.

    Parameters
    ----------
    name, tables, labels, manifest, settings
        As in `train_model`.

    Returns
    -------
    Learned

    Raises
    ------
    ModelError
        No such classifier, or a descriptor column is missing.
    """
    features = _of_manifest(join_feature_sets(tables), manifest)
    matrix = select_matrix(name, features, get_classifier(name).columns)
    training = make_training_set(
        matrix, labels, manifest, fast_threshold_s_cm=settings.fast_threshold_s_cm
    )
    return Learned(features, training)


def train_model(
    name: str,
    tables: Mapping[str, pd.DataFrame],
    labels: pd.DataFrame,
    manifest: pd.DataFrame,
    settings: ModelSettings,
    seed: int,
) -> TrainedModel:
    """Train a classifier on the labels, validate it and judge every material.

    Too few labels, or labels of one class, are no error: a model that learns
    then gives no probabilities, and says why; a published one gives them anyway.

    Parameters
    ----------
    name : str
        One of `CLASSIFIERS`.
    tables : mapping of str to DataFrame, index material_id
        The classifier's descriptor sets by name, with the column `reason`; those of
        `CLASSIFIER_SETS`.
    labels : DataFrame
        As `join_labels` returns it.
    manifest : DataFrame
        Columns material_id, duplicate_of, chemical_system, reduced_formula.
    settings : ModelSettings
        The campaign's.
    seed : int
        The campaign's.

    Returns
    -------
    TrainedModel

    Raises
    ------
    ModelError
        No such classifier, or a descriptor column is missing.
    """
    classifier = get_classifier(name)
    features, training = gather_training(name, tables, labels, manifest, settings)
    judge = _learn if classifier.learns else _take_as_published
    judged = judge(name, classifier, training, manifest, settings, seed)
    found, reason = judged.validation, judged.reason
    estimator = None if reason else classifier.judge(judged.fitted)
    predictor = Predictor(name, classifier.reads, estimator, reason)
    predictions = predictor.predict(features)
    doubts = _doubt(classifier, judged, training, features, predictions)
    return TrainedModel(
        predictor,
        pd.concat([_add_held_out(predictions, judged), doubts], axis=1),
        found.metrics,
        found.curves,
        tabulate_coefficients(name, classifier, judged.fitted, training, found.folds),
        permute_columns(name, classifier.columns, training, found.folds, seed=seed),
        _provenance(training, settings, seed),
    )


class _Judged(NamedTuple):
    """A classifier that was fitted, or not, and what is known of it."""

    validation: Validation
    fitted: BaseEstimator | None
    reason: str
    in_training: pd.Index
    row_of: pd.Series
    domain: Domain | None
    resamples: list[BaseEstimator]


def _learn(
    name: str,
    classifier: Classifier,
    training: TrainingSet,
    manifest: pd.DataFrame,
    settings: ModelSettings,
    seed: int,
) -> _Judged:
    """Validate the classifier, then fit it to all labels, where there is something to learn."""
    estimator = classifier.build(settings, seed)
    note = _note(classifier, estimator, training)
    read = classifier.read_positions
    if training.unusable:
        return _learned_nothing(name, training, training.unusable)
    rows = np.arange(len(training.y))
    try:
        found = validate(name, estimator, training, settings, read=read, note=note, seed=seed)
        fitted = fit_rows(estimator, training, rows)
        resamples = fit_resamples(estimator, training, rows, seed=seed)
    except ModelError as error:  # one odd material is no reason to stop the campaign
        return _learned_nothing(name, training, str(error))
    row_of = training.members.map(pd.Series(rows, index=training.material_id))
    domain = Domain.around(training.x[:, read])
    return _Judged(found, fitted, "", row_of.index, row_of, domain, resamples)


def _learned_nothing(name: str, training: TrainingSet, reason: str) -> _Judged:
    found = validate_nothing(name, training, reason)
    return _Judged(found, None, reason, pd.Index([]), pd.Series(dtype=int), None, [])


def _take_as_published(
    name: str,
    classifier: Classifier,
    training: TrainingSet,
    manifest: pd.DataFrame,
    settings: ModelSettings,
    seed: int,
) -> _Judged:
    """Score the estimator as it is; what its authors trained it on is told by formula."""
    estimator = classifier.build(settings, seed)
    formulas = manifest.set_index("material_id")["reduced_formula"]
    in_training = formulas.index[formulas.isin(classifier.trained_on)]
    seen = np.isin(training.material_id, in_training)
    found = validate_published(
        name, estimator, training, seen, settings, note=classifier.note, seed=seed
    )
    domain = Domain.around(training.x[seen]) if np.count_nonzero(seen) > 1 else None
    return _Judged(found, estimator, "", in_training, pd.Series(dtype=int), domain, [])


def _note(classifier: Classifier, estimator: BaseEstimator, training: TrainingSet) -> str:
    """Say what a reader of the scores has to know, the size of the pool included."""
    if not has_fit_parameter(estimator, "pool") or training.pool is None:
        return classifier.note
    return f"{classifier.note}; {len(training.pool.x)} materials in the pool"


def _add_held_out(predictions: pd.DataFrame, judged: _Judged) -> pd.DataFrame:
    """Say which materials were learned from, and what is said of them when they are left out."""
    loo = judged.validation.probability_loo
    ids = predictions["material_id"]
    held_out = judged.row_of.map(dict(enumerate(loo)))
    return predictions.assign(
        in_training=ids.isin(judged.in_training),
        probability_loo=ids.map(held_out).astype(float),
    )


def _doubt(
    classifier: Classifier,
    judged: _Judged,
    training: TrainingSet,
    features: pd.DataFrame,
    predictions: pd.DataFrame,
) -> pd.DataFrame:
    """Compute the doubts of every material; those learned from have their held-out ones."""
    matrix = select_matrix("", features, classifier.reads).to_numpy()
    known = np.isfinite(predictions["probability"].to_numpy())
    spread, distance = np.full((2, len(known)), np.nan)
    if known.any() and judged.resamples:
        models = [_judging(classifier, model) for model in judged.resamples]
        spread[known] = spread_of(models, matrix[known])
    if known.any() and judged.domain is not None:
        distance[known] = judged.domain.distance(matrix[known])
    doubts = tabulate_uncertainty(predictions["probability"].to_numpy(), spread, distance)
    rows = predictions["material_id"].map(judged.row_of)
    learned = rows.notna().to_numpy()
    if learned.any():
        held_out = judged.validation.doubts.loc[rows[learned].astype(int), DOUBTS]
        doubts.loc[learned] = held_out.set_axis(doubts.index[learned])
    return doubts


def _judging(classifier: Classifier, model: BaseEstimator) -> BaseEstimator:
    """Take the part of a fitted model that reads the judged columns alone."""
    return model if isinstance(model, BaseRateClassifier) else classifier.judge(model)


def _of_manifest(features: pd.DataFrame, manifest: pd.DataFrame) -> pd.DataFrame:
    """Bring the descriptors into the manifest's order, a row for every material."""
    ids = pd.Index(manifest["material_id"], name="material_id")
    ordered = features.reindex(ids)
    ordered.loc[~ids.isin(features.index), "reason"] = "not described"
    return ordered


def _provenance(training: TrainingSet, settings: ModelSettings, seed: int) -> dict[str, Any]:
    return {
        "n_training": len(training.y),
        "n_fast": int(training.y.sum()),
        "n_pool": 0 if training.pool is None else len(training.pool.x),
        "data_sha256": training.sha256,
        "versions": {package: version(package) for package in PACKAGES},
        "settings": settings.model_dump(mode="json", exclude={"names"}),
        "seed": seed,
    }
