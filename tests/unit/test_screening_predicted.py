"""Predicted energies: the fit of references, their error, and what is chosen for them."""

import gzip
import json
import random

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Composition, Lattice, Structure

from ionscout.bundled.chgnet_references import FILE, load_chgnet_references
from ionscout.bundled.sources import RESOURCES
from ionscout.config import DynamicsSettings, GateSettings
from ionscout.errors import BundledDataError, DynamicsError, ScreeningError
from ionscout.screening import predicted
from ionscout.screening.levels import bundled_level
from ionscout.screening.predicted import (
    choose_to_predict,
    fit_references,
    predict_formation_energies,
    relax_energy,
    root_mean_square,
)
from ionscout.structures.crystals import load_crystals

MP_2018 = "materials_project_2018"
TRUE_EV_ATOM = {"Li": -1.9, "O": -4.9, "S": -4.0, "P": -5.3}
FORMATION_EV_ATOM = {
    "Li2O": -2.0,
    "Li2O2": -1.6,
    "Li2S": -1.5,
    "Li2SO4": -2.3,
    "Li3PO4": -2.7,
    "Li3PS4": -1.2,
    "Li3P": -0.7,
}


def total_ev_atom(formula, formation_ev_atom):
    composition = Composition(formula)
    of_elements = [TRUE_EV_ATOM[e.symbol] * n for e, n in composition.items()]
    return formation_ev_atom + sum(of_elements) / composition.num_atoms


@pytest.fixture
def compounds():
    rows = {
        formula: (total_ev_atom(formula, formation), formation)
        for formula, formation in FORMATION_EV_ATOM.items()
    }
    columns = ["energy_ev_atom", "formation_energy_ev_atom"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def test_exact_energies_give_back_the_references(compounds):
    references, left_out_ev_atom = fit_references(compounds)
    assert references["energy_ev_atom"].to_dict() == pytest.approx(TRUE_EV_ATOM)
    assert references["n_compounds"].to_dict() == {"Li": 7, "O": 4, "P": 3, "S": 3}
    assert left_out_ev_atom.abs().max() < 1e-9


def test_left_out_errors_are_those_of_a_fit_without_the_compound(compounds):
    noise = np.random.default_rng(1).normal(0, 0.05, len(compounds))
    compounds["energy_ev_atom"] += noise
    references, left_out_ev_atom = fit_references(compounds)
    for formula in ("Li2SO4", "Li3PS4"):
        without, _ = fit_references(compounds.drop(index=formula))
        composition = Composition(formula)
        predicted_ev_atom = compounds.loc[formula, "energy_ev_atom"] - sum(
            composition.get_atomic_fraction(e) * without.loc[e.symbol, "energy_ev_atom"]
            for e in composition
        )
        error = predicted_ev_atom - FORMATION_EV_ATOM[formula]
        assert left_out_ev_atom[formula] == pytest.approx(error)
    of_phosphorus = left_out_ev_atom[["Li3PO4", "Li3PS4", "Li3P"]]
    expected = root_mean_square(of_phosphorus)
    assert references.loc["P", "left_out_error_ev_atom"] == pytest.approx(expected)


def test_an_element_of_one_compound_has_no_reference(compounds):
    compounds.loc["Li2CO3"] = (-6.0, -2.2)
    references, left_out_ev_atom = fit_references(compounds)
    assert "C" not in references.index
    assert "Li2CO3" not in left_out_ev_atom.index
    assert references["energy_ev_atom"].to_dict() == pytest.approx(TRUE_EV_ATOM)


def test_elements_that_always_come_together_are_not_told_apart(compounds):
    compounds.loc["LiBH4"] = (-4.0, -0.4)
    compounds.loc["Li2B2H8"] = (-4.0, -0.4)
    with pytest.raises(ScreeningError, match="do not determine the references of B, H"):
        fit_references(compounds)
    with pytest.raises(ScreeningError, match=r"0 compounds do not determine.*any element"):
        fit_references(compounds.iloc[:0])


def test_bundled_references_are_near_the_elements_of_pbe():
    """Cohesion aside, what the fit finds are energies of the elements' ground states."""
    table = load_chgnet_references()
    assert table.loc["Li", "energy_ev_atom"] == pytest.approx(-1.9, abs=0.05)
    assert table.loc["Si", "energy_ev_atom"] == pytest.approx(-5.42, abs=0.1)
    assert "C" not in table.index
    assert len(table) == 18
    assert table["left_out_error_ev_atom"].between(0.005, 0.1).all()
    assert 0.02 < table.loc["Li", "left_out_error_ev_atom"] < 0.05


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("element,", "symbol,", "the columns have to be element, energy_ev_atom"),
        ("\nAl,", "\nXx,", r"line 2 \(Xx\): unknown element"),
        ("\nAl,", "\nB,", r"line 3 \(B\): the element is there twice"),
        ("\nAl,-", "\nAl,", r"line 2 \(Al\): the energy is no number below zero"),
        (",5,", ",1,", "fewer than 2 compounds"),
        ("\nAl,-3", "\nAl,x-3", "the energy is no number"),
    ],
)
def test_a_bad_table_of_references_is_refused_by_line(tmp_path, before, after, message):
    text = (RESOURCES / FILE).read_text()
    assert before in text
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text(text.replace(before, after, 1))
    with pytest.raises(BundledDataError, match=message):
        load_chgnet_references(tmp_path)
    with pytest.raises(BundledDataError, match="cannot be read as CSV"):
        load_chgnet_references(tmp_path / "absent")


def rocksalt(cation, anion, a_ang):
    lattice = Lattice.cubic(a_ang)
    return Structure.from_spacegroup(
        "Fm-3m", lattice, [cation, anion], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )


def test_lithium_chloride_by_hand():
    """Energy of the cell per atom less half a reference of Li and half a reference of Cl."""
    pytest.importorskip("chgnet")
    structure = rocksalt("Li", "Cl", 5.13)
    row = predict_formation_energies({"salt": structure}).iloc[0]
    energy_ev_atom, converged, n_steps = relax_energy(structure, DynamicsSettings())
    assert energy_ev_atom == pytest.approx(-3.9, abs=0.2)
    by_hand = energy_ev_atom - (-1.8707 - 1.8821) / 2
    assert row["formation_energy_ev_atom"] == pytest.approx(by_hand, abs=1e-4)
    stated = bundled_level(MP_2018).entry_of("", "LiCl").energy_per_atom
    assert abs(by_hand - stated) < 2 * row["error_ev_atom"]
    assert row["error_ev_atom"] == load_chgnet_references().loc["Li", "left_out_error_ev_atom"]
    assert (row["converged"], row["n_steps"]) == (converged, n_steps) == (True, n_steps)
    assert row["reason"] is None


def test_a_strained_cell_and_its_ions_change_nothing():
    pytest.importorskip("chgnet")
    salt = rocksalt("Li+", "Cl-", 5.13)
    strained = salt.copy()
    strained.apply_strain(0.03)
    table = predict_formation_energies({"a": salt, "b": strained})
    assert table["converged"].all()
    energies = table["formation_energy_ev_atom"]
    assert energies[0] == pytest.approx(energies[1], abs=0.003)


def test_each_failure_is_a_reason(monkeypatch):
    pytest.importorskip("chgnet")
    on_top = Structure(Lattice.cubic(5), ["Li", "Li", "Cl"], [[0, 0, 0], [0, 0, 0.01], [0.5] * 3])
    structures = {
        "on-top": on_top,
        "sodium": rocksalt("Na", "Cl", 5.6),
        "carbon": rocksalt("Li", "C", 4.5),
        "good": rocksalt("Li", "F", 4.06),
    }
    table = predict_formation_energies(structures).set_index("material_id")
    assert list(table.index) == list(structures)
    assert "overlap" in table.loc["on-top", "reason"]
    assert "no CHGNet reference of Na: fewer than 2" in table.loc["sodium", "reason"]
    assert "no CHGNet reference of C:" in table.loc["carbon", "reason"]
    failed = table.drop(index="good")
    assert failed[["formation_energy_ev_atom", "error_ev_atom"]].isna().all(axis=None)
    assert not failed["converged"].any()
    assert np.isfinite(table.loc["good", "formation_energy_ev_atom"])

    def fail(*_):
        raise DynamicsError("engine 'chgnet' is not installed: pip install chgnet")

    monkeypatch.setattr(predicted, "relax_energy", fail)
    without = predict_formation_energies({"good": structures["good"]})
    assert "not installed" in without.loc[0, "reason"]


def test_nothing_to_predict_is_an_empty_table():
    table = predict_formation_energies({})
    assert list(table.columns) == predicted.PREDICTION_COLUMNS
    assert table.empty


def test_few_steps_are_said():
    pytest.importorskip("chgnet")
    dynamics = DynamicsSettings(relax={"max_steps": 1})
    stretched = rocksalt("Li", "Cl", 6.0)
    row = predict_formation_energies({"salt": stretched}, dynamics).iloc[0]
    assert not row["converged"]
    assert row["n_steps"] == 1
    assert np.isnan(row["formation_energy_ev_atom"])
    assert "not relaxed it in 1 steps" in row["reason"]


def check_on_the_materials_project(shared_data, *, n, max_sites):
    """Predict compounds near the hull that the references have not seen.

    Returns how far off their energies of formation and hull distances are, and the errors
    that are stated with them.
    """
    with gzip.open(shared_data / "mp2018_li" / "structures.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    seen = {crystal.structure().composition.reduced_formula for crystal in load_crystals()}
    known = set(load_chgnet_references().index)
    unseen = []
    for row in rows:
        composition = Composition(row["pretty_formula"])
        symbols = {element.symbol for element in composition}
        is_unseen = composition.reduced_formula not in seen and len(symbols) > 1
        is_easy = row["nsites"] <= max_sites and row["e_above_hull"] < 0.1
        if is_unseen and is_easy and symbols <= known:
            unseen.append(row)
    sample = {row["task_id"]: row for row in random.Random(0).sample(unseen, n)}
    structures = {name: Structure.from_str(row["cif"], "cif") for name, row in sample.items()}
    table = predict_formation_energies(structures).set_index("material_id")
    stated = pd.DataFrame.from_dict(sample, orient="index")
    level = bundled_level(MP_2018)
    above_ev_atom = {}
    for name, structure in structures.items():
        symbols = [element.symbol for element in structure.composition]
        if level.uncovered(symbols) is None:
            hull = level.phase_diagram(symbols)
            hull_ev_atom = hull.get_hull_energy_per_atom(structure.composition)
            above_ev_atom[name] = table.loc[name, "formation_energy_ev_atom"] - hull_ev_atom
    off = table["formation_energy_ev_atom"] - stated["formation_energy_per_atom"]
    off_hull = pd.Series(above_ev_atom) - stated["e_above_hull"]
    return off, off_hull.dropna(), table["error_ev_atom"]


def test_unseen_compounds_come_out_within_their_error(shared_data):
    pytest.importorskip("chgnet")
    off, off_hull, error = check_on_the_materials_project(shared_data, n=10, max_sites=8)
    assert off.abs().mean() < 0.06
    assert abs(off.mean()) < 0.04
    assert off_hull.abs().mean() < 0.06
    assert (off.abs() < 2 * error).mean() >= 0.8


@pytest.mark.slow
def test_many_unseen_compounds_come_out_within_their_error(shared_data):
    pytest.importorskip("chgnet")
    off, off_hull, error = check_on_the_materials_project(shared_data, n=60, max_sites=60)
    assert off.abs().mean() < 0.045
    assert off_hull.abs().mean() < 0.045
    assert 0.55 < (off.abs() < error).mean() < 0.9
    assert (off.abs() < 2 * error).mean() > 0.85


@pytest.mark.slow
def test_the_bundled_references_are_made_again(tmp_path):
    pytest.importorskip("chgnet")
    (tmp_path / FILE).parent.mkdir()
    predicted.make_references(tmp_path)
    again = load_chgnet_references(tmp_path)
    bundled = load_chgnet_references()
    pd.testing.assert_frame_equal(again, bundled, atol=5e-3, rtol=0)


CANDIDATES = [
    # material_id, formula, candidate, duplicate_of, source's hull distance, probability, band gap
    ("a-good", "Li3P3S9", True, None, np.nan, 0.7, "pass"),
    ("b-best", "Li4PS4Cl", True, None, np.nan, 0.9, "unknown"),
    ("c-twin", "Li3P3S9", True, "a-good", np.nan, 0.6, "pass"),
    ("d-metal", "Li7PS6", True, None, np.nan, 0.99, "fail"),
    ("e-on-the-level", "LiCl", True, None, np.nan, 0.98, "pass"),
    ("f-stated", "Li7PS6", True, None, 0.02, 0.97, "pass"),
    ("g-no-reference", "Li2CS3", True, None, np.nan, 0.96, "pass"),
    ("h-not-on-the-level", "Li2NaPS4", True, None, np.nan, 0.95, "pass"),
    ("i-no-competitors", "Li2BF5", True, None, np.nan, 0.94, "pass"),
    ("j-known", "Li7PS6", False, None, np.nan, 0.93, "pass"),
    ("k-last", "Li8P2S9", True, None, np.nan, np.nan, "pass"),
]


def choose(*, level=MP_2018, gates=None, max_predicted=20, **changed):
    columns = [
        "material_id",
        "formula",
        "candidate",
        "duplicate_of",
        "energy_above_hull_ev_atom",
        "mean_probability",
        "band_gap",
    ]
    table = pd.DataFrame(CANDIDATES, columns=columns)
    manifest = table[columns[:5]].assign(**{"vacancies_per_cell": 0, "parent_id": None, **changed})
    answers = table[["material_id", "mean_probability", "band_gap"]].iloc[::-1]
    answers = answers.assign(
        elements="pass", abundance="pass", shear_modulus="unknown", models="pass", cell="pass"
    )
    answers = answers.assign(hull="unknown")
    return choose_to_predict(
        manifest,
        answers,
        gates or GateSettings(),
        bundled_level(level),
        max_predicted=max_predicted,
    )


def test_the_most_probable_without_an_energy_are_chosen():
    assert choose() == ["b-best", "a-good", "k-last"]
    assert choose(max_predicted=1) == ["b-best"]
    assert choose(max_predicted=0) == []
    assert choose(vacancies_per_cell=1) == []


def test_a_hypothetical_crystal_of_a_known_formula_is_chosen_too():
    assert choose(parent_id="bundled-lii") == ["e-on-the-level", "b-best", "a-good", "k-last"]


def test_gates_of_stability_keep_nobody_from_being_predicted():
    strict = GateSettings(hull={"on_unknown": "drop"}, band_gap={"on_unknown": "drop"})
    assert choose(gates=strict) == ["a-good", "k-last"]
    off = GateSettings(band_gap={"enabled": False})
    assert choose(gates=off)[0] == "d-metal"


def test_no_other_level_gets_predictions():
    assert choose(level="experiment") == []
