"""VASP's XDATCAR."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ionscout.transport.readers import incar as incar_keys
from ionscout.transport.readers.source import (
    ELEMENTS,
    Frame,
    Options,
    Source,
    expand_species,
    warn_cut_off,
)
from ionscout.transport.readers.text import NUMBER, CutOffError, TextFile

CONFIGURATION = re.compile(r"(direct |cartesian )?(configuration|konfig) *=", re.IGNORECASE)
POSITION = np.full(3, NUMBER)


@dataclass(frozen=True)
class _Header:
    cell_ang: NDArray[np.float64]
    species: list[str]


def open_xdatcar(path: Path, options: Options) -> Source:
    """Open an XDATCAR; an INCAR beside it gives its time step and temperature.

    Raises
    ------
    TransportError
        Names the file, the line and what is wrong there.
    """
    text = TextFile(path)
    try:
        text.need()
        header = _header(text, text.need(), options)
    except CutOffError as error:
        raise text.fault("the file ends within the header, or is empty") from error
    interval_fs, temperature_k = None, None
    beside = path.parent / "INCAR"
    if beside.is_file():
        keys = incar_keys.read_incar(beside)
        temperature_k = incar_keys.temperature_k(keys)
        if options.frame_interval_fs is None:
            interval_fs = incar_keys.frame_interval_fs(keys, str(beside), block_key="NBLOCK")
    return Source(
        species=header.species,
        frames=_frames(text, header, options),
        frame_interval_fs=interval_fs,
        temperature_k=temperature_k,
    )


def _frames(text: TextFile, header: _Header, options: Options) -> Iterator[Frame]:
    """Yield the frames; a cell that changes has its header before each frame."""
    first = header.species
    while (line := text.line()) is not None:
        try:
            if not CONFIGURATION.match(line):
                after = text.line()
                if after is None or (not line and not after):
                    continue
                if not CONFIGURATION.match(after):
                    header = _header(text, after, options)
                    if header.species != first:
                        raise text.fault("other atoms than in the first header")
                    after = text.need()
                elif line:
                    raise text.fault(f"{line[:60]!r} stands after the last atom of a frame")
                line = after
            step = _step(text, line)
            fractional = text.rows(len(first), POSITION)
        except CutOffError:
            warn_cut_off(f"{text.path}, line {text.line_number}")
            break
        yield Frame(fractional, header.cell_ang, step)
    text.close()


def _step(text: TextFile, line: str) -> int | None:
    """Return the number of a configuration, None where it has overflown into asterisks."""
    if not CONFIGURATION.match(line):
        raise text.fault(f"{line[:60]!r} stands where 'Direct configuration=' is due")
    kind, _, number = line.partition("=")
    if kind.lower().startswith("cartesian"):
        raise text.fault(f"{line[:60]!r}: fractional (Direct) coordinates are due")
    return int(number) if number.strip().isdigit() else None


def _header(text: TextFile, line: str, options: Options) -> _Header:
    """Read cell, names and counts; `line`, with the scale, has been read."""
    scale = _floats(text, line, "the scale")
    cell = np.array([_floats(text, text.need(), "a lattice vector", 3) for _ in range(3)])
    volume = abs(np.linalg.det(cell))
    if volume < 1e-6:
        raise text.fault("the cell has no volume")
    if len(scale) not in (1, 3) or not np.all(scale):
        raise text.fault(f"the scale {scale} is not one number (or three)", text.line_number - 3)
    factor = np.array(scale) if scale[0] > 0 else (-scale[0] / volume) ** (1 / 3)
    names = text.need().split()
    if all(name.isdigit() for name in names):
        counts, names = names, list(options.species or ())
        if not names:
            raise text.fault("no names of elements (VASP 4): give species")
    else:
        names = [name.split("_")[0].split("/")[0] for name in names]
        unknown = [name for name in names if name not in ELEMENTS]
        if unknown:
            raise text.fault(f"{unknown[0]!r} is not an element (composition)")
        counts = text.need().split()
        if len(counts) != len(names):
            raise text.fault(f"{len(counts)} counts for {len(names)} elements")
        names = list(options.species or names)
    if not counts or not all(count.isdigit() and int(count) > 0 for count in counts):
        raise text.fault(f"{' '.join(counts)[:60]!r} are not numbers of atoms")
    types = np.repeat(np.arange(len(counts)), [int(count) for count in counts])
    return _Header(cell * factor, expand_species(names, len(types), str(text.path), types))


def _floats(text: TextFile, line: str, what: str, n_values: int | None = None) -> list[float]:
    try:
        values = [float(part) for part in line.split()]
    except ValueError:
        values = []
    if not values or not np.isfinite(values).all() or n_values not in (None, len(values)):
        raise text.fault(f"{line[:60]!r} is not {what}")
    return values
