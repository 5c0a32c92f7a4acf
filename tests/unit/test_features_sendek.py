"""Sendek's descriptors: a plain reference, the authors' table, and invariance."""

from __future__ import annotations

import gzip
import itertools
import json
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from pymatgen.util.coord import pbc_shortest_vectors

from ionscout.config import SendekSettings
from ionscout.errors import FeatureError
from ionscout.features._base import Cell
from ionscout.features._neighbours import find_pairs
from ionscout.features._packing import packing_fraction, straight_paths
from ionscout.features.sendek import PAPER_COLUMNS, SendekSet

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
    "SDLC": "sdlc",
    "SDLI": "sdli",
}
PERIODIC = SendekSet()
PUBLISHED = SendekSet(SendekSettings(convention="published"))
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
    structure = Structure(Lattice.from_parameters(*lengths, *angles), species, coords)
    assume(structure.is_valid(tol=0.51))
    return structure


def mean(values, weights=None) -> float:
    return float(np.average(values, weights=weights)) if len(values) else np.nan


def ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else np.nan


def neighbours(structure: Structure, convention: str) -> list[list[tuple[int, float, bool]]]:
    """List index, distance and whether in the same cell, out to 14 angstrom or in 27 cells."""
    if convention == "periodic":
        far = structure.get_all_neighbors(14.0)
        return [[(n.index, n.nn_distance, False) for n in found] for found in far]
    found = [[] for _ in structure]
    for i, j in itertools.product(range(len(structure)), repeat=2):
        for image in itertools.product((-1, 0, 1), repeat=3):
            vector = structure[j].frac_coords - structure[i].frac_coords + image
            distance = float(np.linalg.norm(vector @ structure.lattice.matrix))
            if i != j or any(image):
                found[i].append((j, distance, not any(image)))
    return found


def reference(structure: Structure, convention: str) -> dict[str, float]:
    """Compute the columns of the authors' table with plain loops."""
    chi = [site.specie.X for site in structure]
    lithium = [i for i, site in enumerate(structure) if site.specie.symbol == "Li"]
    rest = [i for i in range(len(structure)) if i not in lithium]
    anion = [i for i in range(len(structure)) if chi[i] == max(chi)]
    far = neighbours(structure, convention)
    bonds = [[one for one in found if one[1] < 4.0 - 1e-6] for found in far]

    def mean_nearest(centres, others):
        return mean([min(d for j, d, _ in far[i] if j in others) for i in centres])

    shells = []
    for i in anion:
        distances = [d for j, d, _ in far[i] if j in anion]
        shells.append([d for d in distances if d <= min(distances) + 1 + 1e-6])
    counts = [len(bonds[i]) for i in lithium]
    difference, once, twice = [], [], []
    for i in lithium:
        for j, _, same_cell in bonds[i]:
            difference.append(abs(chi[i] - chi[j]))
            once.append(0.5 if j in lithium else 1.0)
            twice.append(0.5 if j in lithium and same_cell else 1.0)
    lbi = mean(difference, once)
    sbi = mean([abs(chi[i] - chi[j]) for i in rest for j, _, _ in bonds[i]])
    snc = mean([len(bonds[i]) for i in rest])
    if convention == "periodic":
        sdlc = np.std(counts)
        sdli = np.sqrt(mean((np.array(difference) - lbi) ** 2, once))
    else:
        sdlc = np.std(counts, ddof=1) if len(counts) > 1 else 0.0
        number = sum(twice)
        centred = np.array(difference) - mean(difference, twice)
        alone = 0.0 if number else np.nan  # as of a single lithium above
        sdli = np.sqrt(twice @ centred**2 / (number - 1)) if number > 1 else alone
    return {
        "llb": mean([sum(j in lithium for j, _, _ in bonds[i]) for i in lithium]),
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
        "sdlc": sdlc,
        "lbi": lbi,
        "rbi": ratio(lbi, sbi),
        "sdli": sdli,
        "lithium_bond_ang": mean([mean([d for _, d, _ in bonds[i]]) for i in lithium if bonds[i]]),
        "aasd_ang": mean([mean(shell) for shell in shells]),
    }


LICL = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.13), ["Li+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)


def test_rock_salt_by_hand():
    a, ionic_ang = 5.13, {"Li": 0.90, "Cl": 1.67}
    values = PERIODIC.describe(LICL)
    assert tuple(values) == SendekSet.columns
    assert len(PAPER_COLUMNS) == 20
    assert values["llb"] == 12
    assert values["sbi"] == pytest.approx(6 * (3.16 - 0.98) / 18)
    assert values["afc"] == 12
    assert values["lasd_ang"] == pytest.approx(a / 2)
    assert values["llsd_ang"] == pytest.approx(a / np.sqrt(2))
    chlorine = 4 / 3 * np.pi * ionic_ang["Cl"] ** 3
    overlap = lens_ang3(ionic_ang["Li"], ionic_ang["Cl"], a / 2)
    assert values["sublattice_packing_fraction"] == pytest.approx(4 * chlorine / a**3, rel=1e-3)
    together = chlorine + 4 / 3 * np.pi * ionic_ang["Li"] ** 3 - 6 * overlap
    assert values["packing_fraction"] == pytest.approx(4 * together / a**3, rel=1e-3)
    # Two chloride ions stand a quarter of a face's diagonal from the middle of the path.
    assert values["path_width_ang"] == pytest.approx(a / np.sqrt(8) - ionic_ang["Cl"])
    assert values["path_electronegativity_pauling"] == pytest.approx(3.16)


def lens_ang3(r: float, s: float, distance: float) -> float:
    """Volume that two spheres share."""
    if distance >= r + s:
        return 0.0
    height = distance**2 + 2 * distance * (r + s) - 3 * (r - s) ** 2
    return np.pi * (r + s - distance) ** 2 * height / (12 * distance)


@pytest.mark.parametrize("convention", ["periodic", "published"])
@settings(max_examples=20, deadline=None)
@given(structure=crystals())
def test_agrees_with_a_plain_reference(convention, structure):
    values = SendekSet(SendekSettings(convention=convention)).describe(structure)
    expected = reference(structure, convention)
    assert len(expected) == 20
    for name in expected:
        assert values[name] == pytest.approx(expected[name], rel=1e-9, abs=1e-9, nan_ok=True), name


@settings(max_examples=8, deadline=None)
@given(structure=crystals(), seed=st.integers(0, 2**32 - 1))
def test_packing_is_that_of_random_points(structure, seed):
    rng = np.random.default_rng(seed)
    cell = Cell(structure.lattice.matrix, structure.frac_coords)
    radii = rng.uniform(0.5, 2.0, size=len(structure))
    points = rng.random((4000, 3))
    _, squared = pbc_shortest_vectors(
        structure.lattice, structure.frac_coords, points, return_d2=True
    )
    expected = (squared < radii[:, None] ** 2).any(axis=0).mean()
    error = np.sqrt(expected * (1 - expected) / len(points))
    everything = np.ones(len(structure), dtype=bool)
    assert abs(packing_fraction(cell, radii, everything) - expected) < 4 * error + 2e-3


@settings(max_examples=15, deadline=None)
@given(structure=crystals(), seed=st.integers(0, 2**32 - 1))
def test_straight_paths_agree_with_plain_loops(structure, seed):
    rng = np.random.default_rng(seed)
    cell = Cell(structure.lattice.matrix, structure.frac_coords)
    lithium = np.array([site.specie.symbol == "Li" for site in structure])
    radii = rng.uniform(0.3, 1.5, size=len(structure))
    names = rng.random(len(structure))
    around = structure.get_all_neighbors(14.0)
    for i in np.flatnonzero(lithium):
        ends = [n for n in around[i] if lithium[n.index]]
        nearest = min(end.nn_distance for end in ends)
        widths = []
        for end in ends:
            if end.nn_distance > nearest + 1e-3:
                continue
            line = end.coords - structure[int(i)].coords
            beside = []
            for n in [*around[i], structure[int(i)]]:
                vector = n.coords - structure[int(i)].coords
                along = vector @ line / nearest
                if 1e-3 < along < nearest - 1e-3:
                    height = np.sqrt(max(vector @ vector - along**2, 0.0))
                    index = getattr(n, "index", int(i))
                    beside.append((height - radii[index], names[index]))
            widths.append(min(beside))
        paths = straight_paths(cell, lithium, np.full(lithium.sum(), nearest), radii, names)
        mine = paths.centre == i
        assert sorted(paths.width_ang[mine]) == pytest.approx(sorted(max(w, 0) for w, _ in widths))
        assert sorted(paths.property[mine]) == pytest.approx(sorted(name for _, name in widths))


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
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    species = [twin[int(i)].specie for i in order]
    twin = Structure(Lattice(twin.lattice.matrix @ rotation), species, twin.frac_coords[order])
    values, again = PERIODIC.describe(structure), PERIODIC.describe(twin)
    for name in SendekSet.columns:
        tolerance = 1e-2 if "packing" in name else 1e-7  # of two integrals over directions
        assert again[name] == pytest.approx(values[name], abs=tolerance, nan_ok=True), name


def test_a_disordered_crystal_is_the_mean_of_its_decorations():
    coords = [[0, 0, 0], [0.5, 0.5, 0.5]]
    disordered = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.5), [{"Li+": 0.75}, {"Cl-": 0.5, "I-": 0.5}], coords
    )
    ends = [
        Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.5), ["Li+", anion], coords)
        for anion in ("Cl-", "I-")
    ]
    values = PERIODIC.describe(disordered)
    assert values["density_g_cm3"] == pytest.approx(disordered.density, rel=1e-6)
    assert values["lithium_density_ang_minus3"] == pytest.approx(3 / 5.5**3)
    assert values["sublattice_electronegativity_pauling"] == pytest.approx((3.16 + 2.66) / 2)
    assert values["volume_per_anion_ang3"] == pytest.approx(5.5**3 / 2)
    assert values["llb"] == pytest.approx(12 * 0.75, rel=0.05)
    assert values["lnc"] == pytest.approx(6 + 12 * 0.75, rel=0.05)
    assert values["lasd_ang"] > PERIODIC.describe(ends[0])["lasd_ang"]
    assert values.spread["llb"] > 0
    assert values.spread["volume_per_atom_ang3"] == 0
    assert PERIODIC.describe(disordered) == values
    assert PERIODIC.describe(ends[0]).spread == {}


def test_full_occupancies_written_as_disorder_change_nothing():
    species = [{"Li+": 0.5, "Li": 0.5}, "Cl-"]
    split = Structure(Lattice.cubic(3.5), species, [[0] * 3, [0.5] * 3])
    plain = Structure(Lattice.cubic(3.5), ["Li+", "Cl-"], [[0] * 3, [0.5] * 3])
    values = PERIODIC.describe(split)
    assert values == pytest.approx(PERIODIC.describe(plain), abs=1e-9)
    assert max(values.spread.values()) == pytest.approx(0, abs=1e-9)


def test_a_neighbour_on_the_cutoff_is_not_closer():
    cell = Cell(4.0 * np.eye(3), np.zeros((1, 3)))
    everything = np.array([True])
    assert len(find_pairs(cell, everything, everything, 4.0).centre) == 0
    assert len(find_pairs(cell, everything, everything, 4.001).centre) == 6


def test_an_alloy_of_lithium_as_the_anion_has_no_distance_to_it():
    structure = Structure(Lattice.cubic(4.2), ["Li", "K"], [[0] * 3, [0.5] * 3])
    assert PERIODIC.describe(structure)["lasd_ang"] == 0


def test_isolated_atoms_lack_single_values_only():
    structure = Structure(Lattice.cubic(12), ["Li", "Cl"], [[0] * 3, [0.5] * 3])
    values = PERIODIC.describe(structure)
    assert np.isnan(values["sbi"])
    assert values.reason.startswith("no (polar) bond shorter than 4 angstrom: ")
    assert "sbi" in values.reason
    assert values["llb"] == 0
    assert values["afc"] == 6
    assert values["lasd_ang"] == pytest.approx(12 * np.sqrt(3) / 2)


@pytest.mark.parametrize(
    ("species", "reason"),
    [
        (["Na", "Cl"], "no lithium"),
        (["Li", "Ar"], "Ar has no Pauling electronegativity"),
    ],
)
def test_what_cannot_be_described_says_why(species, reason):
    structure = Structure(Lattice.cubic(3.5), species, [[0] * 3, [0.5] * 3])
    with pytest.raises(FeatureError, match=reason):
        PERIODIC.describe(structure)


@pytest.mark.parametrize("apart", [0.0, 1e-9, 0.05])
@pytest.mark.parametrize("twin", ["Li", "Cl"])
def test_overlapping_atoms_are_refused(twin, apart):
    coords = [[0] * 3, [0.5] * 3, [0.5 * (twin == "Cl") + apart] * 3]
    structure = Structure(Lattice.cubic(3.5), ["Li", "Cl", twin], coords)
    with pytest.raises(FeatureError, match="two atoms are only"):
        PERIODIC.describe(structure)


def test_too_little_lithium_for_a_decoration_is_said():
    sites = [{"Li": 0.001, "Na": 0.999}, "Cl"]
    structure = Structure(Lattice.cubic(3.5), sites, [[0] * 3, [0.5] * 3])
    with pytest.raises(FeatureError, match="too little lithium: none in a decoration of"):
        PERIODIC.describe(structure)


def test_pure_lithium_has_no_sublattice():
    values = PERIODIC.describe(Structure(Lattice.cubic(3.44), ["Li", "Li"], [[0] * 3, [0.5] * 3]))
    assert values.reason.startswith("nothing but lithium: ")
    assert values["lnc"] == 14
    assert values["sublattice_packing_fraction"] == 0


@pytest.fixture(scope="module")
def tables(shared_data):
    """Describe all structures of the authors' table; theirs, and ours by convention."""
    folder = shared_data / "mp2018_li"
    theirs = pd.read_csv(folder / "sendek2017_features.csv", index_col="mp")
    with gzip.open(folder / "structures.jsonl.gz", "rt") as lines:
        cifs = {record["task_id"]: record["cif"] for record in map(json.loads, lines)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        crystals = [Structure.from_str(cifs[name], fmt="cif") for name in theirs.index]
    ours = {}
    for descriptors in (PERIODIC, PUBLISHED):
        table = pd.DataFrame(
            descriptors.describe_many(crystals)[0], index=theirs.index, columns=descriptors.columns
        )
        renamed = {name: table[column] for name, column in AUTHORS_NAMES.items()}
        ours[descriptors.settings.convention] = pd.DataFrame(renamed)
    return theirs[list(AUTHORS_NAMES)], ours


@pytest.mark.parametrize("name", AUTHORS_NAMES)
def test_authors_table(tables, name):
    theirs, ours = tables[0][name], tables[1]["published"][name]
    difference = (ours - theirs).abs()
    agrees = (difference <= 0.02 * theirs.abs()) | (difference <= 0.02)
    known = theirs.notna()
    assert known.sum() > 1090
    assert agrees[known].mean() >= 0.98


@pytest.mark.parametrize("convention", ["periodic", "published"])
def test_authors_classification(tables, convention):
    ours, theirs = (
        table[list(COEFFICIENTS.index)] @ COEFFICIENTS + INTERCEPT
        for table in (tables[1][convention], tables[0])
    )
    known = theirs.notna()
    same_side = (ours > 0) == (theirs > 0)
    assert len(ours) == 1107
    assert same_side[known].mean() >= 0.995
