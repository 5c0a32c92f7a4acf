import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from ionscout.structures.hashing import structure_hash


@pytest.fixture
def crystal():
    lattice = Lattice.from_parameters(5.123, 6.2, 7.35, 81, 92, 107)
    species = ["Li", {"P": 0.4, "Ge": 0.6}, "S", {"Li": 0.333335}]
    positions = [[0, 0, 0], [0.25, 0.5, 0.75], [1 / 3, 2 / 3, 0.1], [0.9, 0.05, 0.6]]
    return Structure(lattice, species, positions)


def test_it_is_sixteen_hexadecimal_digits(crystal):
    assert len(structure_hash(crystal)) == 16
    int(structure_hash(crystal), 16)


def test_the_order_of_sites_and_lattice_translations_do_not_matter(crystal):
    rng = np.random.default_rng(0)
    for _ in range(20):
        order = rng.permutation(len(crystal))
        shifts = rng.integers(-3, 4, size=(len(crystal), 3))
        same = Structure(
            crystal.lattice,
            [crystal[i].species for i in order],
            [crystal[i].frac_coords + shifts[i] for i in order],
        )
        assert structure_hash(same) == structure_hash(crystal)


def test_numerical_noise_rotation_and_a_round_trip_do_not_matter(crystal):
    noisy = crystal.copy().translate_sites(range(4), [1e-12, -1e-12, 1e-12], to_unit_cell=False)
    noisy = Structure.from_dict(noisy.as_dict())
    turned = Structure(
        Lattice.from_parameters(*crystal.lattice.parameters, vesta=True),
        crystal.species_and_occu,
        crystal.frac_coords,
    )
    assert structure_hash(noisy) == structure_hash(crystal) == structure_hash(turned)


@pytest.mark.parametrize("change", ["lattice", "position", "element", "occupancy", "oxidation"])
def test_a_change_of_content_changes_it(crystal, change):
    other = crystal.copy()
    if change == "lattice":
        other.scale_lattice(crystal.volume * 1.001)
    elif change == "position":
        other.translate_sites([2], [0.001, 0, 0])
    elif change == "element":
        other.replace(2, "Se")
    elif change == "occupancy":
        other.replace(1, {"P": 0.41, "Ge": 0.59})
    else:
        other.replace(2, "S2-")
    assert structure_hash(other) != structure_hash(crystal)


def test_it_stays_the_same_between_versions():
    licl = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0] * 3, [0.5] * 3]
    )
    assert structure_hash(licl) == "447b5ce070f4e56a"
