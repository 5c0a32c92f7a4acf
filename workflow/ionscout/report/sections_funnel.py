"""The section of the page on the funnel: what each gate keeps, loses, and is worth."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ionscout.report import figures
from ionscout.report.blocks import Block, Cell, Figure, Section, Text
from ionscout.report.inputs import Tables
from ionscout.report.tables import (
    MISSING,
    Column,
    count_column,
    format_number,
    interval_column,
    is_missing,
    make_table,
    number_column,
)


def show_funnel(tables: Tables) -> Section:
    """Show what each gate kept and lost, and what the gates are worth."""
    funnel = tables.funnel
    if funnel.empty or not funnel["n_in"].iloc[0]:
        blocks: tuple[Block, ...] = (Text("No candidate entered the funnel."),)
        if funnel.empty:
            return Section("funnel", "Funnel", blocks)
    else:
        blocks = (
            Figure(
                figures.draw_funnel(funnel),
                "Bars of the materials kept and lost at each gate, and enrichment beside them",
                "The gates in the order in which they are applied. Where a gate has no answer,"
                " the campaign's settings say whether the material stays. Right: enrichment of"
                " the fast among the known conductors that remain after all gates so far, over a"
                " random draw of as many (dashed), with 95 % intervals.",
            ),
        )
    columns = [
        _gate_column(),
        count_column("In", "n_in"),
        count_column("Pass", "n_pass"),
        count_column("Fail", "n_fail"),
        count_column("Unknown", "n_unknown"),
        count_column("Out", "n_out"),
    ]
    counts = make_table(funnel, columns, caption="Candidates at each gate")
    return Section("funnel", "Funnel", (*blocks, counts, *_show_worth(funnel)))


def _show_worth(funnel: pd.DataFrame) -> tuple[Block, ...]:
    """Show what the gates do to the known conductors, beside a random draw."""
    if not funnel[["known_fast_in", "known_slow_in"]].iloc[0].sum():
        return (
            Text("No material with a measured conductivity: nothing tells what a gate is worth."),
        )
    columns = [
        _gate_column(),
        _kept_column("Fast kept", "known_fast"),
        _kept_column("Slow kept", "known_slow"),
        interval_column("Precision", "precision", "precision_low", "precision_high"),
        interval_column("Recall", "recall", "recall_low", "recall_high"),
        interval_column("Enrichment", "enrichment", "enrichment_low", "enrichment_high"),
        Column("Fast ones in a random draw", _drawn_cell, numeric=True),
        number_column("Chance of as many there", "p_value"),
    ]
    caption = (
        "Known conductors at each gate, candidates or not, with 95 % intervals. From precision"
        " on: of all gates so far, beside a random draw of as many known ones"
    )
    note = Text(
        "Precision is the share of fast ones among the known that remain; recall, the share of"
        " the fast that remain; enrichment, precision over the share of fast ones among all"
        " known. A gate that asks for stability owes no enrichment, but shows what it costs."
        " The known are no random sample of the candidates, and members of one family are"
        " alike: the intervals are narrower than the truth."
    )
    return make_table(funnel, columns, caption=caption), note


def _gate_column() -> Column:
    return Column("Gate", lambda row: Cell(str(row["gate"]).replace("_", " ")))


def _drawn_cell(row: dict[str, Any]) -> Cell:
    """Write the mean of random draws, and the whole numbers between which 95 % of them lie."""
    if is_missing(row["random_fast"]):
        return Cell(MISSING)
    low, high = row["random_fast_low"], row["random_fast_high"]
    return Cell(format_number(row["random_fast"]), f"{low:.0f} to {high:.0f}")


def _kept_column(heading: str, key: str) -> Column:
    """Make a column of how many of the known a gate keeps, and loses."""

    def cell(row: dict[str, Any]) -> Cell:
        n_in, n_out = row[f"{key}_in"], row[f"{key}_out"]
        return Cell(f"{n_out:.0f} of {n_in:.0f}", f"{n_in - n_out:.0f} lost")

    return Column(heading, cell, numeric=True)
