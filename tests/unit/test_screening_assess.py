"""The table of stability: origins, order, and every fault by name."""

import numpy as np
import pandas as pd
import pytest
from pymatgen.analysis.phase_diagram import PDEntry
from pymatgen.core import Composition

from ionscout.config import StabilitySettings
from ionscout.errors import ScreeningError
from ionscout.screening import windows
from ionscout.screening.assess import COLUMNS, assess_stability
from ionscout.screening.equilibrium import PhaseSpace
from ionscout.screening.levels import Level, bundled_level
from ionscout.screening.reactions import Reactant, react_with_lithium, react_with_partner

MP_2018 = "materials_project_2018"
TITANATES = StabilitySettings(cathodes=["TiS2", "Li4Ti5O12"])
NUMBERS = [
    "window_reduction_v",
    "window_oxidation_v",
    "lithium_reaction_ev_atom",
    "cathode_reaction_ev_atom",
    "charged_reaction_ev_atom",
    "water_reaction_ev_atom",
]


def materials_of(formulas, stated_ev_atom=None) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "material_id": [f"id{place}" for place in range(len(formulas))],
            "formula": formulas,
            "reduced_formula": [Composition(f).reduced_formula for f in formulas],
            "parent_id": None,
            "energy_above_hull_ev_atom": stated_ev_atom or [np.nan] * len(formulas),
        }
    )


def predictions(energies: dict[str, float], reason: str | None = None) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "material_id": list(energies),
            "formation_energy_ev_atom": list(energies.values()),
            "error_ev_atom": 0.03,
            "reason": reason,
        }
    )


def assess(formulas, stated_ev_atom=None, predicted=None, settings=TITANATES, **kwargs):
    level = kwargs.pop("level", None) or bundled_level(MP_2018)
    materials = materials_of(formulas, stated_ev_atom)
    return assess_stability(materials, level, settings, predicted, **kwargs)


FORMULAS = ["Li3PS4", "LiCl", "Li7La3Zr2O12", "Li2S", "LiCl", "Li3N", "LiFePO4", "Li6PS5Cl"]


def test_rows_keep_their_order_whatever_the_number_of_processes():
    alone, shared = (assess(FORMULAS, n_workers=n) for n in (1, 2))
    assert list(alone["material_id"]) == [f"id{place}" for place in range(len(FORMULAS))]
    assert tuple(alone.columns) == COLUMNS
    pd.testing.assert_frame_equal(alone, shared)
    backwards = assess(FORMULAS[::-1])[NUMBERS][::-1].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone[NUMBERS], backwards)


def test_no_material_is_no_fault():
    assert assess([]).empty
    assert tuple(assess([], n_workers=2).columns) == COLUMNS


def test_lithium_chloride_is_all_that_it_should_be():
    row = assess(["LiCl"]).iloc[0]
    assert (row["level"], row["hull_origin"], row["decomposition"]) == (MP_2018, "level", "LiCl")
    assert row["energy_above_hull_ev_atom"] == 0
    assert (row["window_reduction_v"], row["window_oxidation_v"]) == pytest.approx((0, 4.2146))
    assert row["oxidation_products"] == "0.5 Cl2"
    assert row["lithium_reaction_ev_atom"] == row["water_reaction_ev_atom"] == 0
    assert row["cathode_reaction_ev_atom"] == 0
    assert row["cathode"] is None
    assert row["releases_h2s"] is False
    assert row["reason"] is None


def test_columns_hold_what_the_functions_say():
    level = bundled_level(MP_2018)
    space = PhaseSpace(level.entries)
    row = assess(["Li10GeP2S12"]).iloc[0]
    composition = Composition("Li10GeP2S12")
    system = space.system(frozenset(map(str, composition)))
    one = Reactant(composition, space.energy_ev_atom(composition))
    lithium = react_with_lithium(system, one)
    assert row["energy_above_hull_ev_atom"] == pytest.approx(
        level.phase_diagram(set(map(str, composition))).get_e_above_hull(
            level.entry_of("", "Li10Ge(PS6)2")
        )
    )
    assert row["decomposition"] == "2 Li3PS4 + Li4GeS4"
    assert row["lithium_reaction_ev_atom"] == pytest.approx(lithium.energy_ev_atom)
    assert row["lithium_products"] == lithium.products
    reactions = {}
    for name in TITANATES.cathodes:
        partner = Composition(name)
        joint = space.system(frozenset(map(str, composition)) | frozenset(map(str, partner)))
        other = Reactant(partner, space.energy_ev_atom(partner))
        reactions[name] = react_with_partner(joint, one, other)
    worst = max(reactions, key=lambda name: reactions[name].energy_ev_atom)
    assert row["cathode"] == worst
    assert row["cathode_reaction_ev_atom"] == pytest.approx(reactions[worst].energy_ev_atom)
    assert row["cathode_mixing_fraction"] == pytest.approx(reactions[worst].mixing_fraction)
    assert row["charged_reaction_ev_atom"] > row["cathode_reaction_ev_atom"]
    assert row["releases_h2s"] is True


def test_an_energy_of_its_own_id_comes_first():
    level = bundled_level(MP_2018)
    own = PDEntry(Composition("Li3PS4"), (-1.2663 + 0.05) * 8, attribute="id0")
    table = assess(["Li3PS4", "Li3PS4"], level=Level(MP_2018, "", [*level.entries, own]))
    assert list(table["hull_origin"]) == ["level", "level"]
    assert list(table["energy_above_hull_ev_atom"]) == pytest.approx([0.05, 0])


def test_another_polymorph_keeps_its_sources_statement():
    """The level knows one LiCl; a source that states 0.08 eV/atom means another."""
    table = assess(["LiCl", "LiCl"], [0.08, 0.0])
    assert list(table["hull_origin"]) == ["source", "level"]
    assert list(table["energy_above_hull_ev_atom"]) == [0.08, 0]
    assert table["reason"].isna().all()


def test_a_hypothetical_crystal_is_not_the_known_one_of_its_formula():
    materials = materials_of(["LiCl", "LiCl"]).assign(parent_id=[None, "bundled-lii"])
    level = bundled_level(MP_2018)
    table = assess_stability(materials, level, TITANATES)
    assert list(table["hull_origin"]) == ["level", None]
    assert "no energy of this hypothetical crystal of LiCl" in table["reason"][1]
    predicted = predictions({"id1": -2.1073 / 2 + 0.03})
    row = assess_stability(materials, level, TITANATES, predicted).iloc[1]
    assert row["hull_origin"] == "predicted"
    assert row["energy_above_hull_ev_atom"] > 0


def test_a_predicted_energy_counts_where_the_level_has_none():
    hull = (3 * -1.5608 + 8 * -1.2663 + 2 * -2.1073) / 13
    row = assess(["Li6PS5Cl"], predicted=predictions({"id0": hull + 0.02})).iloc[0]
    assert row["hull_origin"] == "predicted"
    assert row["energy_above_hull_ev_atom"] == pytest.approx(0.02, abs=1e-6)
    assert row["hull_error_ev_atom"] == 0.03
    assert row["decomposition"] == "Li2S + Li3PS4 + LiCl"
    assert row["window_oxidation_v"] == pytest.approx(2.3412)
    at_hull = assess(["Li6PS5Cl"], predicted=predictions({"id0": hull})).iloc[0]
    gain = row["lithium_reaction_ev_atom"] - at_hull["lithium_reaction_ev_atom"]
    assert gain == pytest.approx(0.02 * 13 / 21)  # eight lithium


def test_a_predicted_energy_below_the_hull_enters_its_own_diagrams_alone():
    hull = (3 * -1.5608 + 8 * -1.2663 + 2 * -2.1073) / 13
    predicted = predictions({"id0": hull - 0.02, "id1": hull + 0.01})
    below, above = assess(["Li6PS5Cl", "Li6PS5Cl"], predicted=predicted).itertuples()
    assert (below.energy_above_hull_ev_atom, below.decomposition) == (0, "Li6PS5Cl")
    assert above.energy_above_hull_ev_atom == pytest.approx(0.01, abs=1e-6)
    assert below.window_oxidation_v > above.window_oxidation_v
    assert below.window_reduction_v < above.window_reduction_v
    assert below.water_reaction_ev_atom < above.water_reaction_ev_atom


def test_a_predicted_energy_that_is_no_number_is_named():
    predicted = predictions({"id0": np.nan}, "the relaxation did not end")
    row = assess(["Li6PS5Cl"], predicted=predicted).iloc[0]
    assert "id0" in row["reason"]
    assert "the relaxation did not end" in row["reason"]
    assert row[["energy_above_hull_ev_atom", *NUMBERS]].isna().all()
    assert row["hull_origin"] is None


def test_a_negative_statement_of_a_source_does_not_become_zero():
    """The gate says that it cannot be."""
    row = assess(["Li6PS5Cl"], [-0.5]).iloc[0]
    assert (row["hull_origin"], row["energy_above_hull_ev_atom"]) == ("source", -0.5)
    assert row[NUMBERS].isna().all()


def test_entries_that_are_no_numbers_are_named():
    entry = PDEntry(Composition("LiCl"), np.nan, attribute="mp-1")
    with pytest.raises(ScreeningError, match="LiCl"):
        assess(["LiCl"], level=Level("own", "", [PDEntry(Composition("Li"), 0), entry]))


def test_elements_without_an_entry_are_named():
    row = assess(["LiFePO4"], [0.0]).iloc[0]
    assert row["reason"].startswith("id0: ")
    assert "Fe" in row["reason"]
    assert row[NUMBERS].isna().all()
    assert (row["hull_origin"], row["energy_above_hull_ev_atom"]) == ("source", 0)


def test_without_competing_phases_there_is_no_number():
    entries = [PDEntry(Composition(f), e) for f, e in {"Li": 0, "La": 0, "Cl": 0}.items()]
    entries.append(PDEntry(Composition("Li3LaCl6"), -20.0))
    row = assess(["Li3LaCl6"], level=Level("bare", "", entries)).iloc[0]
    assert "lithium-free" in row["reason"]
    assert row[["energy_above_hull_ev_atom", *NUMBERS]].isna().all()


@pytest.mark.parametrize("stated_ev_atom", [np.nan, 0.0])
def test_a_material_outside_its_own_phase_diagram_is_named(stated_ev_atom):
    """A source that calls it stable says that the diagram lacks it."""
    row = assess(["Li6PS5Cl"], [stated_ev_atom]).iloc[0]
    assert "id0: level materials_project_2018 has no energy of Li6PS5Cl" in row["reason"]
    assert row[NUMBERS].isna().all()
    assert row["releases_h2s"] is None


def test_a_metastable_material_has_the_window_of_its_phases():
    row = assess(["Li6PS5Cl"], [0.02]).iloc[0]
    assert (row["hull_origin"], row["energy_above_hull_ev_atom"]) == ("source", 0.02)
    assert row["window_oxidation_v"] == pytest.approx(2.3412)
    assert row["reason"] is None


def test_a_cathode_that_the_level_lacks_leaves_the_worst_unknown():
    settings = StabilitySettings(cathodes=["TiS2", "LiCoO2"])
    row = assess(["LiCl"], settings=settings).iloc[0]
    assert "cathode LiCoO2" in row["reason"]
    assert row[["cathode_reaction_ev_atom", "charged_reaction_ev_atom"]].isna().all()
    assert row["cathode"] is None
    assert row["window_oxidation_v"] > 4
    assert row["water_reaction_ev_atom"] == 0


@pytest.mark.parametrize("formula", ["NMC", "", "LiCoO2-", "Li1e400"])
def test_a_cathode_that_is_no_formula_is_named(formula):
    with pytest.raises(ScreeningError, match=rf"stability\.cathodes: '{formula}'"):
        assess(["LiCl"], settings=StabilitySettings(cathodes=[formula]))


def test_without_water_on_the_level_h2s_is_unknown_for_sulfides_alone():
    dry = [e for e in bundled_level(MP_2018).entries if e.composition.reduced_formula != "H2O"]
    table = assess(["Li3PS4", "LiCl"], level=Level("dry", "", dry))
    assert list(table["releases_h2s"]) == [None, False]
    assert table["reason"].str.contains("water H2O").all()
    assert table["water_reaction_ev_atom"].isna().all()


def test_without_h2s_on_the_level_its_release_is_unknown():
    level = [e for e in bundled_level(MP_2018).entries if e.composition.reduced_formula != "H2S"]
    row = assess(["Li3PS4"], level=Level("no gas", "", level)).iloc[0]
    assert row["releases_h2s"] is None
    assert "H2S" in row["reason"]
    assert row["water_reaction_ev_atom"] >= 0


def test_an_impossible_window_becomes_a_reason(monkeypatch):
    monkeypatch.setattr(windows, "STEP", -windows.STEP)
    entries = [
        e for e in bundled_level(MP_2018).entries if set(map(str, e.composition)) <= {"Li", "Cl"}
    ]
    with pytest.raises(ScreeningError, match=r"LiCl: .* reversed"):
        windows.electrochemical_window(
            PhaseSpace(entries).system(frozenset({"Cl"})), Composition("LiCl")
        )
    row = assess(["LiCl"]).iloc[0]
    assert "id0: LiCl: its window of 4.215 to 0.000 V is reversed" in row["reason"]
    assert row[["window_reduction_v", "window_oxidation_v"]].isna().all()
    assert row["lithium_reaction_ev_atom"] == 0


def test_without_lithium_the_oxidation_limit_is_unknown():
    row = assess(["Al2O3"]).iloc[0]
    assert np.isnan(row["window_oxidation_v"])
    assert "no oxidation limit" in row["reason"]
    assert row["window_reduction_v"] > 0


@pytest.mark.parametrize("formula", ["Li3PO4", "P", "LiBH4"])
def test_what_lithium_makes_of_an_element_that_the_level_lacks_is_unknown(formula):
    """The experimental level has no lithium phosphide and no boride."""
    row = assess([formula], level=bundled_level("experiment")).iloc[0]
    assert row["hull_origin"] == "level"
    assert row[["window_reduction_v", "lithium_reaction_ev_atom"]].isna().all()
    assert row[["reduction_products", "lithium_products"]].isna().all()
    assert "no compound of lithium with" in row["reason"]
    assert row["water_reaction_ev_atom"] >= 0
    if formula != "P":
        assert row["window_oxidation_v"] > 0


def test_metals_that_form_no_compound_with_lithium_lack_none():
    row = assess(["Li7La3Zr2O12"]).iloc[0]
    assert row["window_reduction_v"] == pytest.approx(0.04125)
    assert row["reduction_products"] == "1.5 La2O3 + 7.5 Li2O + 2 Zr"


def test_every_cause_of_the_unknown_is_named():
    level = [e for e in bundled_level(MP_2018).entries if e.composition.reduced_formula != "H2S"]
    settings = StabilitySettings(cathodes=["LiCoO2"])
    row = assess(["P2S5"], level=Level("no gas", "", level), settings=settings).iloc[0]
    assert [cause.split(":")[0] for cause in row["reason"].removeprefix("id0: ").split("; ")] == [
        "it holds no lithium and has no oxidation limit",
        "cathode LiCoO2",
        "level no gas has no energy of H2S",
    ]


def test_lithium_metal_has_no_reaction_with_a_charged_cathode():
    with np.errstate(all="raise"):
        row = assess(["Li"]).iloc[0]
    assert "lithium metal has no reaction open to lithium" in row["reason"]
    assert row[["cathode_reaction_ev_atom", "charged_reaction_ev_atom"]].isna().all()
    assert row["water_reaction_ev_atom"] > 0.5


@pytest.mark.parametrize(("errors_below", "is_believed"), [(4.9, True), (5.1, False)])
def test_a_prediction_far_below_the_hull_is_a_fault(errors_below, is_believed):
    hull = (3 * -1.5608 + 8 * -1.2663 + 2 * -2.1073) / 13
    predicted = predictions({"id0": hull - errors_below * 0.03})
    row = assess(["Li6PS5Cl"], predicted=predicted).iloc[0]
    assert (row["energy_above_hull_ev_atom"] == 0) == is_believed
    assert row[NUMBERS].notna().all() == is_believed
    assert is_believed or "0.153 eV/atom below the hull" in row["reason"]


def charge(formula, cathodes, voltage_v):
    settings = StabilitySettings(cathodes=cathodes, charge_voltage_v=voltage_v)
    return assess([formula], settings=settings).iloc[0]["charged_reaction_ev_atom"]


def test_the_worst_charged_cathode_counts_at_the_potential_asked_for():
    of_both = charge("Li3PS4", ["TiS2", "Li4Ti5O12"], 2.0)
    assert charge("Li3PS4", ["TiS2"], 2.0) == 0
    assert of_both == charge("Li3PS4", ["Li4Ti5O12"], 2.0) > 0.1
    assert charge("Li3PS4", ["Li4Ti5O12"], 2.5) > of_both
    # Sulfide to sulfur beyond 2.3412 V: two electrons an atom other than lithium.
    assert charge("Li2S", ["TiS2"], 4.2) == pytest.approx(2 * (4.2 - 2.3412), abs=1e-4)


def test_what_a_cathode_does_by_itself_at_charge_is_not_counted():
    """Li4Ti5O12 gives off lithium and oxygen at 4.2 V, beside TiO2 or not."""
    assert charge("TiO2", ["Li4Ti5O12"], 4.2) == 0


def test_a_statement_or_a_prediction_does_not_beat_the_energy_of_its_own_id():
    level = bundled_level(MP_2018)
    own = PDEntry(Composition("Li3PS4"), (-1.2663 + 0.05) * 8, attribute="id0")
    level = Level(MP_2018, "", [*level.entries, own])
    for predicted in (None, predictions({"id0": -1.2663 + 0.01})):
        row = assess(["Li3PS4"], [0.2], predicted, level=level).iloc[0]
        assert row["hull_origin"] == "level"
        assert row["energy_above_hull_ev_atom"] == pytest.approx(0.05)
        assert np.isnan(row["hull_error_ev_atom"])


def test_the_elements_of_a_cathode_need_their_competing_phases_too():
    """Without phosphates free of lithium nothing is known of a phosphide beside an oxide."""
    bare = [
        one
        for one in bundled_level(MP_2018).entries
        if "Li" in one.composition or len(one.composition) == 1 or "P" not in one.composition
    ]
    settings = StabilitySettings(cathodes=["Li2O2"])
    row = assess(["Li3P"], settings=settings, level=Level("bare", "", bare)).iloc[0]
    assert row["window_oxidation_v"] > 0
    assert row[["cathode_reaction_ev_atom", "charged_reaction_ev_atom"]].isna().all()
    assert "no lithium-free compound of P in Li-O-P" in row["reason"]
