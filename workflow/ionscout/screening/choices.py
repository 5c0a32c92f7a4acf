"""What the user pins to the shortlist, and bans from it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from ionscout.errors import CampaignError

COLUMNS = ["material_id", "choice", "reason"]
PIN, BAN = "pin", "ban"


def no_choices() -> pd.DataFrame:
    """Make the table of a user who chose nothing."""
    return pd.DataFrame(columns=COLUMNS, dtype=str)


def read_choices(path: str | Path, material_ids: Collection[str]) -> pd.DataFrame:
    """Read pins and bans.

    Parameters
    ----------
    path : path-like
        CSV with the columns `COLUMNS`.
    material_ids : collection of str
        The curated materials.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`, all text, in the order of the file.

    Raises
    ------
    CampaignError
        The file cannot be read, lacks a column or names what it cannot; the line is named.
    """
    try:
        table = pd.read_csv(
            path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skip_blank_lines=False
        )
    except (OSError, ValueError):
        raise CampaignError(f"screening.choices: {path} cannot be read as CSV") from None
    table.columns = table.columns.str.strip()
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise CampaignError(
            f"screening.choices: {path} has no column {missing[0]!r}; its first line has to be"
            f" {','.join(COLUMNS)}"
        )
    table = table[COLUMNS].map(str.strip)
    known, seen = set(material_ids), {}
    for line, row in enumerate(table.itertuples(), start=2):
        if not any(row[1:]):
            continue
        fault = _find_fault(row, known, seen)
        if fault:
            raise CampaignError(f"screening.choices: {path}, line {line}: {fault}")
        seen[row.material_id] = (row.choice, line)
    return table[table["material_id"] != ""].reset_index(drop=True)


def _find_fault(row: tuple, known: Collection[str], seen: dict[str, tuple[str, int]]) -> str | None:
    if row.choice not in (PIN, BAN):
        return f"the choice {row.choice!r} is neither `{PIN}` nor `{BAN}`"
    if row.material_id not in known:
        return (
            f"{row.material_id!r} is not among the curated materials; name one of"
            " structures/manifest.csv"
        )
    if row.material_id in seen:
        choice, line = seen[row.material_id]
        both = "pinned and banned" if choice != row.choice else "there twice"
        return f"{row.material_id} is {both}, see line {line}; keep one of the lines"
    return None
