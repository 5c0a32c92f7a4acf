"""Is a run still a crystal? Checks made at every stored frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ionscout.dynamics.integrate import ExplodedError
from ionscout.dynamics.neighbours import find_overlap

HOTTEST_IN_TARGETS = 5.0
LARGEST_ENERGY_CHANGE_EV_ATOM = 2.0


@dataclass(frozen=True)
class Health:
    """What a healthy run is measured by.

    Attributes
    ----------
    atomic_numbers : ndarray of int, shape (n_atoms,)
    cell_ang : ndarray, shape (3, 3)
    temperature_k : float
        The thermostat's temperature.
    energy_ev_atom : float
        Potential energy of the relaxed crystal.
    """

    atomic_numbers: np.ndarray
    cell_ang: np.ndarray
    temperature_k: float
    energy_ev_atom: float

    def check(
        self, positions_ang: np.ndarray, kinetic_temperature_k: float, energy_ev: float
    ) -> None:
        """Check one frame.

        Parameters
        ----------
        positions_ang : ndarray, shape (n_atoms, 3)
        kinetic_temperature_k : float
        energy_ev : float
            Potential energy.

        Raises
        ------
        ExplodedError
            It is far too hot, its energy is off, or two atoms overlap.
        """
        if not kinetic_temperature_k <= HOTTEST_IN_TARGETS * self.temperature_k:
            raise ExplodedError(
                f"exploded: {kinetic_temperature_k:.0f} K where {self.temperature_k:g} K is wanted"
            )
        change_ev_atom = energy_ev / len(positions_ang) - self.energy_ev_atom
        if not abs(change_ev_atom) <= LARGEST_ENERGY_CHANGE_EV_ATOM:
            raise ExplodedError(
                f"exploded: the potential energy went {change_ev_atom:+.1f} eV/atom "
                "from the relaxed crystal's"
            )
        overlap_ang = find_overlap(self.atomic_numbers, positions_ang, self.cell_ang)
        if overlap_ang is not None:
            raise ExplodedError(f"exploded: two atoms are {overlap_ang:.2f} A apart")
