"""The modified diffraction pattern: pymatgen as the reference, anions, invariance."""

from __future__ import annotations

import gzip
import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.diffraction.core import AbstractDiffractionPatternCalculator
from pymatgen.analysis.diffraction.xrd import XRDCalculator
from pymatgen.core import Lattice, Structure

from ionscout.config import MxrdSettings
from ionscout.errors import FeatureError
from ionscout.features.mxrd import (
    BIN_CENTRES_DEG,
    MxrdSet,
    anion_lattice,
    diffraction_peaks,
    smear,
)

CU_K_ALPHA_ANG = 1.54184


def random_crystal(seed: int, n_atoms: int = 5) -> Structure:
    """Make a crystal of Li+ and S2- in any cell."""
    rng = np.random.default_rng(seed)
    lattice = Lattice.from_parameters(*rng.uniform(3, 9, 3), *rng.uniform(60, 115, 3))
    species = ["Li+", *["S2-"] * n_atoms]
    return Structure(lattice, species, rng.random((len(species), 3)))


CRYSTALS = {
    "rock salt": Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.13), ["Li+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    ),
    "wurtzite": Structure.from_spacegroup(
        "P6_3mc",
        Lattice.hexagonal(4.51, 7.31),
        ["Li+", "I-"],
        [[1 / 3, 2 / 3, 0.38], [1 / 3, 2 / 3, 0]],
    ),
    "argyrodite": Structure.from_spacegroup(
        "F-43m",
        Lattice.cubic(9.86),
        ["Li+", "P5+", "S2-", "S2-", "Cl-"],
        [[0.25, 0.02, 0.02], [0.5] * 3, [0.118] * 3, [0.25] * 3, [0, 0, 0]],
    ),
    "triclinic": random_crystal(seed=7),
    "flat": Structure(
        Lattice.from_parameters(3.2, 21.0, 4.1, 71, 118, 95),
        ["Li+", "O2-", "O2-", "F-"],
        [[0, 0, 0], [0.1, 0.33, 0.7], [0.6, 0.61, 0.2], [0.3, 0.87, 0.45]],
    ),
}


def grouped(edges: np.ndarray, angles: np.ndarray, intensities: np.ndarray) -> np.ndarray:
    return np.histogram(angles, edges, weights=intensities)[0]


@pytest.mark.parametrize("wavelength_ang", [CU_K_ALPHA_ANG, 0.71073])
@pytest.mark.parametrize("name", CRYSTALS)
def test_peaks_are_those_of_pymatgen(name, wavelength_ang, monkeypatch):
    monkeypatch.setattr(AbstractDiffractionPatternCalculator, "SCALED_INTENSITY_TOL", -1.0)
    compare_with_pymatgen(CRYSTALS[name], wavelength_ang)


def compare_with_pymatgen(structure: Structure, wavelength_ang: float) -> None:
    anions = anion_lattice(structure)
    species = [{"S": occupancy} for occupancy in anions.occupancy]
    sulfur = Structure(Lattice(anions.lattice_ang), species, anions.frac_coords)
    pattern = XRDCalculator(wavelength=wavelength_ang).get_pattern(sulfur, scaled=False)
    angles, intensities = diffraction_peaks(anions, wavelength_ang)

    both = np.sort(np.concatenate([pattern.x, angles]))
    gaps = np.flatnonzero(np.diff(both) > 1e-4)
    edges = np.concatenate([[0], (both[gaps] + both[gaps + 1]) / 2, [91]])
    theirs = grouped(edges, np.asarray(pattern.x), np.asarray(pattern.y))
    ours = grouped(edges, angles, intensities)
    assert len(edges) > 5
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-12 * theirs.max())
    strong = theirs > 1e-6 * theirs.max()
    centre = grouped(edges, angles, angles * intensities)[strong] / ours[strong]
    expected = grouped(edges, pattern.x, np.asarray(pattern.x) * pattern.y)[strong] / theirs[strong]
    np.testing.assert_allclose(centre, expected, rtol=1e-6)


@pytest.fixture
def real_crystals(shared_data):
    """Two hundred of the Materials Project's crystals, spread over the file."""
    with gzip.open(shared_data / "mp2018_li" / "structures.jsonl.gz", "rt") as lines:
        cifs = [json.loads(line)["cif"] for line in lines][::9][:200]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [Structure.from_str(cif, fmt="cif") for cif in cifs]


def test_peaks_of_real_crystals_are_those_of_pymatgen(real_crystals, monkeypatch):
    monkeypatch.setattr(AbstractDiffractionPatternCalculator, "SCALED_INTENSITY_TOL", -1.0)
    n_compared = 0
    for structure in real_crystals:
        if len(structure.composition) > 1:
            compare_with_pymatgen(structure, CU_K_ALPHA_ANG)
            n_compared += 1
    assert n_compared > 190


def test_partial_occupancies_scatter_by_their_share():
    half = Structure(
        Lattice.from_parameters(4, 5, 6, 80, 95, 100),
        ["Li+", {"S2-": 0.5, "Cl-": 0.2}, "O2-"],
        [[0, 0, 0], [0.4, 0.5, 0.55], [0.1, 0.7, 0.3]],
    )
    assert anion_lattice(half).occupancy.tolist() == [0.5, 0.2, 1.0]
    assert np.linalg.det(anion_lattice(half).lattice_ang) == pytest.approx(1.7 * 40)
    compare_with_pymatgen(half, CU_K_ALPHA_ANG)


def test_first_peak_of_a_face_centred_lattice():
    values = MxrdSet().describe(CRYSTALS["rock salt"])
    spacing = 160 ** (1 / 3) / np.sqrt(3)
    expected = 2 * np.degrees(np.arcsin(CU_K_ALPHA_ANG / 2 / spacing))
    assert abs(BIN_CENTRES_DEG[np.argmax(list(values.values()))] - expected) <= 0.05


def test_columns_are_the_bin_centres():
    assert MxrdSet.columns[0] == "two_theta_0.05"
    assert MxrdSet.columns[-1] == "two_theta_89.95"
    assert len(MxrdSet.columns) == 900
    assert [float(name.removeprefix("two_theta_")) for name in MxrdSet.columns] == pytest.approx(
        BIN_CENTRES_DEG
    )


@pytest.mark.parametrize("smearing_deg", [0.05, 0.2, 1.0])
def test_smearing_is_a_gaussian_of_that_deviation(smearing_deg):
    angles, intensities = np.array([0.31, 40.123, 40.4, 89.97, 90.0]), np.array([1.0, 2, 1, 3, 4])
    offset = BIN_CENTRES_DEG[:, None] - angles
    expected = np.exp(-0.5 * (offset / smearing_deg) ** 2) @ intensities
    expected /= expected.sum()
    pattern = smear(angles, intensities, smearing_deg=smearing_deg)
    np.testing.assert_allclose(pattern, expected, rtol=1e-9, atol=1e-9)
    assert pattern.sum() == pytest.approx(1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_does_not_depend_on_the_cell(seed):
    rng = np.random.default_rng(seed)
    structure = random_crystal(seed)
    shear = np.eye(3, dtype=int)
    shear[0, 1], shear[1, 2] = rng.integers(-2, 3, size=2)
    twin = structure.copy().make_supercell(shear)
    twin.make_supercell(rng.integers(1, 3, size=3).tolist())
    twin.translate_sites(list(range(len(twin))), rng.random(3))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    twin = Structure(Lattice(twin.lattice.matrix @ rotation), twin.species, twin.frac_coords)
    twin.scale_lattice(twin.volume * rng.uniform(0.8, 1.3))
    describe = MxrdSet().describe
    again, values = list(describe(twin).values()), list(describe(structure).values())
    np.testing.assert_allclose(again, values, rtol=0, atol=1e-10)


def test_anions_by_oxidation_state():
    cubic = Lattice.cubic(4)
    coords = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0], [0.5, 0.5, 0]]
    hydride = Structure(cubic, ["Li+", "B3+", "H-", "H-"], coords)
    hydroxide = Structure(cubic, ["Li+", "O2-", "H+", "Li+"], coords)
    mixed = Structure(cubic, ["Li+", "S2-", "Cl-", "Li+"], coords)
    assert anion_lattice(hydride).frac_coords.tolist() == coords[2:]
    assert anion_lattice(hydroxide).frac_coords.tolist() == coords[1:2]
    assert anion_lattice(mixed).frac_coords.tolist() == coords[1:3]


@pytest.mark.parametrize("species", [["Li", "P", "S", "Cl"], ["Li0+", "P0+", "S0+", "Cl0+"]])
def test_without_oxidation_states_the_most_electronegative_element_is_taken(species):
    coords = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0], [0.5, 0.5, 0]]
    cell = anion_lattice(Structure(Lattice.cubic(4), species, coords))
    assert cell.frac_coords.tolist() == coords[3:]
    assert np.linalg.det(cell.lattice_ang) == pytest.approx(40)


@pytest.mark.parametrize(
    ("species", "settings", "reason"),
    [
        (["Li+", "Li+"], {}, "no anion: no oxidation state is negative"),
        (["Li", "Li"], {}, "no anion: one element only"),
        (["Li", "K"], {}, "no anion: lithium is the most electronegative element"),
        (["Li+", "Cl-"], {"wavelength_ang": 9.0}, "no reflection"),
    ],
)
def test_what_has_no_pattern_says_why(species, settings, reason):
    structure = Structure(Lattice.cubic(4), species, [[0, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.raises(FeatureError, match=reason):
        MxrdSet(MxrdSettings(**settings)).describe(structure)
