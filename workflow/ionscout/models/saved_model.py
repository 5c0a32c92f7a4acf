"""A trained classifier on disk: JSON with a checksum, and nothing that runs when it is read."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ionscout.config import CLASSIFIER_SETS
from ionscout.errors import ModelError
from ionscout.models.predictor import Predictor
from ionscout.models.registry import get_classifier
from ionscout.models.skops_format import KEY, refuse_other_version

FORMAT = "ionscout-model-2"


class _SavedModel(BaseModel):
    """The keys of a model's JSON."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)

    format: str
    model: str
    feature_sets: list[str]
    feature_names: list[str]
    parameters: dict[str, Any] | None
    reason: str
    n_training: int = Field(ge=0)
    n_fast: int = Field(ge=0)
    n_pool: int = Field(ge=0)
    data_sha256: str
    versions: dict[str, str]
    settings: dict[str, Any]
    seed: int
    sha256: str


def dump_model(predictor: Predictor, provenance: dict[str, Any]) -> dict[str, Any]:
    """Describe a model in full, without pickle.

    Parameters
    ----------
    predictor : Predictor
    provenance : dict
        n_training, n_fast, n_pool, data_sha256, versions, settings, seed.

    Returns
    -------
    dict
        What `load_model` takes; holds nothing that JSON cannot.
    """
    classifier = get_classifier(predictor.name)
    estimator = predictor.estimator
    content = {
        "format": FORMAT,
        "model": predictor.name,
        "feature_sets": list(CLASSIFIER_SETS[predictor.name]),
        "feature_names": list(classifier.reads),
        "parameters": None if estimator is None else classifier.dump(estimator),
        "reason": predictor.reason,
        **provenance,
    }
    return {**content, "sha256": checksum(content)}


def load_model(content: dict[str, Any]) -> Predictor:
    """Make a model again from its JSON.

    Parameters
    ----------
    content : dict
        As `dump_model` returns it.

    Returns
    -------
    Predictor
        Predicts as the saved one did, to the bit.

    Raises
    ------
    ModelError
        The content is unknown, incomplete or changed, or holds an untrusted type.
    """
    try:
        saved = _SavedModel.model_validate(content)
    except ValidationError as error:
        raise ModelError(f"saved model: {first_fault(error)}; train it again") from None
    if saved.format != FORMAT:
        raise ModelError(f"saved model: format {saved.format!r} is not {FORMAT!r}; train it again")
    classifier = get_classifier(saved.model)
    if checksum({k: v for k, v in content.items() if k != "sha256"}) != saved.sha256:
        raise _refuse(saved, "its checksum is wrong")
    is_same = tuple(saved.feature_sets) == CLASSIFIER_SETS[saved.model]
    if tuple(saved.feature_names) != classifier.reads or not is_same:
        raise _refuse(saved, "it reads other descriptors")
    if (saved.parameters is None) != bool(saved.reason):
        raise _refuse(saved, "no parameters and no reason")
    if saved.parameters is None:
        return Predictor(saved.model, classifier.reads, None, saved.reason)
    try:
        if KEY in saved.parameters:
            refuse_other_version(saved.versions)
        estimator = classifier.load(saved.parameters)
    except ValidationError:
        raise _refuse(saved, "its parameters are not its own") from None
    except ValueError as error:
        raise _refuse(saved, str(error)) from None
    return Predictor(saved.model, classifier.reads, estimator, "")


def first_fault(error: ValidationError) -> str:
    """Say what is wrong with a saved model's JSON, and with which key.

    Parameters
    ----------
    error : ValidationError

    Returns
    -------
    str
    """
    fault = error.errors()[0]
    return f"{'.'.join(map(str, fault['loc'])) or 'content'}: {fault['msg']}"


def checksum(content: dict[str, Any]) -> str:
    """Hash what JSON can hold.

    Parameters
    ----------
    content : dict

    Returns
    -------
    str
        SHA-256 in hexadecimal.
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _refuse(saved: _SavedModel, fault: str) -> ModelError:
    return ModelError(f"saved model {saved.model!r}: {fault}; train it again")
