"""What every reader gives: the atoms of a file, and its frames one by one."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase.data import atomic_masses, chemical_symbols
from numpy.typing import NDArray

from ionscout.errors import TransportError

logger = logging.getLogger(__name__)
ELEMENTS = frozenset(chemical_symbols[1:])
MASS_TOLERANCE_AMU = 0.3


class Frame(NamedTuple):
    """A frame: fractional coordinates (n_atoms, 3), cell (3, 3) in A, number of its step."""

    fractional: NDArray[np.float64]
    cell_ang: NDArray[np.float64]
    step: int | None = None


@dataclass(frozen=True)
class Options:
    """What the user said of a trajectory (see `read_trajectory`)."""

    frame_interval_fs: float | None = None
    species: Sequence[str] | None = None
    temperature_k: float | None = None
    topology: Path | None = None


@dataclass(frozen=True)
class Source:
    """An open file.

    `unwrapped` says whether its coordinates are continuous: True, False, or None where
    that shows from the frames themselves.
    """

    species: list[str]
    frames: Iterator[Frame]
    unwrapped: bool | None = False
    frame_interval_fs: float | None = None
    temperature_k: float | None = None


def refuse_unknown(names: Sequence[str], where: str) -> None:
    """Refuse names that are not those of elements.

    Raises
    ------
    TransportError
        Names the first one.
    """
    for name in names:
        if name not in ELEMENTS:
            raise TransportError(f"{where}: {name!r} is not an element")


def expand_species(
    species: Sequence[str], n_atoms: int, where: str, types: NDArray[np.int64] | None = None
) -> list[str]:
    """Give each atom its element.

    Parameters
    ----------
    species : sequence of str
        An element for each atom, or for each type.
    n_atoms : int
    where : str
        The file, for messages.
    types : ndarray of int, shape (n_atoms,), optional
        Type of each atom, from 0, where the file numbers them.

    Returns
    -------
    list of str

    Raises
    ------
    TransportError
        If their number is that of neither.
    """
    refuse_unknown(species, f"{where}: species")
    if len(species) == n_atoms:
        return list(species)
    n_types = 0 if types is None else int(types.max()) + 1
    if n_types and len(species) == n_types:
        return [species[kind] for kind in types]
    needed = f"one for each of {n_atoms} atoms" + f" or {n_types} types" * bool(n_types)
    raise TransportError(f"{where}: species has {len(species)} names; give {needed}")


def element_of_mass(mass_amu: float, where: str) -> str:
    """Name the element of a mass.

    Raises
    ------
    TransportError
        If none is within `MASS_TOLERANCE_AMU`.
    """
    number = int(np.abs(atomic_masses[1:] - mass_amu).argmin()) + 1
    if abs(atomic_masses[number] - mass_amu) > MASS_TOLERANCE_AMU:
        raise TransportError(f"{where}: no element has the mass {mass_amu:g}; give species")
    return chemical_symbols[number]


def topology_species(path: Path) -> list[str]:
    """Elements of the atoms of a structure file (PDB, GRO, POSCAR, CIF and others of ASE).

    Raises
    ------
    TransportError
        If it cannot be read.
    """
    from ase.io import read

    try:
        names = read(path).get_chemical_symbols()
    except Exception as error:
        raise TransportError(f"{path}: cannot be read as a structure ({error})") from error
    refuse_unknown(names, str(path))
    return names


def refuse_changed_count(where: str, first: int, now: int) -> None:
    """Refuse a frame with another number of atoms."""
    if now != first:
        raise TransportError(f"{where}: {now} atoms, but {first} in the first frame")


def warn_cut_off(where: str) -> None:
    """Say that the last frame is not whole."""
    logger.warning("%s: the file ends within a frame, which is left out", where)
