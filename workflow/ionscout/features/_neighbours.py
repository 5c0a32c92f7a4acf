"""Neighbours of atoms in a periodic cell, by a compiled loop over images."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

if TYPE_CHECKING:
    from ionscout.features._base import Cell

DISTANCE_TOLERANCE_ANG = 1e-6


class Pairs(NamedTuple):
    """Pairs of neighbours, sorted by centre.

    Attributes
    ----------
    centre, other : numpy.ndarray
        Shape (n_pairs,), indices of atoms. A pair of two centres appears twice,
        once from each end.
    distance_ang : numpy.ndarray
        Shape (n_pairs,), in angstrom.
    is_in_cell : numpy.ndarray
        Shape (n_pairs,), bool: are both in the same cell, with the coordinates as given?
    """

    centre: np.ndarray
    other: np.ndarray
    distance_ang: np.ndarray
    is_in_cell: np.ndarray


def find_pairs(
    cell: Cell,
    centres: np.ndarray,
    others: np.ndarray,
    cutoff_ang: float,
    *,
    nearest_cells_only: bool = False,
) -> Pairs:
    """Find all pairs closer than a cutoff, over the periodic images.

    Distances within 1e-6 angstrom of the cutoff do not count as closer, so that
    rounding does not decide about sites that lie exactly on it.

    Parameters
    ----------
    cell : Cell
    centres, others : numpy.ndarray
        Shape (n_atoms,), bool: which atoms may be the first and the second of a pair.
    cutoff_ang : float
        Cutoff in angstrom.
    nearest_cells_only : bool
        Look at the cell and the 26 around it alone, with the coordinates as given.

    Returns
    -------
    Pairs
        An atom is paired with its own images, not with itself.
    """
    cutoff_ang -= DISTANCE_TOLERANCE_ANG
    return Pairs(
        *_pairs(
            cell.lattice_ang,
            cell.frac_coords,
            np.flatnonzero(centres),
            np.flatnonzero(others),
            cutoff_ang * cell.reach_per_ang,
            cutoff_ang,
            nearest_cells_only,
        )
    )


def nearest_distance_ang(
    cell: Cell,
    centres: np.ndarray,
    others: np.ndarray,
    *,
    known: Pairs | None = None,
    nearest_cells_only: bool = False,
) -> np.ndarray:
    """Distance from each centre to the nearest of the others.

    Parameters
    ----------
    cell : Cell
    centres, others : numpy.ndarray
        Shape (n_atoms,), bool; at least one of each.
    known : Pairs, optional
        All pairs of the cell that are closer than some cutoff, to look at first.
    nearest_cells_only : bool
        As for `find_pairs`.

    Returns
    -------
    numpy.ndarray
        Shape (n_centres,), in angstrom.
    """
    cutoff_ang, n_centres = 4.0, np.count_nonzero(centres)
    if known is not None:
        these = centres[known.centre] & others[known.other]
        known = Pairs(*(column[these] for column in known))
    while True:
        pairs = known or find_pairs(
            cell, centres, others, cutoff_ang, nearest_cells_only=nearest_cells_only
        )
        first = np.flatnonzero(np.diff(pairs.centre, prepend=-1))
        if len(first) == n_centres:
            return np.minimum.reduceat(pairs.distance_ang, first)
        cutoff_ang, known = 1.5 * cutoff_ang, None


@numba.njit(cache=True)
def image_range(offset, reach, nearest_cells_only):
    """First and last image along an axis; `reach` is a sphere's half-width in cells."""
    if nearest_cells_only:
        return -1, 1
    return int(np.ceil(-reach - offset)), int(np.floor(reach - offset))


@numba.njit(cache=True)
def _pairs(lattice, frac, centres, others, reach, cutoff, nearest_cells_only):
    """List pairs; `reach` is the sphere's half-width in fractional coordinates."""
    capacity = 64 * centres.size + 64
    first = np.empty(capacity, dtype=np.int64)
    second = np.empty(capacity, dtype=np.int64)
    distance = np.empty(capacity)
    in_cell = np.empty(capacity, dtype=np.bool_)
    vector, count = np.empty(3), 0
    squared_cutoff = cutoff * cutoff
    for i in centres:
        for j in others:
            offset = (frac[j, 0] - frac[i, 0], frac[j, 1] - frac[i, 1], frac[j, 2] - frac[i, 2])
            low_a, high_a = image_range(offset[0], reach[0], nearest_cells_only)
            low_b, high_b = image_range(offset[1], reach[1], nearest_cells_only)
            low_c, high_c = image_range(offset[2], reach[2], nearest_cells_only)
            for a in range(low_a, high_a + 1):
                for b in range(low_b, high_b + 1):
                    for c in range(low_c, high_c + 1):
                        home = a == 0 and b == 0 and c == 0
                        if i == j and home:
                            continue
                        to_cartesian(lattice, offset[0] + a, offset[1] + b, offset[2] + c, vector)
                        squared = vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2
                        if squared >= squared_cutoff:
                            continue
                        if count == first.size:
                            first = np.concatenate((first, np.empty_like(first)))
                            second = np.concatenate((second, np.empty_like(second)))
                            distance = np.concatenate((distance, np.empty_like(distance)))
                            in_cell = np.concatenate((in_cell, np.empty_like(in_cell)))
                        first[count], second[count] = i, j
                        distance[count], in_cell[count] = np.sqrt(squared), home
                        count += 1
    return (
        first[:count].copy(),
        second[:count].copy(),
        distance[:count].copy(),
        in_cell[:count].copy(),
    )


@numba.njit(cache=True)
def to_cartesian(lattice, u, v, w, vector):
    """Write a vector in fractional coordinates as a Cartesian one into `vector`."""
    for k in range(3):
        vector[k] = u * lattice[0, k] + v * lattice[1, k] + w * lattice[2, k]
