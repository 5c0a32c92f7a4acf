"""Files that ASE reads: extxyz and its own trajectories."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ionscout.errors import TransportError
from ionscout.transport.readers.source import (
    Frame,
    Options,
    Source,
    expand_species,
    refuse_changed_count,
    refuse_unknown,
    warn_cut_off,
)
from ionscout.transport.readers.text import READ_BYTES, open_binary


def open_extxyz(path: Path, options: Options) -> Source:
    """Open an extended XYZ file; compressed ones too."""
    return _open(path, options, "extxyz")


def open_ase(path: Path, options: Options) -> Source:
    """Open a trajectory of ASE."""
    return _open(path, options, "traj")


def _open(path: Path, options: Options, kind: str) -> Source:
    images = _images(path, kind)
    first = next(images, None)
    if first is None:
        raise TransportError(f"{path}: no whole frame")
    names = first.get_chemical_symbols()
    if options.species is not None:
        names = expand_species(options.species, len(names), str(path))
    refuse_unknown(names, str(path))
    if not first.cell.rank == 3:
        raise TransportError(f"{path}: no cell (Lattice) in the file; write it into the file")
    return Source(
        species=names,
        frames=_frames(path, itertools.chain([first], images)),
        unwrapped=None,
    )


def _images(path: Path, kind: str) -> Iterator:
    """Yield what ASE reads; leave out a last frame that is cut off, refuse other damage."""
    from ase.io import iread

    n_read, image = 0, None
    try:
        for image in iread(path, index=":", format=kind):
            n_read += 1
            yield image
    except Exception as error:
        if image is None:
            raise TransportError(f"{path}: cannot be read as {kind} ({error})") from error
        if kind != "extxyz" or _n_lines(path) >= (n_read + 1) * (len(image) + 2):
            raise TransportError(f"{path}, frame {n_read + 1}: damaged ({error})") from error
        warn_cut_off(f"{path}, frame {n_read + 1}")


def _n_lines(path: Path) -> int:
    """Count the whole lines of a file."""
    with open_binary(path) as file:
        return sum(part.count(b"\n") for part in iter(lambda: file.read(READ_BYTES), b""))


def _frames(path: Path, images: Iterator) -> Iterator[Frame]:
    numbers = None
    for count, image in enumerate(images, start=1):
        where = f"{path}, frame {count}"
        if numbers is None:
            numbers = image.numbers
        refuse_changed_count(where, len(numbers), len(image))
        if not np.array_equal(numbers, image.numbers):
            raise TransportError(f"{where}: the atoms have another order than in the first frame")
        if image.cell.rank < 3:
            raise TransportError(f"{where}: no cell (Lattice)")
        cell = np.array(image.cell)
        yield Frame(image.positions @ np.linalg.inv(cell), cell)
