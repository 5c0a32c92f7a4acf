"""Gates, funnel and shortlist, on a table small enough to follow by hand."""

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from ionscout.config import DynamicsSettings, GateSettings, ScreeningSettings
from ionscout.errors import CampaignError
from ionscout.screening.choices import COLUMNS as CHOICE_COLUMNS
from ionscout.screening.funnel import count_funnel
from ionscout.screening.gates import judge_materials
from ionscout.screening.shortlist import COLUMNS, select_shortlist

ROWS = [
    # material_id, candidate, formula, parent, hull, gap, probability
    ("a-1", True, "Li3PS4", "p-1", 0.00, 3.0, 0.9),
    ("a-2", True, "Li3AsS4", "p-1", np.nan, np.nan, 0.8),
    ("a-3", True, "LiFePO4", None, 0.00, 3.0, 0.95),
    ("a-4", True, "Li2S", None, 0.20, 3.0, 0.7),
    ("a-5", True, "Li2Se", None, 0.00, np.nan, 0.6),
    ("k-fast", False, "Li3N", None, 0.00, 1.2, 0.9),
    ("k-slow", False, "LiCl", None, 0.00, 6.0, 0.1),
]


STABILITY = pd.DataFrame(
    {
        "material_id": [row[0] for row in ROWS],
        "energy_above_hull_ev_atom": [row[4] for row in ROWS],
        "hull_origin": "level",
        "window_reduction_v": [1.7, np.nan, 1.0, 1.0, np.nan, 0.0, 0.0],
        "window_oxidation_v": [4.1, np.nan, 4.0, 2.0, np.nan, 0.45, 4.2],
        "reason": None,
    }
)


@pytest.fixture
def manifest():
    columns = ["material_id", "candidate", "formula", "parent_id", "hull", "band_gap_ev"]
    table = pd.DataFrame([row[:6] for row in ROWS], columns=columns).drop(columns="hull")
    return table.assign(
        reduced_formula=table["formula"],
        structure_hash="0" * 16,
        duplicate_of=None,
        representative=1,
        vacancies_per_cell=0,
    )


@pytest.fixture
def predictions():
    ids = [row[0] for row in ROWS]
    probability = np.array([row[6] for row in ROWS])
    return {
        name: pd.DataFrame(
            {"material_id": ids, "probability": probability + shift, "probability_loo": np.nan}
        )
        for name, shift in (("one", 0.05), ("two", -0.05))
    }


@pytest.fixture
def structures():
    cell = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.13), ["Li+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    return {row[0]: cell.get_primitive_structure() for row in ROWS}


LABELS = pd.DataFrame(
    {
        "material_id": ["k-fast", "k-slow"],
        "sigma_rt_s_cm": [1e-3, 1e-9],
        "is_upper_bound": [False, True],
    }
)


def judge(manifest, structures, predictions, **gates):
    settings = GateSettings(**gates)
    table = judge_materials(
        manifest, structures, predictions, STABILITY, settings, DynamicsSettings()
    )
    return table.set_index("material_id"), settings


def test_gates_answer_pass_fail_or_unknown(manifest, structures, predictions):
    table, _ = judge(manifest, structures, predictions)
    assert list(table["hull"]) == ["pass", "unknown", "pass", "fail", "pass", "pass", "pass"]
    assert list(table["band_gap"]) == ["pass", "unknown", "pass", "pass", "unknown", "pass", "pass"]
    assert table.loc["a-3", "first_failed"] == "elements"
    assert table.loc["a-4", "first_failed"] == "hull"
    assert table.loc["k-slow", "first_failed"] == "models"
    assert list(table.index[table["kept"]]) == ["a-1", "a-2", "a-5", "k-fast"]


def test_cells_are_counted_where_no_other_gate_fails(manifest, structures, predictions):
    small, large = DynamicsSettings(), DynamicsSettings(max_atoms=20)
    for dynamics, answer in ((small, "pass"), (large, "fail")):
        for drop in ({}, {"hull": {"on_unknown": "drop"}}):
            table = judge_materials(
                manifest, structures, predictions, STABILITY, GateSettings(**drop), dynamics
            ).set_index("material_id")
            counted = ["a-1", "a-2", "a-5", "k-fast"]
            assert set(table.loc[counted, "cell"]) == {answer}
            assert set(table["cell"].drop(counted)) == {"unknown"}
            assert list(table["kept"]) == [
                (name in counted) and answer == "pass" and not (drop and name == "a-2")
                for name in table.index
            ]
    off, _ = judge(manifest, structures, predictions, cell={"enabled": False})
    assert set(off["cell"]) == {"unknown"}
    assert off.loc["a-1", "kept"]


def test_known_conductors_are_judged_by_what_was_held_out(manifest, structures, predictions):
    learned = predictions["two"]
    learned.loc[learned["material_id"] == "k-fast", "probability_loo"] = 0.01
    learned.loc[learned["material_id"] == "k-slow", "probability_loo"] = 0.95
    table, gates = judge(manifest, structures, predictions)
    assert table.loc["k-fast", "mean_probability"] == pytest.approx((0.95 + 0.01) / 2)
    assert table.loc["k-slow", "mean_probability"] == pytest.approx((0.15 + 0.95) / 2)
    assert table.loc["a-1", "mean_probability"] == pytest.approx(0.9)
    funnel = count_funnel(table.reset_index(), manifest, LABELS, gates, fast_threshold_s_cm=1e-4)
    of_models = funnel.set_index("gate").loc["models"]
    assert (of_models["known_fast_out"], of_models["known_slow_out"]) == (0, 1)


def test_unknown_is_dropped_where_the_config_says_so(manifest, structures, predictions):
    table, _ = judge(manifest, structures, predictions, band_gap={"on_unknown": "drop"})
    assert list(table.index[table["kept"]]) == ["a-1", "k-fast"]


def test_a_disabled_gate_turns_nobody_away(manifest, structures, predictions):
    table, _ = judge(manifest, structures, predictions, hull={"enabled": False})
    assert table.loc["a-4", "kept"]
    assert table.loc["a-4", "hull"] == "fail"


def test_funnel_adds_up(manifest, structures, predictions):
    table, gates = judge(manifest, structures, predictions)
    funnel = count_funnel(table.reset_index(), manifest, LABELS, gates, fast_threshold_s_cm=1e-4)
    assert list(funnel["n_in"]) == [5, 4, 3, 3, 3]
    assert (funnel["n_pass"] + funnel["n_fail"] + funnel["n_unknown"] == funnel["n_in"]).all()
    assert list(funnel["n_out"]) == [4, 3, 3, 3, 3]
    assert list(funnel["known_fast_out"]) == [1] * 5
    assert list(funnel["known_slow_out"]) == [1, 1, 1, 0, 0]


def choices(*rows):
    return pd.DataFrame(rows, columns=CHOICE_COLUMNS, dtype=str)


def shortlist(
    manifest, structures, predictions, *chosen, clusters=None, dynamics=None, **screening
):
    table, _ = judge(manifest, structures, predictions)
    controls = {
        "positive_control": {"material_id": "k-fast", "temperatures_k": [900, 700]},
        "negative_control": {"material_id": "k-slow", "temperatures_k": [600]},
    }
    return select_shortlist(
        manifest,
        table.reset_index(),
        predictions,
        clusters or {},
        LABELS,
        STABILITY,
        choices(*chosen),
        structures,
        ScreeningSettings(**{"shortlist_size": 3, **controls, **screening}),
        DynamicsSettings(**(dynamics or {"engine": "lennard-jones"})),
        fast_threshold_s_cm=1e-4,
    )


def test_shortlist_ranks_skips_siblings_and_adds_controls(manifest, structures, predictions):
    chosen = shortlist(manifest, structures, predictions)
    assert list(chosen.columns) == COLUMNS
    assert list(chosen["material_id"]) == ["a-1", "a-5", "k-fast", "k-slow"]
    assert list(chosen["role"]) == ["candidate"] * 2 + ["positive_control", "negative_control"]
    assert chosen["temperatures_k"][2] == "700;900"
    assert "unknown to the gates band_gap" in chosen["reason"][1]
    assert "lithium" not in chosen["reason"][0]


def test_a_second_wave_leaves_out_what_the_first_has(manifest, structures, predictions):
    dynamics = {"engine": "lennard-jones", "second_wave": {"temperatures_k": [1100, 800, 600]}}
    chosen = shortlist(manifest, structures, predictions, dynamics=dynamics)
    assert chosen["temperatures_k"].tolist() == ["800;1000;1200"] * 2 + ["700;900", "600"]
    assert chosen["second_wave_k"].tolist() == ["600;1100"] * 2 + ["600;800;1100", "800;1100"]
    without = shortlist(manifest, structures, predictions)
    assert without["second_wave_k"].tolist() == [""] * 4


def test_external_runs_have_the_atoms_of_the_crystal(manifest, structures, predictions):
    dynamics = {"engine": "external", "external": "my runs"}
    chosen = shortlist(manifest, structures, predictions, dynamics=dynamics)
    assert set(chosen["engine"]) == {"external"}
    assert chosen["n_atoms"].tolist() == [len(structures[name]) for name in chosen["material_id"]]
    assert "my runs" in chosen["engine_reason"][0]


def test_the_parts_of_the_score_are_there_and_the_unknown_are_the_usual_ones(
    manifest, structures, predictions
):
    chosen = shortlist(manifest, structures, predictions).set_index("material_id")
    first, second = chosen.loc["a-1"], chosen.loc["a-5"]
    assert first["part_probability"] == pytest.approx(0.9)
    assert first["part_window"] == pytest.approx(2.4 / 3)
    assert np.isnan([first["part_diversity"], first["part_applicability"]]).all()
    assert first["score"] == pytest.approx((0.9 + 0.25 * 0.8) / 1.25)
    # Li3PS4 and Li2Se: half of |3/8 - 2/3| + 1/8 + 4/8 + 1/3.
    assert second["part_diversity"] == pytest.approx(0.625)
    assert second["score"] == pytest.approx((0.6 + 0.25 * (0.625 + 0.8)) / 1.5)
    assert "score 0.88 of probability 0.90, window 0.80; " in first["reason"]
    assert "; enrichment, applicability, window unknown" in second["reason"]


def test_a_pin_enters_whatever_the_gates_say(manifest, structures, predictions):
    pin = ("a-4", "pin", "asked for")
    chosen = shortlist(manifest, structures, predictions, pin, shortlist_size=2)
    assert list(chosen["material_id"][:2]) == ["a-4", "a-1"]
    assert chosen["reason"][0].startswith("pinned, though the gate hull refuses it: asked for")
    assert chosen["role"][0] == "candidate"


def test_all_pins_enter_and_their_polymorphs_do_not(manifest, structures, predictions):
    pins = [("a-2", "pin", ""), ("a-4", "pin", "")]
    chosen = shortlist(manifest, structures, predictions, *pins, shortlist_size=1)
    assert list(chosen["material_id"][:2]) == ["a-2", "a-4"]
    more = shortlist(manifest, structures, predictions, *pins, shortlist_size=4)
    assert list(more["material_id"]) == ["a-2", "a-4", "a-5", "k-fast", "k-slow"]


def test_a_ban_never_enters_nor_do_its_duplicates(manifest, structures, predictions):
    ban = ("a-1", "ban", "smells")
    chosen = shortlist(manifest, structures, predictions, ban)
    assert list(chosen["material_id"]) == ["a-2", "a-5", "k-fast", "k-slow"]
    manifest.loc[manifest["material_id"] == "a-2", "duplicate_of"] = "a-1"
    chosen = shortlist(manifest, structures, predictions, ban)
    assert list(chosen["material_id"]) == ["a-5", "k-fast", "k-slow"]


def test_controls_cannot_be_banned_and_stay_controls_when_pinned(manifest, structures, predictions):
    with pytest.raises(CampaignError, match=r"negative_control.*'k-slow' is banned"):
        shortlist(manifest, structures, predictions, ("k-slow", "ban", ""))
    chosen = shortlist(manifest, structures, predictions, ("k-fast", "pin", ""))
    assert list(chosen["role"][chosen["material_id"] == "k-fast"]) == ["positive_control"]


def test_controls_are_there_without_candidates(manifest, structures, predictions):
    chosen = shortlist(manifest, structures, predictions, shortlist_size=0)
    assert list(chosen["material_id"]) == ["k-fast", "k-slow"]


def test_an_unknown_control_is_named(manifest, structures, predictions):
    control = {"material_id": "nobody", "temperatures_k": [600]}
    with pytest.raises(CampaignError, match=r"negative_control.*'nobody'"):
        shortlist(manifest, structures, predictions, negative_control=control)


def test_a_candidate_that_duplicates_a_control_is_left_to_the_control(
    manifest, structures, predictions
):
    manifest.loc[manifest["material_id"] == "k-fast", "duplicate_of"] = "a-1"
    chosen = shortlist(manifest, structures, predictions)
    assert list(chosen["material_id"]) == ["a-2", "a-5", "k-fast", "k-slow"]


def test_the_spread_over_orderings_is_that_of_one_crystal(manifest, structures, predictions):
    ordering = manifest["material_id"] == "a-2"
    manifest.loc[ordering, ["duplicate_of", "representative"]] = ["a-1", 2]
    manifest.loc[manifest["material_id"] == "a-4", "duplicate_of"] = "a-5"
    table, _ = judge(manifest, structures, predictions)
    assert table.loc[["a-1", "a-2"], "probability_spread"].tolist() == pytest.approx([0.1, 0.1])
    assert table.loc[["a-4", "a-5"], "probability_spread"].tolist() == [0, 0]


def test_variants_with_a_vacancy_run_beside_their_host(manifest, structures, predictions):
    variant = manifest["material_id"] == "a-5"
    manifest.loc[variant, ["parent_id", "vacancies_per_cell"]] = ["a-1", 1]
    chosen = shortlist(manifest, structures, predictions)
    assert list(chosen["material_id"][:2]) == ["a-1", "a-5"]
    assert "a-1 with a lithium vacancy" in chosen["reason"][1]
