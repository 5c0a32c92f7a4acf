"""From a crystal to the cell that molecular dynamics starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from pymatgen.core import Structure

from ionscout.config import DynamicsSettings
from ionscout.dynamics.defects import make_defects
from ionscout.dynamics.engines import (
    GPAW,
    open_calculator,
    reporting_faults,
    to_atoms,
    to_structure,
)
from ionscout.dynamics.records import empty_cell
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
    vacancies_per_cell: int = 0,
    seed: int = 0,
    log_path: Path | None = None,
) -> dict[str, Any]:
    """Relax a material's primitive cell and repeat it, with lithium vacancies if asked for.

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
    vacancies_per_cell : int
        Lithium ions that the structure lacks already: its charge, for an engine that
        knows charges.
    seed : int
        Chooses the first vacancy.
    log_path : Path, optional
        Where the engine writes its own log, if it has one.

    Returns
    -------
    dict
        The content of `cell.json`: material_id, engine, status (ready or failed),
        reason and, where ready, structure (of the supercell), n_atoms, supercell
        (3, 3), min_image_distance_ang, charge_e, lithium_vacancies,
        lithium_interstitials, relax_converged, relax_steps, volume_change_fraction,
        energy_ev_atom, max_force_ev_ang; else None.
    """
    cell = empty_cell(material_id, engine)
    try:
        with reporting_faults(engine):
            host_charge_e = -vacancies_per_cell / len(structure)
            cell |= _relax_and_repeat(
                structure, engine, settings, seed, log_path, charge_per_atom_e=host_charge_e
            )
    except DynamicsError as error:
        return {**cell, "reason": str(error)}
    remarks = [LATTICE_KEPT] if engine == GPAW else []
    if not cell["relax_converged"]:
        remarks.append(f"relaxation not converged in {cell['relax_steps']} steps")
    return {**cell, "status": "ready", "reason": "; ".join(remarks)}


def _relax_and_repeat(
    structure: Structure,
    engine: str,
    settings: DynamicsSettings,
    seed: int,
    log_path: Path | None,
    *,
    charge_per_atom_e: float,
) -> dict[str, Any]:
    crystal = find_primitive(structure)
    matrix = supercell_matrix(crystal, settings.min_image_distance_ang, settings.max_atoms)
    gamma_alone = engine == GPAW and settings.gpaw.kpoint_density_ang == 0
    if gamma_alone:
        crystal.make_supercell(matrix)

    def relax_with_engine(
        crystal: Structure, charge_e: float, *, keep_lattice: bool
    ) -> tuple[Atoms, bool, int]:
        atoms = to_atoms(crystal)
        refuse_overlap(atoms)
        with open_calculator(
            engine, atoms, settings, log_path=log_path, charge_e=charge_e
        ) as atoms.calc:
            return atoms, *relax(atoms, settings.relax, keep_lattice=keep_lattice)

    atoms, converged, n_steps = relax_with_engine(
        crystal, charge_per_atom_e * len(crystal), keep_lattice=engine == GPAW
    )
    volume_change = atoms.get_volume() / crystal.volume - 1
    supercell = to_structure(atoms)
    if not gamma_alone:
        supercell.make_supercell(matrix)
    charge_e = charge_per_atom_e * len(supercell)
    defects = settings.defects
    if defects.lithium_vacancies or defects.lithium_interstitials:
        supercell = make_defects(
            supercell,
            n_vacancies=defects.lithium_vacancies,
            n_interstitials=defects.lithium_interstitials,
            seed=seed,
        )
        charge_e += defects.lithium_interstitials - defects.lithium_vacancies
        atoms, sites_converged, n_more = relax_with_engine(supercell, charge_e, keep_lattice=True)
        supercell, converged = to_structure(atoms), converged and sites_converged
        n_steps += n_more
    return {
        "structure": supercell.as_dict(),
        "n_atoms": len(supercell),
        "supercell": matrix.tolist(),
        "min_image_distance_ang": shortest_lattice_vector_ang(supercell.lattice.matrix),
        "charge_e": float(round(charge_e)),
        **defects.model_dump(),
        "relax_converged": converged,
        "relax_steps": n_steps,
        "volume_change_fraction": float(volume_change),
        "energy_ev_atom": float(atoms.get_potential_energy() / len(atoms)),
        "max_force_ev_ang": float(np.linalg.norm(atoms.get_forces(), axis=1).max()),
    }
