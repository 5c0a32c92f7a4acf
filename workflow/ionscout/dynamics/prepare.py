"""From a crystal to the cell that molecular dynamics starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure

from ionscout.config import DynamicsSettings
from ionscout.dynamics.engines import GPAW, make_calculator, reporting_faults, to_atoms
from ionscout.dynamics.relax import refuse_overlap, relax
from ionscout.dynamics.supercell import (
    count_md_atoms,
    find_primitive,
    shortest_lattice_vector_ang,
    supercell_matrix,
)
from ionscout.errors import DynamicsError

__all__ = ["count_md_atoms", "prepare_cell", "supercell_matrix"]

LATTICE_KEPT = "lattice of the source kept: plane waves carry Pulay stress"


def prepare_cell(
    structure: Structure,
    *,
    material_id: str,
    engine: str,
    settings: DynamicsSettings,
    log_path: Path | None = None,
) -> dict[str, Any]:
    """Relax a material's primitive cell and repeat it.

    The supercell is chosen before the relaxation, so that it has the number of
    atoms that the screening counted. GPAW relaxes the sites and keeps the lattice:
    at the cutoffs that molecular dynamics can afford, Pulay stress would crush it
    (Li3N at 350 eV reads -25 GPa at its equilibrium). At the Gamma point alone, which
    is too little for a primitive cell, it relaxes the supercell.

    Parameters
    ----------
    structure : Structure
    material_id : str
    engine : str
        What relaxes it.
    settings : DynamicsSettings
    log_path : Path, optional
        Where the engine writes its own log, if it has one.

    Returns
    -------
    dict
        The content of `cell.json`: material_id, engine, status (ready or failed),
        reason and, where ready, structure (of the supercell), n_atoms, supercell
        (3, 3), min_image_distance_ang, relax_converged, relax_steps,
        volume_change_fraction, energy_ev_atom, max_force_ev_ang; else None.
    """
    cell = dict.fromkeys(
        (
            "structure",
            "n_atoms",
            "supercell",
            "min_image_distance_ang",
            "relax_converged",
            "relax_steps",
            "volume_change_fraction",
            "energy_ev_atom",
            "max_force_ev_ang",
        )
    )
    cell |= {"material_id": material_id, "engine": engine, "status": "failed"}
    try:
        with reporting_faults(engine):
            cell |= _relax_and_repeat(structure, engine, settings, log_path)
    except DynamicsError as error:
        return {**cell, "reason": str(error)}
    remarks = [LATTICE_KEPT] if engine == GPAW else []
    if not cell["relax_converged"]:
        remarks.append(f"relaxation not converged in {cell['relax_steps']} steps")
    return {**cell, "status": "ready", "reason": "; ".join(remarks)}


def _relax_and_repeat(
    structure: Structure, engine: str, settings: DynamicsSettings, log_path: Path | None
) -> dict[str, Any]:
    crystal = find_primitive(structure)
    matrix = supercell_matrix(crystal, settings.min_image_distance_ang, settings.max_atoms)
    gamma_alone = engine == GPAW and settings.gpaw.kpoint_density_ang == 0
    if gamma_alone:
        crystal.make_supercell(matrix)
    atoms = to_atoms(crystal)
    refuse_overlap(atoms)
    atoms.calc = make_calculator(engine, atoms, settings, log_path=log_path)
    volume_before = atoms.get_volume()
    converged, n_steps = relax(atoms, settings.relax, keep_lattice=engine == GPAW)
    relaxed = Structure(atoms.cell.array, atoms.symbols, atoms.get_scaled_positions())
    supercell = relaxed if gamma_alone else relaxed.make_supercell(matrix)
    return {
        "structure": supercell.as_dict(),
        "n_atoms": len(supercell),
        "supercell": matrix.tolist(),
        "min_image_distance_ang": shortest_lattice_vector_ang(supercell.lattice.matrix),
        "relax_converged": converged,
        "relax_steps": n_steps,
        "volume_change_fraction": float(atoms.get_volume() / volume_before - 1),
        "energy_ev_atom": float(atoms.get_potential_energy() / len(atoms)),
        "max_force_ev_ang": float(np.linalg.norm(atoms.get_forces(), axis=1).max()),
    }
