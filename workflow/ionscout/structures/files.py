"""The structure files of a folder; light to import, for the plan of a campaign."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

CIF_SUFFIXES = {".cif", ".mcif"}
POSCAR_SUFFIXES = {".vasp", ".poscar"}
EXTXYZ_SUFFIXES = {".extxyz", ".xyz"}
JSON_SUFFIXES = {".json"}
STRUCTURE_SUFFIXES = CIF_SUFFIXES | POSCAR_SUFFIXES | EXTXYZ_SUFFIXES | JSON_SUFFIXES
OBELIX_TABLE = "train.csv"
_POSCAR_NAMES = ("poscar", "contcar")
_OBELIX_CIF_FOLDERS = ("cifs", "train_cifs", "train_randomized_cifs")


def digest_files(paths: Iterable[str | Path]) -> str:
    """Hash the names and contents of files, whatever their age.

    Parameters
    ----------
    paths : iterable of str or Path

    Returns
    -------
    str
        Sixteen hexadecimal digits.
    """
    digest = hashlib.sha256()
    for path in map(Path, paths):
        digest.update(path.name.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def folder_files(path: str | Path) -> list[str]:
    """List the structure files of a directory.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    list of str
        `*.cif`, `*.mcif`, `POSCAR*`, `CONTCAR*`, `*.vasp`, `*.poscar`, `*.extxyz`,
        `*.xyz` and `*.json` in any case, sorted by name; empty where the directory
        is missing.
    """
    folder = Path(path)
    if not folder.is_dir():
        return []
    files = [entry for entry in folder.iterdir() if entry.is_file() and _is_structure_file(entry)]
    return [str(file) for file in sorted(files, key=lambda file: file.name)]


def obelix_cif_folder(path: str | Path) -> Path | None:
    """Find the CIFs of the training split in a downloaded OBELiX.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Path or None
        None where they are not there.
    """
    folders = (Path(path) / name for name in _OBELIX_CIF_FOLDERS)
    return next((folder for folder in folders if folder.is_dir()), None)


def obelix_files(path: str | Path) -> list[str]:
    """List the files of the training split in a downloaded OBELiX; nothing else in it counts.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    list of str
        Its table and its CIFs, those that are there.
    """
    table, cifs = Path(path) / OBELIX_TABLE, obelix_cif_folder(path)
    return ([str(table)] if table.is_file() else []) + (folder_files(cifs) if cifs else [])


def _is_structure_file(path: Path) -> bool:
    name = path.name.lower()
    if name.startswith("."):
        return False
    return path.suffix.lower() in STRUCTURE_SUFFIXES or name.startswith(_POSCAR_NAMES)
