import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from ionscout.models import compare_clusterings, measure_label_variance, summarise_clusterings
from ionscout.models.clusters.agreement import AGREEMENT_COLUMNS, SUMMARY_COLUMNS
from ionscout.models.clusters.enrichment import ENRICHMENT_COLUMNS
from ionscout.models.clusters.label_variance import LABEL_VARIANCE_COLUMNS


def grouped(clusters):
    ids = [f"m{i}" for i in range(len(clusters))]
    return pd.DataFrame({"material_id": ids, "cluster": pd.array(clusters, dtype="Int64")})


def enrichment(promising, n_labelled=None, n_fast=None):
    table = pd.DataFrame({"cluster": range(1, len(promising) + 1)}).reindex(
        columns=ENRICHMENT_COLUMNS
    )
    return table.assign(
        n_materials=2,
        n_labelled=n_labelled or 0,
        n_fast=n_fast or 0,
        p_value_corrected=0.5,
        is_promising=promising,
    )


def test_pairs_are_compared_on_common_materials():
    clusters = {
        "a": grouped([1, 1, 2, 2, None, 3]),
        "b": grouped([2, 2, 1, 1, 1, None]),
        "c": grouped([1, 2, 1, 2, None, None]),
    }
    enrichments = {
        "a": enrichment([True, False, True]),
        "b": enrichment([False, True]),
        "c": enrichment([True, False]),
    }
    table = compare_clusterings(clusters, enrichments).set_index(["clustering", "other"])
    assert table.reset_index().columns.tolist() == AGREEMENT_COLUMNS
    assert table.index.tolist() == [("a", "b"), ("a", "c"), ("b", "c")]
    assert table["n_materials"].tolist() == [4, 4, 4]
    assert table.loc[("a", "b"), "adjusted_rand"] == 1
    assert table.loc[("a", "c"), "adjusted_rand"] == pytest.approx(
        adjusted_rand_score([1, 1, 2, 2], [1, 2, 1, 2])
    )
    promising = ["n_promising", "n_promising_other", "n_promising_both"]
    assert table.loc[("a", "b"), promising].tolist() == [2, 2, 2]
    assert table.loc[("a", "c"), promising].tolist() == [2, 2, 1]


def test_nothing_to_compare_gives_empty_tables():
    alone = {"a": grouped([1, 2])}
    assert compare_clusterings(alone, {"a": enrichment([True, False])}).empty
    assert list(compare_clusterings({}, {}).columns) == AGREEMENT_COLUMNS
    assert list(summarise_clusterings({}).columns) == SUMMARY_COLUMNS
    none = compare_clusterings(
        {"a": grouped([1, None]), "b": grouped([None, 1])},
        {"a": enrichment([True]), "b": enrichment([True])},
    )
    assert none["adjusted_rand"].isna().all()
    assert none["n_materials"].tolist() == [0]


def test_the_summary_counts_the_promising_clusters():
    table = summarise_clusterings({"a": enrichment([True, False], [3, 4], [2, 1])})
    row = table.iloc[0]
    assert (row["n_labelled"], row["n_labelled_promising"]) == (7, 3)
    assert (row["n_fast"], row["n_fast_promising"], row["n_promising_clusters"]) == (3, 2, 1)
    assert row["least_p_value_corrected"] == 0.5


def variance(clusters, log_sigma, duplicate_of=None, is_upper_bound=False):
    table = grouped(clusters)
    labels = pd.DataFrame(
        {
            "material_id": table["material_id"],
            "sigma_rt_s_cm": 10.0 ** np.array(log_sigma, dtype=float),
            "is_upper_bound": is_upper_bound,
        }
    )
    manifest = table[["material_id"]].assign(
        duplicate_of=[(duplicate_of or {}).get(i) for i in table["material_id"]]
    )
    found = measure_label_variance(table, labels, manifest, seed=0)
    assert list(found.columns) == LABEL_VARIANCE_COLUMNS
    return found.iloc[0]


def test_the_variance_inside_by_hand():
    row = variance([1, 1, 1, 2, 2, 2], [-3, -4, -5, -8, -9, -10])
    assert row["variance_within"] == pytest.approx((2 + 2) / 4)
    assert row["variance_total"] == pytest.approx(np.var([3, 4, 5, 8, 9, 10], ddof=1))
    assert row["ratio"] == pytest.approx(row["variance_within"] / row["variance_total"])
    # Two of the twenty ways to split six labels in threes are as good as this one.
    assert row["p_value"] == pytest.approx(0.1, abs=0.02)


def test_labels_that_fall_by_chance_have_a_ratio_of_about_one():
    rng = np.random.default_rng(0)
    rows = [variance(rng.integers(1, 8, size=60), rng.normal(size=60)) for _ in range(60)]
    assert np.mean([row["ratio"] for row in rows]) == pytest.approx(1, abs=0.03)
    inside = [row["chance_low"] <= row["ratio"] <= row["chance_high"] for row in rows]
    assert np.mean(inside) > 0.85
    assert np.mean([row["p_value"] < 0.05 for row in rows]) < 0.15


def test_clusters_that_tell_the_labels_have_a_small_ratio():
    rng = np.random.default_rng(1)
    cluster = np.arange(60) % 5 + 1
    row = variance(cluster, -2.0 * cluster + rng.normal(size=60) * 0.3)
    assert row["ratio"] < 0.05 < row["chance_low"]
    assert row["p_value"] < 0.001


def test_duplicates_count_once_and_bounds_do_not():
    plain = variance([1, 1, 2, 2, 2], [-3, -4, -8, -9, -9.5])
    copied = variance([1, 1, 2, 2, 2, 1], [-3, -4, -8, -9, -9.5, -3], {"m5": "m0"})
    assert copied["n_labelled"] == plain["n_labelled"] == 5
    assert copied["ratio"] == pytest.approx(plain["ratio"])
    bounds = [False] * 5 + [True]
    bound = variance([1, 1, 2, 2, 2, 1], [-3, -4, -8, -9, -9.5, -12], is_upper_bound=bounds)
    assert bound["ratio"] == pytest.approx(plain["ratio"])


@pytest.mark.parametrize(
    ("clusters", "log_sigma"),
    [([], []), ([1, 1], [-3, -4]), ([1, 2], [-3, -4]), ([1, 1, 2], [-3, -3, -3]), ([None], [-3])],
)
def test_too_few_labels_are_noted(clusters, log_sigma):
    row = variance(clusters, log_sigma)
    assert row["note"] == "too few labels in too few clusters, or all equal"
    assert np.isnan(row["ratio"])
