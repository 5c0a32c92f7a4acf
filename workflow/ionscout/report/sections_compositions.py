"""The section of the page on the compositions: scores, elements and the best of billions."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ionscout.compositions.summary import CompositionTables
from ionscout.report import figures_compositions as figures
from ionscout.report.blocks import Block, Cell, Details, Figure, Section, Table, Text
from ionscout.report.tables import (
    MISSING,
    Column,
    format_formula,
    format_number,
    is_missing,
    make_table,
    number_column,
    text_column,
)

N_LISTED = 20

_NUMBERS = {
    "n_total": "formulas Li-X-Y and Li-X-Y-Z",
    "n_multiples": "multiples of others among them, left out",
    "n_reduced": "compositions, each once",
    "n_ternary": "of these, ternary",
    "n_quaternary": "of these, quaternary",
    "n_not_neutral": "of these, not neutral",
    "n_neutral": "of these, neutral: one known oxidation state an element, in the order of"
    " electronegativities",
    "n_systems": "chemical systems",
    "n_systems_neutral": "systems with a neutral composition",
}


def show_compositions(found: CompositionTables) -> Section:
    """Show what a model of the composition says of all of them.

    Parameters
    ----------
    found : CompositionTables

    Returns
    -------
    Section
    """
    top = found.top[found.top["scope"] == "neutral"]
    blocks: list[Block] = [_introduce(found.counts), _count(found.counts), _draw_scores(found)]
    blocks += _show_percentiles(found.percentiles)
    if len(top):
        blocks += [_warn(top), _draw_elements(found, len(top)), _list_top(top, "neutral ")]
    if found.counts["note"]:
        blocks.append(Text(f"{found.counts['note'].capitalize()}."))
    blocks += _list_systems(found.systems)
    of_all = found.top[found.top["scope"] == "all"]
    if len(of_all):
        blocks.append(Details("The best without regard to neutrality", _list_top(of_all, "")))
    return Section("compositions", "Compositions", tuple(blocks))


def _introduce(counts: dict[str, Any]) -> Text:
    return Text(
        f"All {counts['n_reduced']:,} compositions of lithium with two or three of"
        f" {counts['n_elements']} elements, in amounts up to {counts['max_amount']}, scored by"
        f" {counts['model']}, which sees the composition alone; none was sampled or left out."
    )


def _count(counts: dict[str, Any]) -> Table:
    rows = pd.DataFrame({"what": _NUMBERS.values(), "n": [counts[key] for key in _NUMBERS]})
    columns = [
        text_column("What", "what"),
        Column("Number", lambda row: Cell(f"{row['n']:,}"), numeric=True),
    ]
    return make_table(rows, columns, caption="What was enumerated")


def _draw_scores(found: CompositionTables) -> Figure:
    examples = found.percentiles[found.percentiles["is_example"]].dropna(subset=["log_odds"])
    named = " Red: published examples." * bool(len(examples))
    return Figure(
        figures.draw_scores(found.histogram, examples),
        "Histogram of the scores of all compositions and of the neutral ones",
        "How many compositions have which score, counted exactly. Dashed: as likely fast as slow,"
        f" in the model's eyes.{named}",
    )


def _show_percentiles(percentiles: pd.DataFrame) -> list[Block]:
    """Show where the examples and the known compounds stand among all compositions."""
    columns = [
        _formula_column("Composition", "formula"),
        number_column("Score", "log_odds"),
        _percentile_column("Percentile among all", "percentile_all"),
        _percentile_column("Percentile among the neutral", "percentile_neutral"),
        Column(
            "Measured σ (S/cm)",
            lambda row: Cell(_format_sigma(row["sigma_rt_s_cm"], row["is_upper_bound"])),
            numeric=True,
        ),
    ]
    is_example = percentiles["is_example"].astype(bool)
    caption = "percent of compositions with a lower score, as the bins of the histogram bound it"
    known = percentiles[~is_example & percentiles["sigma_rt_s_cm"].notna()]
    known = known.sort_values("log_odds", ascending=False, kind="stable")
    examples = make_table(
        percentiles[is_example], columns, caption=f"Published examples: {caption}"
    )
    if known.empty:
        return [examples]
    measured = make_table(known, columns, caption=f"Measured compounds: {caption}")
    return [examples, Details("Where the measured compounds stand", measured)]


def _warn(top: pd.DataFrame) -> Text:
    """Say how far the best are from what is known, where the model has never been tested."""
    n_near = int((top["nearest_distance"] <= 1).sum())
    return Text(
        f"Of the {len(top):,} best neutral compositions {n_near:,} are as near to a known compound"
        " as 95 % of those are to their three nearest in the mean (distance at most 1); the median"
        " distance is"
        f" {format_number(top['nearest_distance'].median())}. A linear score grows without bound"
        " away from what the model has learned from: far from it, a high score is an"
        " extrapolation and no finding.",
        "note" if n_near >= len(top) / 2 else "warning",
    )


def _draw_elements(found: CompositionTables, n_top: int) -> Figure:
    return Figure(
        figures.draw_elements(found.elements),
        "Periodic table, coloured by how often an element is in the best compositions",
        f"In which share of the {n_top:,} best neutral compositions each element is;"
        " lithium is in all. White: not among the elements enumerated.",
    )


def _list_top(top: pd.DataFrame, which: str) -> Table:
    columns = [
        text_column("Rank", "rank"),
        _formula_column("Composition", "formula"),
        Column("Oxidation states", lambda row: Cell(row["oxidation_states"] or MISSING)),
        number_column("Score", "log_odds"),
        number_column("Probability of fast", "probability"),
        *_nearest_columns(),
    ]
    rows = top.sort_values("rank").head(N_LISTED)
    caption = f"The best {len(rows)} of all {which}compositions; the files list {len(top):,}"
    return make_table(rows, columns, caption=caption)


def _list_systems(systems: pd.DataFrame) -> list[Block]:
    """List the best composition of the chemical systems that are near to known compounds."""
    near = systems[systems["nearest_distance"] <= 1]
    if near.empty:
        return [Text("No chemical system has its best neutral composition near a known compound.")]
    rows = near.sort_values("best_neutral_log_odds", ascending=False, kind="stable")
    columns = [
        text_column("Chemical system", "chemical_system"),
        _formula_column("Its best neutral composition", "best_neutral"),
        number_column("Score", "best_neutral_log_odds"),
        Column("Neutral ones", lambda row: Cell(f"{int(row['n_neutral']):,}"), numeric=True),
        *_nearest_columns(),
    ]
    caption = (
        f"The best of the {len(near):,} chemical systems whose best neutral composition is near to"
        " a known compound (distance at most 1)"
    )
    return [make_table(rows.head(N_LISTED), columns, caption=caption)]


def _nearest_columns() -> list[Column]:
    def known(row: dict[str, Any]) -> Cell:
        sigma = _format_sigma(row["nearest_sigma_rt_s_cm"], row["nearest_is_upper_bound"])
        return Cell(
            format_formula(row["nearest_formula"]), "" if sigma == MISSING else f"σ {sigma} S/cm"
        )

    return [Column("Nearest known compound", known), number_column("Distance", "nearest_distance")]


def _format_sigma(sigma: float, is_upper_bound: bool) -> str:
    if is_missing(sigma):
        return MISSING
    return "< " * bool(is_upper_bound) + format_number(sigma)


def _percentile_column(heading: str, key: str) -> Column:
    def cell(row: dict[str, Any]) -> Cell:
        low, high = row[f"{key}_low"], row[f"{key}_high"]
        if is_missing(low) or is_missing(high):
            return Cell(MISSING)
        return Cell(f"{format_number(low)} to {format_number(high)}")

    return Column(heading, cell, numeric=True)


def _formula_column(heading: str, key: str) -> Column:
    return Column(heading, lambda row: Cell(format_formula(row[key]), style="strong"))
