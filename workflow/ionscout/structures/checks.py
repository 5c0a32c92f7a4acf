"""Crystals that no stage can use are refused, with the reason."""

from __future__ import annotations

import numpy as np
from pymatgen.core import DummySpecies, PeriodicSite, Structure

from ionscout.errors import StructureError

_FULL = 1 + 1e-4
_COEXISTING = 1.02


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


def check_density(structure: Structure, *, min_g_cm3: float, max_g_cm3: float) -> None:
    """Refuse a crystal far too light or too heavy.

    Parameters
    ----------
    structure : pymatgen.core.Structure
        Ordered or disordered.
    min_g_cm3, max_g_cm3 : float
        Least and largest density in g/cm3.

    Raises
    ------
    StructureError
    """
    density_g_cm3 = float(structure.density)
    if not min_g_cm3 <= density_g_cm3 <= max_g_cm3:
        raise StructureError(
            f"its density is {density_g_cm3:.3g} g/cm3, not within structures.min_density_g_cm3 = "
            f"{min_g_cm3:g} and max_density_g_cm3 = {max_g_cm3:g}; correct the cell, or add "
            "missing sites"
        )


def check_coexisting(structure: Structure, min_distance_ang: float) -> None:
    """Refuse overlapping sites that the stated occupancies make both occupied somewhere.

    Parameters
    ----------
    structure : pymatgen.core.Structure
        Ordered or disordered. Sites whose occupancies add up to more than 1
        cannot exclude each other; partial sites of lithium alone may pass, for
        its ordering can find it others.
    min_distance_ang : float
        Closest approach of two atoms in angstrom.

    Raises
    ------
    StructureError
        Naming the closest pair.
    """
    occupancies = np.array([site.species.num_atoms for site in structure])
    coexist = occupancies[:, None] + occupancies[None, :] > _COEXISTING
    mobile = np.array([not site.is_ordered and _content(site) == "Li" for site in structure])
    coexist &= ~(mobile[:, None] & mobile[None, :])
    distances_ang = np.where(coexist, structure.distance_matrix, np.inf)
    np.fill_diagonal(distances_ang, np.inf)
    i, j = np.unravel_index(np.argmin(distances_ang), distances_ang.shape)
    if distances_ang[i, j] < min_distance_ang:
        raise StructureError(
            f"{_content(structure[i])} and {_content(structure[j])} are "
            f"{distances_ang[i, j]:.2f} angstrom apart, less than structures.min_distance_ang = "
            f"{min_distance_ang}; correct the positions"
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


def _content(site: PeriodicSite) -> str:
    return "/".join(sorted(species.symbol for species in site.species))
