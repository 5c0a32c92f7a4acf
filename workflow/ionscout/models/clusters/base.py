"""What every clustering takes and returns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from ionscout.models._missing import LARGEST
from ionscout.models._scaling import find_constant

EQUAL_WITHIN = 1e-6


class Clustering(NamedTuple):
    """Materials in groups; no label has entered.

    Attributes
    ----------
    clusters : DataFrame
        Columns material_id, cluster (Int64, 1..k, NA without descriptors),
        reason (why it is NA, else empty), note (on columns and number of clusters, else empty).
    linkage : array of float, shape (n - 1, 4)
        SciPy's linkage matrix over the n clustered materials; shape (0, 4) where the
        method makes no dendrogram.
    material_id : array of str, shape (n,)
        The clustered materials, in the linkage's order.
    numbers : DataFrame
        What was looked at to choose the number of clusters, as `score_numbers` returns it,
        and the column is_chosen.
    """

    clusters: pd.DataFrame
    linkage: np.ndarray
    material_id: np.ndarray
    numbers: pd.DataFrame


class Complete(NamedTuple):
    """The materials that can be clustered.

    Attributes
    ----------
    rows : DataFrame of float, index material_id
        Their descriptors, sorted by id.
    reason : Series of str, index material_id
        For every material, in the order of the descriptor set: why it is left out, else empty.
    note : str
        The columns that were left out, or empty.
    """

    rows: pd.DataFrame
    reason: pd.Series
    note: str


def take_complete(features: pd.DataFrame, columns: tuple[str, ...]) -> Complete:
    """Keep the materials that have all descriptors.

    A value beyond 1e30 on either side counts as missing: squares of such overflow. A column
    without any value is left out first, so that it does not take all materials with it;
    where no column has one, no material is kept.

    Parameters
    ----------
    features : DataFrame, index material_id
        A descriptor set, with or without its column `reason`.
    columns : tuple of str
        The columns to keep; all where empty.

    Returns
    -------
    Complete
    """
    chosen = list(columns) or features.columns.drop("reason", errors="ignore")
    given = features[chosen].astype(float)
    usable = given.where(given.abs() <= LARGEST)
    known = usable.dropna(axis="columns", how="all")
    rows = known.dropna() if known.shape[1] else known.iloc[:0]
    empty = [str(name) for name in usable.columns.difference(known.columns)]
    note = f"left out, no material has a value: {', '.join(empty)}" if empty else ""
    return Complete(
        rows.sort_index(), _say_why(features, given, rows.index), note if known.shape[1] else ""
    )


def _say_why(features: pd.DataFrame, given: pd.DataFrame, kept: pd.Index) -> pd.Series:
    """Give the reason why materials are left out: that of the descriptor set, or else ours."""
    stated = features["reason"].fillna("") if "reason" in features else ""
    is_beyond = (given.abs() > LARGEST).any(axis=1)
    ours = np.where(is_beyond, f"descriptors beyond {LARGEST:.0e}", "descriptors are missing")
    reason = np.where(stated == "", ours, stated)
    return pd.Series(np.where(features.index.isin(kept), "", reason), index=features.index)


def standardise(matrix: np.ndarray) -> np.ndarray:
    """Scale the columns to mean 0 and deviation 1; a constant column becomes 0.

    Parameters
    ----------
    matrix : array of float, shape (n, p)

    Returns
    -------
    array of float, shape (n, p)
    """
    centred = matrix - matrix.mean(axis=0)
    deviation = centred.std(axis=0)
    is_constant = find_constant(matrix)
    return np.where(is_constant, 0.0, centred / np.where(is_constant, 1.0, deviation))


def distinct_rows(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put equal rows together.

    Parameters
    ----------
    matrix : array of float, shape (n, p)

    Returns
    -------
    first : array of int, shape (u,)
        A row of each kind. Rows are equal when no value differs by more than about a
        millionth of the largest difference from a column's mean.
    kind : array of int, shape (n,)
        The kind of each row, as an index of `first`.
    """
    centred = matrix - matrix.mean(axis=0)
    spread = np.abs(centred).max(initial=0.0)
    is_spread = spread > 1e-12 * np.abs(matrix).max(initial=0.0)
    unit = EQUAL_WITHIN * spread if is_spread else np.inf
    rounded = np.ascontiguousarray(np.rint(centred / unit), dtype=np.int64)
    rows = rounded.view(np.dtype((np.void, rounded.itemsize * rounded.shape[1])))
    _, first, kind = np.unique(rows.ravel(), return_index=True, return_inverse=True)
    return first, kind


def number_by_size(labels: np.ndarray) -> np.ndarray:
    """Give the largest cluster the number 0; of equal ones, that of the earliest row comes first.

    Parameters
    ----------
    labels : array of int, shape (n,)

    Returns
    -------
    array of int, shape (n,)
    """
    _, first, inverse, size = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first, -size))
    return np.argsort(order)[inverse]


def tabulate_clusters(
    reason: pd.Series, assigned: pd.Series, n_clusters: int, note: str = ""
) -> pd.DataFrame:
    """Write the table of a clustering.

    Parameters
    ----------
    reason : Series of str, index material_id
        Why a material is in no cluster, else empty.
    assigned : Series of int, indexed by material_id
        Cluster of each clustered material, 1..k.
    n_clusters : int
        The number asked for.
    note : str
        What else to remark.

    Returns
    -------
    DataFrame
        Columns material_id, cluster, reason, note, in the order of `reason`.
    """
    k = assigned.nunique()
    fewer = "" if k == n_clusters else f"{k} of {n_clusters} clusters: no more distinct materials"
    table = {
        "material_id": reason.index,
        "cluster": assigned.reindex(reason.index).astype("Int64").array,
        "reason": reason.array,
        "note": "; ".join(filter(None, (fewer, note))),
    }
    return pd.DataFrame(table, columns=list(table)).astype(
        {"material_id": str, "reason": str, "note": str}
    )
