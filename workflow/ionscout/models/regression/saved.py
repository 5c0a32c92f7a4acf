"""A trained regressor on disk: JSON with a checksum, and nothing that runs when it is read."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ionscout.errors import ModelError
from ionscout.models.regression.description import COLUMNS
from ionscout.models.regression.registry import get_regressor
from ionscout.models.regression.replicated import Replicated
from ionscout.models.regression.training import TrainedRegressor
from ionscout.models.saved_model import checksum, first_fault
from ionscout.models.skops_format import dump_skops, load_skops

FORMAT = "ionscout-regressor-1"


class _SavedRegressor(BaseModel):
    """The keys of a regressor's JSON."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)

    format: str
    model: str
    columns: list[str]
    estimators: dict[str, dict[str, Any]]
    targets: dict[str, dict[str, Any]]
    versions: dict[str, str]
    settings: dict[str, Any]
    seed: int
    sha256: str


def dump_regressor(trained: TrainedRegressor) -> dict[str, Any]:
    """Describe a regressor in full, without pickle.

    Parameters
    ----------
    trained : TrainedRegressor

    Returns
    -------
    dict
        What `load_regressor` takes; holds nothing that JSON cannot.
    """
    content = {
        "format": FORMAT,
        "model": trained.name,
        "columns": list(COLUMNS),
        "estimators": {name: dump_skops(fitted) for name, fitted in trained.estimators.items()},
        **trained.provenance,
    }
    return {**content, "sha256": checksum(content)}


def load_regressor(content: dict[str, Any]) -> dict[str, Replicated]:
    """Make the estimators of a regressor again.

    Parameters
    ----------
    content : dict
        As `dump_regressor` returns it.

    Returns
    -------
    dict of str to Replicated
        By target; each predicts as the saved one did, to the bit.

    Raises
    ------
    ModelError
        The content is unknown, incomplete or changed, or holds an untrusted type.
    """
    try:
        saved = _SavedRegressor.model_validate(content)
    except ValidationError as error:
        raise ModelError(f"saved regressor: {first_fault(error)}; train it again") from None
    regressor = get_regressor(saved.model)
    if saved.format != FORMAT:
        raise _refuse(saved, f"its format is not {FORMAT!r}")
    if checksum({key: value for key, value in content.items() if key != "sha256"}) != saved.sha256:
        raise _refuse(saved, "its checksum is wrong")
    if saved.columns != list(COLUMNS) or not set(saved.estimators) <= set(regressor.targets):
        raise _refuse(saved, "it reads other columns or predicts something else")
    try:
        return {
            target: load_skops(parameters, kind=Replicated, n_columns=len(COLUMNS))
            for target, parameters in saved.estimators.items()
        }
    except ValueError as error:
        raise _refuse(saved, str(error)) from None


def _refuse(saved: _SavedRegressor, fault: str) -> ModelError:
    return ModelError(f"saved regressor {saved.model!r}: {fault}; train it again")
