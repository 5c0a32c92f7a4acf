"""A Lennard-Jones potential made up from the crystal itself: plumbing, not physics."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from ionscout.dynamics.neighbours import find_pairs
from ionscout.errors import DynamicsError

WELL_DEPTH_EV = 0.2
CUTOFF_IN_MINIMA = 1.5
FARTHEST_ANG = 30.0


def describe_version() -> str:
    """Return the version of the potential."""
    return "ionscout lennard-jones 1 (plumbing only)"


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

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute energy, forces and stress."""
        super().calculate(atoms, properties, system_changes)
        positions, cell = self.atoms.positions, self.atoms.cell.array
        kinds = np.searchsorted(self._species, self.atoms.numbers)
        pairs = find_pairs(positions, cell, CUTOFF_IN_MINIMA * self._minimum_ang.max())
        minimum = self._minimum_ang[kinds[pairs.first], kinds[pairs.second]]
        inside = pairs.distance_ang < CUTOFF_IN_MINIMA * minimum
        pairs, minimum = pairs.select(inside), minimum[inside]
        energies, slopes = _shifted_force(pairs.distance_ang, minimum)
        vectors = pairs.vectors_ang(positions, cell)
        pulls = vectors * (slopes / pairs.distance_ang)[:, None]
        forces = np.zeros_like(positions)
        np.add.at(forces, pairs.first, pulls)
        np.subtract.at(forces, pairs.second, pulls)
        energy = float(energies.sum())
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": forces,
            "stress": full_3x3_to_voigt_6_stress(vectors.T @ pulls / self.atoms.get_volume()),
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


def _shifted_force(r: np.ndarray, minimum: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pair energies in eV and their slopes in eV/angstrom."""
    edge = CUTOFF_IN_MINIMA * minimum
    energy, slope = _plain(r, minimum)
    edge_energy, edge_slope = _plain(edge, minimum)
    return energy - edge_energy - (r - edge) * edge_slope, slope - edge_slope


def _plain(r: np.ndarray, minimum: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x = (minimum / r) ** 6
    return WELL_DEPTH_EV * (x * x - 2 * x), 12 * WELL_DEPTH_EV * (x - x * x) / r
