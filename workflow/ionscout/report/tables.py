"""From numbers to cells that read well."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ionscout.report.blocks import Cell, Table, Text

MISSING = "–"
VERDICTS = ("diffusive", "non-diffusive", "unresolved", "melted", "exploded", "not_run")

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_AMOUNT = re.compile(r"(?<=[A-Za-z)])[0-9]+(\.[0-9]+)?")
_SIGNIFICANT_DIGITS = 3


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading and how a row becomes a cell."""

    heading: str
    cell: Callable[[dict[str, Any]], Cell]
    numeric: bool = False


def power_of_ten(exponent: int) -> str:
    """Write a power of ten in plain characters, as in 10⁻³."""
    return "10" + str(exponent).translate(_SUPERSCRIPTS)


def is_missing(value: Any) -> bool:
    """Tell whether there is no value: None, NaN or NA."""
    return value is None or bool(pd.isna(value))


def format_number(value: float | None) -> str:
    """Write a number with three significant digits, or all before the decimal point.

    Parameters
    ----------
    value : float or None
        Values below 0.01 or from 10⁴ on are written as 1.20 × 10⁻³.

    Returns
    -------
    str
        A dash where there is no value.
    """
    if is_missing(value):
        return MISSING
    value = float(value)
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    mantissa, exponent = f"{abs(value):.{_SIGNIFICANT_DIGITS - 1}e}".split("e")
    sign = "−" if value < 0 else ""
    if -2 <= int(exponent) <= 3:
        decimals = max(0, _SIGNIFICANT_DIGITS - 1 - int(exponent))
        return f"{sign}{abs(value):.{decimals}f}"
    return f"{sign}{mantissa} × {power_of_ten(int(exponent))}"


def format_formula(formula: Any) -> str:
    """Write a formula with its numbers below the line, as in Li₆PS₅Cl."""
    if is_missing(formula):
        return ""
    return _AMOUNT.sub(lambda match: match[0].translate(_SUBSCRIPTS), str(formula))


def format_count(value: float | None) -> str:
    """Write a whole number, or a dash where there is none."""
    return MISSING if is_missing(value) else str(int(value))


def format_range(low: float | None, high: float | None) -> str:
    """Write an interval, or nothing where an end is missing."""
    if is_missing(low) or is_missing(high):
        return ""
    return f"{format_number(low)} to {format_number(high)}"


def explain_lack(what: str, notes: pd.Series) -> Text:
    """Say that there is nothing to show, with each reason once."""
    reasons = "; ".join(note for note in notes.dropna().unique() if note)
    return Text(f"{what}: {reasons}." if reasons else f"{what}.")


def text_column(heading: str, key: str) -> Column:
    """Make a column of plain text."""
    return Column(heading, lambda row: Cell("" if is_missing(row[key]) else str(row[key])))


def prose_column(heading: str, key: str) -> Column:
    """Make a column of sentences, which needs room."""
    return Column(
        heading,
        lambda row: Cell("" if is_missing(row[key]) else str(row[key]), style="prose"),
    )


def material_column() -> Column:
    """Make a column of formulas with the material's id below; the rows hold both."""
    return Column(
        "Material", lambda row: Cell(format_formula(row["formula"]), row["material_id"], "strong")
    )


def number_column(heading: str, key: str) -> Column:
    """Make a column of numbers."""
    return Column(heading, lambda row: Cell(format_number(row[key])), numeric=True)


def count_column(heading: str, key: str) -> Column:
    """Make a column of whole numbers."""
    return Column(heading, lambda row: Cell(format_count(row[key])), numeric=True)


def interval_column(heading: str, key: str, low: str, high: str) -> Column:
    """Make a column of numbers with their intervals below."""
    return Column(
        heading,
        lambda row: Cell(format_number(row[key]), format_range(row[low], row[high])),
        numeric=True,
    )


def verdict_column(heading: str = "Verdict", key: str = "verdict") -> Column:
    """Make a column of verdicts as badges."""
    return Column(heading, lambda row: verdict_cell(row[key]))


def verdict_cell(verdict: str) -> Cell:
    """Make the badge of a verdict."""
    style = f"badge {verdict}" if verdict in VERDICTS else "badge"
    return Cell(str(verdict).replace("_", " "), style=style)


def answer_cell(answer: str) -> Cell:
    """Make the cell of a gate's answer."""
    style = f"answer {answer}" if answer in ("pass", "fail", "unknown") else ""
    return Cell(str(answer), style=style)


def make_table(rows: pd.DataFrame, columns: list[Column], *, caption: str) -> Table:
    """Make a table from rows.

    Parameters
    ----------
    rows : DataFrame
        In the order shown.
    columns : list of Column
        What is shown of a row.
    caption : str
        The line above the table.

    Returns
    -------
    Table
    """
    return Table(
        caption=caption,
        headings=tuple(column.heading for column in columns),
        numeric=tuple(column.numeric for column in columns),
        rows=tuple(
            tuple(column.cell(row) for column in columns) for row in rows.to_dict("records")
        ),
    )
