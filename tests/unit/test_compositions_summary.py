"""The tables of scored compositions, and the known compounds beside them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from compositions_reference import make_predictor
from pymatgen.core import Composition

from ionscout.compositions import CompositionSpace, known, merge
from ionscout.compositions.campaign import make_scoring
from ionscout.compositions.known import KnownCompounds, describe_codes, list_known, reduce_formula
from ionscout.compositions.scores import UNIT
from ionscout.compositions.summary import (
    PERCENTILE_COLUMNS,
    SYSTEM_COLUMNS,
    TOP_COLUMNS,
    CompositionTables,
    summarise,
)
from ionscout.config import CompositionSettings
from ionscout.errors import CompositionError
from ionscout.features.elemental import COLUMNS, describe_composition

SETTINGS = CompositionSettings(
    elements=["S", "O", "P", "Mg"], max_amount=4, n_top=50, n_bins=40, shards=2, also_all=True
)
KNOWN = pd.DataFrame({
    "formula": ["Li3PO4", "Li3PS4", "LiF", "Li9.5PS2"],
    "sigma_rt_s_cm": [1e-9, 1e-4, np.nan, 1e-5],
    "is_upper_bound": [True, False, False, False],
    "n_measured": [1, 2, 0, 1],
})  # fmt: skip


def score(predictor, settings=SETTINGS):
    return {
        scope: [
            make_scoring(predictor, settings, scope).score_shard(shard, n_threads=1)
            for shard in range(settings.shards)
        ]
        for scope in ("all", "neutral")
    }


@pytest.fixture(scope="module")
def tables() -> CompositionTables:
    predictor = make_predictor(3)
    return summarise(score(predictor), predictor, SETTINGS, KNOWN)


def test_numbers_add_up(tables):
    counts = tables.counts
    assert counts["n_total"] == counts["n_multiples"] + counts["n_reduced"]
    assert counts["n_reduced"] == counts["n_ternary"] + counts["n_quaternary"]
    assert counts["n_reduced"] == counts["n_neutral"] + counts["n_not_neutral"]
    assert counts["n_total"] == 6 * 4**3 + 4 * 4**4
    assert tables.histogram["n_all"].sum() == counts["n_reduced"]
    assert tables.histogram["n_neutral"].sum() == counts["n_neutral"]
    assert tables.systems["n_all"].sum() == counts["n_reduced"]
    assert tables.systems["n_neutral"].sum() == counts["n_neutral"]
    assert len(tables.systems) == counts["n_systems"]
    assert (tables.systems["n_neutral"] > 0).sum() == counts["n_systems_neutral"]


def test_systems_of_metals_alone_are_not_neutral():
    settings = SETTINGS.model_copy(update={"elements": ["Al", "Mg", "S"], "n_top": 10})
    predictor = make_predictor(3)
    tables = summarise(score(predictor, settings), predictor, settings, KNOWN)
    assert tables.counts["n_systems"] == 4
    assert tables.counts["n_systems_neutral"] == 3
    shares = tables.elements.set_index("element")["top_share"]
    top = tables.top[tables.top["scope"] == "neutral"]
    for symbol, share in shares.items():
        assert share == np.mean([symbol in Composition(formula) for formula in top["formula"]])


def test_the_best_are_listed_by_scope_and_rank(tables):
    assert list(tables.top.columns) == TOP_COLUMNS
    for scope, top in tables.top.groupby("scope"):
        assert top["rank"].tolist() == list(range(1, 51))
        assert top["log_odds"].is_monotonic_decreasing
        assert top["probability"].to_numpy() == pytest.approx(1 / (1 + np.exp(-top["log_odds"])))
        assert top["is_neutral"].all() == (scope == "neutral")
    neutral = tables.top[tables.top["scope"] == "neutral"]
    assert (neutral["oxidation_states"] != "").all()
    assert tables.elements["n_top"].sum() == sum(
        len(Composition(formula)) - 1 for formula in neutral["formula"]
    )


def test_the_best_of_each_system_is_there(tables):
    assert list(tables.systems.columns) == SYSTEM_COLUMNS
    neutral = tables.systems[tables.systems["n_neutral"] > 0]
    best = tables.top[tables.top["scope"] == "neutral"].iloc[0]
    assert neutral["best_neutral_log_odds"].max() == best["log_odds"]
    assert neutral["nearest_formula"].notna().all()
    assert (tables.systems["best_all_log_odds"] >= tables.systems["best_neutral_log_odds"])[
        tables.systems["n_neutral"] > 0
    ].all()


def test_percentiles_are_of_examples_and_of_known_compounds_in_the_space(tables):
    rows = tables.percentiles.set_index("formula")
    assert list(tables.percentiles.columns) == PERCENTILE_COLUMNS
    assert rows.index.tolist() == ["LiPO3", "Li2MgO2", "Li3PO4", "Li3PS4"]
    assert rows["is_example"].tolist() == [True, True, False, False]
    assert rows.loc["Li3PO4", ["sigma_rt_s_cm", "is_upper_bound"]].tolist() == [1e-9, True]
    assert (rows["percentile_all_low"] <= rows["percentile_all_high"]).all()
    assert rows["is_neutral"].all()


def test_histograms_and_percentiles_are_those_of_their_scope(tables):
    shards = score(make_predictor(3))
    found = {scope: merge(of_scope) for scope, of_scope in shards.items()}
    rows = tables.percentiles.set_index("formula")
    for scope, of_scope in found.items():
        assert tables.histogram[f"n_{scope}"].tolist() == of_scope.histogram.tolist()
        columns = [f"percentile_{scope}_low", f"percentile_{scope}_high"]
        for formula in ("LiPO3", "Li2MgO2", "Li3PS4"):
            units = round(rows.loc[formula, "log_odds"] / UNIT)
            assert tuple(rows.loc[formula, columns]) == of_scope.percentile(units)
    bins = found["all"].bins
    assert tables.histogram["low_log_odds"][0] == bins.lowest_units * UNIT
    assert tables.histogram["high_log_odds"][0] == (bins.lowest_units + bins.width_units) * UNIT


def test_an_example_that_was_not_enumerated_has_no_values():
    settings = SETTINGS.model_copy(update={"elements": ["O", "P"], "shards": 1})
    predictor = make_predictor(1)
    found = summarise(score(predictor, settings), predictor, settings, KNOWN)
    rows = found.percentiles.set_index("formula")
    assert np.isnan(rows.loc["Li2MgO2", "log_odds"])
    assert rows.loc["LiPO3", "percentile_neutral_low"] <= 100
    assert found.counts["note"].startswith("the best 50 compositions were asked for")


def test_without_a_request_the_best_of_all_are_not_there():
    settings = SETTINGS.model_copy(update={"also_all": False})
    predictor = make_predictor(1)
    found = summarise(score(predictor, settings), predictor, settings, KNOWN)
    assert set(found.top["scope"]) == {"neutral"}


def test_shards_of_another_model_or_incomplete_ones_are_refused():
    predictor = make_predictor(1)
    shards = score(predictor)
    with pytest.raises(CompositionError, match="delete them and run again"):
        summarise(shards, make_predictor(2), SETTINGS, KNOWN)
    shards["neutral"].pop()
    with pytest.raises(CompositionError, match="1 of 2 shards"):
        summarise(shards, predictor, SETTINGS, KNOWN)


def test_many_compositions_are_described_as_one():
    space = CompositionSpace(("O", "S", "P", "Fe"))
    formulas = ["LiPO3", "Li10P2S12Fe", "Li2FeO2", "Li24SPO23"]
    codes = [space.find({s: int(n) for s, n in Composition(f).as_dict().items()}) for f in formulas]
    described = describe_codes(np.array(codes), space)
    for row, formula in zip(described, formulas, strict=True):
        one = describe_composition(Composition(formula))
        assert row == pytest.approx([one[column] for column in COLUMNS], abs=1e-12)
    assert describe_codes(np.array([], dtype=int), space).shape == (0, len(COLUMNS))


def test_the_nearest_known_compound_is_itself_where_it_is_known():
    space = CompositionSpace(("O", "S", "P"))
    codes = [space.find({"Li": 3, "P": 1, "S": 4}), space.find({"Li": 3, "P": 1, "S": 5})]
    compounds, x = KnownCompounds.describe(KNOWN), describe_codes(np.array(codes), space)
    nearest = compounds.find_nearest(x)
    assert nearest["nearest_formula"].tolist() == ["Li3PS4", "Li3PS4"]
    assert nearest["nearest_distance"][0] == 0
    apart = np.linalg.norm((x[1] - x[0]) / compounds.domain.scale)
    assert compounds.domain.reach > 1
    assert nearest["nearest_distance"][1] == pytest.approx(apart / compounds.domain.reach, abs=1e-6)
    assert nearest["nearest_sigma_rt_s_cm"].tolist() == [1e-4, 1e-4]


def test_the_nearest_of_many_is_found_part_by_part(monkeypatch):
    space = CompositionSpace(("O", "S", "P"))
    codes = [space.find({"Li": n, "P": 1, "S": 4}) for n in range(1, 9)]
    compounds, x = KnownCompounds.describe(KNOWN), describe_codes(np.array(codes), space)
    at_once = compounds.find_nearest(x)
    monkeypatch.setattr(known, "_AT_ONCE", 3)
    pd.testing.assert_frame_equal(compounds.find_nearest(x), at_once)


@pytest.mark.parametrize(
    ("formula", "reduced"),
    [
        ("Li6P2S8", "Li3PS4"),
        ("Li0.5BrO", "Li(BrO)2"),
        ("Li9.6Ge1P2S12", "Li9.6GeP2S12"),
        ("Li6.55La3Zr1O12", "Li6.55La3ZrO12"),
    ],
)
def test_formulas_of_a_composition_are_one(formula, reduced):
    assert reduce_formula(formula) == reduced


def test_known_compounds_are_real_and_there_once():
    manifest = pd.DataFrame({
        "material_id": ["a", "b", "c", "d", "e"],
        "stated_formula": ["Li3PS4", None, "Li2O", "LiBr", "Li0.5BrO"],
        "reduced_formula": ["Li3PS4", "LiCl", "Li2O", "LiBr", "LiBr2O2"],
        "parent_id": [None, None, None, "a", None],
        "vacancies_per_cell": [0, 0, 1, 0, 0],
        "duplicate_of": None,
    })  # fmt: skip
    labels = pd.DataFrame({
        "material_id": ["a"], "sigma_rt_s_cm": [1e-4], "is_upper_bound": [False],
    })  # fmt: skip
    measured = pd.DataFrame(
        [
            ("Li3PS4", 1e-9, False, 298.0),
            ("Li2S", 1e-8, False, 298.0),
            ("Li4S2", 1e-6, False, 303.0),
            ("Li2S", 1e-2, True, 298.0),
            ("LiI", 1e-5, True, 298.0),
            ("LiI", 1e-7, True, 298.0),
            ("LiH", 1e-3, False, 400.0),
        ],
        columns=["formula", "sigma_s_cm", "is_upper_bound", "temperature_k"],
    )
    rows = list_known(manifest, labels, measured).set_index("formula")
    assert set(rows.index) == {"Li3PS4", "LiCl", "Li(BrO)2", "Li2S", "LiI"}
    assert rows.loc["Li3PS4", "sigma_rt_s_cm"] == pytest.approx(1e-4)
    assert rows.loc["Li2S", "sigma_rt_s_cm"] == pytest.approx(1e-7)
    assert rows.loc["LiI"].tolist() == [1e-7, True, 2]
    assert np.isnan(rows.loc["LiCl", "sigma_rt_s_cm"])
