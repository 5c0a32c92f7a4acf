"""A Lennard-Jones potential made up from the crystal itself: plumbing, not physics."""

from __future__ import annotations

import numba
import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from ionscout.dynamics.neighbours import PairList, find_pairs
from ionscout.errors import DynamicsError

WELL_DEPTH_EV = 0.2
CUTOFF_IN_MINIMA = 1.5
FARTHEST_ANG = 30.0


def describe_version() -> str:
    """Return the version of the potential."""
    return "ionscout lennard-jones 2 (plumbing only)"


class LennardJones(Calculator):
    """ASE calculator of a shifted-force Lennard-Jones potential.

    Two species attract each other most at the shortest distance that they have
    in the reference crystal, so that this crystal holds together; every well is
    0.2 eV deep. Force and energy go to zero at 1.5 times that distance.

    Parameters
    ----------
    reference : Atoms
        The crystal that sets the distances; periodic.
    """

    implemented_properties = ("energy", "free_energy", "forces", "stress")

    def __init__(self, reference: Atoms):
        super().__init__()
        self._species, kinds = np.unique(reference.numbers, return_inverse=True)
        self._minimum_ang = _shortest_distances(reference, kinds, len(self._species))
        self._pairs = PairList(CUTOFF_IN_MINIMA * self._minimum_ang.max())

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute energy, forces and stress."""
        super().calculate(atoms, properties, system_changes)
        positions, cell = self.atoms.positions, self.atoms.cell.array
        pairs = self._pairs.candidates(positions, cell)
        kinds = np.searchsorted(self._species, self.atoms.numbers)
        minimum = self._minimum_ang[kinds[pairs.first], kinds[pairs.second]]
        shifts = pairs.image @ cell
        energy, forces, virial = _sum_pairs(positions, pairs.first, pairs.second, shifts, minimum)
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": forces,
            "stress": full_3x3_to_voigt_6_stress(virial / self.atoms.get_volume()),
        }


def _shortest_distances(atoms: Atoms, kinds: np.ndarray, n_kinds: int) -> np.ndarray:
    """Return the shortest distance of each two species, shape (n_kinds, n_kinds)."""
    cutoff_ang = 4.0
    while cutoff_ang <= FARTHEST_ANG:
        pairs = find_pairs(atoms.positions, atoms.cell.array, cutoff_ang)
        shortest = np.full((n_kinds, n_kinds), np.inf)
        first, second = kinds[pairs.first], kinds[pairs.second]
        np.minimum.at(shortest, (first, second), pairs.distance_ang)
        shortest = np.minimum(shortest, shortest.T)
        if np.isfinite(shortest).all():
            return shortest
        cutoff_ang *= 1.5
    raise DynamicsError(f"lennard-jones: two species are farther apart than {FARTHEST_ANG:g} A")


@numba.njit(cache=True, error_model="numpy")
def _sum_pairs(positions, first, second, shifts, minimum):
    """Return energy in eV, forces in eV/angstrom, shape (n_atoms, 3), and virial in eV."""
    energy, forces, virial = 0.0, np.zeros_like(positions), np.zeros((3, 3))
    vector = np.empty(3)
    for k in range(len(first)):
        i, j = first[k], second[k]
        for x in range(3):
            vector[x] = positions[j, x] + shifts[k, x] - positions[i, x]
        r = np.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
        edge = CUTOFF_IN_MINIMA * minimum[k]
        if r < edge:
            pair_energy, slope = _plain(r, minimum[k])
            edge_energy, edge_slope = _plain(edge, minimum[k])
            energy += pair_energy - edge_energy - (r - edge) * edge_slope
            for x in range(3):
                pull = (slope - edge_slope) * vector[x] / r
                forces[i, x] += pull
                forces[j, x] -= pull
                for y in range(3):
                    virial[x, y] += pull * vector[y]
    return energy, forces, virial


@numba.njit(cache=True, error_model="numpy")
def _plain(r, minimum):
    """Return a pair's energy in eV and its slope in eV/angstrom, without the shift."""
    x = (minimum / r) ** 6
    return WELL_DEPTH_EV * (x * x - 2 * x), 12 * WELL_DEPTH_EV * (x - x * x) / r
