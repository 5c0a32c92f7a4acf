"""A directory of structure files, such as an ICSD export."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ionscout.config import FolderSource
from ionscout.errors import LabelError
from ionscout.structures.files import (
    CIF_SUFFIXES,
    EXTXYZ_SUFFIXES,
    JSON_SUFFIXES,
    STRUCTURE_SUFFIXES,
    folder_files,
)
from ionscout.structures.records import Record, failure, is_failure, label_only
from ionscout.structures.sources.context import PullContext
from ionscout.structures.sources.folder_cif import read_cif
from ionscout.structures.sources.folder_formats import (
    Found,
    read_extxyz,
    read_json,
    read_poscar,
)
from ionscout.structures.sources.folder_labels import LabelRow, read_labels
from ionscout.structures.sources.identifiers import Identifiers, icsd_id

logger = logging.getLogger("ionscout")


@dataclass(frozen=True)
class _Crystal:
    """A crystal of a file, with the id that it was given."""

    material_id: str
    file: str
    found: Found


def pull(name: str, settings: FolderSource, context: PullContext) -> list[Record]:
    """Read every structure file of a directory, and their labels.

    Parameters
    ----------
    name : str
    settings : FolderSource
    context : PullContext

    Returns
    -------
    list of dict
        A failure takes the place of each crystal that cannot be used, and of each
        line of the labels that cannot. Labels by formula and space group are
        records without a crystal. What the user should look at is in `flags`.
    """
    files = folder_files(settings.path)
    if not files:
        is_there = Path(settings.path).is_dir()
        state = "has no CIF, POSCAR, extended XYZ or JSON file" if is_there else "does not exist"
        reason = f"folder {settings.path} {state}: put the files there or correct the key `path`"
        return [failure(material_id=name, source=name, stage="pull", reason=reason)]
    identifiers = Identifiers(name)
    named = [(Path(file), found) for file in files for found in read_file(Path(file))]
    shared = Counter(
        own_id for own_id, _ in {(_own_id(file, found), file) for file, found in named}
    )
    crystals = [
        _Crystal(
            identifiers.new(_own_id(file, found, whole_name=shared[_own_id(file, found)] > 1)),
            file.name,
            found,
        )
        for file, found in named
    ]
    records = {crystal.material_id: _record(crystal, name) for crystal in crystals}
    rows, faults = _rows_of(settings)
    labelled: list[Record] = []
    for line, row in rows.items():
        target, fault = _target(row, crystals, name, settings.path)
        if row.formula:
            material_id = identifiers.new(f"label-{line}")
            labelled.append(_label_only(material_id, name, settings, line, row))
        elif fault:
            faults.append(f"{settings.labels}, line {line}: {fault}")
        elif is_failure(records[target]):
            records[target]["reason"] += f"; its label in line {line} is left out"
        else:
            records[target]["labels"].append(row.label())
    failures = [failure(material_id=name, source=name, stage="pull", reason=f) for f in faults]
    return [*failures, *records.values(), *labelled]


def read_file(path: Path) -> list[Found]:
    """Read all crystals of a file.

    Parameters
    ----------
    path : Path
        A CIF, POSCAR, extended XYZ or JSON file.

    Returns
    -------
    list of Found
        At least one.
    """
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    if not text.strip():
        return [Found("", None, refused="the file is empty; export it again or remove it")]
    suffix = path.suffix.lower()
    if suffix in CIF_SUFFIXES:
        return read_cif(text)
    if suffix in EXTXYZ_SUFFIXES:
        return read_extxyz(text)
    return read_json(text) if suffix in JSON_SUFFIXES else read_poscar(text)


def _own_id(path: Path, found: Found, *, whole_name: bool = False) -> str:
    """Name a crystal after its file; the suffix is part of it where names are shared."""
    stem = path.stem if path.suffix.lower() in STRUCTURE_SUFFIXES else path.name
    own_id = path.name if whole_name else icsd_id(stem) or stem
    if not found.block:
        return own_id
    return icsd_id(found.block) or f"{own_id}-{found.block}"


def _record(crystal: _Crystal, source: str) -> Record:
    """Write a crystal up as a material, or as a failure."""
    found = crystal.found
    where = f"{crystal.file}, block {found.block}" if found.block else crystal.file
    if found.structure is None:
        return failure(
            material_id=crystal.material_id,
            source=source,
            stage="pull",
            reason=f"{where}: {found.refused}",
        )
    for flag in found.flags:
        logger.warning("%s: flagged, %s: %s", crystal.material_id, where, flag)
    return {
        "material_id": crystal.material_id,
        "source": source,
        "structure": found.structure.as_dict(),
        "properties": {"band_gap_ev": None, "energy_above_hull_ev_atom": None},
        "labels": [],
        "provenance": f"file {where}" + (f" ({'; '.join(found.notes)})" if found.notes else ""),
        "parent_id": None,
        "flags": list(found.flags),
    }


def _label_only(
    material_id: str, source: str, settings: FolderSource, line: int, row: LabelRow
) -> Record:
    return label_only(
        material_id=material_id,
        source=source,
        labels=[row.label()],
        formula=row.formula,
        space_group_number=row.space_group_number,
        provenance=f"{Path(str(settings.labels)).name}, line {line}",
        reason="a label by formula and space group, without a crystal",
    )


def _rows_of(settings: FolderSource) -> tuple[dict[int, LabelRow], list[str]]:
    if settings.labels is None:
        return {}, []
    try:
        return read_labels(settings.labels)
    except LabelError as error:
        return {}, [str(error)]


def _target(row: LabelRow, crystals: list[_Crystal], source: str, folder: str) -> tuple[str, str]:
    """Find the material that a line of the labels means, or say what is wrong."""
    if row.material_id:
        wanted = {row.material_id, f"{source}-{row.material_id}"}
        ids = [one.material_id for one in crystals if one.material_id in wanted]
        fault = f"no material {row.material_id!r} in {folder}; correct the id"
        return (ids[0], "") if ids else ("", fault)
    of_file = [one for one in crystals if one.file == row.file]
    if not of_file:
        return "", f"file {row.file!r} is not in {folder}; correct its name or add it"
    ids = [one.material_id for one in of_file if row.block in ("", one.found.block)]
    if not ids:
        return "", f"file {row.file!r} has no block {row.block!r}; correct its name"
    if len(ids) > 1:
        return "", f"file {row.file!r} has {len(ids)} such crystals; name one in `material_id`"
    return ids[0], ""
