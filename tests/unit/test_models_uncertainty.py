"""The applicability domain, and whether doubt ranks errors."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from small_campaign import campaign, train

from ionscout.models._scaling import fit_scaling
from ionscout.models.domain import Domain
from ionscout.models.uncertainty import (
    score_uncertainty,
    spearman,
    tabulate_uncertainty,
)


def test_distances_by_hand():
    x = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])
    domain = Domain.around(x)
    own = [2.0, 4 / 3, 4 / 3, 4 / 3, 2.0]  # to the three nearest of the others
    assert domain.reach == pytest.approx(np.percentile(own, 95) / x.std())
    asked = np.array([[2.0], [10.0]])
    np.testing.assert_allclose(
        domain.distance(asked), np.array([2 / 3, 7.0]) / np.percentile(own, 95)
    )


def test_nearly_all_of_the_training_materials_are_inside_and_a_stranger_is_not():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6)) * [1, 10, 100, 1e-3, 1, 1]
    domain = Domain.around(x)
    fresh = rng.normal(size=(500, 6)) * [1, 10, 100, 1e-3, 1, 1]
    assert 0.88 < np.mean(domain.distance(fresh) <= 1) < 0.99
    assert (domain.distance(fresh + np.eye(6)[0] * 8) > 1).mean() > 0.95


@pytest.mark.parametrize("x", [np.ones((5, 3)), np.zeros((2, 1)), [[1.0, 2.0], [1.0, 3.0]]])
def test_a_domain_of_next_to_nothing(x):
    domain = Domain.around(np.asarray(x, dtype=float))
    assert np.isfinite(domain.distance(np.asarray(x, dtype=float))).all()
    assert domain.reach > 0


def test_the_table_of_doubts():
    nan = np.nan
    table = tabulate_uncertainty(
        np.array([0.5, 0.9, nan]), np.array([0.0, 0.4, nan]), np.array([0.5, 1.5, nan])
    )
    np.testing.assert_allclose(table["uncertainty"], [0.5, 0.5, nan])
    assert table["in_domain"].tolist()[:2] == [True, False]
    assert table["in_domain"].isna().tolist() == [False, False, True]


def test_spearman_is_that_of_scipy():
    rng = np.random.default_rng(0)
    a = rng.normal(size=50).round(1)
    b = a + rng.normal(size=50).round(1)
    value, low, high = spearman(a, b, np.arange(50), seed=1)
    assert value == pytest.approx(spearmanr(a, b).statistic)
    assert low < value < high
    _, low_paired, high_paired = spearman(
        np.tile(a, 2), np.tile(b, 2), np.tile(np.arange(50), 2), seed=1
    )
    assert (high_paired - low_paired) == pytest.approx(high - low, rel=0.1)
    assert np.isnan(spearman(a, np.ones(50), np.arange(50), seed=1)).all()
    assert np.isnan(spearman(a[:2], b[:2], np.arange(2), seed=1)).all()


def doubts_of(y, p, uncertainty, rng):
    return pd.DataFrame(
        {
            "probability": p,
            "uncertainty": uncertainty,
            "spread": rng.random(len(y)),
            "distance": np.linspace(0.5, 1.5, len(y)),
            "in_domain": pd.array(np.linspace(0.5, 1.5, len(y)) <= 1, dtype="boolean"),
        }
    )


def test_doubt_that_ranks_errors_is_told_from_doubt_that_does_not():
    rng = np.random.default_rng(1)
    p = rng.random(300)
    y = rng.random(300) < p
    groups = np.arange(300)
    good = doubts_of(y, p, np.sqrt(p * (1 - p)), rng)
    scores = score_uncertainty(y, good, groups, seed=1).set_index("metric")
    assert scores.loc["uncertainty_spearman", "low"] > 0.3
    assert scores.loc["uncertainty_of_errors_roc_auc", "low"] > 0.5
    assert scores.loc["spread_spearman", "low"] < 0 < scores.loc["spread_spearman", "high"]
    assert scores.loc["in_domain_misclassification", "n"] == 150
    shuffled = doubts_of(y, p, rng.permutation(np.sqrt(p * (1 - p))), rng)
    scores = score_uncertainty(y, shuffled, groups, seed=1).set_index("metric")
    assert (
        scores.loc["uncertainty_spearman", "low"] < 0 < scores.loc["uncertainty_spearman", "high"]
    )


def test_a_material_far_from_all_labels_is_out_of_the_domain():
    tables, labels, manifest = campaign()
    columns = tables["sendek"].columns.drop("reason")
    tables["sendek"].loc["m23", columns] += 50.0
    table = train("logistic", tables, labels, manifest).predictions.set_index("material_id")
    assert not table.loc["m23", "in_domain"]
    assert table.loc["m23", "distance"] > 3
    others = table.drop("m23")
    assert others.loc[~others["in_training"], "in_domain"].mean() > 0.5


def test_the_doubts_of_a_training_material_are_held_out_ones():
    tables, labels, manifest = campaign()
    before = train("logistic", tables, labels, manifest).predictions.set_index("material_id")
    labels.loc[0, "sigma_rt_s_cm"] = 1e-3 if labels.loc[0, "sigma_rt_s_cm"] < 1e-4 else 1e-8
    after = train("logistic", tables, labels, manifest).predictions.set_index("material_id")
    assert before.loc["m00", "distance"] > 0
    assert before.loc["m00", "probability"] != after.loc["m00", "probability"]
    # Its label decides its fold, but enters no fit that it is judged by.
    assert before.loc["m00", "probability_loo"] == after.loc["m00", "probability_loo"]


def test_a_published_model_has_no_spread():
    tables, labels, manifest = campaign()
    manifest.loc[:5, "reduced_formula"] = "Li3N"
    model = train("sendek2017", tables, labels, manifest)
    assert model.predictions["spread"].isna().all()
    assert model.predictions["uncertainty"].between(0, 0.5).all()
    assert model.predictions["distance"].notna().all()
    scores = model.metrics.set_index(["model", "metric"])
    assert np.isnan(scores.loc[("sendek2017", "spread_spearman"), "value"])


def test_what_chance_would_make_of_the_correlation_stands_beside_it():
    rng = np.random.default_rng(1)
    p = 0.5 * rng.random(400)
    y = rng.random(400) < 0.2  # mostly slow, and p knows nothing of which
    doubts = doubts_of(y, p, np.sqrt(p * (1 - p)), rng)
    scores = score_uncertainty(y, doubts, np.arange(400), seed=1).set_index("metric")
    assert scores.index[0] == "uncertainty_of_errors_roc_auc"
    assert scores.loc["uncertainty_spearman", "low"] > 0.3
    chance = scores.loc["shuffled_uncertainty_spearman"]
    assert chance["low"] > 0.3
    assert scores.loc["uncertainty_spearman", "value"] == pytest.approx(chance["value"], abs=0.1)
    assert chance["low"] < chance["value"] < chance["high"]
    assert scores.loc["shuffled_spread_spearman", "value"] == pytest.approx(0, abs=0.1)
    knowing = score_uncertainty(rng.random(400) < p, doubts, np.arange(400), seed=1)
    knowing = knowing.set_index("metric")
    assert knowing.loc["uncertainty_of_errors_roc_auc", "value"] > 0.6


def test_no_material_has_no_scores_of_doubt():
    rng = np.random.default_rng(1)
    for n in range(3):
        doubts = doubts_of(np.zeros(n, bool), rng.random(n), rng.random(n), rng)
        scores = score_uncertainty(np.arange(n) > 0, doubts, np.arange(n), seed=1)
        assert scores[scores["metric"].str.endswith("spearman")]["value"].isna().all()


def test_members_of_a_group_widen_the_scores_of_doubt():
    rng = np.random.default_rng(1)
    p, y = np.repeat(rng.random(15), 8), np.repeat(rng.random(15) < 0.5, 8)
    doubts = doubts_of(y, p, np.sqrt(p * (1 - p)), rng)
    alone, grouped = (
        score_uncertainty(y, doubts, groups, seed=1).set_index("metric")
        for groups in (np.arange(120), np.repeat(np.arange(15), 8))
    )
    wide, narrow = grouped["high"] - grouped["low"], alone["high"] - alone["low"]
    for metric in ("uncertainty_of_errors_roc_auc", "in_domain_misclassification"):
        assert wide[metric] > 1.3 * narrow[metric]


def test_a_column_that_varies_by_rounding_alone_makes_no_distance():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 3))
    x[:, 2] = np.where(rng.random(30) < 0.5, 0.3, 0.1 + 0.2)
    assert np.ptp(x[:, 2]) > 0
    _, scale = fit_scaling(x)
    assert scale[2] == 1
    np.testing.assert_allclose(scale[:2], x[:, :2].std(axis=0))
    asked = np.array([[0.0, 0.0, 0.3], [0.0, 0.0, 0.31]])
    near, far = Domain.around(x).distance(asked)
    assert far == pytest.approx(near, rel=1e-2)
