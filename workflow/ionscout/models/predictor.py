"""A classifier ready to judge a table of descriptors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from ionscout.errors import ModelError
from ionscout.models._missing import find_known


@dataclass(frozen=True)
class Predictor:
    """A fitted classifier and the columns it reads.

    Attributes
    ----------
    name : str
        The classifier's.
    columns : tuple of str
        Descriptors, in the order of the estimator's matrix.
    estimator : scikit-learn classifier or None
        None where nothing could be learned.
    reason : str
        Why nothing could be learned, else empty.
    """

    name: str
    columns: tuple[str, ...]
    estimator: BaseEstimator | None
    reason: str

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """Compute the probability of fast conduction.

        Parameters
        ----------
        features : DataFrame, index material_id
            The model's descriptor set, with the column `reason`. What is infinite, or
            above 1e30 by size, counts as missing.

        Returns
        -------
        DataFrame
            Columns material_id, probability (NaN where there is none), reason
            (why, else empty); the rows of `features` in their order.

        Raises
        ------
        ModelError
            A descriptor column is missing.
        """
        matrix = select_matrix(self.name, features, self.columns)
        complete = find_known(matrix.to_numpy()).all(axis=1)
        probability = np.full(len(matrix), np.nan)
        if self.estimator is None:
            reason = [self.reason] * len(matrix)
        else:
            reason = _reasons(features, matrix, complete)
            if complete.any():
                x = matrix.to_numpy()[complete]
                probability[complete] = self.estimator.predict_proba(x)[:, 1]
        ids = matrix.index.to_numpy()
        predictions = {"material_id": ids, "probability": probability, "reason": reason}
        return pd.DataFrame(predictions).astype({"material_id": str, "reason": str})


def held_out_where_trained(predictions: pd.DataFrame) -> pd.Series:
    """Take the leave-one-out probability of each material that the model learned from.

    Parameters
    ----------
    predictions : DataFrame
        Columns probability and probability_loo, as `train_model` returns them.

    Returns
    -------
    Series
        Probability of fast, none of which has seen the material's own label or that of a
        twin, which the descriptors do not tell from it; but for what the authors of a
        published model fitted it to. Others of its chemical system have been seen.
    """
    return predictions["probability_loo"].fillna(predictions["probability"]).astype(float)


def select_matrix(name: str, features: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Take a model's columns out of its descriptor set.

    Parameters
    ----------
    name : str
        The model's, for the error.
    features : DataFrame, index material_id
        The descriptor set.
    columns : sequence of str
        What the model reads.

    Returns
    -------
    DataFrame of float, shape (n_materials, n_columns)

    Raises
    ------
    ModelError
        A column is missing.
    """
    missing = [column for column in columns if column not in features]
    if missing:
        raise ModelError(
            f"model {name!r} reads the descriptor {missing[0]!r}, which its table does not have; "
            "compute its descriptor set again"
        )
    return features[list(columns)].astype(float)


def _reasons(features: pd.DataFrame, matrix: pd.DataFrame, complete: np.ndarray) -> list[str]:
    """Say of each incomplete row why: in the words of its table, else by the missing column."""
    stated = features["reason"].fillna("") if "reason" in features else [""] * len(features)
    absent = ~find_known(matrix.to_numpy())
    return [
        "" if ok else (said or f"no value of {', '.join(matrix.columns[gone])}")
        for ok, said, gone in zip(complete, stated, absent, strict=True)
    ]
