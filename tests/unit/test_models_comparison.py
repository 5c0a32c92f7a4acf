"""The classifiers beside each other, and the honest score of choosing among them."""

import numpy as np
import pandas as pd
import pytest
from small_campaign import SETTINGS, campaign

from ionscout.errors import ModelError
from ionscout.models import compare_models
from ionscout.models.comparison import COMPARISON_COLUMNS
from ionscout.models.subset_search import SubsetLogistic

NAMES = ["sendek2017", "logistic", "sendek_retrained", "forest"]
SOME = SETTINGS.model_copy(update={"names": NAMES, "n_folds": 3})


def compare(tables, labels, manifest, settings=SOME):
    return compare_models(tables, labels, manifest, settings, seed=1)


def test_the_models_share_materials_and_the_choice_is_scored():
    tables, labels, manifest = campaign(n=30, n_labelled=24)
    tables["structural"].loc["m03", "anion_q4"] = np.nan
    table = compare(tables, labels, manifest)
    assert list(table.columns) == COMPARISON_COLUMNS
    models = [*(name for name in NAMES if name != "sendek2017"), "selected", "constant"]
    assert set(table["model"]) == set(models)
    assert (table["n"] == 23).all()
    one = table[table["metric"] == "log_loss"].set_index("model")
    assert one["chosen_in_folds"].sum() == 3
    assert one.loc["selected", ["difference", "difference_low", "difference_high"]].eq(0).all()
    np.testing.assert_allclose(one["value"] - one.loc["selected", "value"], one["difference"])
    assert one.loc["constant", "difference_low"] > 0
    assert (table["low"] <= table["value"]).all()


def test_the_choice_among_noise_is_no_better_than_the_constant():
    tables, labels, manifest = campaign(n=40, n_labelled=40, signal=0.0, seed=4)
    table = compare(tables, labels, manifest).set_index(["model", "metric"])
    chosen = table.loc[("selected", "log_loss")]
    assert chosen["high"] > table.loc[("constant", "log_loss"), "value"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda s: s.iloc[:3], "3 labelled materials"),
        (lambda s: s.assign(sigma_rt_s_cm=1.0), "all 12 labelled materials are fast"),
        (lambda s: s.iloc[:0], "0 labelled materials"),
    ],
)
def test_what_cannot_be_compared_is_said(spoil, said):
    tables, labels, manifest = campaign()
    table = compare(tables, spoil(labels), manifest)
    assert list(table.columns) == COMPARISON_COLUMNS
    assert table["note"].iloc[0].startswith(said)


def test_one_chemical_system_and_no_classifier_that_learns():
    tables, labels, manifest = campaign()
    manifest["chemical_system"] = "Li-O"
    assert "one chemical system" in compare(tables, labels, manifest)["note"].iloc[0]
    published = SOME.model_copy(update={"names": ["sendek2017"]})
    assert compare(tables, labels, manifest, published)["note"].tolist() == [
        "no classifier that learns"
    ]


def test_the_order_of_the_names_does_not_matter():
    tables, labels, manifest = campaign(n=30, n_labelled=24)
    # Twins by composition alone: no column of the other models knows of them.
    columns = tables["elemental"].columns.drop("reason")
    for i in range(0, 12, 2):
        values = tables["elemental"].loc[f"m{i:02d}", columns].to_numpy()
        tables["elemental"].loc[f"m{i + 1:02d}", columns] = values
    names = ["logistic", "linear_svm"]
    found = [
        compare(tables, labels, manifest, SOME.model_copy(update={"names": order}))
        .sort_values(["metric", "model"], ignore_index=True)
        .drop(columns="note")
        for order in (names, names[::-1])
    ]
    pd.testing.assert_frame_equal(*found)


def test_a_model_that_cannot_be_fitted_is_named(monkeypatch):
    def refuse(*_, **__):
        raise ModelError("a logistic regression does not converge")

    monkeypatch.setattr(SubsetLogistic, "fit", refuse)
    table = compare(*campaign())
    assert list(table.columns) == COMPARISON_COLUMNS
    assert table["note"].iloc[0].startswith("model 'sendek_retrained': a logistic regression")
