"""Sendek's procedure on the campaign's labels: the best of all subsets of 20 descriptors."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ionscout.config import ModelSettings
from ionscout.features.sendek import PAPER_COLUMNS
from ionscout.models.base import Classifier
from ionscout.models.sendek2017 import COEFFICIENTS
from ionscout.models.subset_search import SubsetLogistic

_N = len(PAPER_COLUMNS)


class _Parameters(BaseModel):
    """A fitted regression, for columns before scaling; 0 outside the subset."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)

    coefficients: list[float] = Field(min_length=_N, max_length=_N)
    intercept: float
    scale: list[float] = Field(min_length=_N, max_length=_N)
    support: list[bool] = Field(min_length=_N, max_length=_N)


def _build(settings: ModelSettings, seed: int) -> SubsetLogistic:
    return SubsetLogistic(settings.ridge_penalty, max_features=settings.max_features)


def _dump(fitted: SubsetLogistic) -> dict[str, Any]:
    return {
        "coefficients": fitted.coef_[0].tolist(),
        "intercept": float(fitted.intercept_[0]),
        "scale": fitted.scale_.tolist(),
        "support": fitted.support_.tolist(),
    }


def _load(parameters: dict[str, Any]) -> SubsetLogistic:
    saved = _Parameters.model_validate(parameters)
    if min(saved.scale) <= 0:
        raise ValueError("a scale is not positive")
    fitted = SubsetLogistic()
    fitted.n_features_in_ = _N
    fitted.classes_ = np.array([False, True])
    fitted.coef_, fitted.intercept_ = np.array([saved.coefficients]), np.array([saved.intercept])
    fitted.scale_, fitted.support_ = np.array(saved.scale), np.array(saved.support)
    return fitted


def _linear_form(fitted: SubsetLogistic) -> tuple[np.ndarray, float]:
    return fitted.coef_[0], float(fitted.intercept_[0])


CLASSIFIER = Classifier(
    columns=PAPER_COLUMNS,
    learns=True,
    build=_build,
    dump=_dump,
    load=_load,
    linear=_linear_form,
    published=COEFFICIENTS,
    note="the subset is searched anew in every fold",
)
