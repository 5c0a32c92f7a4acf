"""The section of the page on the audit: what GPAW says of the engines' forces."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ionscout.report import figures_audit as figures
from ionscout.report.blocks import Block, Cell, Figure, Section, Text
from ionscout.report.inputs import Tables
from ionscout.report.tables import (
    MISSING,
    Column,
    count_column,
    format_formula,
    format_number,
    is_missing,
    make_table,
    material_column,
    text_column,
)

_EXPLAINED = (
    "Energies and forces of the engine against GPAW on snapshots of its own trajectories, with"
    " their standard errors over the snapshots. A softening factor, the slope of the engine's"
    " forces against GPAW's, below one means that its forces are too weak: its barriers are then"
    " too low and its conductivity too high. Lithium's forces decide the verdict. The energy error"
    " is the spread of the difference of the energies, whose zeros need not agree. Intervals of"
    " conductivities hold none of this: it stands beside them."
)
_CAPTION = (
    "Components of the forces on the snapshots. On the dashed line the engine agrees with GPAW;"
    " the full one has lithium's softening factor as its slope."
)
_STYLES = {"believed": "pass", "doubtful": "unknown", "not_believed": "fail"}


def show_audit(tables: Tables) -> Section:
    """Show how far the forces can be believed."""
    if tables.audits.empty:
        return Section("audit", "Audit", (Text("No material reached the audit of its forces."),))
    formulas = tables.shortlist[["material_id", "formula"]]
    rows = tables.audits.merge(formulas, on="material_id", how="left")
    columns = [
        material_column(),
        text_column("Engine", "engine"),
        Column("Verdict", lambda row: audit_cell(row["verdict"])),
        Column("Snapshots", _snapshots_cell, numeric=True),
        count_column("Atoms", "n_atoms"),
        _measure_column("Mean absolute error (eV/Å)", "force_mae_ev_ang"),
        _measure_column("Root mean square error (eV/Å)", "force_rmse_ev_ang"),
        _measure_column("Cosine", "force_cosine"),
        _measure_column("Softening factor", "softening_factor"),
        _measure_column("Softening factor of lithium", "lithium_softening_factor"),
        _measure_column("Relative error of lithium", "lithium_force_relative_error"),
        _measure_column("Energy error (meV/atom)", "energy_error_mev_atom"),
        Column("Reason", lambda row: Cell(_reason(row), style="prose")),
    ]
    table = make_table(rows, columns, caption="Errors of energies and forces against GPAW")
    return Section("audit", "Audit", (Text(_EXPLAINED), table, *_figures(rows)))


def audit_cell(verdict: Any) -> Cell:
    """Make the cell of an audit's verdict."""
    if is_missing(verdict):
        return Cell(MISSING)
    style = f"answer {_STYLES[verdict]}" if verdict in _STYLES else ""
    return Cell(str(verdict).replace("_", " "), style=style)


def _figures(rows: pd.DataFrame) -> list[Block]:
    panels = [
        figures.ForcePanel(
            title=f"{format_formula(row['formula']) or row['material_id']} ({row['engine']})",
            scatter=row["scatter"],
            softening=None
            if is_missing(row["lithium_softening_factor"])
            else row["lithium_softening_factor"],
        )
        for row in rows.to_dict("records")
        if isinstance(row["scatter"], dict)
    ]
    if not panels:
        return []
    return [Figure(figures.draw_forces(panels), "Forces of the engines against GPAW", _CAPTION)]


def _measure_column(heading: str, key: str) -> Column:
    """Make a column of a measure with its standard error below."""

    def cell(row: dict[str, Any]) -> Cell:
        error = row[f"{key}_standard_error"]
        detail = "" if is_missing(error) else f"± {format_number(error)}"
        return Cell(format_number(row[key]), detail)

    return Column(heading, cell, numeric=True)


def _snapshots_cell(row: dict[str, Any]) -> Cell:
    if row["status"] != "audited":
        return Cell(MISSING)
    at = ", ".join(f"{kelvin:g}" for kelvin in row["temperatures_k"])
    return Cell(f"{row['n_snapshots']:.0f} of {row['n_snapshots_wanted']:.0f}", f"{at} K")


def _reason(row: dict[str, Any]) -> str:
    parts = (row["verdict_reason"], row["reason"])
    return "; ".join(str(part) for part in parts if not is_missing(part) and part)
