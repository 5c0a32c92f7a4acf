"""The order of the candidates that passed the gates: parts from 0 to 1, and their mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pymatgen.core import Composition

from ionscout.config import RankingSettings
from ionscout.labels import duplicate_groups, known_classes
from ionscout.models.training_set import one_a_group
from ionscout.screening.stability_gates import STABILITY_COLUMNS, sound_windows

PARTS = tuple(RankingSettings.model_fields)
WIDE_WINDOW_V = 3.0
# A cluster counts as if it held this many labelled materials more, fast at the base rate.
PRIOR_MATERIALS = 4.0


def rate_materials(
    manifest: pd.DataFrame,
    gates_table: pd.DataFrame,
    predictions: Mapping[str, pd.DataFrame],
    clusters: Mapping[str, pd.DataFrame],
    labels: pd.DataFrame,
    stability: pd.DataFrame,
    *,
    fast_threshold_s_cm: float,
) -> pd.DataFrame:
    """Rate every material by what does not depend on the others chosen.

    Parameters
    ----------
    manifest, gates_table, stability : DataFrame
        The curated materials, the gates' answers and the table of stability.
    predictions, clusters : mapping of str to DataFrame
        One table a classifier, and one a clustering.
    labels : DataFrame
        Measured conductivities.
    fast_threshold_s_cm : float
        Conductivity in S/cm from which a material is fast.

    Returns
    -------
    DataFrame, index material_id
        From 0 to 1, NaN where unknown: probability (mean over the classifiers, held out
        where they learned from it), enrichment (see `rate_enrichment`), applicability
        (share of the classifiers in whose domain it is) and window (width over
        `WIDE_WINDOW_V`, at most 1).
    """
    index = pd.Index(manifest["material_id"])
    windows = stability.set_index("material_id").reindex(index=index, columns=STABILITY_COLUMNS)
    reduction_v, oxidation_v, _ = sound_windows(windows)
    return pd.DataFrame(
        {
            "probability": gates_table.set_index("material_id")["mean_probability"].reindex(index),
            "enrichment": rate_enrichment(
                clusters, labels, manifest, fast_threshold_s_cm=fast_threshold_s_cm
            ),
            "applicability": rate_applicability(predictions, index),
            "window": ((oxidation_v - reduction_v) / WIDE_WINDOW_V).clip(0.0, 1.0),
        },
        index=index,
    )


def rate_applicability(predictions: Mapping[str, pd.DataFrame], index: pd.Index) -> pd.Series:
    """Compute the share of the classifiers in whose domain a material is.

    Parameters
    ----------
    predictions : mapping of str to DataFrame
        Columns material_id and in_domain, missing where a classifier has no domain.
    index : Index
        The materials.

    Returns
    -------
    Series of float
        NaN where no classifier says.
    """
    said = [
        table.set_index("material_id")["in_domain"].reindex(index).astype("boolean")
        for table in predictions.values()
        if "in_domain" in table
    ]
    votes = [column.to_numpy(dtype=float, na_value=np.nan) for column in said]
    return pd.DataFrame(dict(enumerate(votes)), index=index).astype(float).mean(axis=1)


def rate_enrichment(
    clusters: Mapping[str, pd.DataFrame],
    labels: pd.DataFrame,
    manifest: pd.DataFrame,
    *,
    fast_threshold_s_cm: float,
) -> pd.Series:
    """Compute the share of fast conductors in each material's clusters.

    The share of a cluster is drawn to the share among all labelled materials, by
    `PRIOR_MATERIALS`, and the mean over the clusterings is taken. A group of duplicates
    counts as one labelled material, and never for itself.

    Parameters
    ----------
    clusters : mapping of str to DataFrame
        One a clustering: material_id and cluster (NA for what is in none).
    labels, manifest : DataFrame
        Measured conductivities and the curated materials.
    fast_threshold_s_cm : float
        Conductivity in S/cm from which a material is fast.

    Returns
    -------
    Series of float, index material_id
        NaN for what is in no cluster, and where nothing is labelled.
    """
    groups = duplicate_groups(manifest)
    classes = known_classes(labels, fast_threshold_s_cm=fast_threshold_s_cm)
    shares = [
        _rate_clustering(table, classes, groups) for table in clusters.values() if len(classes)
    ]
    if not shares:
        return pd.Series(np.nan, index=groups.index)
    return pd.concat(shares, axis=1).mean(axis=1)


def _rate_clustering(clusters: pd.DataFrame, classes: pd.Series, groups: pd.Series) -> pd.Series:
    cluster = clusters.set_index("material_id")["cluster"].reindex(groups.index).astype(float)
    counted = one_a_group(groups[groups.index.isin(classes.index) & cluster.notna()])
    fast = classes[counted.index].astype(float)
    of_clusters = fast.groupby(cluster[counted.index]).agg(["sum", "size"])
    there = of_clusters.reindex(cluster).fillna(0.0).set_axis(groups.index)
    # What was counted for a material's own group is taken out again.
    own = groups.map(dict(zip(counted, counted.index, strict=True)))
    own_fast = own.map(fast).astype(float)
    is_beside = own.map(cluster).astype(float) == cluster
    n_fast = there["sum"] - own_fast.where(is_beside, 0.0)
    n_labelled = there["size"] - is_beside
    n_others = len(fast) - own_fast.notna().astype(float)
    base = (fast.sum() - own_fast.fillna(0.0)) / n_others.where(n_others > 0)
    share = (n_fast + PRIOR_MATERIALS * base) / (n_labelled + PRIOR_MATERIALS)
    return share.where(cluster.notna())


def weigh_parts(parts: pd.DataFrame, ranking: RankingSettings, usual: pd.Series) -> pd.Series:
    """Take the weighted mean of the parts.

    Parameters
    ----------
    parts : DataFrame
        Columns of `PARTS`, NaN where unknown.
    ranking : RankingSettings
        The weights.
    usual : Series
        By part, what an unknown one counts as, lest ignorance be an advantage; NaN leaves
        it out of the mean.

    Returns
    -------
    Series of float
        From 0 to 1; NaN where no part of some weight is known.
    """
    weights = pd.Series(ranking.model_dump(), dtype=float).reindex(parts.columns)
    filled = parts.fillna(usual)
    known = filled.notna() @ weights
    return (filled.fillna(0.0) @ weights) / known.where(known > 0)


def choose_in_turn(
    parts: pd.DataFrame,
    table: pd.DataFrame,
    ranking: RankingSettings,
    *,
    first: Sequence[str],
    size: int,
) -> pd.DataFrame:
    """Choose candidates one by one, each time the best beside those chosen before.

    One of each reduced formula and of each parent is chosen, so that the shortlist is not
    twenty polymorphs of one compound. What no classifier judged comes after all else.

    Parameters
    ----------
    parts : DataFrame, index material_id
        Of `rate_materials`.
    table : DataFrame, index material_id
        Columns formula, reduced_formula and parent_id; of the candidates and of `first`.
    ranking : RankingSettings
        The weights.
    first : sequence of str
        Materials that are chosen already; they need not be candidates.
    size : int
        How many are to be chosen in all.

    Returns
    -------
    DataFrame, index material_id
        Columns `PARTS` and score, in the order of choice. diversity is the distance in
        composition from the nearest one chosen before, unknown for the very first. An
        unknown part counts as the median over all materials.
    """
    fractions = element_fractions(table["formula"])
    families = {
        name: set(row.dropna()) for name, row in table[["reduced_formula", "parent_id"]].iterrows()
    }
    waiting, nearest = list(first), pd.Series(np.nan, index=table.index)
    open_ = sorted(table.index.difference(waiting))
    chosen = []
    while waiting or (len(chosen) < size and open_):
        rated = parts.loc[table.index].assign(diversity=nearest)[list(PARTS)]
        rated["score"] = weigh_parts(rated, ranking, parts.median())
        name = waiting.pop(0) if waiting else _find_best(rated.loc[open_])
        chosen.append(rated.loc[name])
        apart = (fractions - fractions.loc[name]).abs().sum(axis=1) / 2
        nearest = np.fmin(nearest, apart)
        open_ = [other for other in open_ if not families[other] & families[name]]
    return pd.DataFrame(chosen, columns=[*PARTS, "score"])


def element_fractions(formulas: pd.Series) -> pd.DataFrame:
    """Tabulate the atomic fractions of compositions.

    Parameters
    ----------
    formulas : Series of str

    Returns
    -------
    DataFrame of float, shape (n_formulas, n_elements)
        Columns are symbols. Half the sum of the differences of two rows is their distance: 0
        for one composition, 1 for no element in common.
    """
    rows = [Composition(formula).fractional_composition.get_el_amt_dict() for formula in formulas]
    return pd.DataFrame(rows, index=formulas.index).fillna(0.0)


def _find_best(rated: pd.DataFrame) -> str:
    """Find the highest score, of those that a classifier judged where there are any."""
    judged = rated[rated["probability"].notna()]
    scores = (rated if judged.empty else judged)["score"]
    return scores.fillna(-1.0).idxmax()
