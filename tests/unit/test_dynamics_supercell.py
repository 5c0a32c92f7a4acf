from __future__ import annotations

import itertools

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from ionscout.config import DynamicsSettings
from ionscout.dynamics.supercell import (
    count_md_atoms,
    find_primitive,
    shortest_lattice_vector_ang,
    supercell_matrix,
)
from ionscout.errors import DynamicsError

ROCK_SALT = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)
HEXAGONAL = Structure.from_spacegroup(
    "P6/mmm",
    Lattice.hexagonal(3.65, 3.87),
    ["Li", "Li", "N"],
    [[0, 0, 0.5], [1 / 3, 2 / 3, 0], [0, 0, 0]],
)
TRICLINIC = Structure(
    Lattice.from_parameters(4.1, 5.3, 6.2, 71, 83, 112), ["Li", "F"], [[0, 0, 0], [0.4, 0.6, 0.5]]
)


def shortest_by_enumeration(matrix: np.ndarray, lattice: np.ndarray, reach: int = 8) -> float:
    """Go through the lattice's vectors and take the shortest one that the supercell shares."""
    grid = np.array(list(itertools.product(range(-reach, reach + 1), repeat=3)))
    lengths = np.linalg.norm(grid @ lattice, axis=1)
    in_supercell = grid @ np.linalg.inv(matrix)
    shared = np.abs(in_supercell - np.rint(in_supercell)).max(axis=1) < 1e-6
    return lengths[shared & (lengths > 1e-9)].min()


@pytest.mark.parametrize("structure", [ROCK_SALT, HEXAGONAL, TRICLINIC])
@pytest.mark.parametrize("least_ang", [5.0, 7.0, 8.5])
def test_images_are_far_enough_and_no_random_supercell_is_smaller(structure, least_ang):
    primitive = find_primitive(structure)
    matrix = supercell_matrix(primitive, least_ang, 1000)
    size = round(np.linalg.det(matrix))
    assert size > 0
    assert shortest_by_enumeration(matrix, primitive.lattice.matrix) >= least_ang - 1e-6
    rng = np.random.default_rng(0)
    trials = rng.integers(-3, 4, size=(4000, 3, 3))
    determinants = np.abs(np.rint(np.linalg.det(trials)))
    for trial in trials[(determinants > 0) & (determinants < size)][:200]:
        assert shortest_by_enumeration(trial, primitive.lattice.matrix) < least_ang


def test_a_skewed_cell_needs_fewer_atoms_than_a_diagonal_supercell():
    primitive = find_primitive(ROCK_SALT)
    matrix = supercell_matrix(primitive, 10.0, 1000)
    assert 2 * round(np.linalg.det(matrix)) == 54
    assert shortest_by_enumeration(np.diag([3, 3, 3]), primitive.lattice.matrix) > 10
    assert round(np.linalg.det(supercell_matrix(HEXAGONAL, 10.0, 1000))) < 3 * 3 * 3


def test_conventional_and_primitive_cells_count_alike():
    settings = DynamicsSettings(min_image_distance_ang=7)
    conventional = count_md_atoms(ROCK_SALT, settings)
    assert conventional == count_md_atoms(ROCK_SALT.get_primitive_structure(), settings) == 16


def test_a_large_cell_stays_as_it_is():
    assert round(np.linalg.det(supercell_matrix(ROCK_SALT, 5.0, 1000))) == 1


def test_too_many_atoms_are_refused_with_both_numbers():
    with pytest.raises(DynamicsError, match=r"54 atoms .* 10 A apart.*max_atoms = 50"):
        supercell_matrix(find_primitive(ROCK_SALT), 10.0, 50)


def test_far_images_are_found_without_a_long_search():
    primitive = find_primitive(ROCK_SALT)
    matrix = supercell_matrix(primitive, 25.0, 10_000)
    assert shortest_lattice_vector_ang(matrix @ primitive.lattice.matrix) >= 25 - 1e-6


def test_shortest_vector_of_a_skewed_lattice():
    skewed = np.array([[1, 0, 0], [7, 1, 0], [3, -5, 1]]) @ np.diag([4.0, 5.0, 6.0])
    assert shortest_lattice_vector_ang(skewed) == pytest.approx(4.0)


def test_atoms_on_top_of_each_other_have_no_primitive_cell():
    structure = Structure(Lattice.cubic(4), ["Li", "Li"], [[0, 0, 0], [0, 0, 0]])
    with pytest.raises(DynamicsError, match="on top of each other"):
        find_primitive(structure)
