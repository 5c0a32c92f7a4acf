"""What a crystal of the bundled data has to stand before anybody computes with it.

Composition and space-group symbol are proved where the cell is built
(`ionscout.structures.crystals`). The proofs here each return what is wrong, or
None. Of the lithium compounds of the Materials Project whose oxidation states
balance, more than 97 % stand each of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from pymatgen.core import Composition, Element, Structure

from ionscout.structures.crystals import Crystal
from ionscout.structures.oxidation import formal_charges

SHORTEST = 0.66
LONGEST = 1.5
LOOSEST_PACKING = 0.33
DENSEST_PACKING = 0.78

_SYMMETRY_ANG = 0.01
_NET_CHARGE_E = 0.02
_TOGETHER = 1 + 1e-6
_RADIUS_CHARGE_TOLERANCE = 0.5


def check_symmetry(crystal: Crystal, structure: Structure) -> str | None:
    """Check that the crystal has the stated space group, neither more nor less symmetry.

    Parameters
    ----------
    crystal : Crystal
    structure : Structure
        Its conventional cell.

    Returns
    -------
    str or None
        What is wrong.
    """
    symbol, number = structure.get_space_group_info(symprec=_SYMMETRY_ANG)
    if number == crystal.space_group_number:
        return None
    return f"has the symmetry of {symbol} ({number}), not of {crystal.space_group}"


def check_neutrality(crystal: Crystal, structure: Structure) -> str | None:
    """Check that common oxidation states balance, within 0.02 e a formula unit.

    Parameters
    ----------
    crystal : Crystal
    structure : Structure
        Its conventional cell.

    Returns
    -------
    str or None
        What is wrong.
    """
    composition = structure.composition / crystal.formula_units
    charges = formal_charges(composition, tolerance=0.05)
    if charges is None:
        return "no common oxidation states balance"
    net_e = sum(charges[element.symbol] * n for element, n in composition.items())
    if abs(net_e) <= _NET_CHARGE_E:
        return None
    return f"a formula unit has the charge {net_e:+.3f} e"


def check_distances(crystal: Crystal, structure: Structure) -> str | None:
    """Check that no two atoms overlap, and that none hangs in the void.

    Distances are in units of the sum of covalent radii (Cordero 2008,
    10.1039/b801115j, as in ASE). Atoms of partially occupied sites count where
    both can be there at once. Each atom needs one of opposite charge near.

    Parameters
    ----------
    crystal : Crystal
    structure : Structure
        Its conventional cell.

    Returns
    -------
    str or None
        What is wrong.
    """
    sites = structure.sites
    symbols = [_main_element(site.species) for site in sites]
    radii_ang = np.array([covalent_radii[atomic_numbers[symbol]] for symbol in symbols])
    ratio = structure.distance_matrix / (radii_ang[:, None] + radii_ang)
    np.fill_diagonal(ratio, np.inf)
    occupancy = np.array([site.species.num_atoms for site in sites])
    together = np.where(occupancy[:, None] + occupancy > _TOGETHER, ratio, np.inf)
    i, j = np.unravel_index(np.argmin(together), together.shape)
    if together[i, j] < SHORTEST:
        return f"{_pair(structure, i, j)} is too short"
    charges = formal_charges(structure.composition, tolerance=0.05) or {}
    sign = np.sign([charges.get(symbol, 0) for symbol in symbols])
    unlike = np.where(sign[:, None] * sign <= 0, ratio, np.inf)
    i = int(np.argmax(unlike.min(axis=1)))
    j = int(np.argmin(unlike[i]))
    if unlike[i, j] > LONGEST:
        return f"{_pair(structure, i, j)} is the shortest bond there, and too long"
    return None


def check_density(crystal: Crystal, structure: Structure) -> str | None:
    """Check the share of the cell that the ions fill as spheres.

    Radii are those of Shannon as in pymatgen; van der Waals radii where an
    anion has none.

    Parameters
    ----------
    crystal : Crystal
    structure : Structure
        Its conventional cell.

    Returns
    -------
    str or None
        What is wrong.
    """
    charges = formal_charges(structure.composition, tolerance=0.05) or {}
    filled_ang3 = sum(
        n * 4 / 3 * math.pi * _radius_ang(element, charges.get(element.symbol, 0)) ** 3
        for element, n in structure.composition.element_composition.items()
    )
    packing = filled_ang3 / structure.volume
    if LOOSEST_PACKING <= packing <= DENSEST_PACKING:
        return None
    return f"the ions fill {packing:.0%} of the cell ({structure.density:.2f} g/cm3)"


PROOFS: dict[str, Callable[[Crystal, Structure], str | None]] = {
    "symmetry": check_symmetry,
    "neutrality": check_neutrality,
    "distances": check_distances,
    "density": check_density,
}


def _main_element(species: Composition) -> str:
    return max(species.element_composition.items(), key=lambda item: item[1])[0].symbol


def _pair(structure: Structure, i: int, j: int) -> str:
    distance_ang = structure.distance_matrix[i, j]
    return f"{structure[i].label}-{structure[j].label}, {distance_ang:.2f} A,"


def _radius_ang(element: Element, charge_e: float) -> float:
    radii = {state: float(radius) for state, radius in element.ionic_radii.items()}
    nearest = min(radii, key=lambda state: abs(state - charge_e), default=None)
    if nearest is not None and abs(nearest - charge_e) <= _RADIUS_CHARGE_TOLERANCE:
        return radii[nearest]
    if charge_e < 0:
        return float(element.van_der_waals_radius)
    return float(element.average_cationic_radius or element.atomic_radius)
