"""Reading the files of a campaign, which earlier stages may have left without a row."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ionscout.errors import CampaignError


def read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read a CSV or Parquet table and check its columns.

    Parameters
    ----------
    path : Path
        Its suffix tells the format.
    columns : list of str
        Columns that must be there; a table without rows may lack them.

    Returns
    -------
    DataFrame
        Missing text reads as an empty string in `reason`, `first_failed` and `source`.
        Material ids are text.

    Raises
    ------
    CampaignError
        The file is missing or lacks a column.
    """
    table = _read_frame(path)
    if table.empty:
        table = table.reindex(columns=list(dict.fromkeys([*table.columns, *columns])))
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise CampaignError(f"report: {path} has no column {missing[0]!r}; run its stage again")
    return _with_text(table)


def _with_text(table: pd.DataFrame) -> pd.DataFrame:
    """Make text of the columns that hold it, whatever an empty file made of them."""
    present = [name for name in ("reason", "first_failed", "source") if name in table.columns]
    text = {name: table[name].astype(object).fillna("").astype(str) for name in present}
    if "material_id" in table.columns:
        text["material_id"] = table["material_id"].astype(str)
    return table.assign(**text)


def _read_frame(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".csv":
            return pd.read_csv(path)
        table = pd.read_parquet(path)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except FileNotFoundError:
        raise CampaignError(f"report: {path} is missing; run its stage again") from None
    return table.reset_index() if table.index.name == "material_id" else table


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON object."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise CampaignError(f"report: {path} is missing; run its stage again") from None


def read_records(paths: Iterable[Path], columns: list[str]) -> pd.DataFrame:
    """Read one JSON object a file; a key that a failed step left out is missing."""
    records = [read_json(path) for path in paths]
    return _with_text(pd.DataFrame(records).reindex(columns=columns))


def read_features(path: Path, *further: str) -> pd.DataFrame:
    """Read descriptors with their reasons and further columns, indexed by material."""
    return read_table(path, ["material_id", *further, "reason"]).set_index("material_id")


def read_linkage(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the merges (n - 1, 4) and the materials (n,) of a dendrogram."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return archive["linkage"].reshape(-1, 4), archive["material_id"].astype(str)
    except FileNotFoundError:
        raise CampaignError(f"report: {path} is missing; run its stage again") from None


def stack_tables(tables: Iterable[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Put the tables that have rows below each other."""
    filled = [table[columns] for table in tables if not table.empty]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=columns)
