"""OBELiX (arXiv:2502.14234), measured conductivities: its training split alone."""

from __future__ import annotations

import csv
import logging
import re
from pathlib import Path
from typing import Any

from ionscout.config import ObelixSource
from ionscout.errors import SourceError
from ionscout.structures.records import Record, failure, label_only
from ionscout.structures.sources.context import PullContext
from ionscout.structures.sources.folder_cif import read_cif
from ionscout.structures.sources.folder_composition import read_formula
from ionscout.structures.sources.folder_formats import Found
from ionscout.structures.sources.identifiers import Identifiers
from ionscout.structures.sources.obelix_files import ObelixFiles, download_files, find_files

logger = logging.getLogger("ionscout")

Row = dict[str, str]
ROOM_TEMPERATURE_K = 298.0
_SIGMA, _TOTAL, _BULK = "Ionic conductivity (S cm-1)", "IC (Total)", "IC (Bulk)"
_FORMULA, _SPACE_GROUP = "Reduced Composition", "Space group #"
_COLUMNS = ("ID", _FORMULA, _SIGMA, _TOTAL, _BULK, _SPACE_GROUP, "DOI")
_CONDUCTIVITY = re.compile(r"(<?)=?\s*([0-9.]+(?:[eE][+-]?[0-9]+)?)")


def pull(name: str, settings: ObelixSource, context: PullContext) -> list[Record]:
    """Read the training split of OBELiX, from a folder or downloaded.

    Parameters
    ----------
    name : str
    settings : ObelixSource
    context : PullContext

    Returns
    -------
    list of dict
        For each row of the table a material with its label, or its label alone
        with the reason why there is no crystal; a crystal that cannot be used is
        also a failure. What the user should look at is in `flags`.

    Raises
    ------
    SourceError
        When the files are missing, cannot be downloaded, or are of another form.
    """
    if settings.path is not None:
        files = find_files(Path(settings.path))
    else:
        files = download_files(context.cache, settings.snapshot)
    rows = _read_table(files.table)
    identifiers = Identifiers(name)
    records = [
        record
        for row in rows[: settings.max_structures]
        for record in _records_of_row(row, name, identifiers.new(row["ID"]), files)
    ]
    flagged = [record for record in records if record.get("flags")]
    for record in flagged:
        logger.warning("%s: flagged, %s", record["material_id"], "; ".join(record["flags"]))
    logger.info("OBELiX: %d rows, %d crystals flagged", len(rows), len(flagged))
    return records


def _read_table(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [column for column in _COLUMNS if column not in (reader.fieldnames or [])]
        if missing:
            raise SourceError(
                f"OBELiX: {path.name} has no column {missing[0]!r}; it is of another release, "
                "give the one that Ionscout's obelix-data stands for"
            )
        return [{key: (value or "").strip() for key, value in row.items() if key} for row in reader]


def _records_of_row(row: Row, source: str, material_id: str, files: ObelixFiles) -> list[Record]:
    provenance = f"OBELiX {row['ID']}, training split, {files.release}"
    labels, fault = _labels(row)
    found, reason = _read_crystal(row, files.cifs / f"{row['ID']}.cif")
    if fault:
        logger.warning("%s: %s", material_id, fault)
    if found is not None and found.structure is not None:
        return [_material(row, source, material_id, found, labels, provenance)]
    failed = failure(material_id=material_id, source=source, stage="pull", reason=reason)
    if read_formula(row[_FORMULA]) is None:
        failed["reason"] += f"; the stated formula {row[_FORMULA]!r} is not one"
        return [failed]
    without_crystal = label_only(
        material_id=material_id,
        source=source,
        labels=labels,
        formula=row[_FORMULA],
        space_group_number=_space_group_number(row),
        provenance=provenance,
        reason="; ".join(filter(None, (reason, fault))),
    )
    return [without_crystal] if found is None else [failed, without_crystal]


def _read_crystal(row: Row, path: Path) -> tuple[Found | None, str]:
    """Read a row's CIF and hold it against the row; None where none was published."""
    if not path.is_file():
        return None, "no structure published"
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    found = read_cif(text, stated=read_formula(row[_FORMULA]))[0]
    return found, f"{path.name}: {found.refused}" if found.structure is None else ""


def _material(
    row: Row,
    source: str,
    material_id: str,
    found: Found,
    labels: list[dict[str, Any]],
    provenance: str,
) -> Record:
    details = ["positions randomised by its authors"]
    if row.get("ICSD ID"):
        details.append(f"ICSD {row['ICSD ID'].removesuffix('.0')}")
    if row.get("close match"):
        details.append(f"crystal of a close match, {row.get('close match DOI') or 'no reference'}")
    return {
        "material_id": material_id,
        "source": source,
        "structure": found.structure.as_dict(),
        "properties": {"band_gap_ev": None, "energy_above_hull_ev_atom": None},
        "labels": labels,
        "provenance": "; ".join([provenance, *details, *found.notes]),
        "parent_id": None,
        "flags": list(found.flags),
    }


def _labels(row: Row) -> tuple[list[dict[str, Any]], str]:
    """Write the conductivity of a row up as a label, or say why it cannot be used."""
    match = _CONDUCTIVITY.fullmatch(row[_SIGMA])
    if not match or not float(match[2]) > 0:
        return [], f"its conductivity {row[_SIGMA]!r} is not a positive number"
    kind = "total" if row[_TOTAL] == row[_SIGMA] else "unknown"
    if kind == "unknown" and row[_BULK] == row[_SIGMA]:
        kind = "bulk"
    other = f", bulk {row[_BULK]} S/cm" if kind == "total" and row[_BULK] else ""
    doi = row["DOI"] or "no reference"
    label = {
        "sigma_s_cm": float(match[2]),
        "is_upper_bound": bool(match[1]),
        "temperature_k": ROOM_TEMPERATURE_K,
        "kind": kind,
        "activation_energy_ev": None,
        "reference": f"{doi} (read in OBELiX {row['ID']}, at room temperature{other})",
    }
    return [label], ""


def _space_group_number(row: Row) -> int | None:
    text = row[_SPACE_GROUP].removesuffix(".0")
    return int(text) if text.isdigit() and 1 <= int(text) <= 230 else None
