"""The records of a cell, `cell.json`, and of a run, `run.json`, before anything is known."""

from __future__ import annotations

from typing import Any

EXTERNAL = "external"


def empty_cell(material_id: str, engine: str) -> dict[str, Any]:
    """Return the record of a cell that could not be prepared, its reason left out.

    Parameters
    ----------
    material_id : str
    engine : str

    Returns
    -------
    dict
        All other keys of `cell.json`.
    """
    unknown = (
        "structure",
        "n_atoms",
        "supercell",
        "min_image_distance_ang",
        "charge_e",
        "lithium_vacancies",
        "lithium_interstitials",
        "relax_converged",
        "relax_steps",
        "volume_change_fraction",
        "energy_ev_atom",
        "max_force_ev_ang",
    )
    return dict.fromkeys(unknown) | {
        "material_id": material_id,
        "engine": engine,
        "status": "failed",
    }


def empty_run(
    cell: dict[str, Any], *, temperature_k: float, replica: int, reason: str
) -> dict[str, Any]:
    """Return the record of a run that was not run.

    Parameters
    ----------
    cell : dict
        The content of `cell.json`.
    temperature_k : float
    replica : int
        Counted from 0.
    reason : str
        Why it was not run.

    Returns
    -------
    dict
        All keys of `run.json`. `verdict` and `verdict_reason` are those of the run's own
        watch, None where nothing judged it; `stopped_by` is settled, length or None.
    """
    return {
        "material_id": cell["material_id"],
        "temperature_k": temperature_k,
        "replica": replica,
        "status": "not_run",
        "reason": reason,
        "engine": cell["engine"],
        "engine_version": None,
        "key": None,
        "timestep_fs": None,
        "frame_interval_fs": None,
        "equilibration_ps": None,
        "production_ps": None,
        "n_frames": 0,
        "seconds_per_step": None,
        "mean_temperature_k": None,
        "verdict": None,
        "verdict_reason": None,
        "stopped_by": None,
        "energy_drift_mev_atom_ps": None,
        "mean_pressure_gpa": None,
        "volume_expansion_fraction": None,
    }
