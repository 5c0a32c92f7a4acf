"""Crystals in the files of a folder: POSCAR, extended XYZ, JSON."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from pymatgen.core import Structure
from pymatgen.io.vasp import Poscar

from ionscout.errors import StructureError
from ionscout.structures.checks import check_stated

_SITE_KEYS = ("species", "abc", "label")


@dataclass(frozen=True)
class Found:
    """A crystal of a file, or why it cannot be used.

    Attributes
    ----------
    block : str
        Name of the data block, or number of the frame from 1; empty where the
        file holds one crystal.
    structure : pymatgen.core.Structure or None
        As the file has it.
    refused : str
        Why there is no structure.
    notes, flags : tuple of str
        What the reader remarked; what the user should look at.
    """

    block: str
    structure: Structure | None
    refused: str = ""
    notes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


def find(block: str, kind: str, read: Callable[[], Structure]) -> Found:
    """Read one crystal and check it; what the readers raise becomes its reason.

    Parameters
    ----------
    block : str
    kind : str
        The format, for the reason.
    read : callable
        Returns the structure, or raises anything.

    Returns
    -------
    Found
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            structure = read()
            check_stated(structure)
        except StructureError as error:
            return Found(block, None, refused=str(error))
        except Exception as error:  # the readers raise anything on damaged input
            return Found(block, None, refused=_unreadable(kind, caught, error))
    return Found(block, structure, notes=tuple(sorted({_one_line(one.message) for one in caught})))


def read_poscar(text: str) -> list[Found]:
    """Read a POSCAR.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of Found
        One.
    """
    return [find("", "POSCAR", lambda: _parse_poscar(text))]


def read_extxyz(text: str) -> list[Found]:
    """Read the frames of an extended XYZ file.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of Found
        One a frame.
    """
    kind = "extended XYZ file"
    try:
        frames = ase.io.read(io.StringIO(text), index=":", format="extxyz")
    except Exception as error:  # ase raises anything on damaged input
        return [Found("", None, refused=_unreadable(kind, [], error))]
    return [
        find(block, kind, lambda atoms=atoms: _structure_of(atoms))
        for block, atoms in zip(_numbers(frames), frames, strict=True)
    ]


def read_json(text: str) -> list[Found]:
    """Read a JSON file of one pymatgen structure, or of a list of them.

    Only lattice, species and positions are taken: nothing in the file decides
    what is imported.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of Found
        One a structure.
    """
    kind = "JSON file of a pymatgen structure"
    try:
        data = json.loads(text)
    except ValueError as error:
        return [Found("", None, refused=_unreadable(kind, [], error))]
    entries = data if isinstance(data, list) else [data]
    if not entries:
        return [Found("", None, refused="the list in it is empty; export it again or remove it")]
    return [
        find(block, kind, lambda entry=entry: _structure_from_json(entry))
        for block, entry in zip(_numbers(entries), entries, strict=True)
    ]


def _parse_poscar(text: str) -> Structure:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Elements in POSCAR cannot be determined")
        return Poscar.from_str(text).structure


def _structure_of(atoms: Atoms) -> Structure:
    if np.linalg.matrix_rank(atoms.cell.array) < 3 or not atoms.pbc.all():
        raise StructureError("no cell that is periodic in 3 directions; give Lattice and pbc")
    return Structure(
        atoms.cell.array, atoms.symbols, atoms.get_positions(), coords_are_cartesian=True
    )


def _structure_from_json(entry: Any) -> Structure:
    if not isinstance(entry, dict) or not {"lattice", "sites"} <= set(entry):
        raise StructureError("no pymatgen structure: it needs `lattice` and `sites`")
    sites = [{key: site[key] for key in _SITE_KEYS if key in site} for site in entry["sites"]]
    return Structure.from_dict({"lattice": entry["lattice"], "sites": sites})


def _numbers(entries: list[Any]) -> list[str]:
    return [str(number) for number in range(1, len(entries) + 1)] if len(entries) > 1 else [""]


def _unreadable(kind: str, caught: list[warnings.WarningMessage], error: Exception) -> str:
    lines = str(caught[-1].message if caught else error).splitlines() or [type(error).__name__]
    return f"not a readable {kind} ({lines[-1].rstrip('.')}); export it again or remove it"


def _one_line(message: object) -> str:
    return " ".join(str(message).split())
