from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import LeaveOneGroupOut, LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from ionscout.models.logistic import build_logistic
from ionscout.models.scores import misclassification, roc_auc
from ionscout.models.training_set import TrainingSet, make_training_set
from ionscout.models.validation import (
    base_rate,
    held_out_probabilities,
    randomised_misclassification,
    validate,
)

RIDGE = build_logistic(ridge_penalty=1.0, seed=0)


def random_set(rng, *, n=30, signal=0.0, n_systems=None):
    y = np.arange(n) % 3 == 0
    x = rng.normal(size=(n, 5)) * [1, 10, 100, 0.1, 1]
    x[:, 0] += signal * y
    ids = np.array([f"m{i:03d}" for i in range(n)], dtype=object)
    systems = np.array([f"s{i % (n_systems or n)}" for i in range(n)], dtype=object)
    return TrainingSet(ids, x, y, systems, pd.Series(ids, index=ids))


def values(name, estimator, training):
    metrics, _ = validate(
        name, partial(held_out_probabilities, estimator), training, note="", seed=5
    )
    return metrics.set_index(["model", "metric"])["value"]


def test_leave_one_out_is_that_of_scikit_learn():
    data = random_set(np.random.default_rng(0), signal=1.0, n_systems=7)
    ours = held_out_probabilities(RIDGE, data.x, data.y, np.arange(30))
    theirs = cross_val_predict(RIDGE, data.x, data.y, cv=LeaveOneOut(), method="predict_proba")
    np.testing.assert_allclose(ours, theirs[:, 1], rtol=1e-10)
    ours = held_out_probabilities(RIDGE, data.x, data.y, data.chemical_system)
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
    inside = held_out_probabilities(RIDGE, data.x, data.y, np.arange(30))
    scaled = (data.x - data.x.mean(axis=0)) / data.x.std(axis=0)
    outside = held_out_probabilities(RIDGE["classify"], scaled, data.y, np.arange(30))
    by_hand = []
    for i in range(30):
        train = np.arange(30) != i
        mean, std = data.x[train].mean(axis=0), data.x[train].std(axis=0)
        fitted = RIDGE["classify"].fit((data.x[train] - mean) / std, data.y[train])
        by_hand.append(fitted.predict_proba((data.x[[i]] - mean) / std)[0, 1])
    np.testing.assert_allclose(inside, by_hand, atol=1e-6)
    assert np.abs(inside - outside).max() > 0.01


def test_no_group_is_on_both_sides_of_a_fold():
    seen = []

    class Spy(KNeighborsClassifier):
        def fit(self, x, y):
            seen.append(set(x[:, 0]))
            return super().fit(x, y)

    data = random_set(np.random.default_rng(2), n_systems=6)
    data.x[:, 0] = [int(s[1:]) for s in data.chemical_system]
    held_out_probabilities(Spy(1), data.x, data.y, data.chemical_system)
    assert sorted(map(len, seen)) == [5] * 6
    assert len(set(map(frozenset, seen))) == 6


def test_a_planted_duplicate_fools_leave_one_out_and_not_the_grouped_score():
    single = random_set(np.random.default_rng(3), n=40)
    twice = np.repeat(np.arange(40), 2)
    ids = np.array([f"{single.material_id[i]}-{k}" for k, i in enumerate(twice)], dtype=object)
    planted = TrainingSet(
        *(ids, single.x[twice], single.y[twice], single.chemical_system[twice]),
        pd.Series(ids, index=ids),
    )
    found = values("nearest", KNeighborsClassifier(1), planted)
    assert found["nearest", "loo_misclassification"] == 0
    assert found["nearest", "grouped_misclassification"] > 0.25


def test_a_marked_duplicate_counts_once():
    data = random_set(np.random.default_rng(3), n=10)
    manifest = pd.DataFrame(
        {
            "material_id": [*data.material_id, "a-copy", "z-copy"],
            "duplicate_of": [None] * 10 + ["m000", "m001"],
            "chemical_system": [*data.chemical_system, "s0", "s1"],
        }
    )
    matrix = pd.DataFrame(data.x, index=data.material_id)
    matrix.loc["a-copy"], matrix.loc["z-copy"] = matrix.loc["m000"], matrix.loc["m001"]
    matrix.loc["m001", 0] = np.nan
    labels = pd.DataFrame({"material_id": manifest["material_id"], "is_upper_bound": False})
    labels["sigma_rt_s_cm"] = [*np.where(data.y, 1.0, 1e-9), 1.0, 1e-9]
    made = make_training_set(matrix, labels, manifest, fast_threshold_s_cm=1e-4)
    assert list(made.material_id) == [i for i in data.material_id if i != "m001"] + ["z-copy"]
    assert made.members["a-copy"] == "m000"
    assert made.members["m001"] == "z-copy"


def test_shuffled_labels_score_like_the_constant():
    gains, areas = [], []
    for seed in range(12):
        data = random_set(np.random.default_rng(seed), n=45)
        p = held_out_probabilities(RIDGE, data.x, data.y, np.arange(45))
        gains.append(np.mean(data.y) - misclassification(data.y, p)[0])
        areas.append(roc_auc(data.y, p)[0])
    assert np.mean(gains) < 0.03
    assert 0.25 < np.mean(areas) < 0.6


def test_a_real_signal_beats_the_constant_and_its_randomised_self():
    data = random_set(np.random.default_rng(4), n=45, signal=5.0)
    found = values("ridge", RIDGE, data)
    assert found["ridge", "loo_misclassification"] < 0.1
    assert found["constant", "loo_misclassification"] == pytest.approx(1 / 3)
    assert found["ridge", "x_randomised_misclassification"] > 0.25
    assert found["ridge", "loo_log_loss"] < found["constant", "loo_log_loss"]


def test_the_constant_is_computed_inside_the_fold():
    y = np.array([True, True, False, False, False])
    p = held_out_probabilities(None, np.zeros((5, 1)), y, np.arange(5))
    np.testing.assert_allclose(p, [2 / 6, 2 / 6, 3 / 6, 3 / 6, 3 / 6])
    assert base_rate(np.zeros(0, bool)) == 0.5


def test_a_fold_with_one_class_falls_back_on_the_base_rate():
    y = np.array([True, False, False, False])
    x = np.arange(4.0)[:, None]
    p = held_out_probabilities(RIDGE, x, y, np.arange(4))
    assert p[0] == pytest.approx(1 / 5)
    assert np.isfinite(p).all()


def test_one_chemical_system_has_no_grouped_score():
    data = random_set(np.random.default_rng(5), n_systems=1)
    found = values("ridge", RIDGE, data)
    assert np.isnan(found["ridge", "grouped_roc_auc"])
    assert np.isfinite(found["ridge", "loo_roc_auc"])


def test_randomisation_is_reproducible():
    data = random_set(np.random.default_rng(6))
    held_out = partial(held_out_probabilities, KNeighborsClassifier(1))
    first = randomised_misclassification(held_out, data.x, data.y, seed=1)
    assert first == randomised_misclassification(held_out, data.x, data.y, seed=1)
    assert first[1] <= first[0] <= first[2]
