"""GPAW checks the forces of a cheaper engine on a snapshot of its own trajectory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from pymatgen.core import Structure

from ionscout.config import DynamicsSettings
from ionscout.dynamics.engines import (
    GPAW,
    LENNARD_JONES,
    is_installed,
    make_calculator,
    reporting_faults,
    to_atoms,
)
from ionscout.dynamics.engines.gpaw import choose_parameters
from ionscout.dynamics.store import load_trajectory
from ionscout.errors import DynamicsError

MEASURES = ("force_mae_ev_ang", "force_rmse_ev_ang", "force_cosine", "softening_factor")


def compare_forces(
    forces_ev_ang: np.ndarray, reference_ev_ang: np.ndarray
) -> dict[str, float | None]:
    """Compare forces with their reference.

    Parameters
    ----------
    forces_ev_ang, reference_ev_ang : ndarray, shape (n_atoms, 3)

    Returns
    -------
    dict
        Mean absolute and root mean square error of the components in eV/angstrom;
        the mean cosine between the two forces on an atom, None where none is
        pulled; the softening factor,
        the slope through the origin of forces against reference (below one where
        the potential is too soft: Deng et al., npj Computational Materials 11, 9
        (2025), doi:10.1038/s41524-024-01500-6).
    """
    error = forces_ev_ang - reference_ev_ang
    products = (forces_ev_ang * reference_ev_ang).sum(axis=1)
    lengths = np.linalg.norm(forces_ev_ang, axis=1) * np.linalg.norm(reference_ev_ang, axis=1)
    pulled = lengths > 0
    cosine = float(np.mean(products[pulled] / lengths[pulled])) if pulled.any() else None
    return {
        "force_mae_ev_ang": float(np.abs(error).mean()),
        "force_rmse_ev_ang": float(np.sqrt((error**2).mean())),
        "force_cosine": cosine,
        "softening_factor": float(products.sum() / (reference_ev_ang**2).sum()),
    }


def audit_forces(
    cell: dict[str, Any],
    run: dict[str, Any],
    *,
    store_dir: Path | str,
    settings: DynamicsSettings,
    log_path: Path | None = None,
) -> dict[str, Any]:
    """Compare an engine's forces on the last frame of a run with GPAW's.

    Parameters
    ----------
    cell : dict
        The content of `cell.json`.
    run : dict
        The content of `run.json`.
    store_dir : Path or str
        The store of trajectories.
    settings : DynamicsSettings
    log_path : Path, optional
        Where GPAW writes its own log.

    Returns
    -------
    dict
        The content of `audit.json`; where `status` is not_audited, `reason` says
        why and the measures are None.
    """
    gpaw = settings.gpaw.model_copy(update={"cutoff_ev": settings.audit.cutoff_ev})
    settings = settings.model_copy(update={"gpaw": gpaw})
    audit = dict.fromkeys(MEASURES) | {
        "material_id": cell["material_id"],
        "status": "not_audited",
        "reason": _why_not(cell, run, settings),
        "engine": cell["engine"],
        "temperature_k": run["temperature_k"],
        "n_atoms": cell["n_atoms"],
        "gpaw_settings": choose_parameters(gpaw),
    }
    if audit["reason"]:
        return audit
    atoms = to_atoms(Structure.from_dict(cell["structure"]))
    try:
        with reporting_faults(GPAW):
            trajectory = load_trajectory(store_dir, run["key"], run["production_ps"])
            frame_ang = trajectory.positions_ang[-1]
            measures = compare_forces(
                *(
                    _forces_ev_ang(engine, atoms, frame_ang, settings, log_path)
                    for engine in (cell["engine"], GPAW)
                )
            )
    except DynamicsError as error:
        return audit | {"reason": str(error)}
    return audit | measures | {"status": "audited"}


def _why_not(cell: dict[str, Any], run: dict[str, Any], settings: DynamicsSettings) -> str:
    """Say in one line why there is no audit; nothing where there is to be one."""
    if run["status"] != "finished":
        return f"the run at {run['temperature_k']:g} K is {run['status']}: {run['reason']}"
    if cell["engine"] == GPAW:
        return "the engine is GPAW itself"
    if cell["engine"] == LENNARD_JONES:
        return "the engine is plumbing only"
    if not settings.audit.enabled:
        return "switched off in the config (dynamics.audit.enabled)"
    most = settings.audit.max_atoms
    if cell["n_atoms"] > most:
        return f"{cell['n_atoms']} atoms are more than dynamics.audit.max_atoms = {most}"
    if not is_installed(GPAW):
        return "GPAW is not installed"
    return ""


def _forces_ev_ang(
    engine: str,
    crystal: Atoms,
    positions_ang: np.ndarray,
    settings: DynamicsSettings,
    log_path: Path | None,
) -> np.ndarray:
    """Return an engine's forces on a frame, shape (n_atoms, 3)."""
    atoms = crystal.copy()
    atoms.positions = positions_ang
    atoms.calc = make_calculator(engine, crystal, settings, log_path=log_path)
    return atoms.get_forces()
