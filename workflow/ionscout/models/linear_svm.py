"""Linear support-vector machine on the composition alone (Cubuk 2019)."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from sklearn.svm import SVC

from ionscout.config import ModelSettings
from ionscout.features.elemental import COLUMNS
from ionscout.models._svm import CalibratedSVM
from ionscout.models.base import Classifier

CANDIDATES = tuple({"kernel": "linear", "C": c} for c in (0.01, 0.1, 1.0, 10.0))


class LinearSVM(CalibratedSVM):
    """Maximum-margin hyperplane, C chosen and probabilities calibrated in inner folds.

    Parameters
    ----------
    candidates, n_folds, random_state
        As in `CalibratedSVM`.

    Attributes
    ----------
    coef_ : array of float, shape (n_columns,)
        Weights of the standardised columns in the decision value.
    intercept_ : float

    References
    ----------
    Cubuk et al., J. Chem. Phys. 150, 214701 (2019), doi:10.1063/1.5093220.
    """

    def __init__(self, candidates=CANDIDATES, n_folds: int = 5, random_state: int = 0):
        super().__init__(candidates, n_folds, random_state)

    def _keep(self, machine: SVC) -> None:
        self.coef_, self.intercept_ = machine.coef_[0].copy(), float(machine.intercept_[0])

    def _decide(self, z: np.ndarray) -> np.ndarray:
        return z @ self.coef_ + self.intercept_


def linear_form(fitted: LinearSVM) -> tuple[np.ndarray, float]:
    """Write the log-odds as weights of the columns before scaling.

    Parameters
    ----------
    fitted : LinearSVM

    Returns
    -------
    weights : array of float, shape (n_columns,)
    intercept : float
    """
    weights = fitted.slope_ * fitted.coef_ / fitted.scale_
    intercept = fitted.slope_ * fitted.intercept_ + fitted.offset_ - weights @ fitted.mean_
    return weights, float(intercept)


class _Parameters(BaseModel):
    """A fitted machine; lists have one entry a column."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)

    mean: list[float] = Field(min_length=len(COLUMNS), max_length=len(COLUMNS))
    scale: list[float] = Field(min_length=len(COLUMNS), max_length=len(COLUMNS))
    coefficients: list[float] = Field(min_length=len(COLUMNS), max_length=len(COLUMNS))
    intercept: float
    slope: float = Field(ge=0)
    offset: float
    penalty_c: float = Field(gt=0)


def _dump(fitted: LinearSVM) -> dict[str, Any]:
    return {
        "mean": fitted.mean_.tolist(),
        "scale": fitted.scale_.tolist(),
        "coefficients": fitted.coef_.tolist(),
        "intercept": fitted.intercept_,
        "slope": fitted.slope_,
        "offset": fitted.offset_,
        "penalty_c": fitted.settings_["C"],
    }


def _load(parameters: dict[str, Any]) -> LinearSVM:
    saved = _Parameters.model_validate(parameters)
    if min(saved.scale) <= 0:
        raise ValueError("a scale is not positive")
    fitted = LinearSVM()
    fitted.n_features_in_ = len(saved.mean)
    fitted.classes_ = np.array([False, True])
    fitted.mean_, fitted.scale_ = np.array(saved.mean), np.array(saved.scale)
    fitted.coef_, fitted.intercept_ = np.array(saved.coefficients), saved.intercept
    fitted.slope_, fitted.offset_ = saved.slope, saved.offset
    fitted.settings_ = {"kernel": "linear", "C": saved.penalty_c}
    return fitted


def build(settings: ModelSettings, seed: int) -> LinearSVM:
    """Make the unfitted estimator.

    Parameters
    ----------
    settings : ModelSettings
    seed : int
        Seed of the inner folds.

    Returns
    -------
    LinearSVM
    """
    return LinearSVM(n_folds=settings.n_folds, random_state=seed)


CLASSIFIER = Classifier(
    columns=COLUMNS,
    learns=True,
    build=build,
    dump=_dump,
    load=_load,
    linear=linear_form,
    note="composition alone: polymorphs are one to it",
)
