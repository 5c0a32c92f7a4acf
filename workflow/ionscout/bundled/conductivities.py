"""Measured conductivities of compositions, for models that need no crystal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter, ValidationError
from pymatgen.core import Composition

from ionscout.bundled.sources import (
    RESOURCES,
    UNTRACED,
    first_fault,
    load_sources,
    parse_formula,
    read_csv,
)
from ionscout.errors import BundledDataError
from ionscout.structures.crystals import Conductivity, load_crystals

COLUMNS = [
    "formula", "sigma_s_cm", "is_upper_bound", "temperature_k", "kind", "activation_energy_ev",
    "reference", "read_in", "source_id", "note",
]  # fmt: skip

_ROW = TypeAdapter(Conductivity)


def load_conductivities(resources: str | Path = RESOURCES) -> pd.DataFrame:
    """Read the table of measured conductivities.

    Parameters
    ----------
    resources : path-like
        The folder that holds `conductivities.csv` and `sources.yaml`.

    Returns
    -------
    DataFrame
        Columns formula, sigma_s_cm, is_upper_bound, temperature_k, kind (bulk, total
        or unknown), activation_energy_ev, reference, read_in, source_id (the row's name
        there) and note; one row a sample.

    Raises
    ------
    BundledDataError
        When the table is missing, or a row is not of the format; its line is named.
    """
    path = Path(resources) / "conductivities.csv"
    sources = load_sources(resources)
    table = read_csv(path, COLUMNS)
    rows = []
    for line, row in enumerate(table.to_dict("records"), start=2):
        try:
            rows.append(_parse(row))
        except ValidationError as error:
            raise BundledDataError(f"{path}, line {line}: {first_fault(error)}") from None
        except ValueError as error:
            raise BundledDataError(f"{path}, line {line}: {error}") from None
        if row["read_in"] not in sources:
            raise BundledDataError(f"{path}, line {line}: unknown source {row['read_in']!r}")
    return pd.DataFrame(rows, columns=COLUMNS)


def measured_compositions(resources: str | Path = RESOURCES) -> pd.DataFrame:
    """Collect the traced conductivities of compositions and of bundled crystals.

    Parameters
    ----------
    resources : path-like

    Returns
    -------
    DataFrame
        As `load_conductivities`, with `crystal_id`: the bundled crystal it was measured
        on, or None. A sample that stands in both is there once, with its crystal.
        Values marked `untraced` are left out.
    """
    of_crystals = [
        {"formula": crystal.formula, "crystal_id": crystal.id, "source_id": ""} | vars(measured)
        for crystal in load_crystals(resources)
        for measured in crystal.conductivities
    ]
    crystals = pd.DataFrame(of_crystals, columns=[*COLUMNS, "crystal_id"])
    samples = load_conductivities(resources).assign(crystal_id=None)
    together = pd.concat([crystals, samples], ignore_index=True)
    together = together[together["reference"] != UNTRACED]
    reduced = [Composition(formula).reduced_formula for formula in together["formula"]]
    repeated = together.assign(formula=reduced).duplicated(["formula", "reference", "sigma_s_cm"])
    return together[~repeated].reset_index(drop=True)


def _parse(row: dict[str, str]) -> dict[str, Any]:
    if "Li" not in parse_formula(row["formula"]):
        raise ValueError(f"no lithium in {row['formula']!r}")
    given = {k: v for k, v in row.items() if v != "" and k not in {"formula", "source_id"}}
    return row | vars(_ROW.validate_python(given))
