"""Whether a material is like those that a regressor learned from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ionscout.models.domain import Domain
from ionscout.models.regression.preparation import Preparation


def measure_distance(learned: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Compute how far materials are from those that were learned from.

    Parameters
    ----------
    learned : array of float, shape (n, n_columns)
        Descriptions, NaN where missing; the medians that stand in are theirs.
    asked : array of float, shape (n_asked, n_columns)

    Returns
    -------
    array of float, shape (n_asked,)
        As `Domain` measures it: at most 1 is inside. NaN where nothing of a row is known, and
        everywhere where fewer than two materials were learned from.
    """
    distance = np.full(len(asked), np.nan)
    is_described = np.isfinite(asked).any(axis=1)
    if len(learned) > 1 and is_described.any():
        preparation = Preparation().fit(learned)
        domain = Domain.around(preparation.transform(learned))
        distance[is_described] = domain.distance(preparation.transform(asked[is_described]))
    return distance


def tabulate_domain(distance: np.ndarray) -> pd.DataFrame:
    """Say of each distance whether it is inside.

    Parameters
    ----------
    distance : array of float, shape (n,)
        NaN where there is none.

    Returns
    -------
    DataFrame
        Columns distance, in_domain; the latter nullable.
    """
    inside = pd.array(distance <= 1, dtype="boolean")
    inside[~np.isfinite(distance)] = pd.NA
    return pd.DataFrame({"distance": distance, "in_domain": inside})
