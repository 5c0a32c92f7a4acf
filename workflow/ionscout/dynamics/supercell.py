"""The smallest supercell in which no atom meets its own image too soon."""

from __future__ import annotations

import functools
import math

import numpy as np
import spglib
from ase.geometry import minkowski_reduce
from pymatgen.core import Lattice, Structure

from ionscout.config import DynamicsSettings
from ionscout.errors import DynamicsError

SYMMETRY_PRECISION_ANG = 0.01
LARGEST_SEARCHED = 100


def find_primitive(structure: Structure) -> Structure:
    """Return the primitive cell, with elements instead of ions.

    Raises
    ------
    DynamicsError
        spglib finds no cell, for atoms sit on top of each other.
    """
    found = spglib.find_primitive(
        (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers),
        symprec=SYMMETRY_PRECISION_ANG,
    )
    if found is None:
        raise DynamicsError("no primitive cell is found; do atoms sit on top of each other?")
    lattice, coords, numbers = found
    return Structure(Lattice(lattice), numbers, coords)


def supercell_matrix(
    structure: Structure, min_image_distance_ang: float, max_atoms: int
) -> np.ndarray:
    """Choose the supercell with the fewest atoms whose images are far enough.

    All superlattices of each size are searched in Hermite normal form (Hart and
    Forcade, Phys. Rev. B 77, 224115 (2008), doi:10.1103/PhysRevB.77.224115), so
    that skewed cells are found too; of equally small ones the one with the
    farthest images is taken.

    Parameters
    ----------
    structure : Structure
        The cell to repeat; a primitive one leaves the most choice.
    min_image_distance_ang : float
        Least length of any lattice vector of the supercell, in angstrom.
    max_atoms : int
        Most atoms in the supercell.

    Returns
    -------
    ndarray of int, shape (3, 3)
        Rows are the new lattice vectors in the old ones; the determinant is positive.

    Raises
    ------
    DynamicsError
        The supercell would have more than `max_atoms` atoms.
    """
    matrix = _smallest_superlattice(structure.lattice.matrix, min_image_distance_ang)
    n_atoms = len(structure) * round(np.linalg.det(matrix))
    if n_atoms > max_atoms:
        raise DynamicsError(
            f"the cell needs {n_atoms} atoms for images {min_image_distance_ang:g} A apart, "
            f"more than dynamics.max_atoms = {max_atoms}"
        )
    return matrix


def count_md_atoms(structure: Structure, settings: DynamicsSettings) -> int:
    """Count the atoms that a material's molecular dynamics would have.

    Parameters
    ----------
    structure : Structure
    settings : DynamicsSettings
        `max_atoms` is not applied.

    Returns
    -------
    int
    """
    primitive = find_primitive(structure)
    matrix = _smallest_superlattice(primitive.lattice.matrix, settings.min_image_distance_ang)
    return len(primitive) * round(np.linalg.det(matrix))


def shortest_lattice_vector_ang(lattice_ang: np.ndarray) -> float:
    """Return the length of the shortest lattice vector, rows of a (3, 3) array, in angstrom."""
    reduced, _ = minkowski_reduce(lattice_ang)
    return float(np.linalg.norm(reduced, axis=1).min())


def _smallest_superlattice(lattice_ang: np.ndarray, least_ang: float) -> np.ndarray:
    """Return the matrix, shape (3, 3), of the smallest superlattice without short vectors.

    A superlattice of size n and Hermite normal form H has a short vector where a
    short vector v of the lattice has v H^-1 integer, that is v adj(H) = 0 modulo n.
    Beyond 100 cells the best superlattice for half the distance is doubled.
    """
    reduced, to_reduced = minkowski_reduce(lattice_ang)
    short = _short_vectors(reduced, least_ang)
    densest_packing = least_ang**3 / math.sqrt(2)
    size = max(1, math.ceil(densest_packing / abs(np.linalg.det(reduced)) - 1e-9))
    if size > LARGEST_SEARCHED:
        return 2 * _smallest_superlattice(lattice_ang, least_ang / 2)
    while True:
        forms, adjugates = _hermite_normal_forms(size)
        has_short = ((short @ adjugates) % size == 0).all(axis=2).any(axis=1)
        if not has_short.all():
            matrix = _roundest(forms[~has_short], reduced) @ to_reduced
            return matrix if np.linalg.det(matrix) > 0 else -matrix
        size += 1


def _short_vectors(reduced_ang: np.ndarray, least_ang: float) -> np.ndarray:
    """Return the lattice vectors shorter than a limit, in lattice coordinates, but for zero."""
    reach = np.floor(least_ang * np.linalg.norm(np.linalg.inv(reduced_ang), axis=0)).astype(int)
    grid = np.indices(2 * reach + 1).reshape(3, -1).T - reach
    lengths = np.linalg.norm(grid @ reduced_ang, axis=1)
    return grid[(lengths > 0) & (lengths < least_ang - 1e-9)]


@functools.lru_cache(maxsize=256)
def _hermite_normal_forms(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return all Hermite normal forms of one determinant and their adjugates, (n, 3, 3) each."""
    forms = np.array(
        [
            [[a, b, c], [0, d, e], [0, 0, size // (a * d)]]
            for a in _divisors(size)
            for d in _divisors(size // a)
            for b in range(d)
            for c in range(size // (a * d))
            for e in range(size // (a * d))
        ]
    )
    return forms, np.rint(np.linalg.inv(forms) * size).astype(int)


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def _roundest(forms: np.ndarray, lattice_ang: np.ndarray) -> np.ndarray:
    """Return the form, in reduced vectors, whose shortest lattice vector is longest."""
    best, longest = forms[0], 0.0
    for form in forms:
        reduced, operation = minkowski_reduce(form @ lattice_ang)
        length = np.linalg.norm(reduced, axis=1).min()
        if length > longest + 1e-6:
            best, longest = operation @ form, length
    return best
