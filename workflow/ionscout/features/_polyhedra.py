"""Coordination by Hoppe's weights, and the polyhedra that share anions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from ionscout.features._voronoi import images

if TYPE_CHECKING:
    from ionscout.features._base import Cell

CORNERS, EDGES, FACES = 1, 2, 3

_LEAST_WEIGHT = 0.5
_FARTHEST_IN_NEAREST = 2.0
_FIRST_CUTOFF_ANG = 3.0


class Shells(NamedTuple):
    """The ligands around some atoms, sorted by centre and then by distance.

    Attributes
    ----------
    centre, ligand : numpy.ndarray
        Shape (n_bonds,), indices of atoms.
    shift : numpy.ndarray
        Shape (n_bonds, 3), the cell that the ligand lies in, int.
    distance_ang, weight : numpy.ndarray
        Shape (n_bonds,), length in angstrom and Hoppe's weight.
    """

    centre: np.ndarray
    ligand: np.ndarray
    shift: np.ndarray
    distance_ang: np.ndarray
    weight: np.ndarray


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
    which = np.flatnonzero(ligands)
    index, shift, distance, size = _nearest(
        cell.lattice_ang, cell.frac_coords, np.flatnonzero(centres), which
    )
    start = np.cumsum(size) - size
    nearest = np.repeat(distance[start], size)
    weight = np.exp(1 - (distance / nearest) ** 6)
    mean = np.add.reduceat(weight * distance, start) / np.add.reduceat(weight, start)
    weight = np.exp(1 - (distance / np.repeat(mean, size)) ** 6)
    return Shells(np.repeat(np.flatnonzero(centres), size), which[index], shift, distance, weight)


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


def count_shared(shells: Shells, lithium: np.ndarray) -> dict[str, np.ndarray]:
    """Count the polyhedra that share corners, edges and faces with those of lithium.

    The corners of a polyhedron are the ligands that weigh more than one half: those
    closer than 1.09 mean distances. Two polyhedra that share one of them share a
    corner; two, an edge; three or more, a face.

    Parameters
    ----------
    shells : Shells
        Of lithium and the other cations.
    lithium : numpy.ndarray
        Shape (n_atoms,), bool.

    Returns
    -------
    dict of str to numpy.ndarray
        For ``"li"`` and ``"cation"``, what shares with lithium: shape (3,), mean
        numbers a lithium of corner-, edge- and face-sharing polyhedra.
    """
    corner = shells.weight > _LEAST_WEIGHT
    centre, ligand, shift = shells.centre[corner], shells.ligand[corner], shells.shift[corner]
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
    """List the ligands of each centre up to twice the distance of the nearest."""
    index = np.empty(0, dtype=np.int64)
    shift = np.empty((0, 3), dtype=np.int64)
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
            near, cells, _, length = images(lattice, of_ligands, frac[centres[k]], cutoff, itself)
            if length.size == 0:
                cutoff *= 1.5
            elif length[0] * _FARTHEST_IN_NEAREST > cutoff:
                cutoff = length[0] * _FARTHEST_IN_NEAREST * 1.0001
            else:
                break
        size[k] = np.searchsorted(length, length[0] * _FARTHEST_IN_NEAREST)
        index = np.concatenate((index, near[: size[k]]))
        shift = np.concatenate((shift, cells[: size[k]]))
        distance = np.concatenate((distance, length[: size[k]]))
    return index, shift, distance, size
