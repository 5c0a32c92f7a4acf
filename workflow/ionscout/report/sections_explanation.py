"""The section of the page on why the models say what they say, and when not to believe them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ionscout.report import figures_explanation as figures
from ionscout.report.blocks import Block, Cell, Details, Figure, Section, Text
from ionscout.report.descriptor_names import name_descriptor
from ionscout.report.inputs import Tables
from ionscout.report.tables import (
    MISSING,
    Column,
    format_count,
    format_formula,
    format_number,
    format_range,
    interval_column,
    make_table,
    number_column,
    text_column,
)

N_BARS = 8
N_MATERIALS = 12
N_CONDUCTORS = 3
REST = "all others"

_DOUBTS = {
    "uncertainty_of_errors_roc_auc": "ranked",
    "uncertainty_spearman": "uncertainty",
    "shuffled_uncertainty_spearman": "chance",
    "in_domain_misclassification": "inside",
    "out_of_domain_misclassification": "outside",
}


def show_explanations(tables: Tables) -> Section:
    """Show what the models go by, for the shortlisted materials and on the whole.

    Parameters
    ----------
    tables : Tables
        The campaign's tables.

    Returns
    -------
    Section
    """
    blocks: list[Block] = [
        *_show_attribution(tables),
        *_show_conductors(tables),
        *_show_importance(tables.importance),
        *_show_coefficients(tables.coefficients),
        *_show_doubts(tables),
    ]
    return Section("explanations", "Why the models say so", tuple(blocks))


def average_attribution(attribution: pd.DataFrame) -> pd.DataFrame:
    """Average what each descriptor adds to a material's log-odds over the models.

    A model that does not read a descriptor adds 0, so that the averages add up to the mean
    log-odds, less the mean from which the models start.

    Parameters
    ----------
    attribution : DataFrame
        material_id, model, column, attribution.

    Returns
    -------
    DataFrame
        material_id, column (without its set), attribution, low, high (least and greatest
        over the models); the largest by size first within a material.
    """
    named = attribution.assign(column=attribution["column"].str.rsplit(".", n=1).str[-1])
    wide = named.pivot_table(
        index=["material_id", "column"], columns="model", values="attribution", aggfunc="sum"
    )
    has_judged = wide.notna().groupby(level="material_id").transform("any")
    wide = wide.fillna(0.0).where(has_judged)
    table = pd.DataFrame(
        {"attribution": wide.mean(axis=1), "low": wide.min(axis=1), "high": wide.max(axis=1)}
    ).reset_index()
    table = table.sort_values("attribution", key=abs, ascending=False, kind="stable")
    return table.sort_values("material_id", kind="stable", ignore_index=True)


def _show_attribution(tables: Tables) -> list[Block]:
    """Draw the descriptors that speak for and against each shortlisted material."""
    shortlist = tables.shortlist
    attribution = tables.attribution[
        tables.attribution["material_id"].isin(shortlist["material_id"])
    ]
    if attribution.empty:
        return [Text("No shortlisted material has a prediction that can be explained.")]
    averages = average_attribution(attribution)
    of_model = attribution.drop_duplicates(["material_id", "model"])
    log_odds = of_model.groupby("material_id")[["log_odds", "mean_log_odds"]].mean()
    panels = {}
    for row in shortlist[shortlist["material_id"].isin(log_odds.index)].itertuples():
        total, start = log_odds.loc[row.material_id]
        title = (
            f"{format_formula(row.formula)} ({row.material_id})\n"
            f"log-odds {format_number(total)}, of the mean material {format_number(start)}"
        )
        panels[title] = _largest(averages[averages["material_id"] == row.material_id])
    drawn = dict(list(panels.items())[:N_MATERIALS])
    cut = f" The first {N_MATERIALS} of {len(panels)} materials." * (len(panels) > N_MATERIALS)
    n_models = attribution["model"].nunique()
    return [
        Figure(
            figures.draw_attribution(drawn),
            "Bars of what each descriptor adds to a shortlisted material's log-odds of being fast",
            f"What speaks for and against each shortlisted material: how much its descriptors move"
            f" the log-odds of being fast, on average over the {n_models} models, from that of the"
            " mean known material to its own (both above the panel). Lines: the range over the"
            " models, 0 for one that does not read the descriptor. The models are those fitted to"
            " all known materials, the measured ones of these included. Between descriptors that"
            f" go together the shares are arbitrary, and none is a cause.{cut}",
        )
    ]


def _largest(averages: pd.DataFrame) -> pd.DataFrame:
    """Keep the largest bars of one material, the others in one."""
    if len(averages) <= N_BARS + 1:
        return averages
    rest = averages.iloc[N_BARS:]["attribution"].sum()
    last = pd.DataFrame([{"column": REST, "attribution": rest, "low": rest, "high": rest}])
    return pd.concat([averages.head(N_BARS), last], ignore_index=True)


def _show_conductors(tables: Tables) -> list[Block]:
    """List the known fast conductors that most models find near each shortlisted material."""
    neighbours = tables.neighbours[
        tables.neighbours["material_id"].isin(tables.shortlist["material_id"])
    ]
    if neighbours.empty:
        return []
    keys = ["material_id", "neighbour_id"]
    found = neighbours.groupby(keys, sort=False, as_index=False).agg(
        n_models=("model", "nunique"),
        distance=("distance", "median"),
        n_slow_closer=("n_slow_closer", "median"),
        sigma_rt_s_cm=("sigma_rt_s_cm", "first"),
        neighbour=("reduced_formula", "first"),
    )
    found = found.sort_values(["n_models", "distance"], ascending=[False, True], kind="stable")
    rows = tables.shortlist[["material_id", "formula"]].merge(
        found.groupby("material_id", sort=False).head(N_CONDUCTORS), on="material_id"
    )
    rows["is_first"] = ~rows["material_id"].duplicated()
    caption = (
        "The known fast conductors most like each shortlisted material: among the five nearest in"
        " the descriptors of how many models; distance (1 reaches as far as known materials are"
        " from their like) and slow conductors that are nearer, medians over these models"
    )
    columns = _conductor_columns(neighbours["model"].nunique())
    return [make_table(rows, columns, caption=caption)]


def _conductor_columns(n_models: int) -> list[Column]:
    return [
        Column("Material", _first_cell),
        Column(
            "Known fast conductor",
            lambda row: Cell(format_formula(row["neighbour"]), row["neighbour_id"]),
        ),
        number_column("Measured σ (S/cm)", "sigma_rt_s_cm"),
        Column(
            "Models that find it near",
            lambda row: Cell(f"{format_count(row['n_models'])} of {n_models}"),
            numeric=True,
        ),
        number_column("Distance", "distance"),
        Column("Slow ones nearer", lambda row: Cell(f"{row['n_slow_closer']:g}"), numeric=True),
    ]


def _first_cell(row: dict[str, Any]) -> Cell:
    """Name the material in the first of its rows."""
    if not row["is_first"]:
        return Cell("")
    return Cell(format_formula(row["formula"]), row["material_id"], "strong")


def _show_importance(importance: pd.DataFrame) -> list[Block]:
    if not importance[["low", "high"]].ne(0).any(axis=None):
        return []
    return [
        Figure(
            figures.draw_importance(importance),
            "Bars of the most important descriptors, a panel a model",
            f"What each model goes by: the {figures.N_IMPORTANT} descriptors whose shuffling among"
            " held-out materials raises the log loss most, with the range of 95 % of the shuffles."
            " Of descriptors that say the same, each alone can be shuffled without harm.",
        )
    ]


def _show_coefficients(coefficients: pd.DataFrame) -> list[Block]:
    """Set the coefficients of Sendek's procedure beside the published ones."""
    published = coefficients.dropna(subset=["published_standardised"])
    if published.empty:
        return []
    columns = published["column"].unique()
    refitted = coefficients[coefficients["low"].notna()]
    models = refitted.loc[refitted["column"].isin(columns), "model"].unique()
    rows = published.drop_duplicates("column")[["column", "published", "published_standardised"]]
    for model in models:
        own = refitted[refitted["model"] == model].set_index("column")
        for key in ("standardised", "low", "high"):
            rows[f"{key} {model}"] = rows["column"].map(own[key])
    shown = [
        Column("Descriptor", lambda row: Cell(name_descriptor(row["column"]), row["column"])),
        number_column("Published, per unit", "published"),
        number_column("Published, standardised", "published_standardised"),
        *(
            interval_column(
                f"{model}, standardised",
                f"standardised {model}",
                f"low {model}",
                f"high {model}",
            )
            for model in models
        ),
    ]
    caption = (
        "Coefficients of Sendek's five descriptors, published and fitted here, in log-odds of"
        " fast; standardised: per standard deviation of the known materials, with the range over"
        " the cross-validation grouped by chemical system. 0: not chosen by the fit"
    )
    table = make_table(rows, shown, caption=caption)
    return [table, *_all_coefficients(coefficients)]


def _all_coefficients(coefficients: pd.DataFrame) -> list[Block]:
    nonzero = coefficients[(coefficients["coefficient"] != 0) & coefficients["low"].notna()]
    if nonzero.empty:
        return []
    columns = [
        text_column("Model", "model"),
        Column("Descriptor", lambda row: Cell(name_descriptor(row["column"]), row["column"])),
        number_column("Per unit", "coefficient"),
        interval_column("Standardised", "standardised", "low", "high"),
    ]
    caption = "Coefficients that are not 0, of the linear models fitted here"
    return [Details("All coefficients", make_table(nonzero, columns, caption=caption))]


def _show_doubts(tables: Tables) -> list[Block]:
    """Say whether the models can tell where they err, and whom they have never seen the like of."""
    metrics = tables.metrics[tables.metrics["metric"].isin(_DOUBTS)].dropna(subset=["value"])
    if metrics.empty:
        return []
    rows = metrics[["model"]].drop_duplicates()
    for metric, key in _DOUBTS.items():
        own = metrics[metrics["metric"] == metric].set_index("model")
        for part in ("value", "low", "high", "n"):
            rows[f"{key} {part}"] = rows["model"].map(own[part])
    rows["candidates"] = rows["model"].map(_count_outside(tables)).fillna(MISSING)
    columns = [
        text_column("Model", "model"),
        _doubt_column("Errors more uncertain (ROC-AUC)", "ranked"),
        _doubt_column("Uncertainty and error, rank correlation", "uncertainty"),
        _doubt_column("The same, labels shuffled", "chance"),
        _doubt_column("Misclassification inside the domain", "inside", is_counted=True),
        _doubt_column("Misclassification outside", "outside", is_counted=True),
        Column("Candidates outside", lambda row: Cell(row["candidates"]), numeric=True),
    ]
    caption = (
        "Can the models tell where they err? Held out by chemical system; a published model is"
        " judged as it is. A ROC-AUC of 0.5, and a rank correlation as with shuffled labels, are no"
        " better than guessing. Outside the domain: farther from the known materials than 95 % of"
        " these are from their like, so that a model extrapolates"
    )
    return [make_table(rows, columns, caption=caption)]


def _doubt_column(heading: str, key: str, *, is_counted: bool = False) -> Column:
    """Make a column of a score with its interval, and on how many materials."""

    def cell(row: dict[str, Any]) -> Cell:
        detail = format_range(row[f"{key} low"], row[f"{key} high"])
        if is_counted and detail:
            detail += f"; {format_count(row[f'{key} n'])} materials"
        return Cell(format_number(row[f"{key} value"]), detail)

    return Column(heading, cell, numeric=True)


def _count_outside(tables: Tables) -> dict[str, str]:
    """Count the candidates outside each model's domain, as in `3 of 40`."""
    candidates = tables.manifest.loc[tables.manifest["candidate"], "material_id"]
    judged = tables.predictions[tables.predictions["material_id"].isin(candidates)]
    judged = judged.dropna(subset=["in_domain"])
    return {
        model: f"{(~rows['in_domain'].astype(bool)).sum()} of {len(rows)}"
        for model, rows in judged.groupby("model")
    }
