"""Crystals that no stage can use are refused, with the reason."""

from __future__ import annotations

import numpy as np
from pymatgen.core import DummySpecies, Structure

from ionscout.errors import StructureError

_FULL = 1 + 1e-4


def check_stated(structure: Structure) -> None:
    """Refuse a crystal whose source states nonsense, or no lithium.

    Parameters
    ----------
    structure : pymatgen.core.Structure
        Ordered or disordered.

    Raises
    ------
    StructureError
        When a number is not one, an element unknown, an occupancy missing or
        above 1, or there is no lithium.
    """
    lattice, positions = structure.lattice.matrix, structure.frac_coords
    if not (np.isfinite(lattice).all() and np.isfinite(positions).all()):
        raise StructureError("a coordinate or a cell edge is not a number; correct it")
    for species in structure.composition:
        if isinstance(species, DummySpecies):
            raise StructureError(f"{species.symbol} is not an element; correct the symbol")
    if not all(0 < site.species.num_atoms <= _FULL for site in structure):
        raise StructureError("a site has no occupancy, or more than 1; correct it")
    if "Li" not in {species.symbol for species in structure.composition}:
        raise StructureError(
            f"no lithium in {structure.composition.reduced_formula}; leave the crystal out, or "
            "add the lithium sites if they are missing"
        )


def check_size(structure: Structure, max_sites: int) -> None:
    """Refuse a cell of too many atoms.

    Parameters
    ----------
    structure : pymatgen.core.Structure
    max_sites : int

    Raises
    ------
    StructureError
    """
    if len(structure) > max_sites:
        raise StructureError(
            f"its primitive cell has {len(structure)} atoms, more than structures.max_sites = "
            f"{max_sites}; raise it or leave the crystal out"
        )


def check_distances(structure: Structure, min_distance_ang: float) -> None:
    """Refuse an ordered crystal with overlapping atoms.

    Parameters
    ----------
    structure : pymatgen.core.Structure
    min_distance_ang : float
        Closest approach of two atoms in angstrom.

    Raises
    ------
    StructureError
        Naming the closest pair.
    """
    distances = structure.distance_matrix
    np.fill_diagonal(distances, np.inf)
    i, j = np.unravel_index(np.argmin(distances), distances.shape)
    if distances[i, j] < min_distance_ang:
        raise StructureError(
            f"{structure[i].specie.symbol} and {structure[j].specie.symbol} are "
            f"{distances[i, j]:.2f} angstrom apart, less than structures.min_distance_ang = "
            f"{min_distance_ang}; correct the positions"
        )
