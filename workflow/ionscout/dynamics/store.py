"""The store of trajectories: whole segments under a key, each written at once.

A run is a folder `<store>/<key>/` with `meta.json` (what the key stands for),
`expansion_0000.npz`, ... (where the lattice may expand), `equilibration_0000.npz`, ...
and `segment_0000.npz`, ... (production). Every segment holds its frames and the state at
its end, so that frames and restart never disagree; a damaged one is noticed by its
checksums and computed again. A run that was told to stop leaves the frames of its open
segment in `open_<phase>_<index>.npz`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import math
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ionscout.errors import DynamicsError, StoreError
from ionscout.trajectory import Trajectory

EXPANSION = "expansion"
EQUILIBRATION = "equilibration"
PRODUCTION = "segment"

DAMAGE = (zipfile.BadZipFile, EOFError, OSError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class Segment:
    """A piece of a run.

    Attributes
    ----------
    positions_ang : ndarray of float32, shape (n_frames, n_atoms, 3)
        Unwrapped Cartesian coordinates.
    kinetic_temperature_k, potential_energy_ev : ndarray, shape (n_frames,)
    conserved_energy_ev : ndarray, shape (n_frames,)
        Total energy less the heat from the thermostat.
    pressure_gpa : ndarray, shape (n_frames,)
        NaN where the engine gives no stress.
    scale : ndarray, shape (n_frames,)
        Length of the lattice vectors over those of the prepared cell.
    end_positions_ang, end_velocities_ang_fs, end_forces_ev_ang : ndarray, shape (n_atoms, 3)
        The state after the last step.
    end_heat_ev, end_scale : ndarray, shape ()
    end_random : ndarray of str, shape ()
        The random generator's state after the last step, as JSON.
    """

    positions_ang: np.ndarray
    kinetic_temperature_k: np.ndarray
    potential_energy_ev: np.ndarray
    conserved_energy_ev: np.ndarray
    pressure_gpa: np.ndarray
    scale: np.ndarray
    end_positions_ang: np.ndarray
    end_velocities_ang_fs: np.ndarray
    end_forces_ev_ang: np.ndarray
    end_heat_ev: np.ndarray
    end_scale: np.ndarray
    end_random: np.ndarray


def make_key(content: dict[str, Any]) -> str:
    """Return the key of what decides a run: 32 hexadecimal digits of its SHA-256."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole, on the disk, or not at all.

    Raises
    ------
    StoreError
        The disk is full, or the store may not be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(draft, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise _store_error(path, error) from error


def _store_error(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path} cannot be written ({error.strerror or error}); mend that and run again: what is"
        " stored is kept, and the run goes on from there"
    )


def make_folder(folder: Path) -> None:
    """Make a folder of the store, where it is missing.

    Raises
    ------
    StoreError
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _store_error(folder, error) from error


def _open_lock(folder: Path) -> TextIO:
    make_folder(folder)
    try:
        return open(folder / "lock", "w")
    except OSError as error:
        raise _store_error(folder, error) from error


@contextlib.contextmanager
def lock(folder: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a run's folder for this process alone; wait while another one holds it.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    on_wait : callable
        Called once before a wait.

    Raises
    ------
    StoreError
        The folder cannot be made.
    """
    with _open_lock(folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remove_drafts(folder: Path) -> None:
    """Remove what a killed process left half written; call it under the lock."""
    for draft in folder.glob(".*.npz.*"):
        draft.unlink()


def segment_path(folder: Path, phase: str, index: int) -> Path:
    """Return the file of a segment; `phase` is 'expansion', 'equilibration' or 'segment'."""
    return folder / f"{phase}_{index:04d}.npz"


def open_path(folder: Path, phase: str, index: int) -> Path:
    """Return the file of a segment that was stopped before its end."""
    return folder / f"open_{phase}_{index:04d}.npz"


def write_segment(path: Path, segment: Segment) -> None:
    """Write a segment at once; equal segments make equal bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, **asdict(segment))
    write_atomically(path, buffer.getvalue())


def read_segment(path: Path) -> Segment | None:
    """Read a segment, or return None where the file is missing or damaged."""
    try:
        content = io.BytesIO(path.read_bytes())
    except FileNotFoundError:
        return None
    try:
        with np.load(content, allow_pickle=False) as arrays:
            return Segment(**{name: arrays[name] for name in arrays.files})
    except DAMAGE:
        return None


def read_whole_segments(folder: Path, phase: str, most: int) -> list[Segment]:
    """Read a phase's segments, from the first up to a missing or damaged one.

    Parameters
    ----------
    folder : Path
    phase : str
        'expansion', 'equilibration' or 'segment'.
    most : int
        Segments wanted at most.

    Returns
    -------
    list of Segment
    """
    segments: list[Segment] = []
    while len(segments) < most:
        segment = read_segment(segment_path(folder, phase, len(segments)))
        if segment is None:
            break
        segments.append(segment)
    return segments


def count_frames(length_ps: float, frame_interval_fs: float) -> int:
    """Return how many frames a length holds, at least one."""
    return max(1, math.floor(length_ps * 1000 / frame_interval_fs + 1e-6))


def load_trajectory(store_dir: Path | str, key: str, production_ps: float) -> Trajectory:
    """Load a run's production frames.

    Parameters
    ----------
    store_dir : Path or str
        The store, `results/store`.
    key : str
        The run's key, from its `run.json`.
    production_ps : float
        Length wanted; further frames of a longer run are left out.

    Returns
    -------
    Trajectory
        Its first frame lies one frame interval after the end of the equilibration.

    Raises
    ------
    DynamicsError
        The store does not hold that much of the run.
    """
    folder = Path(store_dir) / key
    try:
        meta = json.loads((folder / "meta.json").read_text())
    except (OSError, ValueError) as error:
        raise DynamicsError(f"store {key}: meta.json cannot be read ({error})") from error
    wanted = count_frames(production_ps, meta["frame_interval_fs"])
    most = math.ceil(wanted / meta["frames_per_segment"])
    segments = read_whole_segments(folder, PRODUCTION, most)
    if len(segments) < most:
        raise DynamicsError(
            f"store {key}: {len(segments)} of {most} segments are whole; run its dynamics again"
        )

    def join(name: str) -> np.ndarray:
        return np.concatenate([getattr(segment, name) for segment in segments])[:wanted]

    return Trajectory(
        positions_ang=join("positions_ang").astype(float),
        species=meta["species"],
        cell_ang=segments[0].scale[0] * np.array(meta["cell_ang"]),
        frame_interval_fs=meta["frame_interval_fs"],
        temperature_k=meta["temperature_k"],
        kinetic_temperature_k=join("kinetic_temperature_k"),
        potential_energy_ev=join("potential_energy_ev"),
    )
