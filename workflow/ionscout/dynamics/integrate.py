"""Velocity Verlet with two thermostats, in plain lines so that a restart is exact.

Lengths are in angstrom, times in fs, masses in u, energies in eV.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import units

from ionscout.errors import DynamicsError

EV_PER_KINETIC = 1 / units.fs**2
LONGEST_MOVE_ANG = 0.5

Evaluate = Callable[[np.ndarray], tuple[float, np.ndarray]]
Thermostat = Callable[[np.ndarray], np.ndarray]


class ExplodedError(DynamicsError):
    """The simulated crystal has come apart."""


@dataclass(frozen=True)
class State:
    """All that the next step depends on, but for the forces and the random numbers.

    Attributes
    ----------
    positions_ang : ndarray, shape (n_atoms, 3)
        Never wrapped into the cell.
    velocities_ang_fs : ndarray, shape (n_atoms, 3)
    heat_ev : float
        Kinetic energy that the thermostat has put in so far. Total energy less heat is
        conserved by an exact integrator (Bussi, Donadio and Parrinello, J. Chem. Phys.
        126, 014101 (2007), doi:10.1063/1.2408420).
    """

    positions_ang: np.ndarray
    velocities_ang_fs: np.ndarray
    heat_ev: float = 0.0


def kinetic_energy_ev(masses_u: np.ndarray, velocities_ang_fs: np.ndarray) -> float:
    """Return the kinetic energy in eV of masses, shape (n_atoms, 1), in u."""
    return 0.5 * EV_PER_KINETIC * float((masses_u * velocities_ang_fs**2).sum())


@dataclass(frozen=True)
class Bath:
    """Masses, temperature and random numbers.

    Attributes
    ----------
    masses_u : ndarray, shape (n_atoms, 1)
    temperature_k : float
    random : numpy.random.Generator
    """

    masses_u: np.ndarray
    temperature_k: float
    random: np.random.Generator

    @property
    def thermal_velocities_ang_fs(self) -> np.ndarray:
        """Standard deviation of each atom's velocity components, shape (n_atoms, 1)."""
        return np.sqrt(units.kB * self.temperature_k / self.masses_u / EV_PER_KINETIC)

    @property
    def degrees_of_freedom(self) -> int:
        """Degrees of freedom, with the centre of mass at rest."""
        return 3 * len(self.masses_u) - 3

    def draw_velocities(self) -> np.ndarray:
        """Draw velocities from the Maxwell-Boltzmann distribution, shape (n_atoms, 3)."""
        noise = self.random.standard_normal((len(self.masses_u), 3))
        return self.stop_drift(self.thermal_velocities_ang_fs * noise)

    def stop_drift(self, velocities_ang_fs: np.ndarray) -> np.ndarray:
        """Return the velocities with the centre of mass at rest."""
        drift = (self.masses_u * velocities_ang_fs).sum(axis=0) / self.masses_u.sum()
        return velocities_ang_fs - drift

    def kinetic_temperature_k(self, velocities_ang_fs: np.ndarray) -> float:
        """Return the kinetic temperature in kelvin."""
        energy_ev = kinetic_energy_ev(self.masses_u, velocities_ang_fs)
        return 2 * energy_ev / (self.degrees_of_freedom * units.kB)


def langevin(bath: Bath, *, friction_per_ps: float, timestep_fs: float) -> Thermostat:
    """Make the Langevin thermostat, which cools hot spots fast: for equilibration.

    It is the exact solution of friction and noise over one step (Bussi and
    Parrinello, Phys. Rev. E 75, 056707 (2007), doi:10.1103/PhysRevE.75.056707).

    Parameters
    ----------
    bath : Bath
    friction_per_ps : float
    timestep_fs : float

    Returns
    -------
    callable
        Velocities, shape (n_atoms, 3) in angstrom/fs, to new ones.
    """
    kept = np.exp(-friction_per_ps * timestep_fs / 1000)
    noise_ang_fs = np.sqrt(1 - kept**2) * bath.thermal_velocities_ang_fs

    def apply(velocities_ang_fs: np.ndarray) -> np.ndarray:
        noise = bath.random.standard_normal(velocities_ang_fs.shape)
        return bath.stop_drift(kept * velocities_ang_fs + noise_ang_fs * noise)

    return apply


def velocity_rescaling(bath: Bath, *, time_ps: float, timestep_fs: float) -> Thermostat:
    """Make the stochastic velocity rescaling thermostat, which leaves diffusion alone.

    Equation A7 of Bussi, Donadio and Parrinello, J. Chem. Phys. 126, 014101 (2007),
    doi:10.1063/1.2408420.

    Parameters
    ----------
    bath : Bath
    time_ps : float
        Relaxation time of the kinetic energy.
    timestep_fs : float

    Returns
    -------
    callable
        Velocities, shape (n_atoms, 3) in angstrom/fs, to new ones.
    """
    kept = np.exp(-timestep_fs / 1000 / time_ps)
    n = bath.degrees_of_freedom
    target_ev = 0.5 * units.kB * bath.temperature_k

    def apply(velocities_ang_fs: np.ndarray) -> np.ndarray:
        one = bath.random.standard_normal()
        others = bath.random.chisquare(n - 1)
        fed = (1 - kept) * target_ev / kinetic_energy_ev(bath.masses_u, velocities_ang_fs)
        scale = kept + fed * (one**2 + others) + 2 * one * np.sqrt(kept * fed)
        return bath.stop_drift(np.sqrt(scale) * velocities_ang_fs)

    return apply


def advance(
    state: State,
    forces_ev_ang: np.ndarray,
    evaluate: Evaluate,
    thermostat: Thermostat,
    *,
    masses_u: np.ndarray,
    timestep_fs: float,
) -> tuple[State, float, np.ndarray]:
    """Make one step: velocity Verlet, then the thermostat.

    Parameters
    ----------
    state : State
    forces_ev_ang : ndarray, shape (n_atoms, 3)
        Forces at the state's positions.
    evaluate : callable
        Positions to energy and forces.
    thermostat : callable
        Velocities to velocities.
    masses_u : ndarray, shape (n_atoms, 1)
    timestep_fs : float

    Returns
    -------
    state : State
    energy_ev : float
        Potential energy at the new positions.
    forces_ev_ang : ndarray, shape (n_atoms, 3)

    Raises
    ------
    ExplodedError
        An atom would move more than 0.5 angstrom in the step.
    """
    half_kick = 0.5 * timestep_fs / masses_u / EV_PER_KINETIC
    velocities = state.velocities_ang_fs + half_kick * forces_ev_ang
    move = timestep_fs * velocities
    if not np.abs(move).max() < LONGEST_MOVE_ANG:
        raise ExplodedError(f"exploded: an atom moves over {LONGEST_MOVE_ANG} A in one step")
    positions = state.positions_ang + move
    energy_ev, forces_ev_ang = evaluate(positions)
    velocities = velocities + half_kick * forces_ev_ang
    heated = thermostat(velocities)
    heat_ev = kinetic_energy_ev(masses_u, heated) - kinetic_energy_ev(masses_u, velocities)
    return State(positions, heated, state.heat_ev + heat_ev), energy_ev, forces_ev_ang
