"""Neighbours of atoms in a periodic cell, by a compiled loop over images."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

if TYPE_CHECKING:
    from ionscout.features.base import Cell

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
    """

    centre: np.ndarray
    other: np.ndarray
    distance_ang: np.ndarray


def find_pairs(cell: Cell, centres: np.ndarray, others: np.ndarray, cutoff_ang: float) -> Pairs:
    """Find all pairs closer than a cutoff, over all periodic images.

    Distances within 1e-6 angstrom of the cutoff do not count as closer, so that
    rounding does not decide about sites that lie exactly on it.

    Parameters
    ----------
    cell : Cell
    centres, others : numpy.ndarray
        Shape (n_atoms,), bool: which atoms may be the first and the second of a pair.
    cutoff_ang : float
        Cutoff in angstrom.

    Returns
    -------
    Pairs
        An atom is paired with its own images, not with itself.
    """
    cutoff_ang -= DISTANCE_TOLERANCE_ANG
    reach = cutoff_ang * np.linalg.norm(np.linalg.inv(cell.lattice_ang), axis=0)
    return Pairs(
        *_pairs(
            cell.lattice_ang,
            cell.frac_coords,
            np.flatnonzero(centres),
            np.flatnonzero(others),
            reach,
            cutoff_ang,
        )
    )


def nearest_distance_ang(cell: Cell, centres: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance from each centre to the nearest of the others.

    Parameters
    ----------
    cell : Cell
    centres, others : numpy.ndarray
        Shape (n_atoms,), bool; at least one of each.

    Returns
    -------
    numpy.ndarray
        Shape (n_centres,), in angstrom.
    """
    cutoff_ang, n_centres = 4.0, np.count_nonzero(centres)
    while True:
        pairs = find_pairs(cell, centres, others, cutoff_ang)
        first = np.flatnonzero(np.diff(pairs.centre, prepend=-1))
        if len(first) == n_centres:
            return np.minimum.reduceat(pairs.distance_ang, first)
        cutoff_ang *= 1.5


@numba.njit(cache=True)
def _pairs(lattice, frac, centres, others, reach, cutoff):
    """List pairs; `reach` is the sphere's half-width in fractional coordinates."""
    capacity = 64 * centres.size + 64
    first = np.empty(capacity, dtype=np.int64)
    second = np.empty(capacity, dtype=np.int64)
    distance = np.empty(capacity)
    count = 0
    squared_cutoff = cutoff * cutoff
    for i in centres:
        for j in others:
            u, v, w = frac[j, 0] - frac[i, 0], frac[j, 1] - frac[i, 1], frac[j, 2] - frac[i, 2]
            for a in range(int(np.ceil(-reach[0] - u)), int(np.floor(reach[0] - u)) + 1):
                for b in range(int(np.ceil(-reach[1] - v)), int(np.floor(reach[1] - v)) + 1):
                    for c in range(int(np.ceil(-reach[2] - w)), int(np.floor(reach[2] - w)) + 1):
                        if i == j and a == 0 and b == 0 and c == 0:
                            continue
                        squared = 0.0
                        for k in range(3):
                            x = (
                                (u + a) * lattice[0, k]
                                + (v + b) * lattice[1, k]
                                + (w + c) * lattice[2, k]
                            )
                            squared += x * x
                        if squared >= squared_cutoff:
                            continue
                        if count == first.size:
                            first = np.concatenate((first, np.empty_like(first)))
                            second = np.concatenate((second, np.empty_like(second)))
                            distance = np.concatenate((distance, np.empty_like(distance)))
                        first[count], second[count] = i, j
                        distance[count] = np.sqrt(squared)
                        count += 1
    return first[:count].copy(), second[:count].copy(), distance[:count].copy()
