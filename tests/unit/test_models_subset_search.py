"""The search over all subsets of columns, against scikit-learn fold by fold."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from ionscout.errors import ModelError
from ionscout.models.held_out import base_rate, fit_folds, gather_held_out
from ionscout.models.subset_search import SubsetLogistic, search_subsets
from ionscout.models.training_set import TrainingSet

PENALTY = 0.5


def make_materials(n, n_columns, seed=1):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, n_columns)) + rng.normal(size=(n, 1))
    values = values * rng.uniform(0.01, 100, n_columns) + rng.uniform(-50, 50, n_columns)
    signal = (values - values.mean(axis=0)) / values.std(axis=0)
    weights = np.array([1.5, -1.0, 1.0])[:n_columns]
    return values, signal[:, :3] @ weights + rng.normal(size=n) > 0.5


def peer(penalty=PENALTY):
    return make_pipeline(
        StandardScaler(),
        LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-10, max_iter=1000),
    )


def leave_one_out(estimator, values, is_fast):
    ids = np.array([f"m{i}" for i in range(len(values))], dtype=object)
    training = TrainingSet(ids, values, is_fast, ids, pd.Series(ids, index=ids))
    return gather_held_out(fit_folds(estimator, training, ids), values)


def loop_scores(values, is_fast, columns, penalty=PENALTY):
    """Leave one out, plainly."""
    if len(columns):
        p = leave_one_out(peer(penalty), values[:, columns], is_fast)
    else:
        p = leave_one_out(DummyClassifier(), values, is_fast)
    likelihood = np.where(is_fast, p, 1 - p)
    return np.count_nonzero((p >= 0.5) != is_fast), -np.log(likelihood).mean()


def all_subsets(n_columns):
    return [c for size in range(n_columns + 1) for c in combinations(range(n_columns), size)]


def columns_of(masks):
    return [tuple(np.flatnonzero(mask)) for mask in masks]


@pytest.fixture(scope="module")
def brute_force():
    values, is_fast = make_materials(14, 8)
    table = [(*loop_scores(values, is_fast, list(c)), len(c), c) for c in all_subsets(8)]
    return values, is_fast, sorted(table, key=lambda row: (row[0], round(row[1], 9), row[2]))


@pytest.mark.parametrize("n_best", [10, 256])
def test_the_search_is_that_of_scikit_learn_over_all_subsets(brute_force, n_best):
    values, is_fast, table = brute_force
    found = search_subsets(values, is_fast, penalty=PENALTY, n_best=n_best)
    wrong, loss, sizes, columns = zip(*table[:n_best], strict=True)
    assert found.n_searched == 256
    assert columns_of(found.masks) == list(columns)
    assert found.sizes.tolist() == list(sizes)
    assert found.loo_misclassified.tolist() == list(wrong)
    np.testing.assert_allclose(found.loo_log_loss, loss, atol=1e-8)


def test_the_best_of_each_size_is_that_of_all_subsets(brute_force):
    values, is_fast, table = brute_force
    found = search_subsets(values, is_fast, penalty=PENALTY, n_best=1).best_of_size
    best = [next(row for row in table if row[2] == size) for size in range(9)]
    assert columns_of(found.masks) == [row[3] for row in best]
    assert found.loo_misclassified.tolist() == [row[0] for row in best]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("penalty", [0.01, 1.0, 30.0])
def test_what_is_dropped_is_not_among_the_best(seed, penalty):
    values, is_fast = make_materials(25, 9, seed)
    every = search_subsets(values, is_fast, penalty=penalty, n_best=512)
    best = search_subsets(values, is_fast, penalty=penalty, n_best=20)
    assert best.n_refitted < every.n_refitted == 512
    assert columns_of(best.masks) == columns_of(every.masks[:20])
    assert columns_of(best.best_of_size.masks) == columns_of(every.best_of_size.masks)


def test_labels_without_relation_to_the_columns_are_searched_as_exactly():
    values, _ = make_materials(20, 7)
    is_fast = np.random.default_rng(2).permutation(np.arange(20) < 6)
    found = search_subsets(values, is_fast, penalty=PENALTY, n_best=4)
    every = search_subsets(values, is_fast, penalty=PENALTY, n_best=128)
    assert columns_of(found.masks) == columns_of(every.masks[:4])
    for mask, wrong, loss in zip(
        found.masks, found.loo_misclassified, found.loo_log_loss, strict=True
    ):
        scores = loop_scores(values, is_fast, np.flatnonzero(mask))
        assert scores == (wrong, pytest.approx(loss, abs=1e-8))


def test_the_number_of_threads_changes_nothing_but_rounding():
    values, is_fast = make_materials(12, 13)
    one, two = (
        search_subsets(values, is_fast, penalty=1.0, n_best=50, n_threads=n) for n in (1, 2)
    )
    np.testing.assert_array_equal(one.masks, two.masks)
    np.testing.assert_allclose(one.loo_log_loss, two.loo_log_loss, rtol=1e-12)


def test_no_subset_is_larger_than_asked_for():
    values, is_fast = make_materials(15, 6)
    found = search_subsets(values, is_fast, penalty=1.0, max_features=2)
    assert found.n_searched == len(found.masks) == 1 + 6 + 15
    every = search_subsets(values, is_fast, penalty=1.0)
    small = every.masks[every.sizes <= 2]
    np.testing.assert_array_equal(found.masks, small)


def test_a_column_without_variance_enters_no_subset():
    values, is_fast = make_materials(15, 5)
    without = search_subsets(np.delete(values, 2, axis=1), is_fast, penalty=1.0)
    values[:, 2] = 0.1
    found = search_subsets(values, is_fast, penalty=1.0)
    assert not found.masks[:, 2].any()
    np.testing.assert_array_equal(np.delete(found.masks, 2, axis=1), without.masks)


def test_constant_columns_alone_leave_the_empty_subset():
    found = search_subsets(np.ones((6, 3)), np.arange(6) < 2, penalty=1.0)
    assert found.masks.tolist() == [[False] * 3]
    assert found.loo_misclassified.tolist() == [2]


@pytest.mark.parametrize("spread", [0.0, 0.5, 5.0])
def test_a_column_that_varies_by_one_material_is_scaled_as_in_the_fold(spread):
    values, is_fast = make_materials(14, 3)
    values[:, 1] = spread * np.arange(14)
    values[4, 1] = 60
    found = search_subsets(values, is_fast, penalty=1.0)
    for mask, wrong, loss in zip(
        found.masks, found.loo_misclassified, found.loo_log_loss, strict=True
    ):
        scores = loop_scores(values, is_fast, np.flatnonzero(mask), penalty=1.0)
        assert scores == (wrong, pytest.approx(loss, abs=1e-7))


def test_equal_columns_are_told_apart_by_position_and_size():
    values, is_fast = make_materials(15, 2)
    found = search_subsets(values[:, [0, 0, 1]], is_fast, penalty=1.0)
    order = columns_of(found.masks)
    assert order.index((0,)) + 1 == order.index((1,))
    assert order.index((0, 2)) + 1 == order.index((1, 2))


def test_a_fold_of_one_class_is_predicted_by_its_base_rate():
    values, _ = make_materials(10, 3)
    is_fast = np.arange(10) == 3
    found = search_subsets(values, is_fast, penalty=1.0)
    assert (found.loo_misclassified >= 1).all()
    mask, loss = found.masks[0], found.loo_log_loss[0]
    assert loss > -np.log(base_rate(np.zeros(9, dtype=bool))) / 10
    expected = loop_scores(values, is_fast, np.flatnonzero(mask), penalty=1.0)
    assert expected == (found.loo_misclassified[0], pytest.approx(loss, abs=1e-8))


def test_perfectly_separated_materials_converge_under_a_small_penalty():
    is_fast = np.arange(12) >= 6
    values = np.column_stack([np.arange(12.0), np.where(is_fast, 1.0, -1.0)])
    found = search_subsets(values, is_fast, penalty=1e-6)
    assert found.loo_misclassified[0] == 0
    assert 0 < found.loo_log_loss[0] < 1e-4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": np.full((8, 2), np.nan)}, "8 of 8 materials have values that are not finite"),
        ({"values": np.zeros(8)}, "are no"),
        ({"values": np.random.default_rng(0).random((8, 25))}, "at most 24 columns"),
        ({"is_fast": np.zeros(8, dtype=bool)}, "one class"),
        ({"is_fast": np.zeros(8)}, "True or False"),
        ({"is_fast": np.zeros(7, dtype=bool)}, "are no"),
        ({"values": np.empty((0, 2)), "is_fast": np.empty(0, dtype=bool)}, "one class"),
        ({"penalty": 0.0}, "penalty"),
        ({"penalty": np.nan}, "penalty"),
        ({"max_features": -1}, "max_features"),
        ({"n_best": 0}, "n_best"),
        ({"n_threads": 0}, "n_threads"),
    ],
)
def test_what_cannot_be_searched_is_refused(change, message):
    arguments = {
        "values": np.arange(16.0).reshape(8, 2),
        "is_fast": np.arange(8) < 3,
        "penalty": 1.0,
        **change,
    }
    with pytest.raises(ModelError, match=message):
        search_subsets(**arguments)


def test_a_spread_of_one_material_beyond_precision_is_refused():
    values, is_fast = make_materials(14, 2)
    values[4, 1] = 1e14
    with pytest.raises(ModelError, match="does not converge"):
        search_subsets(values, is_fast, penalty=1.0)


def test_the_estimator_has_the_coefficients_of_scikit_learn():
    values, is_fast = make_materials(30, 6)
    model = SubsetLogistic(penalty=PENALTY, n_best=5).fit(values, is_fast)
    assert len(model.search_.masks) == 5
    fitted = peer().fit(values[:, model.support_], is_fast)
    standardised = (model.coef_ * model.scale_)[0, model.support_]
    np.testing.assert_allclose(standardised, fitted[-1].coef_[0], atol=1e-6)
    assert (model.coef_[0, ~model.support_] == 0).all()
    expected = fitted.predict_proba(values[:, model.support_])
    np.testing.assert_allclose(model.predict_proba(values), expected, atol=1e-6)


def test_the_estimator_searches_anew_in_each_fold():
    values, is_fast = make_materials(12, 5)
    model = SubsetLogistic(max_features=2)
    p = leave_one_out(model, values, is_fast)
    for i in range(12):
        rest = np.arange(12) != i
        alone = clone(model).fit(values[rest], is_fast[rest])
        assert p[i] == alone.predict_proba(values[[i]])[0, 1]


@parametrize_with_checks([SubsetLogistic(max_features=2)])
def test_the_estimator_keeps_the_conventions_of_scikit_learn(estimator, check):
    check(estimator)


def test_the_descriptors_of_sendek_are_searched_as_exactly(shared_data):
    table = pd.read_csv(shared_data / "mp2018_li" / "sendek2017_features.csv", index_col="mp")
    chosen = table.sample(40, random_state=1)
    is_fast = (chosen["SBI"] + 0.1 * chosen["LASD"]).rank().to_numpy() > 30
    is_fast[:3] = ~is_fast[:3]
    values = chosen.drop(columns=["SBI", "LASD"]).iloc[:, :10].to_numpy()
    best = search_subsets(values, is_fast, penalty=1.0, n_best=30)
    every = search_subsets(values, is_fast, penalty=1.0, n_best=1024)
    np.testing.assert_array_equal(best.masks, every.masks[:30])
    for rank in (0, 29):
        scores = loop_scores(values, is_fast, np.flatnonzero(best.masks[rank]), penalty=1.0)
        expected = best.loo_misclassified[rank], pytest.approx(best.loo_log_loss[rank], abs=1e-8)
        assert scores == expected


def test_a_column_that_varies_by_rounding_alone_enters_no_subset():
    values, is_fast = make_materials(14, 3)
    values[:, 1] = np.where(is_fast, 0.3, 0.1 + 0.2)
    found = search_subsets(values, is_fast, penalty=1e-3, n_best=100)
    assert found.n_searched == 4
    assert not found.masks[:, 1].any()
    assert SubsetLogistic(penalty=1e-3).fit(values, is_fast).scale_[1] == 1
