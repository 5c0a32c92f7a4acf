"""Logistic regression on Sendek's five descriptors, retrained on the campaign's labels."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from ionscout.config import ModelSettings
from ionscout.models.base import Classifier
from ionscout.models.sendek2017 import COEFFICIENTS, SENDEK_COLUMNS


def build_logistic(*, ridge_penalty: float, seed: int) -> Pipeline:
    """Make the unfitted pipeline.

    With standardised columns x, the weights w and the intercept b minimise
    the log loss summed over the training materials plus
    ridge_penalty / 2 * |w|^2; b goes unpenalised. Some tens of points in five
    dimensions may separate perfectly: without the penalty w has no optimum.

    Parameters
    ----------
    ridge_penalty : float
        Above 0; 1 weighs as a standard normal prior on each weight.
    seed : int
        Random state of the solver.

    Returns
    -------
    Pipeline
        Steps `scale` (StandardScaler) and `classify` (LogisticRegression).
    """
    classify = LogisticRegression(
        solver="newton-cholesky", C=1 / ridge_penalty, max_iter=10_000, tol=1e-8, random_state=seed
    )
    return Pipeline([("scale", StandardScaler()), ("classify", classify)])


def linear_form(pipeline: Pipeline) -> tuple[np.ndarray, float]:
    """Write the log-odds as weights of the columns before scaling.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, of `build_logistic`.

    Returns
    -------
    weights : array of float, shape (n_columns,)
    intercept : float
    """
    scaler, regression = pipeline["scale"], pipeline["classify"]
    weights = regression.coef_[0] / scaler.scale_
    return weights, float(regression.intercept_[0] - weights @ scaler.mean_)


class _Parameters(BaseModel):
    """A fitted pipeline, for columns before scaling: all lists have one entry a column."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)

    mean: list[float]
    scale: list[float]
    coefficients: list[float]
    intercept: float


def dump_logistic(pipeline: Pipeline) -> dict[str, Any]:
    """Write a fitted pipeline as parameters that JSON can hold.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, of `build_logistic`.

    Returns
    -------
    dict
    """
    scaler, regression = pipeline["scale"], pipeline["classify"]
    return {
        "mean": scaler.mean_.tolist(),
        "scale": scaler.scale_.tolist(),
        "coefficients": regression.coef_[0].tolist(),
        "intercept": float(regression.intercept_[0]),
    }


def load_logistic(parameters: dict[str, Any], *, n_columns: int) -> Pipeline:
    """Make a fitted pipeline again.

    Parameters
    ----------
    parameters : dict
        As `dump_logistic` returns it.
    n_columns : int
        How many columns it has to read.

    Returns
    -------
    Pipeline

    Raises
    ------
    ValueError
        The parameters are no such pipeline's.
    """
    saved = _Parameters.model_validate(parameters)
    lengths = {len(saved.mean), len(saved.scale), len(saved.coefficients)}
    if lengths != {n_columns}:
        raise ValueError(f"its lists do not have {n_columns} entries")
    if min(saved.scale) <= 0:
        raise ValueError("a scale is not positive")
    pipeline = build_logistic(ridge_penalty=1.0, seed=0)
    scaler, regression = pipeline["scale"], pipeline["classify"]
    scaler.mean_, scaler.scale_ = np.array(saved.mean), np.array(saved.scale)
    scaler.n_features_in_ = regression.n_features_in_ = n_columns
    regression.coef_ = np.array([saved.coefficients])
    regression.intercept_ = np.array([saved.intercept])
    regression.classes_ = np.array([False, True])
    return pipeline


def _build(settings: ModelSettings, seed: int) -> Pipeline:
    return build_logistic(ridge_penalty=settings.ridge_penalty, seed=seed)


CLASSIFIER = Classifier(
    columns=SENDEK_COLUMNS,
    learns=True,
    build=_build,
    dump=dump_logistic,
    load=partial(load_logistic, n_columns=len(SENDEK_COLUMNS)),
    linear=linear_form,
    published=COEFFICIENTS,
)
