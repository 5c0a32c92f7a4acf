import json
from functools import cache
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Composition
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted
from small_campaign import SETTINGS, campaign, train

from ionscout.config import CLASSIFIER_SETS, ClusterSettings, ModelSettings, load_campaign
from ionscout.errors import ConfigError, ModelError
from ionscout.models import CLASSIFIERS, CLUSTERINGS, load_model
from ionscout.models.logistic import build_logistic
from ionscout.models.sendek2017 import TRAINED_ON, Sendek2017Classifier

LEARNING = [name for name, classifier in CLASSIFIERS.items() if classifier.learns]
# The stack is its members fitted many times over: seconds here, and nothing of its own.
QUICK = [name for name in LEARNING if name != "stack"]


@cache
def trained(name):
    """The classifier trained on the campaign as it is, once for all tests."""
    return train(name, *campaign())


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
def test_every_classifier_is_a_scikit_learn_estimator(name):
    estimator = CLASSIFIERS[name].build(SETTINGS, 3)
    again = clone(estimator)
    assert type(again) is type(estimator)
    assert str(again.get_params()) == str(estimator.get_params())
    assert not [key for key in vars(estimator) if key.endswith("_") and not key.startswith("_")]


@pytest.mark.parametrize("name", ["sendek2017", *QUICK])
def test_every_classifier_judges_and_is_judged(name):
    model = trained(name)
    table = model.predictions
    assert table["probability"].between(0, 1).all()
    assert (table["reason"] == "").all()
    assert table["uncertainty"].between(0, 1).all()
    metrics = model.metrics.set_index(["model", "metric"])
    assert not metrics.index.duplicated().any()
    scores = metrics.loc[metrics["value"].notna() & ~metrics.index.duplicated()]
    assert (scores["low"] <= scores["value"] + 1e-12).all()
    assert (scores["value"] <= scores["high"] + 1e-12).all()
    alone = {"spearman", "errors_roc_auc", "domain_misclassification"}
    for own, metric in metrics.index:
        if own == name and not metric.endswith(tuple(alone)):
            assert ("constant", metric) in metrics.index
    assert set(model.importance["column"]) == set(CLASSIFIERS[name].columns)
    assert {"roc", "calibration"} <= set(model.curves["kind"])


@pytest.mark.parametrize("name", QUICK)
def test_every_classifier_learns_what_there_is_to_learn(name):
    scores = trained(name).metrics.set_index(["model", "metric"])["value"]
    assert scores[name, "loo_roc_auc"] > 0.65
    assert scores[name, "loo_log_loss"] < scores["constant", "loo_log_loss"]


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name in LEARNING for kind in CLASSIFIER_SETS[name]]
)
def test_a_column_that_is_all_missing_is_named(name, kind):
    tables, labels, manifest = campaign()
    column = next(c for c in CLASSIFIERS[name].columns if c.split(".")[0] == kind or "." not in c)
    tables[kind][column.split(".")[-1]] = np.nan
    model = train(name, tables, labels, manifest)
    assert model.predictions["probability"].isna().all()
    assert (model.predictions["reason"] != "").all()
    said = "0 labelled materials with all descriptors; 4 are needed; no material has a value of "
    assert (model.metrics["note"] == said + column).all()


def test_predictions_hold_every_material_of_the_manifest():
    tables, labels, manifest = campaign()
    features = tables["sendek"]
    features.loc["m20", ["sbi", "reason"]] = [np.nan, "no neighbours"]
    features.loc["m21", "llb"] = np.nan
    features = features.drop("m22")
    model = train("logistic", {"sendek": features.iloc[::-1]}, labels, manifest)
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
    tables, labels, manifest = campaign()
    manifest.loc[23, "duplicate_of"] = "m00"
    tables["sendek"].loc["m23"] = tables["sendek"].loc["m00"]
    table = train("logistic", tables, labels, manifest).predictions.set_index("material_id")
    assert table.loc["m23", "in_training"]
    assert table.loc["m23", "probability_loo"] == table.loc["m00", "probability_loo"]
    assert table.loc["m00", "probability_loo"] != table.loc["m00", "probability"]


def test_the_published_model_is_scored_apart_from_what_it_was_trained_on():
    tables, labels, manifest = campaign()
    manifest.loc[[0, 1, 20], "reduced_formula"] = ["Li3N", "LiI", "Li7P3S11"]
    model = train("sendek2017", tables, labels, manifest)
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
    tables, labels, manifest = campaign()
    manifest["reduced_formula"] = "Li3N"
    scores = train("sendek2017", tables, labels, manifest).metrics.set_index(["model", "metric"])
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
        (lambda s: s.drop(s.index), "0 labelled materials"),
        (lambda s: s.iloc[:1], "1 labelled materials"),
        (lambda s: s.iloc[:3], "3 labelled materials"),
        (lambda s: s.assign(sigma_rt_s_cm=1e-9), "all 12 labelled materials are slow"),
        (lambda s: s.assign(sigma_rt_s_cm=1.0), "all 12 labelled materials are fast"),
        (lambda s: s.assign(sigma_rt_s_cm=1.0, is_upper_bound=True), "0 labelled materials"),
    ],
)
@pytest.mark.parametrize("name", LEARNING)
def test_labels_that_teach_nothing_do_not_stop_the_campaign(name, spoil, reason):
    tables, labels, manifest = campaign()
    model = train(name, tables, spoil(labels), manifest)
    assert model.predictions["probability"].isna().all()
    assert model.predictions["reason"].str.startswith(reason).all()
    assert not model.predictions["in_training"].any()
    assert model.predictions["in_domain"].isna().all()
    assert model.metrics["value"].isna().all()
    assert model.metrics["note"].str.startswith(reason).all()
    assert model.curves.empty
    assert model.coefficients.empty
    assert model.importance.empty
    saved = load_model(json.loads(json.dumps(model.to_json())))
    again = saved.predict(model_features(name, tables))
    assert again["reason"].str.startswith(reason).all()
    published = train("sendek2017", tables, spoil(labels), manifest)
    assert published.predictions["probability"].notna().all()
    assert published.metrics["value"].isna().all()


def model_features(name, tables):
    from ionscout.models.training_set import join_feature_sets

    return join_feature_sets({kind: tables[kind] for kind in CLASSIFIER_SETS[name]})


@pytest.mark.parametrize("name", QUICK)
def test_fewer_labels_than_folds(name):
    tables, labels, manifest = campaign()
    kept = labels.iloc[[0, 1, 2, -1]]
    kept = kept.assign(sigma_rt_s_cm=[1.0, 1e-9, 1.0, 1e-9])
    model = train(name, tables, kept, manifest, settings=SETTINGS.model_copy(update={"n_folds": 9}))
    assert model.predictions["probability"].between(0, 1).all()
    scores = model.metrics.set_index(["model", "metric"])["value"]
    assert np.isfinite(scores[name, "loo_log_loss"])


@pytest.mark.parametrize("name", QUICK)
def test_a_constant_column_is_harmless(name):
    tables, labels, manifest = campaign()
    for table in tables.values():
        table[table.columns[[0, 4]]] = 12.0
    model = train(name, tables, labels, manifest)
    assert model.predictions["probability"].between(0, 1).all()
    constant = [f"{kind}.{tables[kind].columns[4]}" for kind in tables]
    rises = model.importance.set_index("column")["log_loss_increase"]
    np.testing.assert_allclose(rises[rises.index.isin(constant)], 0, atol=1e-12)


@pytest.mark.parametrize("name", QUICK)
def test_identical_structures_get_one_probability(name):
    tables, labels, manifest = campaign()
    for table in tables.values():
        table[table.columns.drop("reason")] = 1.0
    model = train(name, tables, labels, manifest)
    np.testing.assert_allclose(model.predictions["probability"].diff().dropna(), 0, atol=1e-9)
    assert model.predictions["probability"].between(0.3, 0.7).all()
    scores = model.metrics.set_index(["model", "metric"])["value"]
    assert np.isnan(scores[name, "grouped_system_log_loss"])


@pytest.mark.parametrize("n", [0, 1, 2, 3])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_next_to_no_materials(name, n):
    tables, labels, manifest = campaign()
    few = manifest.iloc[:n]
    tables = {kind: table.iloc[:n] for kind, table in tables.items()}
    model = train(name, tables, labels[labels["material_id"].isin(few["material_id"])], few)
    assert len(model.predictions) == n
    assert model.metrics["value"].isna().all()
    assert model.metrics["note"].str.startswith(f"{n} labelled materials").all()


@pytest.mark.parametrize("name", ["logistic", "kernel_svm", "forest"])
def test_training_is_reproducible_to_the_byte(name):
    first, again = trained(name), train(name, *campaign())
    assert again.to_json() == first.to_json()
    for kind in ("predictions", "metrics", "curves", "coefficients", "importance"):
        pd.testing.assert_frame_equal(getattr(first, kind), getattr(again, kind))


def test_a_model_knows_its_data():
    tables, labels, manifest = campaign()
    tables["sendek"].loc["m00", "llb"] += 1e-9
    changed = train("logistic", tables, labels, manifest).to_json()
    assert changed["data_sha256"] != trained("logistic").to_json()["data_sha256"]


def test_unknown_models_and_missing_columns_are_named():
    tables, labels, manifest = campaign()
    tables["sendek"] = tables["sendek"].drop(columns="sbi")
    with pytest.raises(ModelError, match="reads the descriptor 'sbi'"):
        train("logistic", tables, labels, manifest)
    from ionscout.models import train_model

    with pytest.raises(ModelError, match="no model 'oracle'; there are esml, forest"):
        train_model("oracle", tables, labels, manifest, ModelSettings(), seed=1)


def test_a_classifier_without_its_descriptors_is_refused_by_its_key():
    folder = {"mine": {"kind": "folder", "path": "here"}}
    config = {"campaign": "test", "structures": {"sources": folder}}
    config["features"] = {"sets": ["sendek", "mxrd", "structural"]}
    with pytest.raises(ConfigError, match=r"models\.names: 'linear_svm' reads the descriptors"):
        load_campaign(config)
    config["models"] = {"names": ["logistic", "sendek_retrained"]}
    assert load_campaign(config).models.names == ["logistic", "sendek_retrained"]


def test_the_stack_is_optional():
    assert set(ModelSettings().names) == set(CLASSIFIERS) - {"stack"}


def test_the_configuration_and_the_registries_name_the_same_methods():
    (models,) = get_args(ModelSettings.model_fields["names"].annotation)
    (clusterings,) = get_args(ClusterSettings.model_fields["names"].annotation)
    assert set(get_args(models)) == set(CLASSIFIERS)
    assert set(get_args(clusterings)) == set(CLUSTERINGS)


def test_the_columns_of_each_classifier_are_those_of_its_sets():
    from ionscout.features import get_set

    for name, classifier in CLASSIFIERS.items():
        kinds = CLASSIFIER_SETS[name]
        known = [
            f"{kind}.{column}" if len(kinds) > 1 else column
            for kind in kinds
            for column in get_set(kind).columns
        ]
        assert set(classifier.columns) <= set(known)
        assert {column.split(".")[0] for column in classifier.columns} == set(kinds) or len(
            kinds
        ) == 1


@pytest.mark.parametrize("absurd", [np.inf, -np.inf, 1e31, -1e200])
@pytest.mark.parametrize("name", ["sendek2017", "logistic", "forest"])
def test_an_absurd_value_counts_as_missing(name, absurd):
    tables, labels, manifest = campaign()
    tables["sendek"].loc[["m01", "m21"], "llb"] = absurd
    model = train(name, tables, labels, manifest)
    table = model.predictions.set_index("material_id")
    assert table["probability"].isna().sum() == 2
    assert table.loc[["m01", "m21"], "reason"].str.startswith("no value of").all()
    metrics = model.metrics.set_index(["model", "metric"])["n"]
    assert metrics.max() == 11
    tables["sendek"]["llb"] = absurd
    model = train("logistic", tables, labels, manifest)
    assert model.predictions["reason"].eq("no value of llb").sum() == 0
    assert model.metrics["note"].str.endswith("no material has a value of llb").all()


def test_a_search_that_does_not_converge_is_a_reason():
    tables, labels, manifest = campaign()
    tables["sendek"].loc["m03", "llb"] = 1e10
    model = train("sendek_retrained", tables, labels, manifest)
    assert model.predictions["probability"].isna().all()
    assert model.predictions["reason"].str.contains("does not converge").all()
    assert model.metrics["note"].str.contains("does not converge").all()
    assert model.metrics["value"].isna().all()
    saved = load_model(json.loads(json.dumps(model.to_json())))
    assert saved.estimator is None


def test_a_twin_under_another_id_is_left_out_of_the_leave_one_out_probability():
    tables, labels, manifest = campaign()
    columns = tables["sendek"].columns.drop("reason")
    tables["sendek"].loc["m01", columns] = tables["sendek"].loc["m00", columns]
    table = train("logistic", tables, labels, manifest).predictions.set_index("material_id")
    assert table.loc["m00", "probability_loo"] == table.loc["m01", "probability_loo"]
    turned = labels.copy()
    slow = turned["sigma_rt_s_cm"] < 1e-4
    turned.loc[[0, 1], "sigma_rt_s_cm"] = np.where(slow, 1e-3, 1e-8)[:2]
    again = train("logistic", tables, turned, manifest).predictions.set_index("material_id")
    for twin in ("m00", "m01"):
        assert again.loc[twin, "probability_loo"] == table.loc[twin, "probability_loo"]
        assert again.loc[twin, "probability"] != table.loc[twin, "probability"]
