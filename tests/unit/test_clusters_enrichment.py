from math import comb

import numpy as np
import pandas as pd
import pytest

from ionscout.config import PromisingSettings
from ionscout.models import enrich_clusters
from ionscout.models.clusters.enrichment import ENRICHMENT_COLUMNS, correct_holm


def enrich(cluster_of, fast_of, duplicate_of=None, **promising):
    ids = list(cluster_of)
    clusters = pd.DataFrame(
        {"material_id": ids, "cluster": pd.array(list(cluster_of.values()), dtype="Int64")}
    )
    labels = pd.DataFrame(
        {
            "material_id": list(fast_of),
            "sigma_rt_s_cm": [1e-3 if fast else 1e-9 for fast in fast_of.values()],
            "is_upper_bound": False,
        }
    )
    originals = duplicate_of or {}
    manifest = pd.DataFrame({"material_id": ids, "duplicate_of": [originals.get(i) for i in ids]})
    return enrich_clusters(
        clusters,
        labels,
        manifest,
        fast_threshold_s_cm=1e-4,
        promising=PromisingSettings(**promising),
    )


def test_p_values_by_hand():
    # 10 labelled, 4 fast; cluster 1 holds 5 labelled with all 4 fast ones.
    cluster_of = {f"m{i}": 1 if i < 5 else 2 for i in range(10)} | {"u": 1, "v": 3, "w": None}
    table = enrich(cluster_of, {f"m{i}": i < 4 for i in range(10)})
    assert list(table.columns) == ENRICHMENT_COLUMNS
    first, second, third = (row for _, row in table.iterrows())
    assert (first["n_materials"], first["n_labelled"], first["n_fast"]) == (6, 5, 4)
    assert first["fraction_fast"] == pytest.approx(0.8)
    assert (table["expected_fraction"] == 0.4).all()
    p = comb(5, 4) * comb(5, 0) * comb(6, 1) / comb(10, 4) / 6
    assert first["p_value"] == pytest.approx(p) == pytest.approx(5 / 210)
    assert first["p_value_corrected"] == pytest.approx(2 * 5 / 210)
    assert second["p_value"] == second["p_value_corrected"] == pytest.approx(1)
    assert third["n_materials"] == 1
    assert third["n_labelled"] == 0
    assert third[["fraction_fast", "p_value", "p_value_corrected"]].isna().all()


def test_a_group_of_duplicates_counts_once():
    cluster_of = {"a": 1, "a2": 1, "a3": 2, "b": 2, "c": 2}
    fast_of = {"a": True, "a2": True, "a3": True, "b": False, "c": False}
    table = enrich(cluster_of, fast_of, {"a2": "a", "a3": "a"})
    assert table["n_materials"].tolist() == [2, 3]
    assert table["n_labelled"].tolist() == [1, 2]
    assert table["n_fast"].tolist() == [1, 0]
    assert table["p_value"].iloc[0] == pytest.approx(1 / 3)


def test_labels_that_say_nothing():
    none = enrich({"a": 1, "b": 2}, {})
    assert none["n_labelled"].tolist() == [0, 0]
    assert none[["fraction_fast", "expected_fraction", "p_value"]].isna().all(axis=None)
    slow = enrich({"a": 1, "b": 2}, {"a": False, "b": False})
    assert slow["p_value"].tolist() == [1, 1]
    nothing = enrich({}, {})
    assert nothing.empty
    assert list(nothing.columns) == ENRICHMENT_COLUMNS


def test_what_is_promising_is_a_rule():
    # Cluster 1 holds 5 labelled with all 4 fast ones, cluster 2 five slow, cluster 3 none.
    cluster_of = {f"m{i}": 1 if i < 5 else 2 for i in range(10)} | {"u": 3}
    fast_of = {f"m{i}": i < 4 for i in range(10)}
    for rule, expected in [
        ({}, [True, False, False]),
        ({"max_p_value": 0.04}, [False, False, False]),
        ({"min_labelled": 6}, [False, False, False]),
        ({"rule": "fraction"}, [True, False, False]),
        ({"rule": "fraction", "min_fraction_fast": 0.81}, [False, False, False]),
    ]:
        assert enrich(cluster_of, fast_of, **rule)["is_promising"].tolist() == expected
    assert not enrich(cluster_of, {})["is_promising"].any()


def test_random_labels_are_rarely_significant():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(100):
        cluster_of = {f"m{i}": int(c) for i, c in enumerate(rng.integers(1, 5, size=40))}
        fast_of = {f"m{i}": bool(f) for i, f in enumerate(rng.random(40) < 0.3)}
        hits += (enrich(cluster_of, fast_of)["p_value_corrected"] < 0.05).any()
    assert hits <= 10


def test_holm_by_hand():
    corrected = correct_holm(np.array([0.01, np.nan, 0.04, 0.03, 0.005]))
    expected = [0.03, np.nan, 0.06, 0.06, 0.02]
    np.testing.assert_allclose(corrected, expected)
    assert correct_holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]
    assert correct_holm(np.array([])).size == 0
