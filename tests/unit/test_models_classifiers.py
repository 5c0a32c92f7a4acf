import copy
import json
from functools import cache
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Composition
from scipy.optimize import minimize
from sklearn.utils.validation import check_is_fitted

from ionscout.config import ClusterSettings, ModelSettings
from ionscout.errors import ModelError
from ionscout.models import CLASSIFIERS, CLUSTERINGS, load_model, train_model
from ionscout.models.logistic import build_logistic
from ionscout.models.sendek2017 import SENDEK_COLUMNS, TRAINED_ON, Sendek2017Classifier

COLUMNS = list(SENDEK_COLUMNS)
SETTINGS = ModelSettings()


def campaign(n=24, seed=0):
    """A descriptor table, its labels (half of it) and manifest, with a signal in LASD."""
    rng = np.random.default_rng(seed)
    ids = [f"m{i:02d}" for i in range(n)]
    features = pd.DataFrame(rng.normal(3.0, 1.0, size=(n, 5)), index=ids, columns=COLUMNS)
    features.index.name = "material_id"
    labelled = ids[: n // 2]
    fast = features.loc[labelled, "lasd_ang"] > features.loc[labelled, "lasd_ang"].median()
    labels = pd.DataFrame(
        {
            "material_id": labelled,
            "sigma_rt_s_cm": np.where(fast, 1e-3, 1e-8),
            "is_upper_bound": False,
        }
    )
    manifest = pd.DataFrame(
        {
            "material_id": ids,
            "duplicate_of": None,
            "chemical_system": [f"Li-{i}" for i in ids],
            "reduced_formula": [f"LiX{i}" for i in ids],
        }
    )
    return features.assign(reason=""), labels, manifest


@cache
def trained(name):
    """The classifier trained on the campaign as it is, once for all tests."""
    return train(name, *campaign())


def train(name, features, labels, manifest, settings=SETTINGS):
    return train_model(name, features, labels, manifest, settings, seed=3)


@pytest.mark.parametrize(
    ("row", "z"),
    [
        # 0.368 - 1.078994 - 1.401 + 20.560600 - 8.127449 - 6.564
        ([2.0, 0.269143, 3.0, 2.363559, 3.745368], 3.757157),
        # 2.944 - 1.634437 - 1.868 + 18.234644 - 4.548704 - 6.564
        ([16.0, 0.407692, 4.0, 2.096177, 2.096177], 6.563503),
    ],
)
def test_the_published_model_by_hand(row, z):
    model = Sendek2017Classifier()
    assert model.decision_function([row])[0] == pytest.approx(z, abs=2e-5)
    assert model.predict_proba([row])[0, 1] == pytest.approx(1 / (1 + np.exp(-z)), abs=1e-6)
    assert model.predict_proba([row]).sum() == pytest.approx(1)
    assert model.predict([row]).tolist() == [True]


def test_the_published_model_needs_no_fit_and_does_not_learn():
    model = Sendek2017Classifier()
    check_is_fitted(model)
    x = np.random.default_rng(0).normal(3, 1, size=(10, 5))
    before = model.predict_proba(x)
    np.testing.assert_array_equal(model.fit(x, x[:, 0] > 3).predict_proba(x), before)


def test_the_published_model_on_the_authors_descriptors(shared_data):
    table = pd.read_csv(shared_data / "mp2018_li" / "sendek2017_features.csv").dropna()
    z = table.eval("0.184*LLB - 4.009*SBI - 0.467*AFC + 8.699*LASD - 2.170*LLSD - 6.564")
    x = table[["LLB", "SBI", "AFC", "LASD", "LLSD"]].to_numpy()
    p = Sendek2017Classifier().predict_proba(x)[:, 1]
    assert len(p) > 1000
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-z)), atol=1e-12)


def test_the_ridge_minimises_what_it_says():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(30, 5)), rng.random(30) < 0.4
    fitted = build_logistic(ridge_penalty=2.5, seed=0).fit(x, y)
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)

    def objective(parameters):
        z = scaled @ parameters[:5] + parameters[5]
        return np.logaddexp(0, np.where(y, -z, z)).sum() + 2.5 / 2 * np.sum(parameters[:5] ** 2)

    best = minimize(objective, np.zeros(6), tol=1e-12).x
    np.testing.assert_allclose(fitted["classify"].coef_[0], best[:5], atol=1e-4)
    np.testing.assert_allclose(fitted["classify"].intercept_, best[5:], atol=1e-4)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_saved_model_predicts_the_same_to_the_bit(name):
    model, features = trained(name), campaign()[0]
    saved = json.loads(json.dumps(model.to_json()))
    again = load_model(saved).predict(features)
    expected = model.predictions[["material_id", "probability", "reason"]]
    pd.testing.assert_frame_equal(again, expected, check_exact=True)
    assert saved["n_training"] == 12
    assert saved["n_fast"] == 6
    assert {"scikit-learn", "numpy", "ionscout"} <= set(saved["versions"])


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: c.pop("parameters"),
        lambda c: c.update(surprise=1),
        lambda c: c.update(format="pickle"),
        lambda c: c.update(model="forest"),
        lambda c: c.update(seed="3"),
        lambda c: c["parameters"].update(intercept=0.0),
        lambda c: c["feature_names"].reverse(),
    ],
)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_damaged_model_is_refused(name, damage):
    content = copy.deepcopy(trained(name).to_json())
    damage(content)
    with pytest.raises(ModelError) as error:
        load_model(content)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, [], "x", {}])
def test_what_is_no_model_is_refused(content):
    with pytest.raises(ModelError):
        load_model(content)


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize(
    "change",
    [
        {"coefficients": [0.0]},
        {"scale": [0.0] * 5},
        {"intercept": float("nan")},
        {"code": "import os"},
    ],
)
def test_parameters_are_checked_even_with_a_right_checksum(name, change):
    from ionscout.models.registry import _checksum

    content = trained(name).to_json()
    content["parameters"] = {**content["parameters"], **change}
    content["sha256"] = _checksum({k: v for k, v in content.items() if k != "sha256"})
    with pytest.raises(ModelError):
        load_model(content)


def test_predictions_hold_every_material_of_the_manifest():
    features, labels, manifest = campaign()
    features.loc["m20", ["sbi", "reason"]] = [np.nan, "no neighbours"]
    features.loc["m21", "llb"] = np.nan
    features = features.drop("m22")
    model = train("logistic", features.iloc[::-1], labels, manifest)
    table = model.predictions.set_index("material_id")
    assert list(table.index) == list(manifest["material_id"])
    assert table.loc["m20", "reason"] == "no neighbours"
    assert table.loc["m21", "reason"] == "no value of llb"
    assert table.loc["m22", "reason"] == "not described"
    assert table.loc[["m20", "m21", "m22"], "probability"].isna().all()
    rest = table.drop(["m20", "m21", "m22"])
    assert rest["probability"].between(0, 1).all()
    assert (rest["reason"] == "").all()
    assert list(table.index[table["in_training"]]) == list(labels["material_id"])
    assert (table["probability_loo"].notna() == table["in_training"]).all()


def test_a_duplicate_shares_the_leave_one_out_probability():
    features, labels, manifest = campaign()
    manifest.loc[23, "duplicate_of"] = "m00"
    features.loc["m23"] = features.loc["m00"]
    table = train("logistic", features, labels, manifest).predictions.set_index("material_id")
    assert table.loc["m23", "in_training"]
    assert table.loc["m23", "probability_loo"] == table.loc["m00", "probability_loo"]
    assert table.loc["m00", "probability_loo"] != table.loc["m00", "probability"]


def test_the_published_model_is_scored_apart_from_what_it_was_trained_on():
    features, labels, manifest = campaign()
    manifest.loc[[0, 1, 20], "reduced_formula"] = ["Li3N", "LiI", "Li7P3S11"]
    model = train("sendek2017", features, labels, manifest)
    table = model.predictions.set_index("material_id")
    assert list(table.index[table["in_training"]]) == ["m00", "m01", "m20"]
    assert table["probability_loo"].isna().all()
    scores = model.metrics.set_index(["model", "metric"])
    assert not scores.index.duplicated().any()
    assert not [metric for _, metric in scores.index if metric.startswith(("loo_", "grouped_"))]
    assert scores.loc[("sendek2017", "published_roc_auc"), "n"] == 12
    note = scores.loc[("sendek2017", "published_roc_auc"), "note"]
    assert note.startswith("2 of the 12 labelled materials are in its training set")
    unseen = labels["material_id"][2:]
    wrong = (table.loc[unseen, "probability"] >= 0.5).to_numpy() != (
        labels["sigma_rt_s_cm"][2:] >= SETTINGS.fast_threshold_s_cm
    ).to_numpy()
    found = scores.loc[("sendek2017", "published_unseen_misclassification")]
    assert (found["value"], found["n"]) == (wrong.mean(), 10)
    constant = scores.xs("constant")
    assert constant.loc["published_unseen_roc_auc", "value"] == 0.5
    assert set(constant["n"]) == {12, 10}


def test_a_published_model_that_has_seen_every_label_has_no_unseen_score():
    features, labels, manifest = campaign()
    manifest["reduced_formula"] = "Li3N"
    scores = train("sendek2017", features, labels, manifest).metrics.set_index(["model", "metric"])
    unseen = scores.loc[("sendek2017", "published_unseen_misclassification")]
    assert np.isnan(unseen["value"])
    assert unseen["n"] == 0
    assert np.isfinite(scores.loc[("sendek2017", "published_misclassification"), "value"])


def test_the_training_compounds_are_spelled_as_in_the_manifest():
    spelled = [Composition(formula).reduced_formula for formula in TRAINED_ON]
    assert spelled == list(TRAINED_ON)
    assert len(set(TRAINED_ON)) == 32
    assert "32 are known" in CLASSIFIERS["sendek2017"].note


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda f, s: s.drop(s.index), "0 labelled materials"),
        (lambda f, s: s.iloc[:3], "3 labelled materials"),
        (lambda f, s: s.assign(sigma_rt_s_cm=1e-9), "all 12 labelled materials are slow"),
        (lambda f, s: s.assign(sigma_rt_s_cm=1.0), "all 12 labelled materials are fast"),
        (lambda f, s: s.assign(sigma_rt_s_cm=1.0, is_upper_bound=True), "0 labelled materials"),
    ],
)
def test_labels_that_teach_nothing_do_not_stop_the_campaign(spoil, reason):
    features, labels, manifest = campaign()
    model = train("logistic", features, spoil(features, labels), manifest)
    assert model.predictions["probability"].isna().all()
    assert model.predictions["reason"].str.startswith(reason).all()
    assert not model.predictions["in_training"].any()
    assert model.metrics["value"].isna().all()
    assert model.metrics["note"].str.startswith(reason).all()
    again = load_model(json.loads(json.dumps(model.to_json()))).predict(features)
    assert again["reason"].str.startswith(reason).all()
    published = train("sendek2017", features, spoil(features, labels), manifest)
    assert published.predictions["probability"].notna().all()
    assert published.metrics["value"].isna().all()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_descriptors_that_are_all_missing(name):
    features, labels, manifest = campaign()
    features[COLUMNS] = np.nan
    predictions = train(name, features, labels, manifest).predictions
    assert predictions["probability"].isna().all()
    assert (predictions["reason"] != "").all()


def test_constant_columns_and_identical_materials_are_harmless():
    features, labels, manifest = campaign()
    features["afc"] = 12.0
    model = train("logistic", features, labels, manifest)
    assert model.predictions["probability"].notna().all()
    assert model.to_json()["parameters"]["coefficients"][2] == 0
    features[COLUMNS] = 1.0
    same = train("logistic", features, labels, manifest).predictions["probability"]
    np.testing.assert_allclose(same, 0.5, atol=1e-6)


def test_training_is_reproducible_and_knows_its_data():
    first = trained("logistic").to_json()
    assert train("logistic", *campaign()).to_json() == first
    features, labels, manifest = campaign()
    features.loc["m00", "llb"] += 1e-9
    assert (
        train("logistic", features, labels, manifest).to_json()["data_sha256"]
        != (first["data_sha256"])
    )


def test_unknown_models_and_missing_columns_are_named():
    features, labels, manifest = campaign()
    with pytest.raises(ModelError, match="no model 'forest'; there are logistic, sendek2017"):
        train("forest", features, labels, manifest)
    with pytest.raises(ModelError, match="reads the descriptor 'sbi'"):
        train("logistic", features.drop(columns="sbi"), labels, manifest)


def test_the_configuration_and_the_registries_name_the_same_methods():
    (models,) = get_args(ModelSettings.model_fields["names"].annotation)
    (clusterings,) = get_args(ClusterSettings.model_fields["names"].annotation)
    assert set(get_args(models)) == set(CLASSIFIERS)
    assert set(get_args(clusterings)) == set(CLUSTERINGS)
