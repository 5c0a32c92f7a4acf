"""An engine at work on one crystal."""

from __future__ import annotations

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator


class Forces:
    """Energies and forces of a crystal whose lattice may be rescaled.

    Parameters
    ----------
    crystal : Atoms
        The prepared cell.
    calculator : Calculator
    scale : float
        Length of the lattice vectors over those of the prepared cell.
    """

    def __init__(self, crystal: Atoms, calculator: Calculator, scale: float):
        self._lattice_ang = crystal.cell.array
        self._atoms = Atoms(crystal.symbols, cell=self._lattice_ang, pbc=True)
        self._atoms.calc = calculator
        self.set_scale(scale)

    def set_scale(self, scale: float) -> None:
        """Rescale the lattice."""
        self._atoms.set_cell(scale * self._lattice_ang)

    @property
    def lattice_ang(self) -> np.ndarray:
        """Lattice vectors in rows, shape (3, 3)."""
        return self._atoms.cell.array

    @property
    def volume_ang3(self) -> float:
        """Volume of the cell."""
        return self._atoms.get_volume()

    def pressure_gpa(self, kinetic_energy_ev: float) -> float:
        """Return the pressure at the newest positions; NaN where no stress came with the forces.

        ASE's stress is positive under tension.
        """
        stress_ev_ang3 = self._atoms.calc.results.get("stress", np.full(6, np.nan))
        kinetic_ev_ang3 = 2 * kinetic_energy_ev / (3 * self.volume_ang3)
        return float(kinetic_ev_ang3 - np.mean(stress_ev_ang3[:3])) / units.GPa

    def evaluate(self, positions_ang: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the energy in eV and the forces in eV/angstrom, shape (n_atoms, 3).

        The energy is the one whose derivative the forces are: the free energy, where
        smeared electrons make them differ.
        """
        self._atoms.positions = positions_ang
        forces = self._atoms.get_forces()
        energy_ev = self._atoms.get_potential_energy()
        return float(self._atoms.calc.results.get("free_energy", energy_ev)), forces
