"""How much measured conductivities differ inside clusters: reported, never chosen by."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ionscout.models.clusters._labelled import one_of_each_group

N_PERMUTATIONS = 2000
LABEL_VARIANCE_COLUMNS = [
    "n_labelled",
    "n_clusters",
    "variance_total",
    "variance_within",
    "ratio",
    "chance_low",
    "chance_high",
    "p_value",
    "note",
]


def measure_label_variance(
    clusters: pd.DataFrame, labels: pd.DataFrame, manifest: pd.DataFrame, *, seed: int
) -> pd.DataFrame:
    """Compare the variance of log10 conductivity inside the clusters with that of all.

    Laskowski and coworkers judge descriptors by the labels in their clusters: good ones put
    materials of like conductivity together. Here no label enters a clustering, its
    descriptors or its number of clusters, so that all labels are held out. Ours
    are the unbiased estimates (the sum of squares inside N - C degrees of freedom for N
    labels in C clusters, N - 1 for all), whose ratio is 1 on average where labels fall by
    chance, and the interval of the ratio of shuffled labels.

    Upper bounds do not count, and a group of duplicates counts once. Members of one family
    are alike in structure and speed, and count as independent: the p-value is smaller than
    it should be.

    Parameters
    ----------
    clusters : DataFrame
        Columns material_id and cluster (NA for what is in none).
    labels : DataFrame
        As `join_labels` returns it.
    manifest : DataFrame
        Columns material_id and duplicate_of.
    seed : int
        Of the shuffles.

    Returns
    -------
    DataFrame
        One row: n_labelled, n_clusters (that hold a label), variance_total and
        variance_within (decades squared), ratio, chance_low and chance_high (central
        95 % of 2,000 shuffles), p_value (share of shuffles with a ratio as small), note;
        NaN with a note where there are not more labels than clusters.

    References
    ----------
    Laskowski, McHaffie and See, Energy Environ. Sci. 16, 1264 (2023),
    doi:10.1039/D2EE03499A.
    """
    measured = labels[~labels["is_upper_bound"].astype(bool)].dropna(subset="sigma_rt_s_cm")
    log_sigma = np.log10(measured.set_index("material_id")["sigma_rt_s_cm"].astype(float))
    placed = clusters.dropna(subset="cluster").set_index("material_id")["cluster"].astype(int)
    chosen = one_of_each_group(placed.index.intersection(log_sigma.index), manifest)
    values = log_sigma.loc[chosen].to_numpy()
    found, place = np.unique(placed.loc[chosen], return_inverse=True)
    n, n_clusters = len(values), len(found)
    row = {"n_labelled": n, "n_clusters": n_clusters, "note": ""}
    total = float(values.var(ddof=1)) if n > 1 else np.nan
    if n_clusters < 2 or n <= n_clusters or total <= 1e-12:
        row["note"] = "too few labels in too few clusters, or all equal"
    else:
        row |= _compare(values, place, total, np.random.default_rng(seed))
    return pd.DataFrame([row], columns=LABEL_VARIANCE_COLUMNS)


def _compare(
    values: np.ndarray, place: np.ndarray, total: float, random: np.random.Generator
) -> dict[str, float]:
    """Compute the ratio, and that of shuffled values."""
    size = np.bincount(place)
    degrees = len(values) - len(size)
    centred = values - values.mean()

    def inside(shuffled: np.ndarray) -> float:
        between = np.square(np.bincount(place, weights=shuffled)) / size
        return float(np.square(shuffled).sum() - between.sum()) / degrees

    within = max(inside(centred), 0.0)
    chance = np.array([inside(random.permutation(centred)) for _ in range(N_PERMUTATIONS)])
    low, high = np.quantile(chance / total, [0.025, 0.975])
    n_as_small = np.count_nonzero(chance <= within + 1e-12 * total)
    return {
        "variance_total": total,
        "variance_within": within,
        "ratio": within / total,
        "chance_low": float(low),
        "chance_high": float(high),
        "p_value": (1 + n_as_small) / (1 + N_PERMUTATIONS),
    }
