"""Structure around lithium: coordination, site volumes, shared polyhedra, bottlenecks, anions.

The quantities are those that structural models of lithium conduction use; the papers in
`source` name the kind, and the definitions here are ours, chosen so that every value is
independent of the cell and, but for those that count or average over the corners of
polyhedra, continuous in the positions:

* coordination of lithium: the anions that take more than 0.065 of the full solid angle,
  which are the corners of its polyhedron (`_polyhedra.find_corners`);
* shared polyhedra: of corners found likewise for the other cations
  (`_polyhedra.count_shared`);
* coordination of anions: Hoppe's effective coordination numbers
  (`_polyhedra.find_shells`);
* site volumes: unweighted Voronoi cells of all atoms;
* bottlenecks: all atoms but lithium are spheres of Shannon's ionic radii, all lithium is
  taken out, and the radii are those of spheres that pass (`_percolation.find_channels`);
* anion framework: Minkowski structure metrics, which are Steinhardt's bond-orientational
  parameters weighted by the areas of the faces of the anions' own Voronoi cells (Mickel
  2013, doi 10.1063/1.4774084). Their values in ideal lattices:

  ========  =======  =======  ========
  lattice   q4       q6       w6
  ========  =======  =======  ========
  fcc       0.1909   0.5745   -0.0132
  hcp       0.0972   0.4848   -0.0124
  bcc       0.2240   0.5669   0.0132
  ========  =======  =======  ========

Anions are told by `_base.mark_anions`. The radii are Shannon's (Acta Cryst. A 32, 1976,
751, doi 10.1107/S0567739476001551) for sixfold coordination, or the coordination number
nearest to it that is tabulated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numba
import numpy as np
from pymatgen.core import Element

from ionscout.errors import FeatureError
from ionscout.features._base import (
    Cell,
    Description,
    DescriptorSet,
    mark_anions,
    refuse_overlap,
    take_apart,
)
from ionscout.features._neighbours import nearest_distance_ang
from ionscout.features._percolation import find_channels
from ionscout.features._polyhedra import (
    CORNERS,
    EDGES,
    FACES,
    coordination_numbers,
    count_shared,
    find_corners,
    find_shells,
)
from ionscout.features._voronoi import reduce_cell, voronoi_cells

if TYPE_CHECKING:
    from pymatgen.core import Species, Structure

PREFERRED_COORDINATION = 6

_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIV")
_NUMBER = dict(zip(_ROMAN, (*range(1, 13), 14), strict=True))

_LITHIUM_COLUMNS = (
    "li_coordination",
    "li_coordination_min",
    "li_coordination_max",
    "li_anion_distance_ang",
    "li_anion_distance_deviation_ang",
    "li_li_corners",
    "li_li_edges",
    "li_li_faces",
    "li_cation_corners",
    "li_cation_edges",
    "li_cation_faces",
)
_VOLUME_COLUMNS = ("li_site_volume_ang3", "li_site_volume_deviation_ang3", "volume_per_li_ang3")
_CHANNEL_COLUMNS = (
    "hop_radius_ang",
    "hop_radius_min_ang",
    "free_radius_1d_ang",
    "free_radius_2d_ang",
    "free_radius_3d_ang",
    "cavity_radius_ang",
)
_ANION_COLUMNS = (
    "anion_coordination",
    "anion_coordination_deviation",
    "anion_anion_distance_ang",
    "anion_q4",
    "anion_q6",
    "anion_w6",
    "volume_per_anion_ang3",
)


class StructuralSet(DescriptorSet):
    """Coordination, site volumes, shared polyhedra, bottlenecks and the anion framework.

    Means and (population) deviations are over the lithium or the anions of the crystal.

    ``li_coordination`` and its ``_min`` and ``_max``: number of corners of a lithium's
    polyhedron. ``li_anion_distance_ang`` and its ``_deviation``: from lithium to these
    corners, weighted by their solid angles. ``li_li_corners``, ``_edges``, ``_faces`` and
    the same with ``li_cation``: lithium polyhedra, and polyhedra of other cations, that
    share so much with that of a lithium, mean number a lithium. ``li_site_volume_ang3``
    and its ``_deviation``: Voronoi cell of a lithium; ``volume_per_li_ang3``: of the
    crystal. ``hop_radius_ang`` and its ``_min``: largest sphere that gets from a lithium
    site to any other or to its own image, the room at the site included, over the
    lithium. ``free_radius_1d_ang`` to ``3d``: largest sphere that gets through the
    framework without end in at least so many dimensions, through lithium sites or not.
    ``cavity_radius_ang``: largest sphere that fits between the framework's atoms.
    ``anion_coordination`` and its ``_deviation``: effective number of anions around an
    anion; ``anion_anion_distance_ang``: the distance in that shell. ``anion_q4``,
    ``anion_q6``, ``anion_w6``: order parameters; ``volume_per_anion_ang3``: of the
    crystal, per ion of negative oxidation state of whatever element (the column of this
    name in `sendek` counts the most electronegative element alone).
    """

    name = "structural"
    columns = _LITHIUM_COLUMNS + _VOLUME_COLUMNS + _CHANNEL_COLUMNS + _ANION_COLUMNS
    source = (
        "Jalem 2014, doi 10.1039/C3TA13235H; Cubuk 2019, doi 10.1063/1.5093220; "
        "Wang 2015, doi 10.1038/nmat4369 (the definitions are Ionscout's)"
    )

    def describe(self, structure: Structure) -> Description:
        """Describe a crystal.

        Parameters
        ----------
        structure : pymatgen.core.Structure

        Returns
        -------
        Description
            A value for each of `columns`. Without known anions, only the volumes of
            lithium; without a radius for each ion, no bottlenecks.

        Raises
        ------
        FeatureError
            If the crystal is not ordered, has no lithium, or atoms overlap.
        """
        species, cell = take_apart(structure)
        lithium = np.array([specie.symbol == "Li" for specie in species])
        if not lithium.any():
            raise FeatureError("no lithium")
        cell = reduce_cell(cell)
        everything = np.ones_like(lithium)
        nearest_ang = nearest_distance_ang(cell, everything, everything).min()
        refuse_overlap(nearest_ang)
        groups: dict[tuple[str, ...], Callable[[], dict[str, float]]] = {
            _LITHIUM_COLUMNS: lambda: _lithium(cell, lithium, _anions(species)),
            _VOLUME_COLUMNS: lambda: _volumes(cell, lithium),
            _CHANNEL_COLUMNS: lambda: _channels(cell, lithium, species),
            _ANION_COLUMNS: lambda: _anion_framework(cell, _anions(species)),
        }
        values: dict[str, float] = {}
        missing: dict[str, list[str]] = {}
        for columns, compute in groups.items():
            try:
                values |= compute()
            except FeatureError as error:
                values |= dict.fromkeys(columns, np.nan)
                missing.setdefault(str(error), []).extend(columns)
        reason = "; ".join(f"{why}: {', '.join(columns)}" for why, columns in missing.items())
        return Description({name: values[name] for name in self.columns}, reason)


def _anions(species: list[Element | Species]) -> np.ndarray:
    """Mark the anions, which must not be lithium."""
    anion = mark_anions(species)
    if any(specie.symbol == "Li" for specie in np.array(species, dtype=object)[anion]):
        raise FeatureError("lithium is the anion")
    return anion


def _lithium(cell: Cell, lithium: np.ndarray, anion: np.ndarray) -> dict[str, float]:
    """Anions around lithium, and the polyhedra that share them."""
    corners = find_corners(cell, ~anion, anion)
    of_lithium = lithium[corners.centre]
    number = np.bincount(corners.centre[of_lithium], minlength=len(lithium))[lithium]
    distance_ang, share = corners.distance_ang[of_lithium], corners.share[of_lithium]
    mean_ang = float(np.average(distance_ang, weights=share))
    variance = float(np.average((distance_ang - mean_ang) ** 2, weights=share))
    values = {
        "li_coordination": float(number.mean()),
        "li_coordination_min": float(number.min()),
        "li_coordination_max": float(number.max()),
        "li_anion_distance_ang": mean_ang,
        "li_anion_distance_deviation_ang": variance**0.5,
    }
    for kind, counts in count_shared(corners, lithium).items():
        values[f"li_{kind}_corners"] = float(counts[CORNERS - 1])
        values[f"li_{kind}_edges"] = float(counts[EDGES - 1])
        values[f"li_{kind}_faces"] = float(counts[FACES - 1])
    return values


def _volumes(cell: Cell, lithium: np.ndarray) -> dict[str, float]:
    """Room around lithium."""
    volume_ang3 = voronoi_cells(cell).volume_ang3[lithium]
    return {
        "li_site_volume_ang3": float(volume_ang3.mean()),
        "li_site_volume_deviation_ang3": float(volume_ang3.std()),
        "volume_per_li_ang3": cell.volume_ang3 / int(lithium.sum()),
    }


def _channels(
    cell: Cell, lithium: np.ndarray, species: list[Element | Species]
) -> dict[str, float]:
    """Width of the ways between lithium sites through everything else."""
    anion = _anions(species)
    radii_ang = np.array(
        [
            ionic_radius_ang(one.symbol, getattr(one, "oxi_state", None) or 0.0, is_anion)
            for one, is_anion, is_lithium in zip(species, anion.tolist(), lithium, strict=True)
            if not is_lithium
        ]
    )
    framework = Cell(cell.lattice_ang, cell.frac_coords[~lithium])
    channels = find_channels(framework, radii_ang, cell.frac_coords[lithium])
    return {
        "hop_radius_ang": float(channels.hop_ang.mean()),
        "hop_radius_min_ang": float(channels.hop_ang.min()),
        "free_radius_1d_ang": float(channels.free_ang[0]),
        "free_radius_2d_ang": float(channels.free_ang[1]),
        "free_radius_3d_ang": float(channels.free_ang[2]),
        "cavity_radius_ang": channels.cavity_ang,
    }


@cache
def ionic_radius_ang(symbol: str, oxidation_state: float, is_anion: bool) -> float:
    """Shannon's ionic radius, for sixfold coordination or the nearest to it tabulated.

    Where the oxidation state is not tabulated, the nearest one of the same sign is taken;
    where it is not known (0), the mean over those of the sign that the ion's role asks
    for. Different spin states are averaged. Elements that Shannon lacks have pymatgen's
    average cationic or anionic radius.

    Parameters
    ----------
    symbol : str
        The element.
    oxidation_state : float
        0 where it is not known.
    is_anion : bool
        Does the ion count as an anion?

    Returns
    -------
    float
        In angstrom; negative for protons.

    Raises
    ------
    FeatureError
        If the element has no radius of this sign.

    Notes
    -----
    Shannon tabulates no H-, C4-, Si4-, P3- and As3-, and other scales do not fit to his:
    Pauling's 2.08 for H- is more than the Li-H distance in LiH, 2.04 angstrom. Nor is
    there one value that fits: less Shannon's cation, LiH leaves 1.28 and KH 1.47. Crystals
    of these anions go without.
    """
    element = Element(symbol)
    sign = -1.0 if is_anion else 1.0
    table = {
        float(state): _preferred_radius_ang(entries)
        for state, entries in element.data.get("Shannon radii", {}).items()
        if state and float(state) * sign > 0  # pymatgen has one of europium without a state
    }
    if not table:
        fallback = element.average_anionic_radius if is_anion else element.average_cationic_radius
        if not float(fallback) > 0:
            role = "an anion" if is_anion else "a cation"
            raise FeatureError(f"no ionic radius is tabulated for {symbol} as {role}")
        return float(fallback)
    if not oxidation_state:
        return float(np.mean(list(table.values())))
    difference = {state: abs(state - oxidation_state) for state in table}
    least = min(difference.values())
    return float(np.mean([table[state] for state in table if difference[state] < least + 1e-6]))


def _preferred_radius_ang(entries: dict[str, dict[str, dict[str, float]]]) -> float:
    """Mean over spin states of the radius for the coordination number nearest to six."""

    def preference(name: str) -> tuple[int, bool, int]:
        plain = name.removesuffix("SQ").removesuffix("PY")
        return abs(_NUMBER[plain] - PREFERRED_COORDINATION), plain != name, _NUMBER[plain]

    spins = entries[min(entries, key=preference)].values()
    return float(np.mean([spin["ionic_radius"] for spin in spins]))


def _anion_framework(cell: Cell, anion: np.ndarray) -> dict[str, float]:
    """Arrangement of the anions among themselves."""
    shells = find_shells(cell, anion, anion)
    number = coordination_numbers(shells)
    lattice = voronoi_cells(Cell(cell.lattice_ang, cell.frac_coords[anion]))
    start = np.flatnonzero(np.diff(lattice.centre, prepend=-1, append=len(number)))
    order = _order_parameters(start, lattice.direction, lattice.area_ang2, _HALF_SPHERE, _WEIGHTS)
    return {
        "anion_coordination": float(number.mean()),
        "anion_coordination_deviation": float(number.std()),
        "anion_anion_distance_ang": float(np.average(shells.distance_ang, weights=shells.weight)),
        **dict(zip(("anion_q4", "anion_q6", "anion_w6"), order.mean(axis=0).tolist(), strict=True)),
        "volume_per_anion_ang3": cell.volume_ang3 / len(number),
    }


def _half_sphere(n_heights: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights that average even polynomials of degree < 2 n over the sphere."""
    height, weight = np.polynomial.legendre.leggauss(n_heights)
    n_around = 2 * n_heights
    angle = 2 * np.pi * np.arange(n_around) / n_around
    height, weight = height[height > 0], weight[height > 0]
    radius = np.sqrt(1 - height**2)
    points = np.stack(
        [
            np.outer(radius, np.cos(angle)),
            np.outer(radius, np.sin(angle)),
            np.repeat(height[:, None], n_around, axis=1),
        ],
        axis=-1,
    )
    return points.reshape(-1, 3), np.repeat(weight / n_around, n_around)


_HALF_SPHERE, _WEIGHTS = _half_sphere(10)
_WIGNER_3J_666 = -np.sqrt(400 / 46189)


@numba.njit(cache=True)
def _legendre_4(x):
    return ((35 * x * x - 30) * x * x + 3) / 8


@numba.njit(cache=True)
def _legendre_6(x):
    return (((231 * x * x - 315) * x * x + 105) * x * x - 5) / 16


@numba.njit(cache=True)
def _order_parameters(start, direction, area, points, weights):
    """q4, q6 and w6 of each atom.

    With f(n) = sum_i a_i P_l(u_i . n) over the faces of relative area a and direction u,
    the addition theorem gives q_l^2 = sum_ij a_i a_j P_l(u_i . u_j), and
    w_l = <f^3> / (q_l^3 (l l l; 0 0 0)), averaged over the sphere.
    """
    result = np.zeros((start.size - 1, 3))
    for atom in range(start.size - 1):
        first, end = start[atom], start[atom + 1]
        share = area[first:end] / area[first:end].sum()
        q4 = q6 = 0.0
        for i in range(share.size):
            for j in range(share.size):
                x = (direction[first + i] * direction[first + j]).sum()
                q4 += share[i] * share[j] * _legendre_4(x)
                q6 += share[i] * share[j] * _legendre_6(x)
        q4, q6 = np.sqrt(max(q4, 0.0)), np.sqrt(max(q6, 0.0))
        cubed = 0.0
        for k in range(weights.size):
            value = 0.0
            for i in range(share.size):
                value += share[i] * _legendre_6((points[k] * direction[first + i]).sum())
            cubed += weights[k] * value**3
        result[atom, 0], result[atom, 1] = q4, q6
        if q6 > 1e-6:
            result[atom, 2] = cubed / (q6**3 * _WIGNER_3J_666)
    return result


DESCRIPTORS = StructuralSet
