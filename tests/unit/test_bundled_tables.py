"""The tables of conductivities and of energies of formation."""

import gzip
import json

import numpy as np
import pytest
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition, Element

from ionscout.bundled.conductivities import load_conductivities, measured_compositions
from ionscout.bundled.sources import RESOURCES, UNTRACED, load_sources
from ionscout.bundled.thermochemistry import (
    check_level,
    hull_entries,
    load_levels,
    load_thermochemistry,
)
from ionscout.errors import BundledDataError

ELEMENTS = [
    "Li", "P", "S", "O", "F", "Cl", "Br", "I", "N", "Si", "Ge", "Sn", "La", "Zr", "Al", "Ti", "B",
    "H", "C",
]  # fmt: skip
LEVELS = list(load_levels())
MP_2018 = "materials_project_2018"


def test_enough_compositions_are_measured():
    table = measured_compositions()
    assert table["formula"].map(lambda f: Composition(f).reduced_formula).nunique() >= 150
    assert table["sigma_s_cm"].gt(0).all()
    assert UNTRACED not in set(table["reference"])


def test_samples_that_stand_twice_are_counted_once():
    table = measured_compositions()
    reduced = table["formula"].map(lambda formula: Composition(formula).reduced_formula)
    lgps = table[(reduced == "Li10Ge(PS6)2") & (table["reference"] == "doi:10.1038/nmat3066")]
    assert lgps["crystal_id"].tolist() == ["li10gep2s12"]
    assert len(load_conductivities()) < len(table)


@pytest.mark.parametrize("level", LEVELS)
def test_levels_are_consistent(level):
    assert check_level(level) == []
    table = load_thermochemistry(level)
    elements = {el.symbol for formula in table["formula"] for el in Composition(formula)}
    assert elements == set(ELEMENTS)
    lithium_free = table[~table["formula"].str.contains(r"Li(?![a-z])")]
    assert len(lithium_free) >= 150
    assert len(table) - len(lithium_free) >= 40
    assert (table["reference"] != "").all()


def test_enthalpies_are_converted_per_atom():
    table = load_thermochemistry("experiment").set_index("formula")
    oxide = table.loc["Li2O"]
    assert oxide["formation_enthalpy_kj_mol"] == pytest.approx(-598, abs=2)
    assert oxide["formation_energy_ev_atom"] == pytest.approx(-598 / 96.485 / 3, abs=0.01)


def test_levels_agree_where_they_should():
    """Theory and experiment are compilations of the same world.

    Materials Project binds sulfides, nitrates and sulfates too strongly, and bromides
    and phosphides too weakly; two in three compounds agree within 0.15 eV/atom.
    """
    tables = [load_thermochemistry(level) for level in ("experiment", MP_2018)]
    lowest = []
    for table in tables:
        crystals = table[table["state"] == "crystal"]
        reduced = [Composition(formula).reduced_formula for formula in crystals["formula"]]
        lowest.append(crystals["formation_energy_ev_atom"].groupby(reduced).min())
    difference = (lowest[0] - lowest[1]).dropna()
    compounds = difference[[len(Composition(formula)) > 1 for formula in difference.index]]
    assert len(compounds) > 100
    assert compounds.abs().lt(0.15).mean() > 0.6
    assert compounds.abs().lt(0.7).all()
    assert abs(compounds.median()) < 0.06


@pytest.mark.parametrize(
    ("formula", "reduction_v", "oxidation_v"),
    [("Li3PS4", 1.72, 2.63), ("Li2S", 0.0, 2.34), ("LiCl", 0.0, 4.21), ("Li3PO4", 0.69, 4.21)],
)
def test_windows_of_materials_project(formula, reduction_v, oxidation_v):
    """As computed from the whole snapshot: its corrections raise the sulfides' oxidation limit."""
    composition = Composition(formula)
    diagram = PhaseDiagram(hull_entries(MP_2018, [el.symbol for el in composition]))
    steps = diagram.get_element_profile(Element("Li"), composition)
    limits_v = [(-step["chempot"], step["evolution"]) for step in steps]
    assert max(v for v, n in limits_v if n > -1e-6) == pytest.approx(reduction_v, abs=0.02)
    assert min(v for v, n in limits_v if n < -1e-6) == pytest.approx(oxidation_v, abs=0.02)


def test_hull_distances_are_those_of_materials_project(shared_data):
    with gzip.open(shared_data / "mp2018_li" / "structures.jsonl.gz", "rt") as lines:
        entries = [json.loads(line) for line in lines]
    table = load_thermochemistry(MP_2018)
    there = dict(zip(table["phase"], table["formation_energy_ev_atom"], strict=True))
    off_ev_atom = []
    for entry in entries:
        if entry["task_id"] not in there:
            continue
        composition = Composition(entry["pretty_formula"])
        diagram = PhaseDiagram(hull_entries(MP_2018, [el.symbol for el in composition]))
        energy_ev = there[entry["task_id"]] * composition.num_atoms
        above = diagram.get_e_above_hull(PDEntry(composition, energy_ev))
        off_ev_atom.append(abs(above - entry["e_above_hull"]))
    assert len(off_ev_atom) >= 100
    assert np.mean(np.array(off_ev_atom) < 0.01) > 0.9


def test_an_unknown_level_is_named():
    with pytest.raises(BundledDataError, match="no level 'oracle': there are experiment"):
        load_thermochemistry("oracle")


@pytest.mark.parametrize("file", ["conductivities.csv", "thermochemistry/experiment.csv"])
def test_sources_of_the_tables_are_known_and_used(file):
    load = load_conductivities if file.startswith("c") else lambda: load_thermochemistry(LEVELS[0])
    assert set(load()["read_in"]) <= set(load_sources())
    assert (RESOURCES / file).stat().st_size < 1_000_000


def test_bad_rows_of_conductivities_are_named(tmp_path):
    (tmp_path / "sources.yaml").write_text("here: {what: a test, licence: none}")
    header = (RESOURCES / "conductivities.csv").read_text().splitlines()[0]
    for row, message in [
        ("Li3N,fast,,298,bulk,,a book,here,,", "line 2: sigma_s_cm"),
        ("Na3N,1e-3,,298,bulk,,a book,here,,", "line 2: no lithium in 'Na3N'"),
        ("Li3Xx,1e-3,,298,bulk,,a book,here,,", "line 2: 'Li3Xx' is no formula"),
        ("Li3N,1e-3,,298,bulk,,a book,there,,", "line 2: unknown source 'there'"),
        ("Li3N,1e-3,,298,grain,,a book,here,,", "line 2: kind"),
    ]:
        (tmp_path / "conductivities.csv").write_text(f"{header}\n{row}\n")
        with pytest.raises(BundledDataError, match=message):
            load_conductivities(tmp_path)
    (tmp_path / "conductivities.csv").write_text("formula\nLi3N\n")
    with pytest.raises(BundledDataError, match="the columns have to be formula, sigma_s_cm"):
        load_conductivities(tmp_path)
