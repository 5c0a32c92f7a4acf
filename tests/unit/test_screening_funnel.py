"""The funnel's worth: intervals by hand, and Sendek's gates on real data."""

import gzip
import json
import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from ionscout.config import DynamicsSettings, GateSettings
from ionscout.screening.funnel import FUNNEL_COLUMNS, count_funnel
from ionscout.screening.gates import gate_names, judge_materials
from ionscout.screening.worth import (
    chance_of_as_many,
    draw_at_random,
    estimate_enrichment,
    estimate_share,
)


def test_clopper_pearson():
    """2 of 10, as tables have it; and none of n, where the bound is 1 - (alpha / 2)^(1/n)."""
    assert estimate_share(2, 10) == pytest.approx((0.2, 0.0252, 0.5561), abs=1e-4)
    assert estimate_share(0, 3) == pytest.approx((0.0, 0.0, 1 - 0.025 ** (1 / 3)))
    assert estimate_share(3, 3) == pytest.approx((1.0, 0.025 ** (1 / 3), 1.0))
    assert np.isnan(estimate_share(0, 0)).all()


def test_enrichment_by_hand():
    """One fast of three, two kept and it among them: P = 2 w / (2 w + 1) at the odds w."""
    found = estimate_enrichment(1, 2, 1, 3)
    assert found == pytest.approx((1.5, 0.025 * 1.5, 1.5))
    assert estimate_enrichment(0, 2, 1, 3) == pytest.approx((0.0, 0.0, 0.975 * 1.5))


def test_enrichment_interval_covers_and_narrows():
    few, many = estimate_enrichment(4, 5, 10, 50), estimate_enrichment(80, 100, 200, 1000)
    assert few.value == many.value == 4
    assert few.low < many.low < 4 < many.high < few.high <= 5
    assert many.high - many.low < 0.3 * (few.high - few.low)


def test_nothing_chosen_is_no_enrichment_and_nothing_known_none_at_all():
    assert estimate_enrichment(3, 7, 3, 7) == (1.0, 1.0, 1.0)
    for counts in ((0, 0, 3, 7), (0, 3, 0, 7), (0, 0, 0, 0)):
        assert np.isnan(estimate_enrichment(*counts)).all()
    assert np.isnan(draw_at_random(0, 0, 0)).all()
    assert math.isnan(chance_of_as_many(0, 0, 0, 0))


def test_a_random_draw_by_enumeration():
    draws = [sum(one < 3 for one in draw) for draw in combinations(range(8), 4)]
    expected = draw_at_random(4, 3, 8)
    assert expected.value == pytest.approx(np.mean(draws))
    assert chance_of_as_many(2, 4, 3, 8) == pytest.approx(np.mean(np.array(draws) >= 2))
    assert (expected.low, expected.high) == (0, 3)


N = 12


@pytest.fixture
def known():
    """Twelve materials: 0 to 3 fast, 4 to 9 slow, 10 unknown, 11 a bound that says nothing."""
    ids = [f"m{i:02}" for i in range(N)]
    manifest = pd.DataFrame({"material_id": ids, "candidate": True}).assign(
        duplicate_of=None, representative=1
    )
    sigma = [1e-3] * 4 + [1e-8] * 6 + [np.nan, 1e-3]
    labels = pd.DataFrame({"material_id": ids, "sigma_rt_s_cm": sigma, "is_upper_bound": False})
    labels.loc[11, "is_upper_bound"] = True
    table = pd.DataFrame({"material_id": ids, **dict.fromkeys(gate_names(), "pass")})
    return manifest, labels, table


def count(manifest, labels, table, **gates):
    funnel = count_funnel(table, manifest, labels, GateSettings(**gates), fast_threshold_s_cm=1e-4)
    return funnel.set_index("gate")


def test_worth_of_the_gates(known):
    manifest, labels, table = known
    table.loc[[3, 4, 5, 6], "hull"] = "fail"
    table.loc[[7, 10], "band_gap"] = "unknown"
    funnel = count(manifest, labels, table, band_gap={"on_unknown": "drop"})
    assert ["gate", *funnel.columns] == FUNNEL_COLUMNS
    hull, gap = funnel.loc["hull"], funnel.loc["band_gap"]
    assert (hull["known_fast_out"], hull["known_slow_out"]) == (3, 3)
    assert (gap["known_fast_out"], gap["known_slow_out"], gap["n_unknown"]) == (3, 2, 2)
    assert hull["precision"] == 0.5
    assert gap["precision"] == 0.6
    assert hull["recall"] == gap["recall"] == 0.75
    assert gap["enrichment"] == pytest.approx(0.6 / 0.4)
    assert gap["random_fast"] == pytest.approx(5 * 0.4)
    assert gap["p_value"] == pytest.approx(chance_of_as_many(3, 5, 4, 10))
    for name in ("precision", "recall", "enrichment"):
        assert gap[f"{name}_low"] < gap[name] < gap[f"{name}_high"]
        assert gap[f"{name}_high"] - gap[f"{name}_low"] > 0.5


def test_nothing_known_is_nan_and_nobody_left_is_no_precision(known):
    manifest, labels, table = known
    funnel = count(manifest, labels.iloc[:0], table)
    worth = ["precision", "recall", "enrichment", "random_fast", "p_value"]
    assert funnel[worth].isna().all(axis=None)
    assert (funnel["known_fast_in"] == 0).all()
    gone = count(manifest, labels, table.assign(hull="fail")).loc["hull"]
    assert gone[["precision", "enrichment"]].isna().all()
    assert gone["recall"] == 0


def test_duplicates_are_one_known_conductor(known):
    manifest, labels, table = known
    manifest.loc[[1, 2], "duplicate_of"] = "m00"
    manifest.loc[3, ["duplicate_of", "representative"]] = ["m00", 2]
    funnel = count(manifest, labels, table)
    assert (funnel["known_fast_in"] == 1).all()
    assert (funnel["known_slow_in"] == 6).all()


def test_answers_that_are_not_applied_do_not_count(known):
    manifest, labels, table = known
    table["window"] = "fail"
    assert "window" not in count(manifest, labels, table).index
    assert (count(manifest, labels, table)["n_out"] == N).all()


NO_LABELS = pd.DataFrame({"material_id": [], "sigma_rt_s_cm": [], "is_upper_bound": []})
TRANSITION_METALS = {
    *("Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn"),
    *("Y", "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd", "Ag", "Cd"),
    *("Hf", "Ta", "W", "Re", "Os", "Ir", "Pt", "Au", "Hg"),
}
SENDEKS_GATES = GateSettings(
    elements={"radioactive": False},
    hull={"max_ev_atom": 0, "temperature_k": 0},
    band_gap={"min_ev": 1},
    window={"enabled": True, "min_oxidation_v": 4},
    models={"enabled": False},
    cell={"enabled": False},
)


def test_sendeks_gates_on_the_materials_project_of_2018(shared_data):
    """The gates that need no model, against plain pandas on the data's own columns."""
    with gzip.open(shared_data / "mp2018_li" / "structures.jsonl.gz", "rt") as lines:
        rows = pd.DataFrame([json.loads(line) for line in lines]).set_index("task_id")
    manifest = pd.DataFrame(
        {"material_id": rows.index, "formula": rows["pretty_formula"].to_numpy()}
    ).assign(
        candidate=True, duplicate_of=None, representative=1, band_gap_ev=rows["band_gap"].to_numpy()
    )
    stability = manifest[["material_id"]].assign(
        energy_above_hull_ev_atom=rows["e_above_hull"].to_numpy(), hull_origin="source"
    )
    cells = dict.fromkeys(rows.index, Structure(Lattice.cubic(3), ["Li"], [[0, 0, 0]]))
    answers = judge_materials(manifest, cells, {}, stability, SENDEKS_GATES, DynamicsSettings())
    funnel = count_funnel(
        answers, manifest, NO_LABELS, SENDEKS_GATES, fast_threshold_s_cm=1e-4
    ).set_index("gate")
    symbols = rows["pretty_formula"].str.findall("[A-Z][a-z]?").map(set)
    is_plain = symbols.map(lambda found: not found & TRANSITION_METALS)
    on_hull, is_insulator = rows["e_above_hull"] == 0, rows["band_gap"] >= 1
    assert funnel.loc["elements", "n_out"] == is_plain.sum() == 583
    assert funnel.loc["hull", "n_out"] == (is_plain & on_hull).sum() == 292
    assert funnel.loc["band_gap", "n_out"] == (is_plain & on_hull & is_insulator).sum() == 143
    assert funnel.loc["window", "n_unknown"] == funnel.loc["window", "n_out"] == 143
    kept = answers.set_index("material_id")["kept"]
    assert kept[["mp-569782", "mp-22905"]].all()
