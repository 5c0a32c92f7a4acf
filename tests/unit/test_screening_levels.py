"""Levels of energies: where they come from, what they cover, and the hulls on them."""

import gzip
import json

import pytest
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition
from pymatgen.entries.computed_entries import ComputedEntry

from ionscout.bundled.thermochemistry import load_levels
from ionscout.errors import BundledDataError, ScreeningError
from ionscout.screening.levels import (
    Level,
    bundled_level,
    level_of_source_records,
    read_entries_file,
)
from ionscout.structures.records import write_records

MP_2018 = "materials_project_2018"
ENTRIES_FILE = "Li-Fe-P-O_entries.json.gz"
SYSTEM = ["Li", "Fe", "P", "O"]


def make_entries(**energies_ev_atom):
    return [
        PDEntry(Composition(formula), energy * Composition(formula).num_atoms)
        for formula, energy in energies_ev_atom.items()
    ]


@pytest.fixture(scope="module")
def theirs(shared_data):
    """Read the entries as pymatgen reads them itself."""
    with gzip.open(shared_data / "entries" / ENTRIES_FILE, "rt") as file:
        return [ComputedEntry.from_dict(one) for one in json.load(file)]


@pytest.fixture(scope="module")
def li_fe_p_o(shared_data):
    entries = read_entries_file(shared_data / "entries" / ENTRIES_FILE)
    return Level("file", "Li-Fe-P-O of the pymatgen test files", entries)


@pytest.mark.parametrize("system", [SYSTEM, None], ids=["whole", "own subsystem"])
def test_hull_distances_are_those_of_pymatgen(theirs, li_fe_p_o, system):
    reference = PhaseDiagram(theirs)
    lithium_compounds = [one for one in theirs if "Li" in one.composition]
    assert len(theirs) == 859
    assert len(lithium_compounds) > 300
    for one in lithium_compounds:
        own = [element.symbol for element in one.composition]
        diagram = li_fe_p_o.phase_diagram(system or own)
        ours = li_fe_p_o.entry_of(one.entry_id, "")
        assert ours.energy == pytest.approx(one.energy, abs=1e-9)
        expected_ev_atom = reference.get_e_above_hull(one)
        assert diagram.get_e_above_hull(ours) == pytest.approx(expected_ev_atom, abs=1e-6)


def test_a_diagram_is_made_once_for_its_system(li_fe_p_o):
    assert li_fe_p_o.phase_diagram(["O", "P"]) is li_fe_p_o.phase_diagram({"Li", "P", "O"})
    assert {e.symbol for e in li_fe_p_o.phase_diagram(["O"]).elements} == {"Li", "O"}


def test_corrections_are_part_of_the_energies(shared_data, theirs):
    corrected = [one for one in theirs if abs(one.correction) > 0.5]
    by_id = {e.attribute: e for e in read_entries_file(shared_data / "entries" / ENTRIES_FILE)}
    assert corrected
    for one in corrected:
        assert by_id[one.entry_id].energy == pytest.approx(one.energy)


def test_bundled_levels_hold_all_elements_and_their_compounds():
    for name in load_levels():
        level = bundled_level(name)
        assert level.name == name
        assert level.what == load_levels()[name].what
        assert level.uncovered(["Li", "P", "S", "Cl"]) is None
        assert level.phase_diagram(["Cl"]).get_form_energy_per_atom(
            level.entry_of("", "LiCl")
        ) == pytest.approx(-2.11, abs=0.02)
    with pytest.raises(BundledDataError, match="no level 'oracle'"):
        bundled_level("oracle")


def test_an_id_finds_its_own_polymorph_and_a_formula_the_lowest():
    stable = PDEntry(Composition("LiCl"), -4.2, attribute="mp-22905")
    other = PDEntry(Composition("Li2Cl2"), -8.0, attribute="mp-1185319")
    elements = make_entries(Li=0, Cl=0)
    level = Level("two", "", [other, stable, *elements])
    assert level.entry_of("mp-1185319", "LiCl") is other
    assert level.entry_of("somewhere-else", "LiCl") is stable
    assert level.entry_of("somewhere-else", "LiBr") is None
    diagram = level.phase_diagram(["Cl"])
    assert diagram.get_e_above_hull(other) == pytest.approx(0.1)
    assert diagram.get_e_above_hull(stable) == 0


def test_without_lithium_free_phases_a_system_is_uncovered():
    lithium_compounds = make_entries(Li3P=-0.7, Li2S=-1.5, Li3PS4=-1.2, Li7P3S11=-1.1, LiF=-3.2)
    elements = make_entries(Li=0, P=0, S=0, F=0)
    level = Level("lithium alone", "", lithium_compounds + elements)
    fault = level.uncovered(["Li", "P", "S"])
    assert fault == (
        "level lithium alone has no lithium-free compound of P in Li-P-S: competing phases are "
        "missing"
    )
    with pytest.raises(ScreeningError, match="no lithium-free compound of P in Li-P-S"):
        level.phase_diagram(["P", "S"])
    assert level.uncovered(["Li", "F"]) is None
    assert level.phase_diagram(["F"]).get_e_above_hull(lithium_compounds[-1]) == 0
    elsewhere = Level("elsewhere", "", level.entries + make_entries(PF5=-2.9))
    assert "compound of P in Li-P-S" in elsewhere.uncovered(["P", "S"])
    completed = Level("all", "", level.entries + make_entries(P2S5=-0.5))
    assert completed.uncovered(["P", "S"]) is None


def test_without_an_element_even_a_binary_is_uncovered():
    level = Level("no fluorine", "", make_entries(Li=0, LiF=-3.2))
    assert level.uncovered({"F"}) == "level no fluorine has no entry of the element F"
    assert bundled_level(MP_2018).uncovered(["Na", "Cl"]).endswith("of the element Na")


def test_lithium_compounds_of_the_materials_project_alone_cover_no_ternary(shared_data):
    with gzip.open(shared_data / "mp2018_li" / "structures.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    energies = {row["pretty_formula"]: row["formation_energy_per_atom"] for row in rows}
    compounds = make_entries(**energies)
    symbols = sorted({e.symbol for one in compounds for e in one.composition})
    as_they_are = Level("as they are", "", compounds)
    assert as_they_are.uncovered(["P", "S"]).endswith("has no entry of the element P, S")
    without_metal = [one for one in compounds if len(one.composition) > 1]
    with pytest.raises(ScreeningError, match="lithium metal has no energy"):
        Level("no metal", "", without_metal)
    elements = make_entries(**dict.fromkeys(symbols, 0.0))
    level = Level("with elements", "", compounds + elements)
    larger = [one for one in compounds if len(one.composition) > 2]
    assert len(larger) > 1000
    assert all(level.uncovered([e.symbol for e in one.composition]) for one in larger)


def test_two_anions_need_not_bind_each_other_but_a_sulfate_needs_competitors():
    level = bundled_level(MP_2018)
    assert level.uncovered(["N", "Cl"]) is None
    bare = [
        one
        for one in level.entries
        if "Li" in one.composition or len(one.composition) == 1 or "S" not in one.composition
    ]
    message = Level("no sulfur", "", bare).uncovered(["S", "O"])
    assert "no lithium-free compound of S in Li-O-S" in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "no list of pymatgen entries"),
        ("[" * 100_000, "cannot be read as JSON"),
        (
            '[{"energy": -1.9, "composition": {"Li": 1}, "parameters": ["GGA"]}]',
            "entry 1 is no pymatgen entry: its parameters are no table",
        ),
        ('{"energy": 1}', "no list of pymatgen entries"),
        ('[{"energy": -1.9}]', "entry 1 is no pymatgen entry: it has no composition"),
        ('[{"energy": -1.9, "composition": {"Xq": 1}}]', "entry 1: {'Xq': 1} is no composition"),
        (
            '[{"energy": NaN, "composition": {"Li": 1}, "entry_id": "mp-51"}]',
            r"\(mp-51\).*Li is",
        ),
        ('[{"energy": null, "composition": {"Li": 1}}]', "energy of Li is not a number"),
        ('[{"energy": -1, "correction": NaN, "composition": {"Li": 1}}]', "is not a number"),
        ('[{"energy": -9.0, "composition": {"Li": 2, "O": 1}}]', "lithium metal has no entry"),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "entries.json"
    path.write_text(content)
    with pytest.raises(ScreeningError, match=message) as caught:
        read_entries_file(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_or_not_gzipped_is_refused(tmp_path):
    with pytest.raises(ScreeningError, match="cannot be read"):
        read_entries_file(tmp_path / "absent.json")
    (tmp_path / "plain.json.gz").write_text("[]")
    with pytest.raises(ScreeningError, match="cannot be read"):
        read_entries_file(tmp_path / "plain.json.gz")


def test_functionals_are_not_mixed_silently(tmp_path):
    runs = [("Li", "GGA"), ("O2", "GGA_U"), ("Li2O", "GGA+U")]
    entries = [
        ComputedEntry(formula, -1.0, parameters={"run_type": run}).as_dict()
        for formula, run in runs
    ]
    path = tmp_path / "entries.json"
    path.write_text(json.dumps(entries))
    assert len(read_entries_file(path)) == 3
    entries[2]["parameters"]["run_type"] = "R2SCAN"
    path.write_text(json.dumps(entries))
    with pytest.raises(ScreeningError, match=r"functionals are mixed \(GGA, R2SCAN\)"):
        read_entries_file(path)


def source_entry(formula, energy_ev, own_id, *, correction_ev=0.0, thermo_type="GGA_GGA+U"):
    data = {"material_id": own_id, "thermo_type": thermo_type, "database_version": "2026.05.01"}
    return ComputedEntry(
        formula,
        energy_ev,
        correction=correction_ev,
        parameters={"run_type": "GGA"},
        data=data,
        entry_id=f"{own_id}-GGA",
    ).as_dict()


def test_pulled_entries_are_corrected_and_found_by_the_ids_of_the_campaign(tmp_path):
    records = [
        source_entry("Li", -1.9, "mp-135"),
        source_entry("Cl2", -3.6, "mp-22848"),
        source_entry("LiCl", -7.2, "mp-22905", correction_ev=-0.6),
    ]
    path = tmp_path / "entries.jsonl.gz"
    write_records(path, records)
    level = level_of_source_records(path, "mp")
    salt = level.entry_of("mp-mp-22905", "")
    assert salt.energy == pytest.approx(-7.8)
    formation_ev_atom = level.phase_diagram(["Cl"]).get_form_energy_per_atom(salt)
    assert formation_ev_atom == pytest.approx((-7.8 + 1.9 + 1.8) / 2)
    assert "2026.05.01" in level.what
    write_records(path, [*records, source_entry("Li", -2.0, "mp-1", thermo_type="R2SCAN")])
    with pytest.raises(ScreeningError, match="entries of source mp: thermo types are mixed"):
        level_of_source_records(path, "mp")


def test_pulled_entries_have_to_be_there(tmp_path):
    path = tmp_path / "entries.jsonl.gz"
    write_records(path, [])
    with pytest.raises(ScreeningError, match="none were pulled"):
        level_of_source_records(path, "mp")
    with pytest.raises(ScreeningError, match="cannot be read"):
        level_of_source_records(tmp_path / "absent.gz", "mp")


def test_an_energy_that_is_not_a_number_is_refused_by_name():
    bad = PDEntry(Composition("LiCl"), float("nan"), attribute="mp-22905")
    with pytest.raises(ScreeningError, match=r"energy of LiCl \(mp-22905\) is nan"):
        Level("ill", "", [*make_entries(Li=0, Cl=0), bad])
