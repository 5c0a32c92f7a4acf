"""The clusters in which the known fast conductors fall, and whether by more than chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from ionscout.config import PromisingSettings
from ionscout.labels import known_classes
from ionscout.models.clusters._labelled import one_of_each_group

ENRICHMENT_COLUMNS = [
    "cluster",
    "n_materials",
    "n_labelled",
    "n_fast",
    "fraction_fast",
    "expected_fraction",
    "p_value",
    "p_value_corrected",
    "is_promising",
]


def enrich_clusters(
    clusters: pd.DataFrame,
    labels: pd.DataFrame,
    manifest: pd.DataFrame,
    *,
    fast_threshold_s_cm: float,
    promising: PromisingSettings,
) -> pd.DataFrame:
    """Test each cluster for more fast conductors than chance would put there.

    Of the N labelled materials K are fast; a cluster with n labelled ones holds
    k fast ones or more by chance with p = P(X >= k), X hypergeometric in (N, K, n).
    The p-values are exact, one-sided and corrected by Holm's procedure. A group
    of duplicates counts as one labelled material, that of its original.

    The p-values are smaller than they should be. They take the labelled materials
    for independent, which members of one family (argyrodites, phosphates with the
    NASICON framework) are not: alike in structure, they share cluster and speed.
    And substitution products have nearly the diffraction patterns of their
    parents, so that these families weigh more in where clusters form.

    Parameters
    ----------
    clusters : DataFrame
        Columns material_id and cluster (NA for what is in none).
    labels : DataFrame
        As `join_labels` returns it.
    manifest : DataFrame
        Columns material_id and duplicate_of.
    fast_threshold_s_cm : float
        Conductivity in S/cm from which a material is fast.
    promising : PromisingSettings
        Which clusters are promising; see `mark_promising`.

    Returns
    -------
    DataFrame
        One row a cluster: cluster, n_materials (duplicates included),
        n_labelled, n_fast, fraction_fast, expected_fraction (K / N), p_value,
        p_value_corrected (NaN where the cluster has no labelled material) and
        is_promising.

    References
    ----------
    Holm, Scand. J. Stat. 6, 65 (1979).
    """
    placed = clusters.dropna(subset="cluster").set_index("material_id")["cluster"].astype(int)
    fast = known_classes(labels, fast_threshold_s_cm=fast_threshold_s_cm)
    known = one_of_each_group(placed.index.intersection(fast.index), manifest)
    labelled = pd.DataFrame({"cluster": placed.loc[known], "fast": fast.loc[known]})
    by_cluster = labelled.groupby("cluster")["fast"]
    table = placed.value_counts().sort_index().rename("n_materials").to_frame()
    table["n_labelled"] = by_cluster.size().reindex(table.index, fill_value=0)
    table["n_fast"] = by_cluster.sum().astype(int).reindex(table.index, fill_value=0)
    table["fraction_fast"] = table["n_fast"] / table["n_labelled"].replace(0, np.nan)
    n, n_fast = len(labelled), int(labelled["fast"].sum())
    table["expected_fraction"] = n_fast / n if n else np.nan
    chance = hypergeom.sf(table["n_fast"] - 1, n, n_fast, table["n_labelled"])
    table["p_value"] = np.where(table["n_labelled"] > 0, chance, np.nan)
    table["p_value_corrected"] = correct_holm(table["p_value"].to_numpy(dtype=float))
    table["is_promising"] = mark_promising(table, promising)
    return table.rename_axis("cluster").reset_index()[ENRICHMENT_COLUMNS]


def mark_promising(enrichment: pd.DataFrame, promising: PromisingSettings) -> pd.Series:
    """Tell which clusters are promising, by the campaign's rule.

    Parameters
    ----------
    enrichment : DataFrame
        Columns n_labelled, fraction_fast and p_value_corrected.
    promising : PromisingSettings
        `enriched`: a small corrected p-value; `fraction`: a large share of fast ones. Either
        asks for enough labelled materials.

    Returns
    -------
    Series of bool
        In the order of `enrichment`.
    """
    if promising.rule == "enriched":
        is_good = enrichment["p_value_corrected"] <= promising.max_p_value
    else:
        is_good = enrichment["fraction_fast"] >= promising.min_fraction_fast
    return is_good & (enrichment["n_labelled"] >= promising.min_labelled)


def correct_holm(p_values: np.ndarray) -> np.ndarray:
    """Correct p-values for their number, step by step from the smallest.

    Parameters
    ----------
    p_values : array of float, shape (n,)
        NaN for a test that was not made; it does not count.

    Returns
    -------
    array of float, shape (n,)
        At most 1; NaN stays NaN.
    """
    corrected = np.full(len(p_values), np.nan)
    made = np.flatnonzero(np.isfinite(p_values))
    order = made[np.argsort(p_values[made], kind="stable")]
    steps = p_values[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected
