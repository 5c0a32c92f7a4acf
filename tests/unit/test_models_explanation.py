"""Coefficients, importance, and the attribution of single materials."""

import json

import numpy as np
import pandas as pd
import pytest
from small_campaign import SETTINGS, campaign, train

from ionscout.config import CLASSIFIER_SETS
from ionscout.models import explain_predictions, load_model
from ionscout.models.attribution import attribute_by_sampling, attribute_linear
from ionscout.models.explanation import ATTRIBUTION_COLUMNS, NEIGHBOUR_COLUMNS
from ionscout.models.sendek2017 import COEFFICIENTS

MODELS = ("sendek2017", "logistic", "linear_svm", "forest", "esml")


@pytest.fixture(scope="module")
def explained():
    tables, labels, manifest = campaign()
    manifest.loc[23, "duplicate_of"] = "m00"
    predictors = {}
    for name in MODELS:
        saved = train(name, tables, labels, manifest).to_json()
        predictors[name] = load_model(json.loads(json.dumps(saved)))
    asked = ["m00", "m20", "m23"]
    found = explain_predictions(predictors, tables, labels, manifest, asked, SETTINGS, seed=1)
    return predictors, tables, *found


def test_the_attributions_add_up_to_the_log_odds(explained):
    predictors, tables, attribution, _ = explained
    assert list(attribution.columns) == ATTRIBUTION_COLUMNS
    assert set(attribution["model"]) == set(MODELS)
    for (name, material), rows in attribution.groupby(["model", "material_id"]):
        assert len(rows) == len(predictors[name].columns)
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
        assert rows["attribution"].abs().is_monotonic_decreasing
        total = rows["mean_log_odds"].iloc[0] + rows["attribution"].sum()
        assert total == pytest.approx(rows["log_odds"].iloc[0])
        from ionscout.models.training_set import join_feature_sets

        features = join_feature_sets({kind: tables[kind] for kind in CLASSIFIER_SETS[name]})
        p = predictors[name].predict(features.loc[[material]])["probability"].iloc[0]
        assert 1 / (1 + np.exp(-total)) == pytest.approx(np.clip(p, 1e-3, 1 - 1e-3), abs=1e-3)


def test_a_linear_attribution_is_weight_times_deviation(explained):
    _, tables, attribution, _ = explained
    rows = attribution[
        (attribution["model"] == "sendek2017") & (attribution["material_id"] == "m20")
    ].set_index("column")
    labelled = tables["sendek"].iloc[:12]
    for column, weight in COEFFICIENTS.items():
        deviation = tables["sendek"].loc["m20", column] - labelled[column].mean()
        assert rows.loc[column, "attribution"] == pytest.approx(weight * deviation)
    assert (rows["standard_error"] == 0).all()


def test_the_nearest_conductors_are_fast_and_others(explained):
    _, _, _, neighbours = explained
    assert list(neighbours.columns) == NEIGHBOUR_COLUMNS
    assert (neighbours["sigma_rt_s_cm"] >= SETTINGS.fast_threshold_s_cm).all()
    assert not (neighbours["neighbour_id"] == neighbours["material_id"]).any()
    of_duplicate = neighbours[neighbours["material_id"] == "m23"]
    assert "m00" not in set(of_duplicate["neighbour_id"])
    for _, rows in neighbours.groupby(["model", "material_id"]):
        assert rows["distance"].is_monotonic_increasing
        assert rows["n_slow_closer"].is_monotonic_increasing
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))


def test_shapley_values_of_a_linear_function_are_exact_on_average():
    rng = np.random.default_rng(0)
    weights, background = np.array([2.0, -1.0, 0.0, 0.5]), rng.normal(size=(40, 4))
    x = rng.normal(size=(2, 4))
    found, error = attribute_by_sampling(lambda rows: rows @ weights, x, background, seed=1)
    expected, _ = attribute_linear(weights, x, background.mean(axis=0))
    assert (np.abs(found - expected) <= 4 * error + 1e-12).all()
    assert (found[:, 2] == 0).all()


def test_shapley_values_share_an_interaction():
    def both(rows):
        return rows[:, 0] * rows[:, 1]

    found, _ = attribute_by_sampling(both, np.array([[1.0, 1.0, 7.0]]), np.zeros((3, 3)), seed=1)
    np.testing.assert_allclose(found[0], [0.5, 0.5, 0])


def test_the_sampling_is_seeded():
    x = np.random.default_rng(0).normal(size=(5, 3))
    runs = [
        attribute_by_sampling(lambda rows: np.tanh(rows).prod(axis=1), x, x, seed=seed)[0]
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert np.abs(runs[0] - runs[2]).max() > 0


def test_nothing_to_explain_is_an_empty_table_with_its_columns():
    tables, labels, manifest = campaign()
    model = train("logistic", tables, labels.iloc[:2], manifest)
    tables["sendek"].loc["m20", "llb"] = np.nan
    for asked, some in ((["m20"], labels), (["nobody"], labels), ([], labels)):
        trained = train("logistic", tables, some, manifest).predictor
        found = explain_predictions(
            {"logistic": trained}, tables, some, manifest, asked, SETTINGS, seed=1
        )
        assert [list(table.columns) for table in found] == [ATTRIBUTION_COLUMNS, NEIGHBOUR_COLUMNS]
        assert all(table.empty for table in found)
    found = explain_predictions(
        {"logistic": model.predictor}, tables, labels.iloc[:2], manifest, ["m01"], SETTINGS, seed=1
    )
    assert all(table.empty for table in found)


def test_coefficients_stand_beside_the_published_ones():
    model = train("logistic", *campaign())
    table = model.coefficients.set_index("column")
    assert table["published"].to_dict() == COEFFICIENTS
    spread = campaign()[0]["sendek"].iloc[:12][list(COEFFICIENTS)].std(ddof=0)
    pd.testing.assert_series_equal(
        table["standardised"], table["coefficient"] * spread, check_names=False
    )
    assert (table["low"] <= table["high"]).all()
    assert table["standardised"].idxmax() == "lasd_ang"
    assert train("forest", *campaign()).coefficients.empty


def test_the_column_that_tells_is_the_important_one():
    tables, labels, manifest = campaign(n=40, n_labelled=30, signal=0.0)
    fast = labels["sigma_rt_s_cm"] > 1e-4
    tables["sendek"].loc[labels["material_id"], "lasd_ang"] += 6.0 * fast.to_numpy()
    table = train("logistic", tables, labels, manifest).importance
    assert table["column"].iloc[0] == "lasd_ang"
    assert table["low"].iloc[0] > 0
    assert table["log_loss_increase"].is_monotonic_decreasing
    assert (table["n"] == 30).all()


def test_no_training_material_is_drawn_again_before_all_have_been():
    background = np.random.default_rng(0).normal(size=(32, 3))
    weights = np.array([1.0, 2.0, -1.0])
    x = np.ones((1, 3))
    found, _ = attribute_by_sampling(lambda rows: rows @ weights, x, background, seed=1)
    np.testing.assert_allclose(found[0], weights * (1 - background.mean(axis=0)), atol=1e-12)


@pytest.mark.parametrize("n_labels", [0, 2])
def test_a_published_model_is_explained_without_usable_labels(n_labels):
    tables, labels, manifest = campaign()
    labels = labels.iloc[:n_labels]
    tables["sendek"].loc["m05", "llb"] = np.nan
    predictors = {"sendek2017": train("sendek2017", tables, labels, manifest).predictor}
    attribution, neighbours = explain_predictions(
        predictors, tables, labels, manifest, ["m20"], SETTINGS, seed=1
    )
    rows = attribution.set_index("column")
    described = tables["sendek"].drop("m05")[list(COEFFICIENTS)].mean()
    np.testing.assert_allclose(rows["training_mean"], described[rows.index])
    total = rows["mean_log_odds"].iloc[0] + rows["attribution"].sum()
    assert total == pytest.approx(rows["log_odds"].iloc[0])
    assert neighbours.empty
