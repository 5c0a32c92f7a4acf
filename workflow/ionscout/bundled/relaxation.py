"""Relaxation of the bundled crystals by CHGNet: a true crystal stays what it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from pymatgen.core import Structure

from ionscout.config import DisorderSettings, DynamicsSettings, RelaxSettings
from ionscout.dynamics.engines import CHGNET, make_calculator, reporting_faults, to_atoms
from ionscout.dynamics.relax import relax
from ionscout.dynamics.supercell import find_primitive
from ionscout.structures.disorder import order

LARGEST_VOLUME_CHANGE = 0.12
LARGEST_SHIFT_ANG = 0.6

_MOBILE = "Li"
_SETTINGS = RelaxSettings(max_steps=500)


@dataclass(frozen=True)
class Relaxation:
    """What the relaxation of a crystal's ordered representative gave.

    Attributes
    ----------
    n_atoms : int
        Of the representative.
    converged : bool
    n_steps : int
    volume_change_fraction : float
    framework_shift_ang : float
        Of the atom, lithium aside, that moved farthest; the drift of all is taken out.
    shifted_element : str
        That atom's element.
    """

    n_atoms: int
    converged: bool
    n_steps: int
    volume_change_fraction: float
    framework_shift_ang: float
    shifted_element: str

    def fault(self) -> str | None:
        """Say what is wrong, or None."""
        if abs(self.volume_change_fraction) >= LARGEST_VOLUME_CHANGE:
            return f"CHGNet changes the volume by {self.volume_change_fraction:+.1%}"
        if self.framework_shift_ang >= LARGEST_SHIFT_ANG:
            return f"CHGNet shifts {self.shifted_element} by {self.framework_shift_ang:.2f} A"
        return None if self.converged else f"not relaxed in {self.n_steps} steps"


def relax_representative(structure: Structure, *, seed: int = 0) -> Relaxation:
    """Relax sites and lattice of a crystal, or of its ordered representative.

    Parameters
    ----------
    structure : Structure
        Disordered or ordered.
    seed : int
        Of the search for the representative.

    Returns
    -------
    Relaxation

    Raises
    ------
    StructureError
        When a disordered crystal has no ordered representative.
    DynamicsError
        When the relaxation goes astray.
    """
    cell = structure.get_primitive_structure()
    cell = find_primitive(cell) if cell.is_ordered else order(cell, DisorderSettings(), seed)
    atoms = to_atoms(cell)
    before = atoms.copy()
    with reporting_faults(CHGNET):
        atoms.calc = make_calculator(CHGNET, atoms, DynamicsSettings())
        converged, n_steps = relax(atoms, _SETTINGS, keep_lattice=False)
    shift_ang, symbol = _largest_framework_shift(before, atoms)
    return Relaxation(
        n_atoms=len(atoms),
        converged=converged,
        n_steps=n_steps,
        volume_change_fraction=float(atoms.get_volume() / before.get_volume() - 1),
        framework_shift_ang=shift_ang,
        shifted_element=symbol,
    )


def _largest_framework_shift(before: Atoms, after: Atoms) -> tuple[float, str]:
    """Measure shifts in fractional coordinates, which a change of the lattice leaves alone."""
    symbols = np.array(before.get_chemical_symbols())
    framework = np.flatnonzero(symbols != _MOBILE)
    shift = after.get_scaled_positions(wrap=False) - before.get_scaled_positions(wrap=False)
    shift = shift[framework]
    shift -= np.round(shift)
    shift -= shift.mean(axis=0)
    shift_ang = np.linalg.norm(shift @ after.cell.array, axis=1)
    farthest = int(np.argmax(shift_ang))
    return float(shift_ang[farthest]), str(symbols[framework[farthest]])
