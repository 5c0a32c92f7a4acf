"""Transfer from structure to composition."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from small_campaign import SETTINGS, campaign, train

from ionscout.models import CLASSIFIERS
from ionscout.models.esml import (
    COMPOSITION_COLUMNS,
    LEAST_POOL,
    STRUCTURE_COLUMNS,
    TransferClassifier,
)
from ionscout.models.training_set import Pool


def world(seed=0, n=30, n_pool=400):
    """Speed follows structure; in the pool, composition follows structure."""
    rng = np.random.default_rng(seed)
    composition = rng.normal(size=(n + n_pool, 4))
    structure = composition[:, :2] + 0.2 * rng.normal(size=(n + n_pool, 2))
    x = np.hstack([structure, composition])
    y = structure.sum(axis=1) > 0
    systems = np.array([f"s{i}" for i in range(n_pool)], dtype=object)
    return x[:n], y[:n], Pool(x[n:], systems), y[n:]


def test_the_student_learns_what_the_teacher_says_of_the_pool():
    x, y, pool, truth = world()
    fitted = TransferClassifier(2).fit(x, y, pool=pool)
    assert fitted.n_pool_ == 400
    assert np.mean(fitted.predict(pool.x) == truth) > 0.9
    spoiled = pool.x.copy()
    spoiled[:, :2] = np.nan_to_num(spoiled[:, :2]) * -100
    np.testing.assert_array_equal(fitted.predict_proba(spoiled), fitted.predict_proba(pool.x))


def test_the_student_is_the_weighted_regression_it_says():
    x, y, pool, _ = world()
    fitted = TransferClassifier(2, ridge_penalty=2.0).fit(x, y, pool=pool)
    scaler = StandardScaler().fit(x[:, :2])
    teacher = LogisticRegression(C=0.5, tol=1e-10).fit(scaler.transform(x[:, :2]), y)
    p = teacher.predict_proba(scaler.transform(pool.x[:, :2]))[:, 1]
    z = StandardScaler().fit_transform(pool.x[:, 2:])
    student = LogisticRegression(C=0.5, tol=1e-10).fit(
        np.vstack([z, z]), np.repeat([True, False], len(z)), np.concatenate([p, 1 - p])
    )
    np.testing.assert_allclose(fitted.student_["classify"].coef_, student.coef_, atol=1e-4)


def test_a_small_pool_is_no_pool():
    x, y, pool, _ = world(n_pool=LEAST_POOL - 1)
    fitted = TransferClassifier(2).fit(x, y, pool=pool)
    assert fitted.n_pool_ == 0
    direct = LogisticRegression(C=1.0, tol=1e-10).fit(StandardScaler().fit_transform(x[:, 2:]), y)
    np.testing.assert_allclose(fitted.student_["classify"].coef_, direct.coef_, atol=1e-4)


def test_it_judges_by_composition_alone_and_linearly():
    tables, labels, manifest = campaign(n=80, n_labelled=20)
    tables["sendek"].loc["m79", tables["sendek"].columns.drop("reason")] = np.nan
    model = train("esml", tables, labels, manifest)
    assert model.predictor.columns == COMPOSITION_COLUMNS
    assert model.predictions.set_index("material_id").loc["m79", "probability"] > 0
    classifier = CLASSIFIERS["esml"]
    assert classifier.columns == STRUCTURE_COLUMNS + COMPOSITION_COLUMNS
    weights, intercept = classifier.linear(model.predictor.estimator)
    x = tables["elemental"].drop(columns="reason").to_numpy()
    p = model.predictions["probability"].to_numpy()
    np.testing.assert_allclose(1 / (1 + np.exp(-(x @ weights + intercept))), p, atol=1e-9)
    scores = model.metrics.set_index(["model", "metric"])
    assert scores.loc[("esml", "loo_roc_auc"), "value"] > 0.8
    assert scores.loc[("esml", "loo_roc_auc"), "note"].endswith("59 materials in the pool")
    assert model.to_json()["n_pool"] == 59


@pytest.mark.parametrize("y", [np.ones(10, bool), np.arange(10) % 3])
def test_other_than_two_classes_are_refused(y):
    with pytest.raises(ValueError, match=r"Only binary|nothing tells two"):
        TransferClassifier(2).fit(np.random.default_rng(0).normal(size=(10, 4)), y)


def test_the_pool_holds_no_labelled_material_and_no_duplicate_of_one():
    from ionscout.models.training import gather_training

    tables, labels, manifest = campaign(n=80, n_labelled=20)
    manifest.loc[70, "duplicate_of"] = "m00"
    own = {kind: tables[kind] for kind in ("sendek", "elemental")}
    training = gather_training("esml", own, labels, manifest, SETTINGS).training
    left = set(training.pool.chemical_system)
    assert len(training.pool.x) == 59
    assert "Li-m70" not in left
    assert left.isdisjoint(pd.Series(training.chemical_system))
