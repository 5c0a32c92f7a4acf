"""A directory of CIF and POSCAR files, such as an ICSD export."""

from __future__ import annotations

import warnings
from pathlib import Path

from pymatgen.core import Structure
from pymatgen.io.cif import CifParser
from pymatgen.io.vasp import Poscar

from ionscout.config import FolderSource
from ionscout.errors import LabelError, StructureError
from ionscout.structures.checks import check_stated
from ionscout.structures.files import CIF_SUFFIXES, POSCAR_SUFFIXES, folder_files
from ionscout.structures.records import Record, failure
from ionscout.structures.sources.folder_labels import Label, read_labels
from ionscout.structures.sources.identifiers import Identifiers

_OCCUPANCY_ROUNDING = 1.02


def pull(name: str, settings: FolderSource, parents: list[Record]) -> list[Record]:
    """Read every structure file of a directory, and their labels.

    Parameters
    ----------
    name : str
    settings : FolderSource
    parents : list of dict
        Not used: these crystals have no parents.

    Returns
    -------
    list of dict
        A failure takes the place of each file that cannot be used, and of each
        line of the labels that cannot.
    """
    files = folder_files(settings.path)
    if not files:
        state = "has no CIF or POSCAR file" if Path(settings.path).is_dir() else "does not exist"
        reason = f"folder {settings.path} {state}: put the files there or correct the key `path`"
        return [failure(material_id=name, source=name, stage="pull", reason=reason)]
    labels, faults = _labels_of(settings, {Path(file).name for file in files})
    identifiers = Identifiers(name)
    records = [failure(material_id=name, source=name, stage="pull", reason=f) for f in faults]
    for file in files:
        material_id = identifiers.new(_own_id(Path(file)))
        try:
            record = _material(material_id, name, Path(file), labels.get(Path(file).name, []))
        except StructureError as error:
            record = failure(material_id=material_id, source=name, stage="pull", reason=str(error))
        records.append(record)
    return records


def read_structure(path: Path) -> tuple[Structure, str]:
    """Read a CIF or POSCAR file that holds lithium.

    Parameters
    ----------
    path : Path

    Returns
    -------
    structure : pymatgen.core.Structure
        The first of the file, as it is.
    note : str
        What the reader remarked, in one line; mostly empty.

    Raises
    ------
    StructureError
        Naming the file, what is wrong with it and what to do.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    if not text.strip():
        raise StructureError(f"{path.name}: the file is empty; export it again or remove it")
    kind = "CIF" if path.suffix.lower() in CIF_SUFFIXES else "POSCAR"
    if kind == "CIF" and "data_" not in text.lower():
        raise StructureError(f"{path.name}: not a CIF, it has no data block; replace or remove it")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            structures = _parse_cif(text) if kind == "CIF" else [_parse_poscar(text)]
        except Exception as error:  # the readers raise anything on damaged input
            reason = str(caught[-1].message if caught else error).splitlines()[-1].rstrip(".")
            raise StructureError(
                f"{path.name}: not a readable {kind} ({reason}); export it again or remove it"
            ) from None
    try:
        check_stated(structures[0])
    except StructureError as error:
        raise StructureError(f"{path.name}: {error}") from None
    notes = [f"first of {len(structures)} data blocks"] if len(structures) > 1 else []
    return structures[0], "; ".join(notes + sorted({_one_line(one.message) for one in caught}))


def _own_id(path: Path) -> str:
    known = CIF_SUFFIXES | POSCAR_SUFFIXES
    return path.stem if path.suffix.lower() in known else path.name


def _material(material_id: str, source: str, path: Path, labels: list[Label]) -> Record:
    structure, note = read_structure(path)
    return {
        "material_id": material_id,
        "source": source,
        "structure": structure.as_dict(),
        "properties": {"band_gap_ev": None, "energy_above_hull_ev_atom": None},
        "labels": labels,
        "provenance": f"file {path.name}" + (f" ({note})" if note else ""),
        "parent_id": None,
    }


def _labels_of(settings: FolderSource, names: set[str]) -> tuple[dict[str, list[Label]], list[str]]:
    if settings.labels is None:
        return {}, []
    try:
        labels, faults = read_labels(settings.labels)
    except LabelError as error:
        return {}, [str(error)]
    missing = sorted(set(labels) - names)
    faults += [
        f"{settings.labels}: file {file!r} is not in {settings.path}; correct its name or add it"
        for file in missing
    ]
    return labels, faults


def _parse_cif(text: str) -> list[Structure]:
    return CifParser.from_str(text, occupancy_tolerance=_OCCUPANCY_ROUNDING).parse_structures(
        primitive=False
    )


def _parse_poscar(text: str) -> Structure:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Elements in POSCAR cannot be determined")
        return Poscar.from_str(text).structure


def _one_line(message: object) -> str:
    return " ".join(str(message).split())
