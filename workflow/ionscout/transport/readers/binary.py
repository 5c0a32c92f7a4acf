"""XTC, TRR and DCD through MDAnalysis, where it is installed."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ionscout.errors import TransportError
from ionscout.transport.readers.lammps import data_elements
from ionscout.transport.readers.source import (
    Frame,
    Options,
    Source,
    expand_species,
    topology_species,
)

logger = logging.getLogger(__name__)
PS_FS = 1000.0


def open_xtc(path: Path, options: Options) -> Source:
    """Open an XTC file; its precision is 0.01 angstrom."""
    return _open(path, options, "XTC")


def open_trr(path: Path, options: Options) -> Source:
    """Open a TRR file."""
    return _open(path, options, "TRR")


def open_dcd(path: Path, options: Options) -> Source:
    """Open a DCD file; the programs do not agree on the unit of its time step."""
    return _open(path, options, "DCD")


def _open(path: Path, options: Options, kind: str) -> Source:
    try:
        module = importlib.import_module(f"MDAnalysis.coordinates.{kind}")
    except ImportError as error:
        raise TransportError(
            f"{path}: {kind} files are read by MDAnalysis, which is not installed: "
            "pip install MDAnalysis"
        ) from error
    try:
        reader = getattr(module, f"{kind}Reader")(str(path), refresh_offsets=True)
    except Exception as error:
        raise TransportError(f"{path}: cannot be read as {kind} ({error})") from error
    times = _interval_fs(reader) if kind != "DCD" else None
    return Source(
        species=_species(path, options, reader.n_atoms),
        frames=_frames(path, reader),
        unwrapped=None,
        frame_interval_fs=times,
    )


def _interval_fs(reader) -> float | None:
    """Time between the first two frames."""
    if reader.n_frames < 2:
        return None
    first, second = (float(reader[index].time) for index in (0, 1))
    return (second - first) * PS_FS if second > first else None


def _species(path: Path, options: Options, n_atoms: int) -> list[str]:
    where = str(path)
    if options.species is not None:
        return expand_species(options.species, n_atoms, where)
    if options.topology is None:
        raise TransportError(
            f"{where}: no elements in the file; give species (one name for each atom) or a "
            "topology (PDB, GRO, POSCAR, CIF)"
        )
    if data_elements(options.topology) is not None:
        raise TransportError(
            f"{options.topology}: give a PDB, GRO, POSCAR or CIF as topology of {where}"
        )
    names = topology_species(options.topology)
    if len(names) != n_atoms:
        raise TransportError(f"{where}: {n_atoms} atoms, but {len(names)} in {options.topology}")
    return names


def _frames(path: Path, reader) -> Iterator[Frame]:
    times: list[float] = []
    for number in range(reader.n_frames):
        try:
            frame = reader[number]
        except (OSError, ValueError, EOFError) as error:
            logger.warning("%s, frame %d: left out with all after it (%s)", path, number + 1, error)
            break
        cell = frame.triclinic_dimensions
        if cell is None or abs(np.linalg.det(cell)) < 1e-6:
            raise TransportError(f"{path}, frame {number + 1}: no cell in the file")
        _refuse_uneven(times, float(frame.time), f"{path}, frame {number + 1}")
        cell = np.array(cell, dtype=float)
        yield Frame(frame.positions.astype(float) @ np.linalg.inv(cell), cell)
    reader.close()


def _refuse_uneven(times: list[float], now: float, where: str) -> None:
    """Keep the first two times and the last one; refuse another interval."""
    if len(times) >= 2:
        interval, gap = times[1] - times[0], now - times[-1]
        if abs(gap - interval) > 1e-3 * abs(interval):
            raise TransportError(f"{where}: {gap:g} ps after the one before, others {interval:g}")
    times[2:] = []
    times.append(now)
