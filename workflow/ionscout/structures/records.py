"""JSON lines between the steps: one record a line, the same bytes every time."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pymatgen.core import Structure

Record = dict[str, Any]


def read_records(path: str | Path) -> list[Record]:
    """Read a gzipped file of JSON lines.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    list of dict
        In the order of the file.
    """
    return list(iterate_records(path))


def iterate_records(path: str | Path) -> Iterator[Record]:
    """Read a gzipped file of JSON lines, a line at a time.

    Parameters
    ----------
    path : str or Path

    Yields
    ------
    dict
    """
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def write_records(path: str | Path, records: Iterable[Record]) -> None:
    """Write a gzipped file of JSON lines; equal records give equal bytes.

    Parameters
    ----------
    path : str or Path
    records : iterable of dict
        Each of plain JSON types, without NaN.
    """
    text = "".join(
        json.dumps(record, sort_keys=True, allow_nan=False, separators=(",", ":")) + "\n"
        for record in records
    )
    Path(path).write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))


def failure(*, material_id: str, source: str, stage: str, reason: str) -> Record:
    """Say in one line why a material is left out.

    Parameters
    ----------
    material_id, source, stage : str
    reason : str
        Line breaks become spaces.

    Returns
    -------
    dict
        With the four columns of every stage's failures.
    """
    return {
        "material_id": material_id,
        "source": source,
        "stage": stage,
        "reason": " ".join(reason.split()),
    }


def label_only(
    *,
    material_id: str,
    source: str,
    labels: list[dict[str, Any]],
    formula: str,
    space_group_number: int | None,
    provenance: str,
    reason: str,
) -> Record:
    """Write up values measured on a material whose crystal is not there.

    Parameters
    ----------
    material_id, source : str
    labels : list of dict
    formula : str
        As stated, in a form that pymatgen reads.
    space_group_number : int or None
    provenance : str
        Where it was read.
    reason : str
        Why there is no crystal.

    Returns
    -------
    dict
        The values are joined to materials by composition and space group.
    """
    return {
        "material_id": material_id,
        "source": source,
        "labels": labels,
        "formula": formula,
        "space_group_number": space_group_number,
        "provenance": provenance,
        "reason": " ".join(reason.split()),
    }


def is_failure(record: Record) -> bool:
    """Tell a failure from a material.

    Parameters
    ----------
    record : dict

    Returns
    -------
    bool
    """
    return "structure" not in record and not is_label_only(record)


def is_label_only(record: Record) -> bool:
    """Tell measured values without a crystal from a material and from a failure.

    Parameters
    ----------
    record : dict
        Label-only are material_id, source, labels, formula, space_group_number
        (an int or None), provenance and reason (why there is no crystal).

    Returns
    -------
    bool
    """
    return "structure" not in record and "formula" in record


def read_structures(paths: Iterable[str | Path]) -> dict[str, Structure]:
    """Read the crystals of shards.

    Parameters
    ----------
    paths : iterable of str or Path

    Returns
    -------
    dict of str to pymatgen.core.Structure
        By material id.
    """
    return {
        record["material_id"]: Structure.from_dict(record["structure"])
        for path in paths
        for record in read_records(path)
    }
