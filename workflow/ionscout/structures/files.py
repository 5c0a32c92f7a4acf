"""The structure files of a folder; light to import, for the plan of a campaign."""

from __future__ import annotations

from pathlib import Path

CIF_SUFFIXES = {".cif", ".mcif"}
POSCAR_SUFFIXES = {".vasp", ".poscar"}
_POSCAR_NAMES = ("poscar", "contcar")


def folder_files(path: str | Path) -> list[str]:
    """List the structure files of a directory.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    list of str
        `*.cif`, `*.mcif`, `POSCAR*`, `CONTCAR*`, `*.vasp` and `*.poscar` in any
        case, sorted by name; empty where the directory is missing.
    """
    folder = Path(path)
    if not folder.is_dir():
        return []
    files = [entry for entry in folder.iterdir() if entry.is_file() and _is_structure_file(entry)]
    return [str(file) for file in sorted(files, key=lambda file: file.name)]


def _is_structure_file(path: Path) -> bool:
    name, suffix = path.name.lower(), path.suffix.lower()
    if name.startswith("."):
        return False
    return suffix in CIF_SUFFIXES | POSCAR_SUFFIXES or name.startswith(_POSCAR_NAMES)
