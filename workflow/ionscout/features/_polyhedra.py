"""Coordination by Hoppe's weights, polyhedra by solid angles, and what these share."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ionscout.errors import FeatureError
from ionscout.features._base import Cell
from ionscout.features._voronoi import (
    cut_cell,
    empty_faces,
    images,
    solid_angle,
    start_lengths_ang,
)

CORNERS, EDGES, FACES = 1, 2, 3

LEAST_SHARE = 0.065
_FARTHEST_IN_NEAREST = 2.0
_FIRST_CUTOFF_ANG = 3.0


class Shells(NamedTuple):
    """The neighbours around some atoms, sorted by centre and then by distance.

    Attributes
    ----------
    centre : numpy.ndarray
        Shape (n_bonds,), indices of atoms.
    distance_ang, weight : numpy.ndarray
        Shape (n_bonds,), length in angstrom and Hoppe's weight.
    """

    centre: np.ndarray
    distance_ang: np.ndarray
    weight: np.ndarray


class Corners(NamedTuple):
    """The corners of coordination polyhedra, sorted by centre.

    Attributes
    ----------
    centre, ligand : numpy.ndarray
        Shape (n_corners,), indices of atoms.
    shift : numpy.ndarray
        Shape (n_corners, 3), the cell that the ligand lies in, int.
    distance_ang : numpy.ndarray
        Shape (n_corners,), from the centre, in angstrom.
    share : numpy.ndarray
        Shape (n_corners,), of the full solid angle.
    """

    centre: np.ndarray
    ligand: np.ndarray
    shift: np.ndarray
    distance_ang: np.ndarray
    share: np.ndarray


def find_shells(cell: Cell, centres: np.ndarray, ligands: np.ndarray) -> Shells:
    r"""Weight the ligands of each centre as Hoppe does.

    A ligand at distance d weighs :math:`\exp(1 - (d / \bar d)^6)`, where
    :math:`\bar d` is the mean distance weighted by
    :math:`\exp(1 - (d / d_\mathrm{min})^6)`. The sum of the weights is the effective
    coordination number: 6 in an octahedron, 4 in a tetrahedron, and between whole
    numbers it changes continuously with the positions. Ligands farther than twice the
    nearest weigh less than 1e-9 and are left out.

    Parameters
    ----------
    cell : Cell
    centres, ligands : numpy.ndarray
        Shape (n_atoms,), bool; at least one of each.

    Returns
    -------
    Shells

    Notes
    -----
    R. Hoppe, Z. Kristallogr. 150 (1979) 23, doi 10.1524/zkri.1979.150.14.23, without
    iterating the mean distance.
    """
    distance, size = _nearest(
        cell.lattice_ang, cell.frac_coords, np.flatnonzero(centres), np.flatnonzero(ligands)
    )
    start = np.cumsum(size) - size
    nearest = np.repeat(distance[start], size)
    weight = np.exp(1 - (distance / nearest) ** 6)
    mean = np.add.reduceat(weight * distance, start) / np.add.reduceat(weight, start)
    weight = np.exp(1 - (distance / np.repeat(mean, size)) ** 6)
    return Shells(np.repeat(np.flatnonzero(centres), size), distance, weight)


def coordination_numbers(shells: Shells) -> np.ndarray:
    """Sum the weights of each centre.

    Parameters
    ----------
    shells : Shells

    Returns
    -------
    numpy.ndarray
        Shape (n_centres,), in the order of the atoms.
    """
    start = np.flatnonzero(np.diff(shells.centre, prepend=-1))
    return np.add.reduceat(shells.weight, start)


def find_corners(cell: Cell, centres: np.ndarray, ligands: np.ndarray) -> Corners:
    """Find the ligands that are the corners of each centre's polyhedron.

    A centre's Voronoi cell among the ligands alone has a face towards each neighbour;
    seen from the centre the faces share the full solid angle among them. The corners are
    the ligands with more than 0.065 of it, whatever their distance: in distorted
    polyhedra, and those of large and small anions, no distance tells them from the rest.

    Parameters
    ----------
    cell : Cell
        Reduced.
    centres, ligands : numpy.ndarray
        Shape (n_atoms,), bool; at least one of each, no atom is both.

    Returns
    -------
    Corners

    Raises
    ------
    FeatureError
        If a cell has more faces than any in a real crystal.

    Notes
    -----
    Over the 7415 lithium and 9526 other cations of 1319 ordered crystals of the Materials
    Project, shares are rarest from 0.055 to 0.075: less than 740 in each 0.005, against
    1100 at 0.045 and 1700 at 0.08. The twelve corners of a cuboctahedron have 0.083 each.
    The gap is not empty: 7 % of the lithium and 6 % of the others have a share between
    0.06 and 0.07, so that one corner more or less is in doubt there. A far anion counts
    where nothing is in its way, as two chloride ions at 3.6 angstrom in Li6PS5Cl.
    """
    which = np.flatnonzero(ligands)
    among = Cell(cell.lattice_ang, cell.frac_coords[which])
    ok, size, index, shift, distance_ang, share = _shares(
        cell.lattice_ang,
        among.frac_coords,
        cell.frac_coords[centres],
        start_lengths_ang(among),
    )
    if not ok:
        raise FeatureError("an atom has too many Voronoi neighbours; do atoms overlap?")
    corner = share > LEAST_SHARE
    faces = Corners(
        np.repeat(np.flatnonzero(centres), size), which[index], shift, distance_ang, share
    )
    return Corners(*(column[corner] for column in faces))


def count_shared(corners: Corners, lithium: np.ndarray) -> dict[str, np.ndarray]:
    """Count the polyhedra that share corners, edges and faces with those of lithium.

    Two polyhedra that share one ligand share a corner; two, an edge; three or more, a
    face.

    Parameters
    ----------
    corners : Corners
        Of lithium and the other cations.
    lithium : numpy.ndarray
        Shape (n_atoms,), bool.

    Returns
    -------
    dict of str to numpy.ndarray
        For ``"li"`` and ``"cation"``, what shares with lithium: shape (3,), mean
        numbers a lithium of corner-, edge- and face-sharing polyhedra.
    """
    centre, ligand, shift = corners.centre, corners.ligand, corners.shift
    first, second = np.nonzero((ligand[:, None] == ligand[None, :]) & lithium[centre][:, None])
    between = shift[first] - shift[second]
    is_other = (centre[first] != centre[second]) | between.any(axis=1)
    pairs = np.column_stack([centre[first], centre[second], between])[is_other]
    if not len(pairs):
        return {"li": np.zeros(3), "cation": np.zeros(3)}
    pairs = pairs[np.lexsort(pairs.T)]
    start = np.flatnonzero(np.r_[True, (np.diff(pairs, axis=0) != 0).any(axis=1)])
    n_shared = np.minimum(np.diff(np.r_[start, len(pairs)]), FACES)
    with_lithium = lithium[pairs[start, 1]]
    n_lithium = np.count_nonzero(lithium)
    return {
        name: np.bincount(n_shared[chosen], minlength=FACES + 1)[CORNERS:] / n_lithium
        for name, chosen in (("li", with_lithium), ("cation", ~with_lithium))
    }


@numba.njit(cache=True)
def _nearest(lattice, frac, centres, ligands):
    """List the distances of each centre's ligands up to twice that of the nearest."""
    distance = np.empty(0)
    size = np.zeros(centres.size, dtype=np.int64)
    of_ligands = frac[ligands]
    for k in range(centres.size):
        itself = -1
        for j in range(ligands.size):
            if ligands[j] == centres[k]:
                itself = j
        cutoff = _FIRST_CUTOFF_ANG
        while True:
            _, _, _, length = images(lattice, of_ligands, frac[centres[k]], cutoff, itself)
            if length.size == 0:
                cutoff *= 1.5
            elif length[0] * _FARTHEST_IN_NEAREST > cutoff:
                cutoff = length[0] * _FARTHEST_IN_NEAREST * 1.0001
            else:
                break
        size[k] = np.searchsorted(length, length[0] * _FARTHEST_IN_NEAREST)
        distance = np.concatenate((distance, length[: size[k]]))
    return distance, size


@numba.njit(cache=True)
def _shares(lattice, frac, centres, lengths):
    """List the faces of the cells of `centres`: their number, neighbours and solid angles."""
    faces = empty_faces()
    points, sizes, owners = faces
    squared_radii = np.zeros(frac.shape[0])
    number = np.zeros(centres.shape[0], dtype=np.int64)
    index = np.empty(0, dtype=np.int64)
    shift = np.empty((0, 3), dtype=np.int64)
    distance, share = np.empty(0), np.empty(0)
    for k in range(centres.shape[0]):
        n_faces, near, cells, _, length = cut_cell(
            lattice, frac, squared_radii, centres[k], 0.0, -1, lengths, faces
        )
        if n_faces < 0:
            return False, number, index, shift, distance, share
        owner = owners[:n_faces][owners[:n_faces] >= 0]
        angle = np.array([solid_angle(points[i], sizes[i]) for i in range(n_faces)])
        number[k] = owner.size
        index = np.concatenate((index, near[owner]))
        shift = np.concatenate((shift, cells[owner]))
        distance = np.concatenate((distance, length[owner]))
        share = np.concatenate((share, angle[owners[:n_faces] >= 0] / (4 * np.pi)))
    return True, number, index, shift, distance, share
