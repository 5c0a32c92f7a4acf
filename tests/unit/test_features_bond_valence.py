"""Bond-valence barriers: percolation, bvlain as the reference, invariance, odd input."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from bvlain import Lain
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Element, Lattice, Structure

from ionscout.config import BondValenceSettings
from ionscout.errors import FeatureError
from ionscout.features._landscape import interpolate, percolation_levels
from ionscout.features.bond_valence import (
    ANION_CHARGES,
    BondValenceSet,
    percolation_barriers_ev,
    with_formal_charges,
)

INVARIANT_EV = 0.05
LICL = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.13), ["Li+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)
LI3N = Structure.from_spacegroup(
    "P6/mmm",
    Lattice.hexagonal(3.648, 3.875),
    ["Li+", "Li+", "N3-"],
    [[1 / 3, 2 / 3, 0], [0, 0, 0.5], [0, 0, 0]],
)
LIFEPO4 = Structure.from_spacegroup(
    "Pnma",
    Lattice.orthorhombic(10.33, 6.01, 4.69),
    ["Li+", "Fe2+", "P5+", "O2-", "O2-", "O2-"],
    [
        [0, 0, 0],
        [0.282, 0.25, 0.975],
        [0.095, 0.25, 0.418],
        [0.097, 0.25, 0.743],
        [0.457, 0.25, 0.206],
        [0.166, 0.047, 0.285],
    ],
)
OVERLAPPING = Structure(Lattice.cubic(4), ["Li+", "Cl-", "Cl-"], [[0] * 3, [0.5] * 3, [0.501] * 3])


def sheet(*, normal: int, opened: float) -> np.ndarray:
    """A landscape of 10, with a flat sheet of `opened` across one axis."""
    landscape = np.full((6, 5, 7), 10.0)
    landscape[tuple(2 if axis == normal else slice(None) for axis in range(3))] = opened
    return landscape


def test_a_channel_a_sheet_and_a_solid_percolate_one_after_the_other():
    landscape = np.minimum(sheet(normal=2, opened=3.0), 8.0)
    landscape[:, 2, 2] = 1.0
    assert percolation_levels(landscape, highest=9).tolist() == [1, 3, 8]
    assert percolation_levels(landscape, highest=5).tolist() == [1, 3, np.inf]
    assert percolation_levels(landscape, highest=0).tolist() == [np.inf] * 3


def test_a_cavity_does_not_percolate():
    landscape = np.full((6, 6, 6), 10.0)
    landscape[1:4, 1:4, 1:4] = 0
    assert percolation_levels(landscape, highest=9).tolist() == [np.inf] * 3


def test_interpenetrating_networks_are_counted_in_three_dimensions():
    """Two cubic nets of a body-centred cell, each of half the translations of the cell."""
    cube = np.full((8, 8, 8), 5.0)
    for axis in range(3):
        for corner in (0, 4):
            line = [corner] * 3
            line[axis] = slice(None)
            cube[tuple(line)] = 0.0
    # The primitive cell: its vectors (1, 0, 0), (0, 1, 0) and (1/2, 1/2, 1/2).
    i, j, k = np.indices((8, 8, 4))
    primitive = cube[(i + k) % 8, (j + k) % 8, k]
    assert percolation_levels(cube, highest=9).tolist() == [0, 0, 0]
    assert percolation_levels(primitive, highest=9).tolist() == [0, 0, 0]


def test_splines_keep_the_points_of_a_periodic_landscape():
    landscape = np.random.default_rng(1).random((6, 7, 8))
    refined = interpolate(landscape, 3)
    assert refined.shape == (18, 21, 24)
    np.testing.assert_allclose(refined[::3, ::3, ::3], landscape, atol=1e-12)
    np.testing.assert_allclose(
        interpolate(np.roll(landscape, 2, axis=0), 3), np.roll(refined, 6, axis=0), atol=1e-12
    )


@pytest.mark.parametrize("crystal", [LICL, LI3N, LIFEPO4], ids=lambda crystal: crystal.formula)
def test_barriers_are_those_of_bvlain_on_a_fine_grid(crystal):
    lain = Lain(verbose=False)
    lain.read_structure(crystal.get_primitive_structure(), oxi_check=False)
    lain.bvse_distribution(mobile_ion="Li1+", resolution=0.15)
    theirs = np.array(list(lain.percolation_barriers(encut=5.0).values()))
    ours = np.array([BondValenceSet().describe(crystal)[c] for c in BondValenceSet.columns[:3]])
    np.testing.assert_allclose(ours, theirs, atol=INVARIANT_EV)


def test_olivine_conducts_in_one_dimension():
    description = BondValenceSet().describe(LIFEPO4)
    assert description["pathway_dimensions"] == 1
    assert description["barrier_1d_ev"] < 0.5 < 2 < description["barrier_2d_ev"]


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.sampled_from([LICL, LI3N]), st.integers(0, 2**32 - 1))
def test_does_not_depend_on_the_cell(structure, seed):
    rng = np.random.default_rng(seed)
    shear = np.eye(3, dtype=int)
    shear[0, 1], shear[1, 2] = rng.integers(-2, 3, size=2)
    twin = structure.copy().make_supercell(shear)
    twin.make_supercell(rng.permutation([1, 1, 2]).tolist())
    twin.translate_sites(list(range(len(twin))), rng.random(3))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    order = rng.permutation(len(twin))
    twin = Structure(
        Lattice(twin.lattice.matrix @ rotation),
        [twin[i].species for i in order],
        twin.frac_coords[order],
    )
    describe = BondValenceSet().describe
    np.testing.assert_allclose(
        list(describe(twin).values()), list(describe(structure).values()), atol=INVARIANT_EV
    )


def test_charges_that_bvlain_does_not_know_come_from_the_composition():
    """As bond valences read Li10GeP2S12: some S-, and P4+ in their place."""
    species = ["Li+", "Li+", "Li+", "P4+", "S-", "S2-", "S2-", "S2-"]
    coords = np.random.default_rng(0).random((8, 3))
    structure = Structure(Lattice.cubic(6), species, coords)
    charged = with_formal_charges(structure)
    assert {str(specie) for specie in charged.composition} == {"Li+", "P5+", "S2-"}
    assert with_formal_charges(LIFEPO4) is LIFEPO4


def test_a_barrier_above_the_highest_has_a_reason():
    landscape = np.full((8, 8, 8), 50.0)
    landscape[4, 4, :] = 0.0
    barriers_ev = percolation_barriers_ev(landscape)
    assert barriers_ev[0] == pytest.approx(0, abs=1e-6)
    assert np.isnan(barriers_ev[1:]).all()


def test_a_missing_barrier_is_named(monkeypatch):
    landscape = np.full((8, 8, 8), 50.0)
    landscape[4, 4, :] = 0.0
    monkeypatch.setattr(
        "ionscout.features.bond_valence.site_energies_ev", lambda *args, **kwargs: landscape
    )
    description = BondValenceSet().describe(LICL)
    assert description["pathway_dimensions"] == 1
    assert description.reason == "barrier_2d_ev, barrier_3d_ev: no percolation below 10 eV"


@pytest.mark.parametrize(
    ("species", "options", "reason"),
    [
        (["Na+", "Cl-"], {}, "no lithium"),
        (["Li+", "H-"], {}, r"no bond-valence parameters between Li\+ and H-"),
        (["Li", "Li"], {}, "no ions but lithium"),
        (["Li", "H", "Si", "Fe"], {}, "no oxidation states, nor do usable ones"),
        (["Li+", "Pm3+", "O2-", "O2-"], {}, "bvlain has no data for Pm"),
        (["Li+", {"Cl-": 0.5, "Br-": 0.5}], {}, "partially occupied"),
        (["Li+", "Cl-"], {"max_sites": 1}, "2 atoms in the primitive cell are more than"),
        (["Li+", "Cl-"], {"grid_spacing_ang": 1.0}, "too coarse"),
        (["Li+", "Cl-"], {"grid_spacing_ang": 0.01}, "raise features.bond_valence.grid"),
    ],
)
def test_what_has_no_barriers_says_why(species, options, reason):
    coords = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0], [0, 0.5, 0]][: len(species)]
    structure = Structure(Lattice.cubic(4), species, coords)
    with pytest.raises(FeatureError, match=reason):
        BondValenceSet(BondValenceSettings(**options)).describe(structure)


def test_overlapping_atoms_and_bare_elements_have_a_reason_or_values(capsys):
    bare = LICL.copy().remove_oxidation_states()
    lonely = Structure(Lattice.cubic(4), ["Li+"], [[0] * 3])
    values, reasons = BondValenceSet().describe_many([OVERLAPPING, bare, lonely])
    assert "closer than 0.5" in reasons[0]
    assert reasons[1] == ""
    assert reasons[2] == "no ions but lithium"
    assert np.isnan(values[[0, 2]]).all()
    assert np.isfinite(values[1]).all()
    assert capsys.readouterr().out == ""


def test_the_anions_are_those_of_bvlain():
    with open(Lain(verbose=False).cation_file, "rb") as file:
        of_lithium = pickle.load(file)[3][1]
    theirs = {
        Element.from_Z(int(number)).symbol: [int(charge) for charge in charges]
        for number, charges in of_lithium.items()
    }
    assert theirs == {symbol: [charge] for symbol, charge in ANION_CHARGES.items()}
