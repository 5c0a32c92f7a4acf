"""Pairs of atoms within a distance, in a periodic cell."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from ase.data import covalent_radii
from pymatgen.optimization.neighbors import find_points_in_spheres

OVERLAP_FRACTION = 0.4
SKIN_ANG = 0.6


@dataclass(frozen=True)
class Pairs:
    """Pairs of atoms, each counted once.

    Attributes
    ----------
    first, second : ndarray of int, shape (n_pairs,)
        Indices of the two atoms.
    image : ndarray of float, shape (n_pairs, 3)
        Cell of the second atom, in lattice vectors.
    distance_ang : ndarray of float, shape (n_pairs,)
    """

    first: np.ndarray
    second: np.ndarray
    image: np.ndarray
    distance_ang: np.ndarray

    def select(self, mask: np.ndarray) -> Pairs:
        """Return the pairs that a boolean mask or an index array picks, in its order."""
        return Pairs(self.first[mask], self.second[mask], self.image[mask], self.distance_ang[mask])

    def vectors_ang(self, positions_ang: np.ndarray, cell_ang: np.ndarray) -> np.ndarray:
        """Return the vectors from the first to the second atoms, shape (n_pairs, 3)."""
        ends = positions_ang[self.second] + self.image @ cell_ang
        return ends - positions_ang[self.first]


def find_pairs(positions_ang: np.ndarray, cell_ang: np.ndarray, cutoff_ang: float) -> Pairs:
    """Find all pairs of atoms closer than a cutoff.

    Parameters
    ----------
    positions_ang : ndarray, shape (n_atoms, 3)
        Cartesian coordinates; they need not lie in the cell.
    cell_ang : ndarray, shape (3, 3)
        Lattice vectors in rows; periodic in all three.
    cutoff_ang : float

    Returns
    -------
    Pairs
        An atom and its own images make pairs too.
    """
    positions = np.ascontiguousarray(positions_ang, dtype=float)
    first, second, image, distance = find_points_in_spheres(
        positions,
        positions,
        r=float(cutoff_ang),
        pbc=np.ones(3, dtype=np.int64),
        lattice=np.ascontiguousarray(cell_ang, dtype=float),
        tol=1e-8,
    )
    x, y, z = image.T
    ahead = (x > 0) | ((x == 0) & ((y > 0) | ((y == 0) & (z > 0))))
    once = (first < second) | ((first == second) & ahead)
    return Pairs(first, second, image, distance).select(once)


class PairList:
    """Pairs of atoms within a distance, for positions that change little by little.

    Pairs within a skin beyond the cutoff are kept until an atom has moved half the
    skin or the cell has changed. They are sorted by atoms and image, not in the order
    in which they were found, so that the result depends on the positions asked for
    alone, not on when the list was made.

    Parameters
    ----------
    cutoff_ang : float
    skin_ang : float
        0 searches anew at each call.
    """

    def __init__(self, cutoff_ang: float, skin_ang: float = SKIN_ANG):
        self.cutoff_ang, self.skin_ang = cutoff_ang, skin_ang
        self._pairs: Pairs | None = None

    def candidates(self, positions_ang: np.ndarray, cell_ang: np.ndarray) -> Pairs:
        """Return all pairs within the cutoff and some beyond; their distances are old ones."""
        if self._pairs is None or self._is_stale(positions_ang, cell_ang):
            pairs = find_pairs(positions_ang, cell_ang, self.cutoff_ang + self.skin_ang)
            self._pairs = pairs.select(np.lexsort((*pairs.image.T, pairs.second, pairs.first)))
            self._positions_ang, self._cell_ang = positions_ang.copy(), cell_ang.copy()
        return self._pairs

    def find(self, positions_ang: np.ndarray, cell_ang: np.ndarray) -> Pairs:
        """Find all pairs of atoms not farther apart than the cutoff.

        Parameters
        ----------
        positions_ang : ndarray, shape (n_atoms, 3)
            Cartesian coordinates; they need not lie in the cell.
        cell_ang : ndarray, shape (3, 3)
            Lattice vectors in rows; periodic in all three.
        """
        pairs = self.candidates(positions_ang, cell_ang)
        distance = np.linalg.norm(pairs.vectors_ang(positions_ang, cell_ang), axis=1)
        return replace(pairs, distance_ang=distance).select(distance <= self.cutoff_ang)

    def _is_stale(self, positions_ang: np.ndarray, cell_ang: np.ndarray) -> bool:
        if len(positions_ang) != len(self._positions_ang):
            return True
        if not np.array_equal(cell_ang, self._cell_ang):
            return True
        moved_ang = np.linalg.norm(positions_ang - self._positions_ang, axis=1)
        return not (moved_ang < self.skin_ang / 2).all()


def find_overlap(
    atomic_numbers: np.ndarray, positions_ang: np.ndarray, cell_ang: np.ndarray
) -> float | None:
    """Return the distance of the closest overlapping atoms, in angstrom.

    Two atoms overlap when they are closer than 0.4 times the sum of their
    covalent radii: closer than in any molecule, H2 included.

    Parameters
    ----------
    atomic_numbers : ndarray of int, shape (n_atoms,)
    positions_ang : ndarray, shape (n_atoms, 3)
    cell_ang : ndarray, shape (3, 3)

    Returns
    -------
    float or None
        None where no atoms overlap.
    """
    farthest_ang = 2 * OVERLAP_FRACTION * covalent_radii[atomic_numbers].max()
    return closest_overlap(atomic_numbers, find_pairs(positions_ang, cell_ang, farthest_ang))


def closest_overlap(atomic_numbers: np.ndarray, pairs: Pairs) -> float | None:
    """Return the distance of the closest overlapping atoms among pairs, as `find_overlap` does."""
    radii = OVERLAP_FRACTION * covalent_radii[atomic_numbers]
    overlap = pairs.distance_ang < radii[pairs.first] + radii[pairs.second]
    return float(pairs.distance_ang[overlap].min()) if overlap.any() else None
