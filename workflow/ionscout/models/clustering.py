"""What every clustering returns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd


class Clustering(NamedTuple):
    """Materials in groups; no label has entered.

    Attributes
    ----------
    clusters : DataFrame
        Columns material_id, cluster (Int64, 1..k, NA without descriptors),
        reason (why it is NA, else empty), note (on the number of clusters, else empty).
    linkage : array of float, shape (n - 1, 4)
        SciPy's linkage matrix over the n clustered materials.
    material_id : array of str, shape (n,)
        The clustered materials, in the linkage's order.
    """

    clusters: pd.DataFrame
    linkage: np.ndarray
    material_id: np.ndarray


def tabulate_clusters(features: pd.DataFrame, assigned: pd.Series, n_clusters: int) -> pd.DataFrame:
    """Write the table of a clustering.

    Parameters
    ----------
    features : DataFrame, index material_id
        The descriptor set; its column `reason` says why a row is incomplete.
    assigned : Series of int, indexed by material_id
        Cluster of each clustered material, 1..k.
    n_clusters : int
        The number asked for.

    Returns
    -------
    DataFrame
        Columns material_id, cluster, reason, note, in the order of `features`.
    """
    ids = features.index
    stated = features["reason"].fillna("") if "reason" in features else pd.Series("", index=ids)
    k = assigned.nunique()
    note = "" if k == n_clusters else f"{k} of {n_clusters} clusters: no more distinct materials"
    left_out = ~ids.isin(assigned.index)
    reason = np.where(left_out, np.where(stated == "", "descriptors are missing", stated), "")
    clusters = assigned.reindex(ids).astype("Int64").array
    table = {"material_id": ids, "cluster": clusters, "reason": reason, "note": note}
    return pd.DataFrame(table, columns=list(table)).astype(
        {"material_id": str, "reason": str, "note": str}
    )
