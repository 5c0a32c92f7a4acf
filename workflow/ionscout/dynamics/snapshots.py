"""Snapshots of a run: their choice, what GPAW says of them, and how they are handed on."""

from __future__ import annotations

import hashlib
import io
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms

from ionscout.config import DynamicsSettings
from ionscout.dynamics import store
from ionscout.dynamics.engines import (
    GPAW,
    engine_settings,
    engine_version,
    open_calculator,
    reporting_faults,
)
from ionscout.trajectory import Trajectory

SNAPSHOT_VERSION = 1
# One or two periods of lithium's vibrations, 5 to 12 THz.
LEAST_SPACING_PS = 0.2


@dataclass(frozen=True)
class Result:
    """What an engine says of a snapshot.

    Attributes
    ----------
    energy_ev : float
        Of the whole cell; with GPAW, extrapolated to no smearing.
    forces_ev_ang : ndarray, shape (n_atoms, 3)
    seconds : float
        What it took.
    """

    energy_ev: float
    forces_ev_ang: np.ndarray
    seconds: float


def choose_frames(trajectory: Trajectory, n_snapshots: int) -> np.ndarray:
    """Choose frames that are evenly spaced and forget each other.

    Two neighbours are at least twice the correlation time of the potential energy
    apart, and no less than `LEAST_SPACING_PS`; a short run gives fewer, at least one.

    Parameters
    ----------
    trajectory : Trajectory
    n_snapshots : int
        Most wanted.

    Returns
    -------
    ndarray of int, shape (n,)
        The middles of n equal pieces of the run.
    """
    n_frames = len(trajectory.positions_ang)
    interval_ps = trajectory.frame_interval_fs / 1000
    spacing_ps = LEAST_SPACING_PS
    if trajectory.potential_energy_ev is not None:
        frames = correlation_frames(trajectory.potential_energy_ev)
        spacing_ps = max(spacing_ps, 2 * frames * interval_ps)
    n = max(1, min(n_snapshots, int(n_frames * interval_ps / spacing_ps + 1e-6)))
    return ((np.arange(n) + 0.5) * n_frames / n).astype(int)


def correlation_frames(values: np.ndarray) -> float:
    """Return the integrated correlation time of a series, in frames.

    Half of the autocorrelation at lag zero and all of it up to where it first
    vanishes, so that two means are independent over twice this time (Flyvbjerg and
    Petersen, Journal of Chemical Physics 91, 461 (1989), doi:10.1063/1.457480).

    Parameters
    ----------
    values : ndarray, shape (n_frames,)

    Returns
    -------
    float
        0.5 for white noise and for what does not vary.
    """
    centred = np.asarray(values, dtype=float) - np.mean(values)
    n = len(centred)
    if n < 2 or not centred.any():
        return 0.5
    spectrum = np.abs(np.fft.rfft(centred, 2 * n)) ** 2
    correlation = np.fft.irfft(spectrum)[:n] / np.arange(n, 0, -1)
    correlation /= correlation[0]
    ends = np.flatnonzero(correlation <= 0)
    return float(0.5 + correlation[1 : ends[0] if len(ends) else n].sum())


def take_frame(trajectory: Trajectory, frame: int) -> Atoms:
    """Return one frame as atoms, in the run's own cell."""
    return Atoms(
        trajectory.species,
        positions=np.asarray(trajectory.positions_ang[frame], dtype=float),
        cell=trajectory.cell_ang,
        pbc=True,
    )


def evaluate(
    engine: str,
    atoms: Atoms,
    settings: DynamicsSettings,
    *,
    charge_e: float = 0.0,
    log_path: Path | None = None,
) -> Result:
    """Let an engine say the energy and forces of a snapshot, with a calculator of its own.

    Raises
    ------
    DynamicsError
        The engine cannot run, or breaks.
    """
    started = time.perf_counter()
    atoms = atoms.copy()
    with (
        reporting_faults(engine),
        open_calculator(
            engine, atoms, settings, log_path=log_path, charge_e=charge_e
        ) as atoms.calc,
    ):
        forces_ev_ang = atoms.get_forces()
        energy_ev = float(atoms.get_potential_energy())
    return Result(energy_ev, np.array(forces_ev_ang), time.perf_counter() - started)


def compute_reference(
    atoms: Atoms, frame: int, folder: Path, settings: DynamicsSettings, *, charge_e: float
) -> Result:
    """Return GPAW's energy and forces of a snapshot, computed once and kept.

    Each starts from scratch, so that none depends on those before it.

    Parameters
    ----------
    atoms : Atoms
    frame : int
        Its number in the run; names the file.
    folder : Path
        Of the run in the store. The result goes to `audit/`, under a key of the
        atoms, GPAW's settings and its version, with GPAW's log.
    settings : DynamicsSettings
    charge_e : float

    Returns
    -------
    Result
        The seconds are those of its computation.

    Raises
    ------
    DynamicsError
        GPAW cannot run, or does not converge.
    StoreError
        The store cannot be written.
    """
    gpaw = describe_gpaw(atoms, settings, charge_e=charge_e)
    path = folder / "audit" / f"{frame:06d}_{_reference_key(atoms, gpaw)}.npz"
    kept = _read_result(path, len(atoms))
    if kept is not None:
        return kept
    store.make_folder(path.parent)
    result = evaluate(GPAW, atoms, settings, charge_e=charge_e, log_path=path.with_suffix(".txt"))
    buffer = io.BytesIO()
    np.savez(buffer, **asdict(result))
    store.write_atomically(path, buffer.getvalue())
    return result


def describe_gpaw(atoms: Atoms, settings: DynamicsSettings, *, charge_e: float) -> dict[str, Any]:
    """Return the parameters that decide GPAW's numbers, and its version."""
    return {
        "version": engine_version(GPAW, settings),
        **engine_settings(GPAW, atoms, settings, charge_e=charge_e),
    }


def label_frame(atoms: Atoms, *, reference: Result, engine: Result, info: dict[str, Any]) -> Atoms:
    """Return a snapshot with both engines' numbers, as those who train potentials expect it.

    Parameters
    ----------
    atoms : Atoms
    reference : Result
        GPAW's; it becomes REF_energy (eV) and REF_forces (eV/angstrom), the names
        that MACE reads by default.
    engine : Result
        Becomes engine_energy and engine_forces.
    info : dict
        What else is said of the frame.

    Returns
    -------
    Atoms
    """
    frame = atoms.copy()
    frame.info |= info | {"REF_energy": reference.energy_ev, "engine_energy": engine.energy_ev}
    frame.arrays["REF_forces"] = reference.forces_ev_ang
    frame.arrays["engine_forces"] = engine.forces_ev_ang
    return frame


def write_frames(path: Path, frames: list[Atoms]) -> None:
    """Write labelled snapshots as extended XYZ; without any, an empty file."""
    path.write_text("")
    if frames:
        ase.io.write(path, frames, format="extxyz")


def _reference_key(atoms: Atoms, gpaw: dict[str, Any]) -> str:
    content = {
        "snapshot_version": SNAPSHOT_VERSION,
        "numbers": atoms.numbers.tolist(),
        "cell_ang": atoms.cell.array.tolist(),
        "positions": hashlib.sha256(atoms.positions.tobytes()).hexdigest(),
        "gpaw": gpaw,
    }
    return store.make_key(content)


def _read_result(path: Path, n_atoms: int) -> Result | None:
    """Read a kept result, or return None where it is missing or damaged."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            forces_ev_ang = arrays["forces_ev_ang"]
            if forces_ev_ang.shape != (n_atoms, 3):
                return None
            return Result(float(arrays["energy_ev"]), forces_ev_ang, float(arrays["seconds"]))
    except (*store.DAMAGE, KeyError):
        return None
