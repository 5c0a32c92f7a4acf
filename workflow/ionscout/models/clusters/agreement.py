"""Whether the clusterings agree, on the whole and on what is promising."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

AGREEMENT_COLUMNS = [
    "clustering",
    "other",
    "adjusted_rand",
    "n_materials",
    "n_promising",
    "n_promising_other",
    "n_promising_both",
]
SUMMARY_COLUMNS = [
    "clustering",
    "n_materials",
    "n_clusters",
    "n_promising_clusters",
    "n_labelled",
    "n_labelled_promising",
    "n_fast",
    "n_fast_promising",
    "least_p_value_corrected",
]


def compare_clusterings(
    clusters: Mapping[str, pd.DataFrame], enrichments: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """Compare each pair of clusterings on the materials that both have clustered.

    Parameters
    ----------
    clusters : mapping of str to DataFrame
        By clustering: columns material_id and cluster (NA for what is in none).
    enrichments : mapping of str to DataFrame
        By clustering, as `enrich_clusters` returns it.

    Returns
    -------
    DataFrame
        One row a pair: clustering, other, adjusted_rand (1 for equal partitions, 0 on
        average for independent ones; NaN below two common materials), n_materials (in
        common); and of these, how many are in a promising cluster of the one, of the other
        and of both: n_promising, n_promising_other, n_promising_both.

    References
    ----------
    Hubert and Arabie, J. Classif. 2, 193 (1985), doi:10.1007/BF01908075.
    """
    placed = {name: _placed(table) for name, table in clusters.items()}
    promising = {
        name: table.loc[table["is_promising"].astype(bool), "cluster"]
        for name, table in enrichments.items()
    }
    rows = []
    for one, other in itertools.combinations(placed, 2):
        both = placed[one].index.intersection(placed[other].index)
        left, right = placed[one].loc[both], placed[other].loc[both]
        rand = adjusted_rand_score(left, right) if len(both) > 1 else np.nan
        in_one, in_other = left.isin(promising[one]), right.isin(promising[other])
        counts = in_one.sum(), in_other.sum(), (in_one & in_other).sum()
        rows.append((one, other, rand, len(both), *counts))
    return pd.DataFrame(rows, columns=AGREEMENT_COLUMNS)


def summarise_clusterings(enrichments: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Count where the known fast conductors fall, clustering by clustering.

    Parameters
    ----------
    enrichments : mapping of str to DataFrame
        By clustering, as `enrich_clusters` returns it.

    Returns
    -------
    DataFrame
        One row a clustering: clustering, n_materials, n_clusters,
        n_promising_clusters, n_labelled and n_fast (in all clusters), the same in the
        promising ones, and the least corrected p-value. That is corrected over the clusters
        of its own clustering alone: the least of several clusterings is smaller than it
        should be.
    """
    rows = []
    for name, table in enrichments.items():
        promising = table[table["is_promising"].astype(bool)]
        counts = {"n_materials": table["n_materials"].sum(), "n_clusters": len(table)}
        for column in ("n_labelled", "n_fast"):
            counts[column] = table[column].sum()
            counts[f"{column}_promising"] = promising[column].sum()
        least = table["p_value_corrected"].min()
        rows.append(
            {"clustering": name, "n_promising_clusters": len(promising), **counts}
            | {"least_p_value_corrected": least}
        )
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def _placed(clusters: pd.DataFrame) -> pd.Series:
    """Look up the cluster of each material that has one."""
    return clusters.dropna(subset="cluster").set_index("material_id")["cluster"].astype(int)
