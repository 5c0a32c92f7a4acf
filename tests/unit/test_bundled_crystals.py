"""The bundled crystals are what they say they are."""

import itertools
import math
import re

import numpy as np
import pandas as pd
import pytest
import yaml
from pymatgen.analysis.structure_matcher import FrameworkComparator, StructureMatcher
from pymatgen.core import Composition, Structure

from ionscout.errors import StructureError
from ionscout.structures.crystals import BUNDLED_CRYSTALS, bundled_records, load_crystals

CRYSTALS = load_crystals()
STRUCTURES = {crystal.id: crystal.structure() for crystal in CRYSTALS}
FAST_S_CM = 1e-4
each_crystal = pytest.mark.parametrize("crystal", CRYSTALS, ids=lambda crystal: crystal.id)

OXIDATION_STATES = {
    "Li": [1], "H": [1, -1], "B": [3], "C": [4], "N": [-3], "O": [-2], "F": [-1], "Al": [3],
    "Si": [4], "P": [5, -3], "S": [-2], "Cl": [-1], "Sc": [3], "Ti": [4], "V": [5], "Fe": [2],
    "Ge": [4], "Br": [-1], "Sr": [2], "Zr": [4], "In": [3], "Sb": [5], "I": [-1], "La": [3],
    "Hf": [4], "Ta": [5],
}  # fmt: skip
CHARGE_EXCEPTIONS = {
    "li4bn3h10": "holds hydridic BH4 and protonic NH2 at once: Li4 +4, B +3, 4 H -4, 6 H +6, N3 -9",
}
CONDUCTIVITY_EXCEPTIONS = {
    "li3po4-gamma": "the two samples, both extrapolated from high temperature, differ by 10^5",
}

MINIMAL = """
sources: {here: {what: a test, licence: none}}
crystals:
  - id: salt
    name: salt
    formula: LiCl
    formula_units: 4
    family: binary halide
    phase: rock salt
    space_group: Fm-3m
    space_group_number: 225
    lattice: {a_ang: 5.15, b_ang: 5.15, c_ang: 5.15, alpha_deg: 90, beta_deg: 90, gamma_deg: 90}
    sites:
      - {label: Li, species: {Li: 1}, xyz: [0, 0, 0]}
      - {label: Cl, species: {Cl: 1}, xyz: [0, 0, 1/2]}
    origin: {reference: a book, read_in: here, method: x-ray}
    conductivities:
      - {sigma_s_cm: 1.0e-8, temperature_k: 298, kind: total, reference: a book, read_in: here}
      - {sigma_s_cm: 1.0e-3, temperature_k: 298, kind: bulk, reference: untraced, read_in: here}
"""


def test_numbers_and_families():
    fast = [c for c in CRYSTALS if any(k.sigma_s_cm >= FAST_S_CM for k in c.conductivities)]
    poor = [c for c in CRYSTALS if c.conductivities and c not in fast]
    ids = [c.id for c in CRYSTALS]
    assert len(ids) == len(set(ids)) >= 26
    assert {"li3n", "licl"} <= set(ids)
    assert len(fast) >= 10
    assert len(poor) >= 12
    assert sum(not structure.is_ordered for structure in STRUCTURES.values()) >= 3
    assert len({c.family for c in CRYSTALS}) >= 5


@each_crystal
def test_every_value_has_a_reference(crystal):
    references = [crystal.origin.reference, *(k.reference for k in crystal.conductivities)]
    if crystal.band_gap_ev is not None or crystal.energy_above_hull_ev_atom is not None:
        references.append(crystal.properties_reference)
    if crystal.origin.method == "derived":
        assert crystal.origin.note
    for reference in references:
        assert reference
        assert all(re.match(r"10\.\d{4,}/", doi) for doi in re.findall(r"doi:(\S*)", reference))


@each_crystal
def test_the_space_group_is_the_stated_one(crystal):
    symbol, number = STRUCTURES[crystal.id].get_space_group_info(symprec=0.01)
    assert number == crystal.space_group_number, symbol


@each_crystal
def test_charge_neutral(crystal):
    amounts = Composition(crystal.formula).get_el_amt_dict()
    choices = itertools.product(*(OXIDATION_STATES[element] for element in amounts))
    charges = [
        sum(n * q for n, q in zip(amounts.values(), states, strict=True)) for states in choices
    ]
    neutral = min(abs(charge) for charge in charges) < 0.02
    assert neutral != (crystal.id in CHARGE_EXCEPTIONS)


@each_crystal
def test_density_is_plausible(crystal):
    assert 0.5 < STRUCTURES[crystal.id].density < 9


@each_crystal
def test_atoms_keep_their_distance(crystal):
    structure = STRUCTURES[crystal.id]
    occupancy = np.array([site.species.num_atoms for site in structure])
    distance = structure.distance_matrix
    together = occupancy[:, None] + occupancy[None] > 1 + 1e-6
    np.fill_diagonal(together, False)
    for i, j in zip(*np.nonzero(np.triu(together)), strict=True):
        elements = {e.symbol for k in (i, j) for e in structure[k].species}
        least = 0.9 if "H" in elements else 1.2 if elements & {"B", "C"} else 1.4
        assert distance[i, j] > least, f"{structure[i]} - {structure[j]}"


@each_crystal
def test_formula_is_that_of_the_cell(crystal):
    cell = STRUCTURES[crystal.id].composition / crystal.formula_units
    stated = Composition(crystal.formula)
    for element in set(cell) | set(stated):
        assert cell[element] == pytest.approx(stated[element], abs=0.01)


def test_matches_the_benchmark_structures(shared_data):
    """Each ordered crystal agrees with the independent CIF of the same phase."""
    ours = {(Composition(c.formula).reduced_formula, c.space_group_number): c.id for c in CRYSTALS}
    matched = set()
    for path in sorted((shared_data / "benchmark_structures").glob("*.cif")):
        theirs = Structure.from_file(path)
        key = (theirs.composition.reduced_formula, theirs.get_space_group_info()[1])
        if key in ours and STRUCTURES[ours[key]].is_ordered:
            assert StructureMatcher().fit(STRUCTURES[ours[key]], theirs), path.name
            matched.add(ours[key])
    assert matched >= {
        "li2o", "li2s", "li3n", "li3ps4-beta", "li7la3zr2o12-tetragonal", "li7p3s11", "licl",
        "lif", "lifepo4", "liti2p3o12", "lizr2p3o12",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("crystal_id", "file"),
    [
        ("li10gep2s12", "Li10GeP2S12_exp_disordered.cif"),
        ("li6ps5cl", "Li6PS5Cl_mp-985592.cif"),
    ],
)
def test_frameworks_of_disordered_crystals_match(shared_data, crystal_id, file):
    ours = STRUCTURES[crystal_id].copy()
    theirs = Structure.from_file(shared_data / "benchmark_structures" / file)
    for structure in (ours, theirs):
        structure.remove_species(["Li"])
        for i, site in enumerate(structure):
            structure[i] = max(e.symbol for e in site.species).replace("Cl", "S")
    assert StructureMatcher(comparator=FrameworkComparator()).fit(ours, theirs)


def test_conductivities_agree_with_the_compilation(shared_data):
    """Within a factor of 10 of the geometric mean of all samples of the same phase."""
    table = pd.read_csv(shared_data / "obelix_train" / "train.csv")
    table["sigma"] = pd.to_numeric(table["Ionic conductivity (S cm-1)"], errors="coerce")
    table = table.dropna(subset="sigma")
    formulas = [
        Composition(c.replace(" ", "")).reduced_formula for c in table["Reduced Composition"]
    ]
    means = np.log10(table["sigma"]).groupby([formulas, table["Space group #"].to_numpy()]).mean()
    agrees = {}
    for crystal in CRYSTALS:
        key = (Composition(crystal.formula).reduced_formula, crystal.space_group_number)
        if key in means.index:
            agrees[crystal.id] = all(
                abs(math.log10(k.sigma_s_cm) - means[key]) < 1 for k in crystal.conductivities
            )
    assert {i for i in agrees if not agrees[i]} == set(CONDUCTIVITY_EXCEPTIONS)
    assert len(agrees) >= 15


def test_records_follow_the_contract():
    records = {record["material_id"]: record for record in bundled_records()}
    assert len(records) == len(CRYSTALS)
    record = records["bundled-li3n"]
    assert set(record) == {
        "material_id", "source", "structure", "properties", "labels", "provenance", "parent_id",
    }  # fmt: skip
    assert Structure.from_dict(record["structure"]).reduced_formula == "Li3N"
    assert record["properties"]["energy_above_hull_ev_atom"] == 0
    assert record["labels"][0]["sigma_s_cm"] > FAST_S_CM
    assert records["bundled-licl"]["labels"][0]["sigma_s_cm"] < 1e-6


def test_untraced_values_yield_no_label(tmp_path):
    path = tmp_path / "crystals.yaml"
    path.write_text(MINIMAL)
    (record,) = bundled_records(path)
    assert [label["sigma_s_cm"] for label in record["labels"]] == [1e-8]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("formula: LiCl", "formula: Li2Cl", "'salt'.*the sites make Li1 Cl1, not Li2 Cl1"),
        ("number: 225", "number: 216", "'salt'.*Fm-3m is number 225, not 216"),
        ("group: Fm-3m", "group: Fm-4m", "'salt'.*Fm-4m"),
        ("family:", "familiy:", "'salt'.*famil"),
        ("a_ang: 5.15", "a_ang: big", "'salt': lattice.a_ang"),
        ("Cl: 1}", "Cl: 1.5}", "'salt': sites.1.species.Cl"),
        ("read_in: here, method", "read_in: there, method", "'salt': unknown source 'there'"),
        ("crystals:", "crystal:", "needs a list `crystals`"),
        ("name: salt", "name: [salt", "line [0-9]+: not valid YAML"),
    ],
)
def test_faults_are_named(tmp_path, old, new, message):
    assert old in MINIMAL
    path = tmp_path / "crystals.yaml"
    path.write_text(MINIMAL.replace(old, new, 1))
    with pytest.raises(StructureError, match=message):
        bundled_records(path)


def test_an_id_may_be_there_once_only(tmp_path):
    data = yaml.safe_load(BUNDLED_CRYSTALS.read_text())
    data["crystals"].append(data["crystals"][0])
    path = tmp_path / "crystals.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(StructureError, match="'li3n' is there more than once"):
        load_crystals(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StructureError, match=r"nowhere\.yaml: the file of crystals cannot be read"):
        load_crystals(tmp_path / "nowhere.yaml")
