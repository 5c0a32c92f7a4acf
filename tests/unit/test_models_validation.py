from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.base import clone
from sklearn.model_selection import LeaveOneGroupOut, LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from small_campaign import SETTINGS

from ionscout.config import ModelSettings
from ionscout.models import CLASSIFIERS
from ionscout.models._folds import anion_chemistry, assign_folds, find_twins, merge_groups
from ionscout.models.curves import trace_calibration, trace_learning, trace_roc
from ionscout.models.held_out import (
    BaseRateClassifier,
    base_rate,
    fit_folds,
    fit_rows,
    gather_held_out,
)
from ionscout.models.logistic import build_logistic
from ionscout.models.scores import log_loss, misclassification, roc_auc, score, score_repeats
from ionscout.models.training_set import Pool, TrainingSet, make_training_set
from ionscout.models.validation import randomise, validate

RIDGE = build_logistic(ridge_penalty=1.0, seed=0)
LEARNING = [name for name, classifier in CLASSIFIERS.items() if classifier.learns]


def random_set(rng, *, n=30, n_columns=5, signal=0.0, n_systems=None):
    y = np.arange(n) % 3 == 0
    x = rng.normal(size=(n, n_columns)) * np.resize([1, 10, 100, 0.1, 1], n_columns)
    x[:, 0] += signal * y
    ids = np.array([f"m{i:03d}" for i in range(n)], dtype=object)
    systems = np.array([f"s{i % (n_systems or n)}" for i in range(n)], dtype=object)
    pool_systems = np.array([f"p{i}" for i in range(60)], dtype=object)
    pool = Pool(rng.normal(size=(60, n_columns)), pool_systems)
    return TrainingSet(ids, x, y, systems, pd.Series(ids, index=ids), pool)


def hold_out(estimator, training, folds):
    return gather_held_out(fit_folds(estimator, training, folds), training.x)


def values(name, estimator, training, settings=SETTINGS):
    read = np.arange(training.x.shape[1])
    found = validate(name, estimator, training, settings, read=read, note="", seed=5)
    return found.metrics.set_index(["model", "metric"])["value"]


def test_leave_one_out_is_that_of_scikit_learn():
    data = random_set(np.random.default_rng(0), signal=1.0, n_systems=7)
    ours = hold_out(RIDGE, data, np.arange(30))
    theirs = cross_val_predict(RIDGE, data.x, data.y, cv=LeaveOneOut(), method="predict_proba")
    np.testing.assert_allclose(ours, theirs[:, 1], rtol=1e-10)
    ours = hold_out(RIDGE, data, data.chemical_system)
    theirs = cross_val_predict(
        *(RIDGE, data.x, data.y),
        groups=data.chemical_system,
        cv=LeaveOneGroupOut(),
        method="predict_proba",
    )
    np.testing.assert_allclose(ours, theirs[:, 1], rtol=1e-10)


def test_scaling_stays_inside_the_fold():
    data = random_set(np.random.default_rng(1), signal=1.0)
    data.x[0] *= 50
    inside = hold_out(RIDGE, data, np.arange(30))
    scaled = replace(data, x=StandardScaler().fit_transform(data.x))
    outside = hold_out(RIDGE["classify"], scaled, np.arange(30))
    by_hand = []
    for i in range(30):
        train = np.arange(30) != i
        mean, std = data.x[train].mean(axis=0), data.x[train].std(axis=0)
        fitted = RIDGE["classify"].fit((data.x[train] - mean) / std, data.y[train])
        by_hand.append(fitted.predict_proba((data.x[[i]] - mean) / std)[0, 1])
    np.testing.assert_allclose(inside, by_hand, atol=1e-6)
    assert np.abs(inside - outside).max() > 0.01


def influence_of_held_out(estimator, training):
    """How far a prediction moves when the rows that its fit must not see change beyond reason."""
    rows, asked = np.arange(20), training.x[:20]
    before = fit_rows(estimator, training, rows).predict_proba(asked)
    spoiled = replace(training, x=training.x.copy(), y=training.y.copy())
    spoiled.x[20:] += 1e6
    spoiled.y[20:] = ~spoiled.y[20:]
    return np.abs(fit_rows(estimator, spoiled, rows).predict_proba(asked) - before).max()


@pytest.mark.parametrize("name", LEARNING)
def test_nothing_that_is_held_out_enters_a_fit(name):
    classifier = CLASSIFIERS[name]
    n_columns = len(classifier.columns)
    training = random_set(np.random.default_rng(2), n_columns=n_columns, n_systems=15)
    assert influence_of_held_out(classifier.build(SETTINGS, 1), training) == 0


def test_scaling_outside_the_fold_would_be_found():
    class Leaky(type(RIDGE)):
        """A pipeline whose scaler has seen every row, as one that is fitted before the split."""

        everything = None

        def fit(self, x, y):
            super().fit(x, y)
            self["scale"].fit(self.everything)
            self["classify"].fit(self["scale"].transform(x), y)
            return self

    training = random_set(np.random.default_rng(2))
    leaky = Leaky(clone(RIDGE).steps)
    moved = []
    for x in (training.x, np.vstack([training.x[:20], training.x[20:] + 1e6])):
        Leaky.everything = x
        fitted = fit_rows(leaky, training, np.arange(20))
        moved.append(fitted.predict_proba(training.x[:20]))
    assert np.abs(moved[0] - moved[1]).max() > 0.01


def test_no_group_is_on_both_sides_of_a_fold():
    data = random_set(np.random.default_rng(2), n_systems=6)
    for folds in (
        assign_folds(data.y, data.systems, 4, seed=1),
        assign_folds(data.y, data.frameworks, 3, seed=1),
    ):
        for fold in fit_folds(RIDGE, data, folds):
            assert set(fold.train).isdisjoint(fold.test)
            assert set(data.chemical_system[fold.train]).isdisjoint(data.chemical_system[fold.test])


def test_systems_held_out_leave_the_pool():
    class Spy(BaseRateClassifier):
        pools: ClassVar[list[set[str]]] = []

        def fit(self, X, y, pool=None):
            self.pools.append(set(pool.chemical_system))
            return super().fit(X, y)

    data = random_set(np.random.default_rng(2), n_systems=6)
    systems = np.array([f"s{i % 6}" for i in range(60)], dtype=object)
    data = replace(data, pool=Pool(data.pool.x, systems))
    fit_folds(Spy(), data, data.chemical_system)
    assert len(Spy.pools) == 6
    assert all(len(pool) == 5 for pool in Spy.pools)


def test_a_planted_duplicate_is_caught_under_another_name():
    single = random_set(np.random.default_rng(3), n=40)
    twice = np.repeat(np.arange(40), 2)
    ids = np.array([f"{single.material_id[i]}-{k}" for k, i in enumerate(twice)], dtype=object)
    systems = np.array([f"other-{k}" for k in range(80)], dtype=object)
    x = single.x[twice] * (1 + 1e-7 * np.arange(80)[:, np.newaxis] % 2)
    planted = TrainingSet(ids, x, single.y[twice], systems, pd.Series(ids, index=ids))
    assert len(np.unique(planted.systems)) == 40
    found = values("nearest", KNeighborsClassifier(1), planted)
    assert found["nearest", "loo_misclassification"] == 0
    assert found["nearest", "grouped_system_misclassification"] > 0.25
    assert found["nearest", "grouped_framework_misclassification"] > 0.25


def test_one_odd_material_makes_no_twins_of_the_others():
    x = np.random.default_rng(0).normal(size=(20, 3))
    x[0] = 1e9
    assert len(np.unique(find_twins(x))) == 20
    x[5] = x[6] + 1e-6
    assert len(np.unique(find_twins(x))) == 19


def test_groupings_merge_through_what_they_share():
    merged = merge_groups(np.array(["a", "a", "b", "c", "d"]), np.array([0, 1, 1, 2, 3]))
    assert merged[0] == merged[1] == merged[2]
    assert len(set(merged)) == 3


def test_anion_frameworks_are_named_by_the_non_metals():
    names = anion_chemistry(np.array(["Li-La-Zr-O", "Li-Ti-P-O", "Ge-Li-P-S", "Li-Al"]))
    assert list(names) == ["O", "O-P", "P-S", "Li-Al"]


def test_a_marked_duplicate_counts_once():
    data = random_set(np.random.default_rng(3), n=10)
    manifest = pd.DataFrame(
        {
            "material_id": [*data.material_id, "a-copy", "z-copy", "free", "free-copy"],
            "duplicate_of": [None] * 10 + ["m000", "m001", None, "free"],
            "chemical_system": [*data.chemical_system, "s0", "s1", "s", "s"],
        }
    )
    matrix = pd.DataFrame(data.x, index=data.material_id)
    matrix.loc["a-copy"], matrix.loc["z-copy"] = matrix.loc["m000"], matrix.loc["m001"]
    matrix.loc["free"] = matrix.loc["free-copy"] = 1.0
    matrix.loc["m001", 0] = np.nan
    labels = pd.DataFrame({"material_id": manifest["material_id"][:12], "is_upper_bound": False})
    labels["sigma_rt_s_cm"] = [*np.where(data.y, 1.0, 1e-9), 1.0, 1e-9]
    made = make_training_set(matrix, labels, manifest, fast_threshold_s_cm=1e-4)
    assert list(made.material_id) == [i for i in data.material_id if i != "m001"] + ["z-copy"]
    assert made.members["a-copy"] == "m000"
    assert made.members["m001"] == "z-copy"
    assert list(made.pool.chemical_system) == ["s"]


def test_shuffled_labels_score_like_the_constant():
    gains, areas, covered = [], [], []
    for seed in range(12):
        data = random_set(np.random.default_rng(seed), n=45)
        p = hold_out(RIDGE, data, np.arange(45))
        value, low, high = misclassification(data.y, p)
        gains.append(np.mean(data.y) - value)
        covered.append(low <= np.mean(data.y) <= high)
        areas.append(roc_auc(data.y, p)[0])
    assert np.mean(gains) < 0.03
    assert 0.25 < np.mean(areas) < 0.6
    assert np.mean(covered) > 0.8


@pytest.mark.parametrize("name", ["linear_svm", "forest", "sendek_retrained", "esml"])
def test_shuffled_labels_tell_no_classifier_anything(name):
    classifier = CLASSIFIERS[name]
    rng = np.random.default_rng(8)
    data = random_set(rng, n=60, n_columns=len(classifier.columns))
    folds = assign_folds(data.y, data.systems, 5, seed=1)
    p = hold_out(classifier.build(SETTINGS, 1), data, folds)
    constant = hold_out(BaseRateClassifier(), data, folds)
    scores = score(data.y, p, data.systems, seed=1).set_index("metric")
    baseline = score(data.y, constant, data.systems, seed=1).set_index("metric")
    assert scores.loc["roc_auc", "low"] < 0.5 < scores.loc["roc_auc", "high"]
    assert scores.loc["log_loss", "high"] > baseline.loc["log_loss", "value"]


def test_a_real_signal_beats_the_constant_and_its_randomised_self():
    data = random_set(np.random.default_rng(4), n=45, signal=5.0)
    found = values("ridge", RIDGE, data, ModelSettings(n_repeats=2))
    for scheme in ("loo", "grouped_system"):
        assert found["ridge", f"{scheme}_misclassification"] < 0.1
        assert found["ridge", f"{scheme}_log_loss"] < found["constant", f"{scheme}_log_loss"]
    assert found["constant", "loo_misclassification"] == pytest.approx(1 / 3)
    assert found["ridge", "x_randomised_misclassification"] > 0.25


def test_the_constant_is_computed_inside_the_fold():
    y = np.array([True, True, False, False, False])
    data = replace(random_set(np.random.default_rng(0), n=5), y=y)
    p = hold_out(BaseRateClassifier(), data, np.arange(5))
    np.testing.assert_allclose(p, [2 / 6, 2 / 6, 3 / 6, 3 / 6, 3 / 6])
    assert base_rate(np.zeros(0, bool)) == 0.5


def test_a_fold_with_one_class_falls_back_on_the_base_rate():
    data = replace(random_set(np.random.default_rng(0), n=4), y=np.arange(4) == 0)
    p = hold_out(RIDGE, data, np.arange(4))
    assert p[0] == pytest.approx(1 / 5)
    assert np.isfinite(p).all()


def test_one_chemical_system_has_no_grouped_score():
    data = random_set(np.random.default_rng(5), n_systems=1)
    found = values("ridge", RIDGE, data)
    assert np.isnan(found["ridge", "grouped_system_roc_auc"])
    assert np.isnan(found["ridge", "uncertainty_spearman"])
    assert np.isfinite(found["ridge", "loo_roc_auc"])


def test_randomisation_is_reproducible():
    data = random_set(np.random.default_rng(6))
    first, again = (
        randomise("near", KNeighborsClassifier(1), data, SETTINGS, seed=1) for _ in range(2)
    )
    pd.testing.assert_frame_equal(first, again)
    assert (first["low"] <= first["value"]).all()
    assert (first["value"] <= first["high"]).all()
    assert "2 shuffles in 2 folds" in first.loc[0, "note"]


def test_groups_widen_an_interval_and_never_narrow_it():
    rng = np.random.default_rng(1)
    y, p = np.repeat(rng.random(20) < 0.5, 5), np.repeat(rng.random(20), 5)
    alone = score(y, p, np.arange(100), seed=1).set_index("metric")
    grouped = score(y, p, np.repeat(np.arange(20), 5), seed=1).set_index("metric")
    np.testing.assert_allclose(alone["value"], grouped["value"])
    for metric in ("misclassification", "roc_auc", "log_loss"):
        wide = grouped["high"] - grouped["low"]
        assert wide[metric] > 1.5 * (alone["high"] - alone["low"])[metric]
    assert log_loss(y, p, np.arange(100), seed=1)[0] == pytest.approx(alone["value"]["log_loss"])


def test_the_bootstrap_of_the_roc_auc_by_hand():
    from ionscout.models.scores import _bootstrap, draw_groups

    rng = np.random.default_rng(3)
    y, p, groups = rng.random(30) < 0.4, rng.random(30).round(1), np.arange(30) // 3
    weights = draw_groups(groups, seed=7)
    by_hand = []
    for weight in weights:
        rows = np.repeat(np.arange(30), weight)
        if 0 < y[rows].sum() < len(rows):
            by_hand.append(roc_auc(y[rows], p[rows])[0])
    low, high = _bootstrap(y, p, groups, seed=7)
    np.testing.assert_allclose([low[2], high[2]], np.percentile(by_hand, [2.5, 97.5]), atol=1e-9)


def test_repeats_are_averaged():
    rng = np.random.default_rng(1)
    y, p = rng.random(20) < 0.5, rng.random((3, 20))
    table = score_repeats(y, p, np.arange(20), seed=1).set_index("metric")
    each = [misclassification(y, one) for one in p]
    np.testing.assert_allclose(
        table.loc["misclassification", ["value", "low", "high"]].astype(float),
        np.mean(each, axis=0),
    )
    assert (table["n"] == 20).all()


def test_the_roc_curve_goes_from_corner_to_corner():
    y = np.array([False, False, True, True])
    curve = trace_roc(y, np.array([0.1, 0.4, 0.35, 0.8]), "loo")
    assert curve[["x", "y"]].iloc[0].tolist() == [0, 0]
    assert curve[["x", "y"]].iloc[-1].tolist() == [1, 1]
    assert np.trapezoid(curve["y"].astype(float), curve["x"].astype(float)) == 0.75
    assert trace_roc(y[:2], np.array([0.1, 0.2]), "loo").empty


def test_calibration_counts_and_encloses():
    y = np.array([False, True, True, True, False])
    p = np.array([0.05, 0.1, 0.9, 0.95, np.nan])
    table = trace_calibration(y, p, "loo")
    assert table["n"].tolist() == [2, 2]
    assert table["x"].tolist() == pytest.approx([0.075, 0.925])
    assert table["y"].tolist() == [0.5, 1.0]
    interval = binomtest(1, 2).proportion_ci(method="wilson")
    assert (table.loc[0, "low"], table.loc[0, "high"]) == pytest.approx(interval)


def test_the_learning_curve_ends_at_the_full_score_and_improves():
    data = random_set(np.random.default_rng(4), n=90, signal=3.0, n_systems=45)
    folds = fit_folds(RIDGE, data, assign_folds(data.y, data.systems, 5, seed=1))
    curve = trace_learning(RIDGE, data, folds, seed=1).set_index(["series", "x"])["y"]
    losses = curve.xs("log_loss").to_numpy()
    full = log_loss(data.y, gather_held_out(folds, data.x), np.arange(90), seed=1)[0]
    assert losses[-1] == pytest.approx(full)
    assert losses[0] > losses[-1]
    assert (curve.xs("constant_log_loss").to_numpy()[-1]) > losses[-1]
    sizes = curve.xs("log_loss").index
    assert sizes.is_monotonic_increasing
    assert sizes[-1] == pytest.approx(72)
