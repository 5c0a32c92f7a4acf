"""Radii of ions and atoms, the space they fill, and straight paths between lithium ions."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np
from pymatgen.analysis.molecule_structure_comparator import CovalentRadius
from pymatgen.core import Element
from scipy.integrate import lebedev_rule

from ionscout.errors import FeatureError
from ionscout.features._neighbours import image_range, to_cartesian

if TYPE_CHECKING:
    from ionscout.features._base import Cell

TIE_ANG = 1e-3
_DIRECTIONS, _WEIGHTS = lebedev_rule(29)
_DIRECTIONS = np.ascontiguousarray(_DIRECTIONS.T)
_MOST_PATH_WIDTH_ANG = 16.0


@cache
def crystal_radius_ang(symbol: str, state: float | None, is_anion: bool) -> float | None:
    """Shannon's crystal radius of an ion, of the tabulated state nearest to its own.

    Parameters
    ----------
    symbol : str
    state : float or None
        Oxidation state; where unknown, the mean over the states of the ion's sign.
    is_anion : bool
        Its sign, for ions of unknown state.

    Returns
    -------
    float or None
        In angstrom; None where pymatgen has no radius of an ion of that sign.
    """
    is_anion = state < 0 if state else is_anion
    radii = {
        tabulated: float(radius)
        for tabulated, radius in Element(symbol).ionic_radii.items()
        if (tabulated < 0) == is_anion
    }
    if not radii:
        return None
    if not state:
        return float(np.mean(list(radii.values())))
    return radii[min(radii, key=lambda tabulated: abs(tabulated - state))]


@cache
def covalent_radius_ang(symbol: str) -> float:
    """Covalent radius of Cordero 2008 (doi 10.1039/b801115j), in angstrom.

    Parameters
    ----------
    symbol : str

    Returns
    -------
    float

    Raises
    ------
    FeatureError
        If the element has none.
    """
    try:
        return float(CovalentRadius.radius[symbol])
    except KeyError:
        raise FeatureError(f"{symbol} has no covalent radius") from None


def packing_fraction(cell: Cell, radius_ang: np.ndarray, atoms: np.ndarray) -> float:
    """Fraction of the volume that lies inside at least one of the atoms' spheres.

    The spheres are cut where their radical planes lie, and what is left of each is
    integrated over 302 directions (Lebedev): to 3e-4 as a rule, and to 3e-3 at worst.

    Parameters
    ----------
    cell : Cell
    radius_ang : numpy.ndarray
        Shape (n_atoms,), in angstrom.
    atoms : numpy.ndarray
        Shape (n_atoms,), bool: whose spheres count.

    Returns
    -------
    float
    """
    if not atoms.any():
        return 0.0
    volume = _union_volume(
        cell.lattice_ang,
        cell.frac_coords[atoms],
        radius_ang[atoms],
        cell.reach_per_ang,
        _DIRECTIONS,
        _WEIGHTS,
    )
    return float(volume / cell.volume_ang3)


@numba.njit(cache=True)
def _union_volume(lattice, frac, radius, reach, directions, weights):
    volume, vector = 0.0, np.empty(3)
    largest = radius.max()
    for i in range(radius.size):
        low = np.zeros(weights.size)
        high = np.full(weights.size, radius[i])
        span = (radius[i] + largest) * reach
        for j in range(radius.size):
            offset = (frac[j, 0] - frac[i, 0], frac[j, 1] - frac[i, 1], frac[j, 2] - frac[i, 2])
            low_a, high_a = image_range(offset[0], span[0], False)
            low_b, high_b = image_range(offset[1], span[1], False)
            low_c, high_c = image_range(offset[2], span[2], False)
            for a in range(low_a, high_a + 1):
                for b in range(low_b, high_b + 1):
                    for c in range(low_c, high_c + 1):
                        to_cartesian(lattice, offset[0] + a, offset[1] + b, offset[2] + c, vector)
                        squared = vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2
                        if squared < 1e-12 or squared >= (radius[i] + radius[j]) ** 2:
                            continue
                        plane = (squared + radius[i] ** 2 - radius[j] ** 2) / 2
                        _cut(directions, vector, plane, low, high)
        for k in range(weights.size):
            if high[k] > low[k]:
                volume += weights[k] * (high[k] ** 3 - low[k] ** 3) / 3
    return volume


@numba.njit(cache=True)
def _cut(directions, vector, plane, low, high):
    """Keep of each ray t u, low < t < high, the part where t u . vector < plane."""
    for k in range(low.size):
        slope = (
            directions[k, 0] * vector[0]
            + directions[k, 1] * vector[1]
            + directions[k, 2] * vector[2]
        )
        if slope > 0:
            high[k] = min(high[k], plane / slope)
        elif slope < 0:
            low[k] = max(low[k], plane / slope)
        elif plane < 0:
            high[k] = 0.0


class Paths(NamedTuple):
    """Straight paths from each lithium ion to its nearest ones.

    Attributes
    ----------
    centre : numpy.ndarray
        Shape (n_paths,), the ion that the path starts from.
    width_ang : numpy.ndarray
        Shape (n_paths,), distance from the path to the surface of the closest atom
        beside it, in angstrom, 0 where the path cuts it; NaN where there is none.
    property : numpy.ndarray
        Shape (n_paths,), the given property of the closest atom, mean over ties.
    """

    centre: np.ndarray
    width_ang: np.ndarray
    property: np.ndarray


def straight_paths(
    cell: Cell,
    lithium: np.ndarray,
    nearest_ang: np.ndarray,
    radius_ang: np.ndarray,
    atom_property: np.ndarray,
) -> Paths:
    """Measure the straight paths between nearest lithium ions.

    Beside a path are the atoms that project onto it between its ends.

    Parameters
    ----------
    cell : Cell
    lithium : numpy.ndarray
        Shape (n_atoms,), bool.
    nearest_ang : numpy.ndarray
        Shape (n_lithium,), distance to the nearest lithium ion, in angstrom. All
        that are no more than 1e-3 angstrom farther count.
    radius_ang, atom_property : numpy.ndarray
        Shape (n_atoms,).

    Returns
    -------
    Paths
    """
    rows = _paths(
        cell.lattice_ang,
        cell.frac_coords,
        np.flatnonzero(lithium),
        nearest_ang + TIE_ANG,
        radius_ang,
        atom_property,
        cell.reach_per_ang,
    )
    return Paths(rows[:, 0].astype(np.int64), rows[:, 1], rows[:, 2])


@numba.njit(cache=True)
def _paths(lattice, frac, lithium, limit, radius, atom_property, reach):
    """Rows of centre, width and property, one a path."""
    rows, end = [], np.empty(3)
    for number in range(lithium.size):
        i = lithium[number]
        span = limit[number] * reach
        for j in lithium:
            offset = (frac[j, 0] - frac[i, 0], frac[j, 1] - frac[i, 1], frac[j, 2] - frac[i, 2])
            low_a, high_a = image_range(offset[0], span[0], False)
            low_b, high_b = image_range(offset[1], span[1], False)
            low_c, high_c = image_range(offset[2], span[2], False)
            for a in range(low_a, high_a + 1):
                for b in range(low_b, high_b + 1):
                    for c in range(low_c, high_c + 1):
                        u, v, w = offset[0] + a, offset[1] + b, offset[2] + c
                        to_cartesian(lattice, u, v, w, end)
                        length = np.sqrt(end[0] ** 2 + end[1] ** 2 + end[2] ** 2)
                        if 1e-6 < length <= limit[number]:
                            middle = frac[i] + np.array([u, v, w]) / 2
                            width, value = _closest(
                                lattice, frac, middle, end, length, radius, atom_property, reach
                            )
                            rows.append((float(i), width, value))
    table = np.empty((len(rows), 3))
    for number in range(len(rows)):
        table[number] = rows[number]
    return table


@numba.njit(cache=True)
def _closest(lattice, frac, middle, end, length, radius, atom_property, reach):
    """Width left by the closest atom beside a path, and that atom's property."""
    look_ang, vector = 2.0 + radius.max(), np.empty(3)
    while look_ang < _MOST_PATH_WIDTH_ANG:
        best, total, number = np.inf, 0.0, 0
        span = np.sqrt((length / 2) ** 2 + look_ang**2) * reach
        for k in range(radius.size):
            offset = (frac[k, 0] - middle[0], frac[k, 1] - middle[1], frac[k, 2] - middle[2])
            low_a, high_a = image_range(offset[0], span[0], False)
            low_b, high_b = image_range(offset[1], span[1], False)
            low_c, high_c = image_range(offset[2], span[2], False)
            for a in range(low_a, high_a + 1):
                for b in range(low_b, high_b + 1):
                    for c in range(low_c, high_c + 1):
                        to_cartesian(lattice, offset[0] + a, offset[1] + b, offset[2] + c, vector)
                        along = (
                            vector[0] * end[0] + vector[1] * end[1] + vector[2] * end[2]
                        ) / length
                        if abs(along) > length / 2 - TIE_ANG:
                            continue
                        squared = (vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2) - along**2
                        surface = np.sqrt(max(squared, 0.0)) - radius[k]
                        if surface < best - TIE_ANG:
                            best, total, number = surface, 0.0, 0
                        if surface < best + TIE_ANG:
                            best = min(best, surface)
                            total += atom_property[k]
                            number += 1
        if best <= look_ang - radius.max():
            return max(best, 0.0), total / number
        look_ang *= 1.5
    return np.nan, np.nan
