"""The section of the page on stability: windows, decomposition and reactions."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ionscout.bundled.thermochemistry import load_levels
from ionscout.report import figures_stability as figures
from ionscout.report.blocks import Block, Cell, Figure, Section, Table, Text
from ionscout.report.inputs import Tables
from ionscout.report.tables import (
    MISSING,
    Column,
    answer_cell,
    format_formula,
    format_number,
    is_missing,
    make_table,
    material_column,
    prose_column,
)

_ORIGINS = {
    "level": "",
    "predicted": "predicted by CHGNet, typical error",
    "source": "as its database states, on another level",
}
_QUANTITIES = {
    "energy_above_hull_ev_atom": "distance to the hull",
    "window_reduction_v": "reduction limit",
    "window_oxidation_v": "oxidation limit",
    "lithium_reaction_ev_atom": "reaction with lithium metal",
    "cathode_reaction_ev_atom": "reaction with cathodes",
    "charged_reaction_ev_atom": "reaction with charged cathodes",
    "water_reaction_ev_atom": "reaction with water",
    "releases_h2s": "release of H₂S",
}


def show_stability(tables: Tables, *, cathodes: list[str], charge_voltage_v: float) -> Section:
    """Show at which potentials and beside what the shortlisted last.

    Parameters
    ----------
    tables : Tables
        The campaign's tables.
    cathodes : list of str
        Formulas of the cathodes that they were put beside.
    charge_voltage_v : float
        Potential of a charged cathode in V against lithium.

    Returns
    -------
    Section
    """
    shortlist = tables.shortlist[["material_id", "formula", "role"]]
    rows = shortlist.merge(tables.stability, on="material_id", how="left")
    if rows.empty:
        blocks: tuple[Block, ...] = (Text("No shortlisted material has phases to compare with."),)
    else:
        blocks = (
            _introduce(rows),
            _draw_windows(rows),
            _list_phases(rows),
            _list_reactions(rows, cathodes, charge_voltage_v),
            *_list_unknown(rows),
        )
    return Section("stability", "Stability", blocks)


def _introduce(rows: pd.DataFrame) -> Text:
    """Say on which energies all stands, and what a phase diagram can and cannot say."""
    return Text(
        f"Phase diagrams stand on one level of energies: {_name_levels(rows)}. They say what a"
        " material gains by reacting, not how fast it does: beyond a limit a layer of products"
        " may protect it, and within it nothing is promised but that the level knows no better"
        " phases. Limits depend on the level: that of LiI is 2.83 V from experiment and 2.47 V"
        " from the Materials Project."
    )


def _name_levels(rows: pd.DataFrame) -> str:
    levels = load_levels()
    names = [
        f"{name} ({levels[name].what}; {levels[name].quantity})"
        if name in levels
        else f"the entries of {name}"
        for name in rows["level"].dropna().unique()
    ]
    return "; ".join(names) or "none, since no phase diagram could be made"


def _draw_windows(rows: pd.DataFrame) -> Figure:
    drawn = rows.head(figures.MAX_WINDOWS).assign(
        is_control=lambda table: table["role"] != "candidate",
        hull=lambda table: [_hull_text(row) for row in table.to_dict("records")],
    )
    levels = ", ".join(rows["level"].dropna().unique()) or "none"
    cut = f" The first {len(drawn)} of {len(rows)} are drawn." * (len(drawn) < len(rows))
    return Figure(
        figures.draw_windows(drawn),
        "Bars of the electrochemical windows, with the potentials of common electrodes",
        f"Windows in V against lithium, from phase diagrams on the level {levels}; below its"
        " window a material takes up lithium, above it gives lithium off. What is not on the hull"
        " has the window of the phases it decomposes into, which may have no width. Blue:"
        " candidates; green: controls; hatched: unknown. Dotted: typical potentials"
        " of electrodes, measured averages; layered ones end their charge some 0.4 V higher. Right:"
        " distance to the hull, with its typical error (±) where CHGNet predicts it;"
        f" database: as its source states, on another level.{cut}",
    )


def _list_phases(rows: pd.DataFrame) -> Table:
    columns = [
        material_column(),
        Column("Above the hull (eV/atom)", _hull_cell),
        Column("Phases at equilibrium", lambda row: _phases_cell(row["decomposition"])),
        _limit_column("Reduced below (V)", "window_reduction_v", "reduction_products"),
        _limit_column("Oxidised above (V)", "window_oxidation_v", "oxidation_products"),
    ]
    caption = (
        "Phases: what is stable at the composition of the shortlisted, and what they become"
        " beyond their windows"
    )
    return make_table(rows, columns, caption=caption)


def _list_reactions(rows: pd.DataFrame, cathodes: list[str], charge_voltage_v: float) -> Table:
    columns = [
        material_column(),
        _reaction_column("With lithium metal", "lithium_reaction_ev_atom", "lithium_products"),
        Column("With the worst cathode", _cathode_cell),
        _reaction_column("With a charged cathode", "charged_reaction_ev_atom", None),
        Column("With water", _water_cell),
    ]
    names = ", ".join(map(format_formula, cathodes)) or "none"
    caption = (
        "Reactions: energy set free in eV per atom of the mixture, at the worst ratio of mixing,"
        f" and products. Cathodes: {names}; charged to {charge_voltage_v:g} V, per atom other"
        " than lithium. Where the distance to the hull is its database's, it is the phases at"
        " equilibrium that react"
    )
    return make_table(rows, columns, caption=caption)


def _list_unknown(rows: pd.DataFrame) -> list[Block]:
    """List what is not known of which material, with the reason."""
    records = rows.to_dict("records")
    found = rows.assign(
        lacks=[
            ", ".join(what for key, what in _QUANTITIES.items() if is_missing(row[key]))
            for row in records
        ],
        why=[_why(row) for row in records],
    )
    found = found[found["lacks"] != ""]
    if found.empty:
        return []
    alike = found.groupby(["lacks", "why"], sort=False).agg(list).reset_index()
    columns = [
        Column("Materials", _materials_cell),
        prose_column("Unknown", "lacks"),
        prose_column("Why", "why"),
    ]
    return [make_table(alike, columns, caption="What is unknown, and why")]


def _materials_cell(row: dict[str, Any]) -> Cell:
    formulas = ", ".join(map(format_formula, row["formula"]))
    return Cell(formulas, ", ".join(row["material_id"]), "strong")


def _why(row: dict[str, Any]) -> str:
    if is_missing(row["level"]):
        return "the table of stability lacks it"
    return row["reason"].removeprefix(f"{row['material_id']}: ")


def _hull_text(row: dict[str, Any]) -> str:
    """Write a distance to the hull with its error where it is predicted, and where it is from."""
    if is_missing(row["energy_above_hull_ev_atom"]):
        return "unknown"
    text = f"{row['energy_above_hull_ev_atom']:.3f}"
    if row["hull_origin"] != "predicted":
        return text + " (database)" * (row["hull_origin"] == "source")
    error = row["hull_error_ev_atom"]
    return f"{text} ± {'?' if is_missing(error) else f'{error:.3f}'}"


def _hull_cell(row: dict[str, Any]) -> Cell:
    text = _hull_text(row)
    if text == "unknown":
        return answer_cell(text)
    return Cell(text.removesuffix(" (database)"), _ORIGINS.get(row["hull_origin"], ""))


def _phases_cell(phases: Any) -> Cell:
    return Cell(MISSING if is_missing(phases) or not phases else format_formula(phases))


def _limit_column(heading: str, key: str, products: str) -> Column:
    def cell(row: dict[str, Any]) -> Cell:
        if is_missing(row[key]):
            return answer_cell("unknown")
        return Cell(f"{row[key]:.2f}", format_formula(row[products]))

    return Column(heading, cell)


def _reaction_column(heading: str, key: str, products: str | None) -> Column:
    return Column(
        heading,
        lambda row: _reaction_cell(row[key], "" if products is None else row[products]),
    )


def _reaction_cell(energy_ev_atom: float, detail: Any) -> Cell:
    """Write an energy with what comes of it, and say so where there is no reaction."""
    if is_missing(energy_ev_atom):
        return answer_cell("unknown")
    if energy_ev_atom == 0:
        return Cell("none")
    return Cell(format_number(energy_ev_atom), format_formula(detail))


def _cathode_cell(row: dict[str, Any]) -> Cell:
    share = row["cathode_mixing_fraction"]
    mixed = "" if is_missing(share) else f" ({100 * share:.0f} % of the atoms its own)"
    return _reaction_cell(
        row["cathode_reaction_ev_atom"], f"{row['cathode']}{mixed}: {row['cathode_products']}"
    )


def _water_cell(row: dict[str, Any]) -> Cell:
    gas = row["releases_h2s"]
    told = "; H2S unknown" if is_missing(gas) else "; gives off H2S" if gas else ""
    return _reaction_cell(row["water_reaction_ev_atom"], f"{row['water_products']}{told}")
