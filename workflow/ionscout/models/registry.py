"""The classifiers by name: train, save and load them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sklearn.base import BaseEstimator

from ionscout.config import ModelSettings
from ionscout.errors import ModelError
from ionscout.models import logistic, sendek2017
from ionscout.models.base import Classifier
from ionscout.models.predictor import Predictor, select_matrix
from ionscout.models.training_set import TrainingSet, make_training_set
from ionscout.models.validation import (
    held_out_probabilities,
    validate,
    validate_published,
)

CLASSIFIERS: dict[str, Classifier] = {
    "sendek2017": sendek2017.CLASSIFIER,
    "logistic": logistic.CLASSIFIER,
}
FORMAT = "ionscout-model-1"


@dataclass(frozen=True)
class TrainedModel:
    """A classifier after training, with what it says and how well.

    Attributes
    ----------
    predictor : Predictor
        Judges further materials.
    predictions : DataFrame
        One row a material of the manifest: material_id, probability, reason,
        in_training, probability_loo (leave-one-out, NaN outside the training set).
        A duplicate of a training material is in training too, and shares its
        leave-one-out probability. For a published model every compound that its
        authors are known to have fitted it to, by reduced formula, is in training,
        and no leave-one-out probability can be had.
    metrics : DataFrame
        Columns model, metric, value, low, high, n, note; see `validate` and, for a
        published model, `validate_published`.
    provenance : dict
        n_training, n_fast, data_sha256, versions, settings, seed.
    """

    predictor: Predictor
    predictions: pd.DataFrame
    metrics: pd.DataFrame
    provenance: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Describe the model in full, without pickle.

        Returns
        -------
        dict
            What `load_model` takes; holds nothing that JSON cannot.
        """
        name, estimator = self.predictor.name, self.predictor.estimator
        classifier = CLASSIFIERS[name]
        content = {
            "format": FORMAT,
            "model": name,
            "feature_set": classifier.feature_set,
            "feature_names": list(classifier.columns),
            "parameters": None if estimator is None else classifier.dump(estimator),
            "reason": self.predictor.reason,
            **self.provenance,
        }
        return {**content, "sha256": _checksum(content)}


class _SavedModel(BaseModel):
    """The keys of a model's JSON."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)

    format: str
    model: str
    feature_set: str
    feature_names: list[str]
    parameters: dict[str, Any] | None
    reason: str
    n_training: int = Field(ge=0)
    n_fast: int = Field(ge=0)
    data_sha256: str
    versions: dict[str, str]
    settings: dict[str, Any]
    seed: int
    sha256: str


def train_model(
    name: str,
    features: pd.DataFrame,
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
    features : DataFrame, index material_id
        The classifier's descriptor set, with the column `reason`.
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
    classifier = _classifier(name)
    features = _of_manifest(features, manifest)
    matrix = select_matrix(name, features, classifier.columns)
    training = make_training_set(
        matrix, labels, manifest, fast_threshold_s_cm=settings.fast_threshold_s_cm
    )
    estimator = classifier.build(settings, seed)
    judge = _learn if classifier.learns else _take_as_published
    judged = judge(name, estimator, training, manifest, seed)
    usable = None if judged.reason else estimator
    predictor = Predictor(name, classifier.columns, usable, judged.reason)
    predictions = predictor.predict(features)
    ids = predictions["material_id"]
    predictions = predictions.assign(
        in_training=ids.isin(judged.in_training),
        probability_loo=ids.map(judged.probability_loo).astype(float),
    )
    provenance = _provenance(training, settings, seed)
    return TrainedModel(predictor, predictions, judged.metrics, provenance)


def load_model(content: dict[str, Any]) -> Predictor:
    """Make a model again from its JSON.

    Parameters
    ----------
    content : dict
        As `TrainedModel.to_json` returns it.

    Returns
    -------
    Predictor
        Predicts as the saved one did, to the bit.

    Raises
    ------
    ModelError
        The content is unknown, incomplete or changed.
    """
    try:
        saved = _SavedModel.model_validate(content)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"])) or "content"
        raise ModelError(f"saved model: {key}: {fault['msg']}; train it again") from None
    if saved.format != FORMAT:
        raise ModelError(f"saved model: format {saved.format!r} is not {FORMAT!r}; train it again")
    classifier = _classifier(saved.model)
    if _checksum({k: v for k, v in content.items() if k != "sha256"}) != saved.sha256:
        raise ModelError(f"saved model {saved.model!r}: its checksum is wrong; train it again")
    if tuple(saved.feature_names) != classifier.columns:
        raise ModelError(f"saved model {saved.model!r}: it reads other descriptors; train it again")
    if (saved.parameters is None) != bool(saved.reason):
        raise ModelError(
            f"saved model {saved.model!r}: no parameters and no reason; train it again"
        )
    if saved.parameters is None:
        return Predictor(saved.model, classifier.columns, None, saved.reason)
    try:
        estimator = classifier.load(saved.parameters)
    except ValueError:
        raise ModelError(
            f"saved model {saved.model!r}: its parameters are not its own; train it again"
        ) from None
    return Predictor(saved.model, classifier.columns, estimator, "")


class _Judged(NamedTuple):
    """What is known of a classifier beside its estimator."""

    metrics: pd.DataFrame
    in_training: pd.Index
    probability_loo: pd.Series
    reason: str


def _learn(
    name: str,
    estimator: BaseEstimator,
    training: TrainingSet,
    manifest: pd.DataFrame,
    seed: int,
) -> _Judged:
    """Validate the estimator, then fit it to all labels, where there is something to learn."""
    held_out = partial(held_out_probabilities, estimator)
    note = CLASSIFIERS[name].note
    metrics, probability_loo = validate(name, held_out, training, note=note, seed=seed)
    if training.unusable:
        return _Judged(metrics, pd.Index([]), pd.Series(dtype=float), training.unusable)
    estimator.fit(training.x, training.y)
    loo = training.members.map(pd.Series(probability_loo, index=training.material_id))
    return _Judged(metrics, loo.index, loo, "")


def _take_as_published(
    name: str,
    estimator: BaseEstimator,
    training: TrainingSet,
    manifest: pd.DataFrame,
    seed: int,
) -> _Judged:
    """Score the estimator as it is; what its authors trained it on is told by formula."""
    classifier = CLASSIFIERS[name]
    formulas = manifest.set_index("material_id")["reduced_formula"]
    in_training = formulas.index[formulas.isin(classifier.trained_on)]
    seen = np.isin(training.material_id, in_training)
    metrics = validate_published(name, estimator, training, seen, note=classifier.note, seed=seed)
    return _Judged(metrics, in_training, pd.Series(dtype=float), "")


def _classifier(name: str) -> Classifier:
    if name not in CLASSIFIERS:
        raise ModelError(f"no model {name!r}; there are {', '.join(sorted(CLASSIFIERS))}")
    return CLASSIFIERS[name]


def _of_manifest(features: pd.DataFrame, manifest: pd.DataFrame) -> pd.DataFrame:
    """Bring the descriptors into the manifest's order, a row for every material."""
    ids = pd.Index(manifest["material_id"], name="material_id")
    ordered = features.reindex(ids)
    ordered.loc[~ids.isin(features.index), "reason"] = "not described"
    return ordered


def _provenance(training: TrainingSet, settings: ModelSettings, seed: int) -> dict[str, Any]:
    packages = ("ionscout", "scikit-learn", "numpy")
    return {
        "n_training": len(training.y),
        "n_fast": int(training.y.sum()),
        "data_sha256": training.sha256,
        "versions": {package: version(package) for package in packages},
        "settings": settings.model_dump(mode="json", exclude={"names"}),
        "seed": seed,
    }


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
