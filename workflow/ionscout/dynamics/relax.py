"""Relaxation of a cell and its atoms by an engine."""

from __future__ import annotations

import numpy as np
from ase import Atoms, units
from ase.filters import FrechetCellFilter
from ase.optimize import LBFGS

from ionscout.config import RelaxSettings
from ionscout.dynamics.neighbours import find_overlap
from ionscout.errors import DynamicsError

LARGEST_VOLUME_CHANGE = 0.5


def relax(atoms: Atoms, settings: RelaxSettings, *, keep_lattice: bool) -> tuple[bool, int]:
    """Relax sites and, unless it is kept, the lattice, in place.

    Parameters
    ----------
    atoms : Atoms
        With a calculator.
    settings : RelaxSettings
    keep_lattice : bool

    Returns
    -------
    converged : bool
    n_steps : int

    Raises
    ------
    DynamicsError
        When two atoms overlap, the volume runs away or the energy is not a number.
    """
    volume_before = atoms.get_volume()

    def refuse_sick() -> None:
        change = atoms.get_volume() / volume_before - 1
        if not abs(change) <= LARGEST_VOLUME_CHANGE:
            raise DynamicsError(f"sick relaxation: the volume changed by {change:+.0%}")
        if not np.isfinite(atoms.get_potential_energy()):
            raise DynamicsError("sick relaxation: the energy is not a number")
        refuse_overlap(atoms)

    optimizer = LBFGS(atoms if keep_lattice else FrechetCellFilter(atoms), logfile=None)
    optimizer.attach(refuse_sick)
    converged = False
    for _ in optimizer.irun(fmax=0, steps=settings.max_steps):
        converged = _is_relaxed(atoms, settings, keep_lattice=keep_lattice)
        if converged:
            break
    return converged, optimizer.nsteps


def _is_relaxed(atoms: Atoms, settings: RelaxSettings, *, keep_lattice: bool) -> bool:
    force_ev_ang = np.linalg.norm(atoms.get_forces(), axis=1).max()
    if force_ev_ang > settings.force_tolerance_ev_ang or keep_lattice:
        return bool(force_ev_ang <= settings.force_tolerance_ev_ang)
    return bool(np.abs(atoms.get_stress()).max() <= settings.stress_tolerance_gpa * units.GPa)


def refuse_overlap(atoms: Atoms) -> None:
    """Refuse a cell with two atoms on top of each other.

    Parameters
    ----------
    atoms : Atoms

    Raises
    ------
    DynamicsError
    """
    overlap_ang = find_overlap(atoms.numbers, atoms.positions, atoms.cell.array)
    if overlap_ang is not None:
        raise DynamicsError(f"two atoms overlap, {overlap_ang:.2f} A apart")
