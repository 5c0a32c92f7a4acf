"""Each gate by itself: what passes, what fails, what is unknown, and what cannot be."""

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from ionscout.config import (
    AbundanceGate,
    BandGapGate,
    CathodeGate,
    DynamicsSettings,
    ElementGate,
    GateSettings,
    HullGate,
    LithiumGate,
    MoistureGate,
    ShearGate,
    WindowGate,
)
from ionscout.errors import CampaignError
from ionscout.screening.answers import all_of, judge_at_least, judge_at_most
from ionscout.screening.element_gates import judge_abundance, judge_elements, lowest_states
from ionscout.screening.gates import gate_names, judge_materials
from ionscout.screening.stability_gates import (
    hull_limit_ev_atom,
    judge_band_gap,
    judge_cathodes,
    judge_hull,
    judge_lithium,
    judge_moisture,
    judge_shear_modulus,
    judge_window,
)

NAN = np.nan


def answers_of(judge, gate, **columns):
    judged = judge(pd.DataFrame(columns), gate)
    return list(judged.answers), list(judged.reasons)


@pytest.mark.parametrize(
    ("formula", "gate", "answer"),
    [
        ("LiFePO4", {}, "fail"),
        ("Li7La3Zr2O12", {}, "fail"),
        ("LiLaO2", {}, "pass"),
        ("LiZnPS4", {}, "fail"),
        ("LiFePO4", {"transition_metals": False}, "pass"),
        ("Li3AsS4", {"elements": ["As"]}, "fail"),
        ("Li3AsS4", {}, "pass"),
        ("Li3AsS4", {"toxic": True}, "fail"),
        ("Li2BeF4", {"toxic": True}, "fail"),
        ("Li6PS5Cl", {"toxic": True}, "pass"),
        ("LiUF6", {}, "fail"),
        ("LiUF6", {"radioactive": False}, "pass"),
        ("LiPmO2", {}, "fail"),
        ("LiBiO3", {}, "pass"),
        ("LiPuF6", {}, "fail"),
    ],
)
def test_unwanted_elements(formula, gate, answer):
    assert judge_elements(formula, ElementGate(**gate)) == answer


@pytest.mark.parametrize(
    ("formula", "states", "answer"),
    [
        ("Li7La3Zr2O12", {"Zr": 4}, "pass"),
        ("LiTi2P3O12", {"Ti": 4}, "pass"),
        ("LiTi2O4", {"Ti": 3.5}, "fail"),
        ("LiNbO2", {"Nb": 3}, "fail"),
        ("Li5La3Nb2O12", {"Nb": 5}, "pass"),
        ("Li5La3Nb2O12", {}, "unknown"),
        ("LiTiFeO4", {}, "fail"),
        ("LiVO3", {"V": 5}, "fail"),
        ("Li2WO4", {"W": 6}, "fail"),
        ("Li3YCl6", {"Y": 3}, "pass"),
        ("Li3PS4", {}, "pass"),
    ],
)
def test_d0_metals_stay_where_they_have_no_d_electrons(formula, states, answer):
    gate = ElementGate(d0_metals=True)
    assert judge_elements(formula, gate, states) == answer
    assert judge_elements(formula, ElementGate(), states) == (
        "pass" if formula == "Li3PS4" else "fail"
    )


def test_the_lowest_of_mixed_states_counts():
    cell = Structure(
        Lattice.cubic(6), ["Li+", "Ti4+", "Ti3+", "O2-"], np.arange(12).reshape(4, 3) / 12
    )
    assert lowest_states(cell) == {"Li": 1, "Ti": 3, "O": -2}
    assert lowest_states(cell.remove_oxidation_states()) == {}


def test_rare_and_dear_elements():
    formulas = pd.Series(["Li3PS4", "Li2Te", "LiTcO4", "Li10GeP2S12", "LiRbF2"])
    assert list(judge_abundance(formulas, AbundanceGate())) == [
        *("pass", "fail", "unknown", "pass", "pass")
    ]
    dear = AbundanceGate(max_cost_usd_kg=100)
    # Germanium, 12 % of Li10GeP2S12 at 914 dollars, makes it cost more than 100.
    assert list(judge_abundance(formulas, dear)) == ["pass", "fail", "unknown", "fail", "fail"]


def test_the_rarest_element_may_be_as_rare_as_the_limit():
    # Iodine: 0.45 mg/kg.
    iodide = pd.Series(["LiI"])
    limits = {0.4: "pass", 0.45: "pass", 0.46: "fail"}
    assert AbundanceGate().min_crust_mg_kg in limits
    for limit, answer in limits.items():
        assert list(judge_abundance(iodide, AbundanceGate(min_crust_mg_kg=limit))) == [answer]


def test_the_allowance_for_entropy_is_kt():
    assert hull_limit_ev_atom(HullGate()) == pytest.approx(0.025 + 8.617333e-5 * 300)
    assert hull_limit_ev_atom(HullGate(max_ev_atom=0, temperature_k=0)) == 0


def test_hull():
    gate = HullGate(max_ev_atom=0.05, temperature_k=0)
    answers, reasons = answers_of(
        judge_hull,
        gate,
        energy_above_hull_ev_atom=[0.0, 0.05, 0.051, NAN, -0.3, -1e-9, np.inf],
        hull_origin=["level", "level", "source", None, "level", "level", "level"],
        hull_error_ev_atom=NAN,
    )
    assert answers == ["pass", "pass", "fail", "unknown", "unknown", "pass", "unknown"]
    assert reasons[4] == "a distance to the hull of -0.3 eV/atom cannot be"
    assert [bool(reason) for reason in reasons] == [False] * 4 + [True, False, True]


def test_noise_is_on_the_hull():
    gate = HullGate(max_ev_atom=0, temperature_k=0)
    columns = {"hull_origin": "level", "hull_error_ev_atom": NAN}
    answers, _ = answers_of(judge_hull, gate, energy_above_hull_ev_atom=[1e-12, 1e-4], **columns)
    assert answers == ["pass", "fail"]


def test_a_predicted_hull_distance_decides_only_beyond_its_error():
    answers, reasons = answers_of(
        judge_hull,
        HullGate(max_ev_atom=0.05, temperature_k=0),
        energy_above_hull_ev_atom=[0.01, 0.04, 0.06, 0.09, 0.0, NAN],
        hull_origin=["predicted"] * 6,
        hull_error_ev_atom=[0.03, 0.03, 0.03, 0.03, NAN, 0.03],
    )
    assert answers == ["pass", "unknown", "unknown", "fail", "unknown", "unknown"]
    assert "0.040 +- 0.030 eV/atom does not decide" in reasons[1]
    assert "without an error" in reasons[4]


def test_band_gap():
    answers, reasons = answers_of(judge_band_gap, BandGapGate(), band_gap_ev=[1.0, 0.98, NAN, -2.0])
    assert answers == ["pass", "fail", "unknown", "unknown"]
    assert reasons == ["", "", "no source states one", "a band gap of -2 eV cannot be"]


def window(gate, *limits):
    low, high = zip(*limits, strict=True)
    return answers_of(judge_window, gate, window_reduction_v=low, window_oxidation_v=high)


def test_window_limits():
    """Li3PS4, LiCl, Li3N and Li7La3Zr2O12 as Zhu et al. 2015 have them."""
    published = [(1.71, 2.31), (0.0, 4.21), (0.0, 0.45), (0.05, 2.91)]
    assert window(WindowGate(), *published)[0] == ["pass", "pass", "fail", "pass"]
    stable = WindowGate(max_reduction_v=0.1, min_oxidation_v=None)
    assert window(stable, *published)[0] == ["fail", "pass", "pass", "pass"]
    wide = WindowGate(min_oxidation_v=None, min_width_v=0.6)
    wide_and_not = (1.71, 2.31 + 1e-9), (0.0, 0.45), (1.71, 2.01)
    assert window(wide, *wide_and_not)[0] == ["pass", "fail", "fail"]


def test_windows_that_cannot_be_are_unknown():
    answers, reasons = window(
        WindowGate(), (2.5, 2.3), (-0.4, 3.0), (0.0, -1.0), (NAN, NAN), (NAN, 1.5), (1.7, NAN)
    )
    assert answers == ["unknown"] * 4 + ["fail", "unknown"]
    assert reasons[0] == "a window from 2.5 to 2.3 V is reversed"
    assert "a reduction limit of -0.4 V cannot be" in reasons[1]
    assert "an oxidation limit of -1 V cannot be" in reasons[2]


def test_lithium():
    answers, reasons = answers_of(
        judge_lithium, LithiumGate(), lithium_reaction_ev_atom=[0.0, 0.1, 0.5, NAN, -0.2]
    )
    assert answers == ["pass", "pass", "fail", "unknown", "unknown"]
    assert reasons[4] == "an energy set free with lithium of -0.2 eV/atom cannot be"


def test_the_worse_of_two_states_of_the_cathode_counts():
    answers, _ = answers_of(
        judge_cathodes,
        CathodeGate(),
        cathode_reaction_ev_atom=[0.05, 0.05, 0.3, NAN, 0.05],
        charged_reaction_ev_atom=[0.05, 0.3, NAN, 0.05, NAN],
    )
    assert answers == ["pass", "fail", "fail", "unknown", "unknown"]


def test_moisture():
    columns = {
        "water_reaction_ev_atom": [0.0, 0.0, 0.0, 0.3, NAN],
        "releases_h2s": [False, True, None, False, True],
    }
    answers, _ = answers_of(judge_moisture, MoistureGate(), **columns)
    assert answers == ["pass", "fail", "unknown", "fail", "fail"]
    answers, _ = answers_of(judge_moisture, MoistureGate(refuse_h2s=False), **columns)
    assert answers == ["pass", "pass", "pass", "fail", "unknown"]


def test_shear_modulus():
    """The outliers are those of the Materials Project of 2018."""
    answers, reasons = answers_of(
        judge_shear_modulus, ShearGate(), shear_modulus_gpa=[21.0, 3.4, NAN, -572.0, 1005.0]
    )
    assert answers == ["pass", "fail", "unknown", "unknown", "unknown"]
    assert [bool(reason) for reason in reasons] == [False] * 3 + [True] * 2


def test_one_failed_condition_decides_whatever_is_unknown():
    index = pd.Index([0, 1, 2])
    one, other = judge_at_least(pd.Series([1, NAN, 1]), 1), judge_at_most(pd.Series([2, 2, NAN]), 1)
    assert list(all_of([one, other], index)) == ["fail", "fail", "unknown"]
    assert list(all_of([], index)) == ["pass"] * 3


CELL = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.13), ["Li+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]]
).get_primitive_structure()


def judge(stability, formulas=("LiCl", "LiBr"), **gates):
    ids = [f"m-{i}" for i in range(len(formulas))]
    manifest = pd.DataFrame({"material_id": ids, "formula": formulas, "band_gap_ev": 5.0}).assign(
        duplicate_of=None, representative=1
    )
    structures = dict.fromkeys(ids, CELL)
    table = judge_materials(
        manifest, structures, {}, stability, GateSettings(**gates), DynamicsSettings()
    )
    return table.set_index("material_id")


def test_every_gate_answers_where_nothing_is_known():
    table = judge(pd.DataFrame({"material_id": []}))
    assert set(gate_names()) <= set(table.columns)
    open_ = ["hull", "window", "lithium", "cathodes", "moisture", "shear_modulus", "models"]
    assert (table[open_] == "unknown").all(axis=None)
    assert table["kept"].all()


def test_reasons_name_gate_and_cause():
    stability = pd.DataFrame(
        {
            "material_id": ["m-1", "m-0"],
            "energy_above_hull_ev_atom": [NAN, -0.5],
            "reason": ["no entries of Br", None],
        }
    )
    table = judge(stability, hull={"on_unknown": "drop"})
    assert table.loc["m-0", "reason"] == "hull: a distance to the hull of -0.5 eV/atom cannot be"
    assert table.loc["m-1", "reason"] == "no entries of Br"
    assert list(table["first_failed"]) == ["hull", "hull"]
    assert judge(stability, hull={"enabled": False})["reason"].tolist() == ["", ""]


@pytest.mark.parametrize("on_unknown", ["keep", "drop"])
def test_any_gate_may_keep_or_drop_the_unknown(on_unknown):
    for name in ("window", "lithium", "cathodes", "moisture", "shear_modulus", "hull"):
        off = {"enabled": False}
        gates = {other: off for other in gate_names() if other != name}
        gates[name] = {"enabled": True, "on_unknown": on_unknown}
        table = judge(pd.DataFrame({"material_id": []}), **gates)
        assert (table["kept"] == (on_unknown == "keep")).all()


def test_an_unwanted_element_that_is_none_is_refused():
    with pytest.raises(CampaignError, match=r"gates.elements.elements: 'Quartz' is no element"):
        judge(pd.DataFrame({"material_id": []}), elements={"elements": ["As", "Quartz"]})
