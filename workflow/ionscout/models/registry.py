"""The classifiers by name: train, save and load them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ionscout.config import ModelSettings
from ionscout.errors import ModelError
from ionscout.models import logistic, sendek2017
from ionscout.models.base import Classifier
from ionscout.models.predictor import Predictor, select_matrix
from ionscout.models.training_set import TrainingSet, make_training_set
from ionscout.models.validation import (
    held_out_probabilities,
    published_probabilities,
    validate,
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
        leave-one-out probability.
    metrics : DataFrame
        Columns model, metric, value, low, high, n, note; see `validate`.
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
        Columns material_id, duplicate_of, chemical_system.
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
    judge = held_out_probabilities if classifier.learns else published_probabilities
    metrics, probability_loo = validate(
        name, partial(judge, estimator), training, note=classifier.note, seed=seed
    )
    reason = training.unusable if classifier.learns else ""
    if classifier.learns and not reason:
        estimator.fit(training.x, training.y)
    predictor = Predictor(name, classifier.columns, None if reason else estimator, reason)
    predictions = predictor.predict(features)
    if classifier.learns and not reason:
        held_out = pd.Series(probability_loo, index=training.material_id)
        loo = predictions["material_id"].map(training.members).map(held_out)
    else:
        loo = pd.Series(float("nan"), index=predictions.index)
    predictions = predictions.assign(in_training=loo.notna(), probability_loo=loo.astype(float))
    return TrainedModel(predictor, predictions, metrics, _provenance(training, settings, seed))


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
