"""GPAW checks the forces of a cheaper engine on snapshots of its own trajectories."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from pymatgen.core import Structure

from ionscout.config import DynamicsSettings
from ionscout.dynamics.audit_measures import (
    MEASURES,
    NOT_AUDITED,
    STANDARD_ERROR,
    compare_forces,
    describe_snapshot,
    judge,
    measure_errors,
)
from ionscout.dynamics.engines import CHGNET, GPAW, LENNARD_JONES, is_installed, to_atoms
from ionscout.dynamics.records import EXTERNAL
from ionscout.dynamics.snapshots import (
    Result,
    choose_frames,
    compute_reference,
    describe_gpaw,
    evaluate,
    label_frame,
    take_frame,
)
from ionscout.dynamics.store import load_trajectory
from ionscout.errors import DynamicsError
from ionscout.trajectory import Trajectory

MOST_POINTS = 1200
# CHGNet learnt these, beside oxygen or fluorine, from PBE + U (the Materials Project's choice:
# Jain et al., Physical Review B 84, 045115 (2011), doi:10.1103/PhysRevB.84.045115).
WITH_U = frozenset({"Co", "Cr", "Fe", "Mn", "Mo", "Ni", "V", "W"})


def audit_forces(
    cell: dict[str, Any],
    runs: list[dict[str, Any]],
    *,
    store_dir: Path | str,
    settings: DynamicsSettings,
    progress: Callable[[str], None] | None = None,
) -> tuple[dict[str, Any], list[Atoms]]:
    """Compare an engine's energies and forces on snapshots of its runs with GPAW's.

    Every finished run gives decorrelated snapshots. The runs take turns, the hottest
    first, until all are done or the next one would pass the budget, by the time of
    the slowest so far; the first is always computed. What is kept of an earlier audit
    is not computed again, but counts with the time it took, so that an audit which is
    repeated, or was killed and goes on, holds the same snapshots.

    Parameters
    ----------
    cell : dict
        The content of `cell.json`.
    runs : list of dict
        The contents of the material's `run.json`.
    store_dir : Path or str
        The store of trajectories.
    settings : DynamicsSettings
    progress : callable, optional
        Gets a line a snapshot.

    Returns
    -------
    audit : dict
        The content of `audit.json`. `verdict` is believed, doubtful, not_believed or
        not_audited, with `verdict_reason`. `reason` says why snapshots, or all of them,
        are missing. The measures are those of `audit_measures.measure_errors`, None where
        not audited; `snapshots` holds them one by one, and `scatter` some force
        components for a figure.
    frames : list of Atoms
        The snapshots with both engines' numbers, for training.

    Raises
    ------
    StoreError
        The store cannot be written.
    """
    settings = _with_own_cutoff(settings)
    audit = _blank_audit(cell) | {"reason": _why_not(cell, runs, settings)}
    if audit["reason"]:
        return audit, []
    crystal = to_atoms(Structure.from_dict(cell["structure"]))
    finished = [run for run in runs if run["status"] == "finished"]
    try:
        audit["gpaw"] = describe_gpaw(crystal, settings, charge_e=cell["charge_e"])
        trajectories = [
            load_trajectory(store_dir, run["key"], run["production_ps"]) for run in finished
        ]
    except DynamicsError as error:
        return audit | {"reason": str(error)}, []
    taken = _Taken(cell, settings, Path(store_dir), progress or (lambda line: None))
    audit["reason"] = taken.take_all(finished, trajectories)
    audit["n_snapshots_wanted"] = taken.n_wanted
    if not taken.rows:
        return audit, []
    return audit | taken.summarise(), taken.label_frames(audit)


def _blank_audit(cell: dict[str, Any]) -> dict[str, Any]:
    """Return the content of `audit.json` where nothing is audited."""
    measures = (*MEASURES, *(name + STANDARD_ERROR for name in MEASURES))
    return {
        "material_id": cell["material_id"],
        "status": NOT_AUDITED,
        "reason": "",
        "verdict": NOT_AUDITED,
        "verdict_reason": "",
        "engine": cell["engine"],
        "gpaw": None,
        "n_atoms": cell["n_atoms"],
        "temperatures_k": [],
        "n_snapshots": 0,
        "n_snapshots_wanted": 0,
        "seconds": 0.0,
        **dict.fromkeys(measures),
        "snapshots": [],
        "scatter": None,
    }


class _Taken:
    """The snapshots of one material that were taken, and their results."""

    def __init__(
        self,
        cell: dict[str, Any],
        settings: DynamicsSettings,
        store_dir: Path,
        progress: Callable[[str], None],
    ):
        self.engine, self.charge_e = cell["engine"], cell["charge_e"]
        self.settings, self.store_dir = settings, store_dir
        self.progress = progress
        self.n_wanted = 0
        self.rows: list[dict[str, Any]] = []
        self.atoms: list[Atoms] = []
        self.results: list[Result] = []
        self.references: list[Result] = []

    def take_all(self, runs: list[dict[str, Any]], trajectories: list[Trajectory]) -> str:
        """Take snapshots in turn; say why some are missing, or nothing where none is."""
        queue = list(_take_turns(runs, trajectories, self.settings.audit.snapshots))
        self.n_wanted = len(queue)
        budget_minutes = self.settings.audit.budget_minutes
        for run, trajectory, frame in queue:
            seconds = [reference.seconds for reference in self.references]
            if seconds and sum(seconds) + max(seconds) > 60 * budget_minutes:
                why = (
                    "the next one would pass dynamics.audit.budget_minutes"
                    f" = {budget_minutes:g}; {sum(seconds) / 60:.1f} minutes are spent"
                )
                break
            try:
                self._take(run, trajectory, frame)
            except DynamicsError as error:
                why = str(error)
                break
        else:
            return ""
        return f"{len(self.rows)} of {len(queue)} snapshots: {why}"

    def _take(self, run: dict[str, Any], trajectory: Trajectory, frame: int) -> None:
        atoms = take_frame(trajectory, frame)
        result = evaluate(self.engine, atoms, self.settings)
        folder = self.store_dir / run["key"]
        reference = compute_reference(atoms, frame, folder, self.settings, charge_e=self.charge_e)
        row = {
            "run_key": run["key"],
            "temperature_k": run["temperature_k"],
            "replica": run["replica"],
            "frame": frame,
            "time_ps": (frame + 1) * trajectory.frame_interval_fs / 1000,
            "seconds": reference.seconds,
            **compare_forces(result.forces_ev_ang, reference.forces_ev_ang),
            "energy_difference_ev_atom": (result.energy_ev - reference.energy_ev) / len(atoms),
        }
        self.rows.append(row)
        self.atoms.append(atoms)
        self.results.append(result)
        self.references.append(reference)
        self.progress(describe_snapshot(row))

    def summarise(self) -> dict[str, Any]:
        """Return what the snapshots add up to, as in `audit.json`."""
        is_lithium = self.atoms[0].numbers == 3
        measures = measure_errors(
            [result.forces_ev_ang for result in self.results],
            [reference.forces_ev_ang for reference in self.references],
            energies_ev=[result.energy_ev for result in self.results],
            reference_energies_ev=[reference.energy_ev for reference in self.references],
            is_lithium=is_lithium,
        )
        verdict, verdict_reason = judge(measures, len(self.rows))
        return measures | {
            "status": "audited",
            "verdict": verdict,
            "verdict_reason": verdict_reason,
            "temperatures_k": sorted({row["temperature_k"] for row in self.rows}),
            "n_snapshots": len(self.rows),
            "seconds": sum(reference.seconds for reference in self.references),
            "snapshots": self.rows,
            "scatter": self._scatter(is_lithium),
        }

    def _scatter(self, is_lithium: np.ndarray) -> dict[str, list]:
        """Return some force components, evenly picked, for a figure."""
        forces, references = (
            np.concatenate([result.forces_ev_ang.ravel() for result in results])
            for results in (self.results, self.references)
        )
        of_lithium = np.tile(np.repeat(is_lithium, 3), len(self.rows))
        n_points = min(MOST_POINTS, len(forces))
        picked = np.linspace(0, len(forces) - 1, n_points).round().astype(int)
        return {
            "gpaw_ev_ang": references[picked].round(4).tolist(),
            "engine_ev_ang": forces[picked].round(4).tolist(),
            "is_lithium": of_lithium[picked].tolist(),
        }

    def label_frames(self, audit: dict[str, Any]) -> list[Atoms]:
        """Return the snapshots with both engines' numbers."""
        of_material = {
            "material_id": audit["material_id"],
            "engine": self.engine,
            "gpaw": json.dumps(audit["gpaw"]),
        }
        kept = ("run_key", "temperature_k", "replica", "frame", "time_ps")
        return [
            label_frame(
                atoms,
                reference=reference,
                engine=result,
                info=of_material | {name: row[name] for name in kept},
            )
            for atoms, reference, result, row in zip(
                self.atoms, self.references, self.results, self.rows, strict=True
            )
        ]


def _take_turns(
    runs: list[dict[str, Any]], trajectories: list[Trajectory], n_snapshots: int
) -> Iterator[tuple[dict[str, Any], Trajectory, int]]:
    """Yield one frame of each run in turn, the hottest run first."""
    pairs = sorted(
        zip(runs, trajectories, strict=True),
        key=lambda pair: (-pair[0]["temperature_k"], pair[0]["replica"]),
    )
    chosen = [choose_frames(trajectory, n_snapshots).tolist() for _, trajectory in pairs]
    for frames in itertools.zip_longest(*chosen):
        for (run, trajectory), frame in zip(pairs, frames, strict=True):
            if frame is not None:
                yield run, trajectory, frame


def _with_own_cutoff(settings: DynamicsSettings) -> DynamicsSettings:
    """Return the settings with the audit's cutoff for GPAW."""
    gpaw = settings.gpaw.model_copy(update={"cutoff_ev": settings.audit.cutoff_ev})
    return settings.model_copy(update={"gpaw": gpaw})


def _why_not(cell: dict[str, Any], runs: list[dict[str, Any]], settings: DynamicsSettings) -> str:
    """Say in one line why there is no audit; nothing where there is to be one."""
    engine = cell["engine"]
    if engine == GPAW:
        return "the engine is GPAW itself"
    if engine == LENNARD_JONES:
        return "the engine is plumbing only"
    if engine == EXTERNAL:
        return "the runs were made elsewhere, and their forces are not known"
    if not settings.audit.enabled:
        return "switched off in the config (dynamics.audit.enabled)"
    unfinished = "; ".join(
        f"the run at {run['temperature_k']:g} K is {run['status']}: {run['reason']}"
        for run in runs
        if run["status"] != "finished"
    )
    if not any(run["status"] == "finished" for run in runs):
        return unfinished or "there is no run"
    most = settings.audit.max_atoms
    if cell["n_atoms"] > most:
        return f"{cell['n_atoms']} atoms are more than dynamics.audit.max_atoms = {most}"
    elements = {site["species"][0]["element"] for site in cell["structure"]["sites"]}
    if engine == CHGNET and elements & WITH_U and elements & {"O", "F"}:
        names = ", ".join(sorted(elements & WITH_U))
        return f"CHGNet learnt {names} from PBE + U, and GPAW runs without U here"
    if not is_installed(GPAW, settings):
        return "GPAW is not installed"
    return ""
