"""Readers: trajectories of other programs in, one `Trajectory` out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from ionscout.errors import TransportError
from ionscout.trajectory import Trajectory
from ionscout.transport.readers.ase_files import open_ase, open_extxyz
from ionscout.transport.readers.binary import open_dcd, open_trr, open_xtc
from ionscout.transport.readers.join import Joiner
from ionscout.transport.readers.lammps import open_dump
from ionscout.transport.readers.source import Options, Source
from ionscout.transport.readers.vasprun import open_vasprun
from ionscout.transport.readers.xdatcar import open_xdatcar

FORMATS: dict[str, Callable[[Path, Options], Source]] = {
    "xdatcar": open_xdatcar,
    "vasprun": open_vasprun,
    "lammps-dump": open_dump,
    "extxyz": open_extxyz,
    "traj": open_ase,
    "xtc": open_xtc,
    "trr": open_trr,
    "dcd": open_dcd,
}
COMPRESSED = (".gz", ".bz2", ".xz")
PATTERNS = {
    "xdatcar": r"xdatcar",
    "vasprun": r"vasprun.*\.xml",
    "lammps-dump": r"\.(lammpstrj|lammpsdump|dump)$|^dump\.",
    "extxyz": r"\.(ext)?xyz$",
    "traj": r"\.traj$",
    "xtc": r"\.xtc$",
    "trr": r"\.trr$",
    "dcd": r"\.dcd$",
}
WITH_TEMPERATURE = ("xdatcar", "vasprun")
SAME_INTERVAL = 1e-3
DAMAGE = (OSError, ValueError, TypeError, LookupError, AttributeError, OverflowError)

__all__ = ["FORMATS", "format_of", "natural_key", "read_trajectory", "temperature_of"]


def read_trajectory(
    paths: str | Path | Sequence[str | Path],
    *,
    format: str | None = None,
    frame_interval_fs: float | None = None,
    species: Sequence[str] | None = None,
    temperature_k: float | None = None,
    topology: str | Path | None = None,
    scratch_dir: str | Path | None = None,
) -> Trajectory:
    """Read a trajectory, unwrap it and join its pieces.

    Parameters
    ----------
    paths : path or sequence of paths
        A file, or consecutive pieces of one run; they are taken in natural order
        (`run2` before `run10`). A first frame that repeats the last one before is dropped.
    format : str, optional
        One of `FORMATS`; told from each name where left out.
    frame_interval_fs : float, optional
        Time between frames in fs, where the files do not say it or say it wrongly.
    species : sequence of str, optional
        An element for each atom; for each type of a LAMMPS dump or group of an XDATCAR
        will do.
    temperature_k : float, optional
        Temperature in kelvin, where the files do not say it.
    topology : path, optional
        A structure with the elements (PDB, GRO, POSCAR, CIF), or a LAMMPS data file with
        Masses.
    scratch_dir : path, optional
        Folder for scratch files, twice the size of the trajectory in float32, which are
        used beyond 1 GB and disappear by themselves.

    Returns
    -------
    Trajectory
        Positions are float32: exact to 2e-6 A within 30 A of the origin.

    Raises
    ------
    TransportError
        If a file cannot be read, the pieces do not join, or something is not said:
        names the file and what to do.
    """
    files = _files(paths)
    options = Options(
        frame_interval_fs=_positive(frame_interval_fs, "frame_interval_fs"),
        species=None if species is None else list(species),
        temperature_k=_positive(temperature_k, "temperature_k"),
        topology=_existing(topology),
    )
    scratch = None if scratch_dir is None else Path(scratch_dir)
    joiner, interval_fs, kelvin = None, options.frame_interval_fs, options.temperature_k
    for path in files:
        kind = format_of(path, format)
        try:
            source = FORMATS[kind](path, options)
            if options.frame_interval_fs is None:
                interval_fs = _agreed(interval_fs, source.frame_interval_fs, "time step", path)
            if interval_fs is None:
                raise TransportError(
                    f"{path}: the time between frames is not known: give frame_interval_fs"
                    " (for VASP, an INCAR with POTIM beside the file)"
                )
            if options.temperature_k is None:
                kelvin = _agreed(kelvin, source.temperature_k, "temperature", path)
            joiner = joiner or Joiner(source.species, scratch)
            joiner.add(source, str(path))
        except DAMAGE as error:
            raise TransportError(f"{path}: damaged, or no {kind} ({error})") from error
    positions, cell = joiner.finish()
    return Trajectory(
        positions_ang=positions,
        species=joiner.species,
        cell_ang=cell,
        frame_interval_fs=interval_fs,
        temperature_k=kelvin,
    )


def temperature_of(path: str | Path, *, format: str | None = None) -> float | None:
    """Ask a file for its temperature, without reading its frames.

    Parameters
    ----------
    path : path
    format : str, optional
        One of `FORMATS`.

    Returns
    -------
    float or None
        In kelvin; None where the file (or the INCAR beside it) does not say it.

    Raises
    ------
    TransportError
        If the file cannot be read.
    """
    kind = format_of(path, format)
    if kind not in WITH_TEMPERATURE:
        return None
    try:
        return FORMATS[kind](Path(path), Options()).temperature_k
    except DAMAGE as error:
        raise TransportError(f"{path}: damaged, or no {kind} ({error})") from error


def natural_key(path: str | Path) -> list[tuple[int, int, str]]:
    """Key that sorts numbers in names by their value."""
    parts = re.split(r"(\d+)", str(path))
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def format_of(path: str | Path, format: str | None = None) -> str:
    """Name the format of a file.

    Parameters
    ----------
    path : path
    format : str, optional
        What the user said.

    Returns
    -------
    str
        One of `FORMATS`.

    Raises
    ------
    TransportError
        If it is unknown.
    """
    if format is not None:
        if format not in FORMATS:
            raise TransportError(f"format {format!r} is unknown; one of {', '.join(FORMATS)}")
        return format
    path = Path(path)
    name = (path.stem if path.suffix in COMPRESSED else path.name).lower()
    for known, pattern in PATTERNS.items():
        if re.search(pattern, name):
            return known
    raise TransportError(f"{path}: no known trajectory; give format, one of {', '.join(FORMATS)}")


def _files(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    """List the pieces in natural order, each there and not empty."""
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if not given:
        raise TransportError("no trajectory files")
    files = sorted((Path(path) for path in given), key=natural_key)
    for path in files:
        if not path.is_file():
            raise TransportError(f"{path}: no such file")
        if path.stat().st_size == 0:
            raise TransportError(f"{path}: the file is empty")
    return files


def _existing(path: str | Path | None) -> Path | None:
    if path is not None and not Path(path).is_file():
        raise TransportError(f"{path}: no such topology")
    return None if path is None else Path(path)


def _positive(value: float | None, name: str) -> float | None:
    if value is not None and not 0 < value < float("inf"):
        raise TransportError(f"{name} = {value:g} is not a positive number")
    return value


def _agreed(known: float | None, new: float | None, what: str, path: Path) -> float | None:
    """Return what the pieces say alike; refuse what they contradict."""
    if known is None or new is None:
        return new if known is None else known
    if abs(known - new) > SAME_INTERVAL * known:
        raise TransportError(f"{path}: {what} {new:g}, but {known:g} in the pieces before")
    return known
