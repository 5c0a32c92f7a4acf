"""Is a run still a crystal, and its energy conserved? Checks made while it runs."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from ionscout.dynamics.integrate import ExplodedError
from ionscout.dynamics.neighbours import closest_overlap, find_pairs
from ionscout.errors import DynamicsError

HOTTEST_IN_TARGETS = 5.0
# Few atoms are hotter than that by chance: two in one of 550 frames.
RAREST_CHANCE = 1e-12
LARGEST_ENERGY_CHANGE_EV_ATOM = 2.0
FARTHEST_NEIGHBOUR_ANG = 5.0
LARGEST_DRIFT_MEV_ATOM_PS = 10.0
SHORTEST_DRIFT_PS = 1.0


@dataclass(frozen=True)
class Health:
    """What a healthy run is measured by.

    Attributes
    ----------
    atomic_numbers : ndarray of int, shape (n_atoms,)
    temperature_k : float
        The thermostat's temperature.
    energy_ev_atom : float
        Potential energy of the relaxed crystal.
    """

    atomic_numbers: np.ndarray
    temperature_k: float
    energy_ev_atom: float

    @functools.cached_property
    def hottest_k(self) -> float:
        """Kinetic temperature beyond five times the target, and beyond any chance."""
        freedom = 3 * len(self.atomic_numbers) - 3
        by_chance = chi2.isf(RAREST_CHANCE, freedom) / freedom
        return float(max(HOTTEST_IN_TARGETS, by_chance)) * self.temperature_k

    def check(
        self,
        positions_ang: np.ndarray,
        cell_ang: np.ndarray,
        kinetic_temperature_k: float,
        energy_ev: float,
    ) -> None:
        """Check one frame.

        Parameters
        ----------
        positions_ang : ndarray, shape (n_atoms, 3)
        cell_ang : ndarray, shape (3, 3)
        kinetic_temperature_k : float
        energy_ev : float
            Potential energy.

        Raises
        ------
        ExplodedError
            It is far too hot, its energy is off, two atoms overlap, or one has left all
            others.
        """
        if not kinetic_temperature_k <= self.hottest_k:
            raise ExplodedError(
                f"exploded: {kinetic_temperature_k:.0f} K where {self.temperature_k:g} K is wanted"
            )
        change_ev_atom = energy_ev / len(positions_ang) - self.energy_ev_atom
        if not abs(change_ev_atom) <= LARGEST_ENERGY_CHANGE_EV_ATOM:
            raise ExplodedError(
                f"exploded: the potential energy went {change_ev_atom:+.1f} eV/atom "
                "from the relaxed crystal's"
            )
        pairs = find_pairs(positions_ang, cell_ang, FARTHEST_NEIGHBOUR_ANG)
        overlap_ang = closest_overlap(self.atomic_numbers, pairs)
        if overlap_ang is not None:
            raise ExplodedError(f"exploded: two atoms are {overlap_ang:.2f} A apart")
        lost = np.setdiff1d(np.arange(len(positions_ang)), np.append(pairs.first, pairs.second))
        if len(lost):
            raise ExplodedError(
                f"exploded: atom {lost[0]} has no neighbour within {FARTHEST_NEIGHBOUR_ANG:g} A"
            )


def check_drift(drift_mev_atom_ps: float | None, production_ps: float) -> None:
    """Check that the conserved energy is conserved, once there is enough to tell.

    Parameters
    ----------
    drift_mev_atom_ps : float or None
        Slope of the total energy less the thermostat's heat.
    production_ps : float
        Length that it was measured over.

    Raises
    ------
    DynamicsError
        It drifts by more than 10 meV/atom/ps.
    """
    if drift_mev_atom_ps is None or production_ps < SHORTEST_DRIFT_PS:
        return
    if not abs(drift_mev_atom_ps) <= LARGEST_DRIFT_MEV_ATOM_PS:
        raise DynamicsError(
            f"the conserved energy drifts by {drift_mev_atom_ps:+.1f} meV/atom/ps: the forces are"
            " not those of the energy; take a shorter time step or a tighter convergence"
        )
