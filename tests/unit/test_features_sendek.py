"""Sendek's descriptors: a plain reference, the authors' table, and invariance."""

from __future__ import annotations

import gzip
import json
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from ionscout.errors import FeatureError
from ionscout.features.base import Cell
from ionscout.features.neighbours import find_pairs
from ionscout.features.sendek import MODEL_COLUMNS, SENDEK_COLUMNS, SendekSet, describe_crystal

AUTHORS_NAMES = {
    "LLB": "llb",
    "SBI": "sbi",
    "AFC": "afc",
    "LASD": "lasd_ang",
    "LLSD": "llsd_ang",
    "avg_atomic_mass": "atomic_mass_u",
    "vol_per_atom": "volume_per_atom_ang3",
    "density": "density_g_cm3",
    "Li_number_conc": "lithium_density_ang_minus3",
    "VPA": "volume_per_anion_ang3",
    "ENS": "sublattice_electronegativity_pauling",
    "LNC": "lnc",
    "SNC": "snc",
    "RNC": "rnc",
    "LBI": "lbi",
    "RBI": "rbi",
    "avg_Li_bond_len": "lithium_bond_ang",
    "min_AASD": "aasd_ang",
}
LEAST_AGREEMENT = {"SNC": 0.94, "RNC": 0.95, "LNC": 0.96, "SBI": 0.96, "RBI": 0.97, "LBI": 0.97}
COEFFICIENTS = pd.Series({"LLB": 0.184, "SBI": -4.009, "AFC": -0.467, "LASD": 8.699, "LLSD": -2.17})
INTERCEPT = -6.564


@st.composite
def crystals(draw):
    """Crystals of 3 to 7 atoms in any cell, with lithium and at least one other element."""
    lengths = [draw(st.floats(3.0, 8.0)) for _ in range(3)]
    angles = [draw(st.floats(65.0, 110.0)) for _ in range(3)]
    others = draw(st.lists(st.sampled_from(["O", "S", "Cl", "P", "K"]), min_size=1, max_size=4))
    species = ["Li", "Li", *others]
    seed = draw(st.integers(0, 2**32 - 1))
    coords = np.random.default_rng(seed).random((len(species), 3))
    return Structure(Lattice.from_parameters(*lengths, *angles), species, coords)


def mean(values, weights=None) -> float:
    return float(np.average(values, weights=weights)) if len(values) else np.nan


def ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else np.nan


def reference(structure: Structure) -> dict[str, float]:
    """Compute the columns with pymatgen's neighbours and plain loops."""
    chi = [site.specie.X for site in structure]
    lithium = [i for i, site in enumerate(structure) if site.specie.symbol == "Li"]
    rest = [i for i in range(len(structure)) if i not in lithium]
    anion = [i for i in range(len(structure)) if chi[i] == max(chi)]
    bonds = structure.get_all_neighbors(4.0 - 1e-6)
    far = structure.get_all_neighbors(14.0)

    def mean_nearest(centres, others):
        return mean([min(n.nn_distance for n in far[i] if n.index in others) for i in centres])

    shells = []
    for i in anion:
        distances = [n.nn_distance for n in far[i] if n.index in anion]
        shells.append([d for d in distances if d <= min(distances) + 1 + 1e-6])
    counts = [len(bonds[i]) for i in lithium]
    difference, weight = [], []
    for i in lithium:
        for n in bonds[i]:
            difference.append(abs(chi[i] - chi[n.index]))
            weight.append(0.5 if n.index in lithium else 1.0)
    lbi = mean(difference, weight)
    sbi = mean([abs(chi[i] - chi[n.index]) for i in rest for n in bonds[i]])
    snc = mean([len(bonds[i]) for i in rest])
    return {
        "llb": mean([sum(n.index in lithium for n in bonds[i]) for i in lithium]),
        "sbi": sbi,
        "afc": mean([len(shell) for shell in shells]),
        "lasd_ang": 0.0 if set(anion) & set(lithium) else mean_nearest(lithium, anion),
        "llsd_ang": mean_nearest(lithium, lithium),
        "atomic_mass_u": mean([site.specie.atomic_mass for site in structure]),
        "volume_per_atom_ang3": structure.volume / len(structure),
        "density_g_cm3": structure.density,
        "lithium_density_ang_minus3": len(lithium) / structure.volume,
        "volume_per_anion_ang3": structure.volume / len(anion),
        "sublattice_electronegativity_pauling": mean([chi[i] for i in rest]),
        "lnc": mean(counts),
        "snc": snc,
        "rnc": ratio(mean(counts), snc),
        "sdlc": np.std(counts),
        "lbi": lbi,
        "rbi": ratio(lbi, sbi),
        "sdli": np.sqrt(mean((np.array(difference) - lbi) ** 2, weight)),
        "lithium_bond_ang": mean(
            [mean([n.nn_distance for n in bonds[i]]) for i in lithium if bonds[i]]
        ),
        "aasd_ang": mean([mean(shell) for shell in shells]),
    }


def test_rock_salt_by_hand():
    a = 5.13
    structure = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(a), ["Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    values = SendekSet().describe(structure)
    assert tuple(values) == MODEL_COLUMNS
    assert values["llb"] == 12
    assert values["sbi"] == pytest.approx(6 * (3.16 - 0.98) / 18)
    assert values["afc"] == 12
    assert values["lasd_ang"] == pytest.approx(a / 2)
    assert values["llsd_ang"] == pytest.approx(a / np.sqrt(2))


@settings(max_examples=25, deadline=None)
@given(crystals())
def test_agrees_with_a_plain_reference(structure):
    values = describe_crystal(structure)
    expected = reference(structure)
    assert tuple(values) == SENDEK_COLUMNS
    for name in SENDEK_COLUMNS:
        assert values[name] == pytest.approx(expected[name], rel=1e-9, abs=1e-9, nan_ok=True), name


@settings(max_examples=25, deadline=None)
@given(crystals(), st.integers(0, 2**32 - 1))
def test_does_not_depend_on_the_cell(structure, seed):
    rng = np.random.default_rng(seed)
    shear = np.eye(3, dtype=int)
    shear[0, 1], shear[1, 2] = rng.integers(-2, 3, size=2)
    twin = structure.copy().make_supercell(shear)
    twin.make_supercell(rng.integers(1, 3, size=3).tolist())
    twin.translate_sites(list(range(len(twin))), rng.random(3), to_unit_cell=bool(seed % 2))
    order = rng.permutation(len(twin))
    twin = Structure.from_sites([twin[int(i)] for i in order])
    values, again = describe_crystal(structure), describe_crystal(twin)
    for name in SENDEK_COLUMNS:
        assert again[name] == pytest.approx(values[name], rel=1e-8, abs=1e-7, nan_ok=True), name


def test_a_neighbour_on_the_cutoff_is_not_closer():
    cell = Cell(4.0 * np.eye(3), np.zeros((1, 3)))
    everything = np.array([True])
    assert len(find_pairs(cell, everything, everything, 4.0).centre) == 0
    assert len(find_pairs(cell, everything, everything, 4.001).centre) == 6


def test_an_alloy_of_lithium_as_the_anion_has_no_distance_to_it():
    structure = Structure(Lattice.cubic(4.2), ["Li", "K"], [[0] * 3, [0.5] * 3])
    assert describe_crystal(structure)["lasd_ang"] == 0


def test_isolated_atoms_lack_single_values_only():
    structure = Structure(Lattice.cubic(12), ["Li", "Cl"], [[0] * 3, [0.5] * 3])
    values = SendekSet().describe(structure)
    assert np.isnan(values["sbi"])
    assert values.reason == "no (polar) bond shorter than 4 angstrom: sbi"
    assert values["llb"] == 0
    assert values["afc"] == 6
    assert values["lasd_ang"] == pytest.approx(12 * np.sqrt(3) / 2)


@pytest.mark.parametrize(
    ("species", "reason"),
    [
        (["Na", "Cl"], "no lithium"),
        (["Li", "Li"], "one element only"),
        (["Li", "Ar"], "Ar has no Pauling electronegativity"),
        ([{"Li": 0.5, "Na": 0.5}, "Cl"], "partially occupied sites"),
    ],
)
def test_what_cannot_be_described_says_why(species, reason):
    structure = Structure(Lattice.cubic(3.5), species, [[0] * 3, [0.5] * 3])
    with pytest.raises(FeatureError, match=reason):
        describe_crystal(structure)


@pytest.fixture(scope="module")
def tables(shared_data):
    """Describe the structures of the authors' table; ours, with their names, and theirs."""
    folder = shared_data / "mp2018_li"
    theirs = pd.read_csv(folder / "sendek2017_features.csv", index_col="mp")
    ours = {}
    with gzip.open(folder / "structures.jsonl.gz", "rt") as lines, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for line in lines:
            record = json.loads(line)
            if record["task_id"] in theirs.index and record["pretty_formula"] != "Li":
                structure = Structure.from_str(record["cif"], fmt="cif")
                ours[record["task_id"]] = describe_crystal(structure)
    ours = pd.DataFrame.from_dict(ours, orient="index")
    ours = pd.DataFrame({name: ours[column] for name, column in AUTHORS_NAMES.items()})
    return ours, theirs.loc[ours.index, list(AUTHORS_NAMES)]


@pytest.mark.parametrize("name", AUTHORS_NAMES)
def test_authors_table(tables, name):
    ours, theirs = tables
    difference = (ours[name] - theirs[name]).abs()
    agrees = (difference <= 0.02 * theirs[name].abs()) | (difference <= 0.02)
    known = theirs[name].notna()
    assert known.sum() > 1090
    assert agrees[known].mean() >= LEAST_AGREEMENT.get(name, 0.98)


def test_authors_classification(tables):
    ours, theirs = (table[list(COEFFICIENTS.index)] @ COEFFICIENTS + INTERCEPT for table in tables)
    known = theirs.notna()
    same_side = (ours > 0) == (theirs > 0)
    assert len(ours) == 1105
    assert same_side[known].mean() >= 0.995
