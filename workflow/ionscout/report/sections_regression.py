"""The section of the page on the regressors: how well they predict a conductivity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ionscout.report import figures_regression as figures
from ionscout.report.blocks import Block, Cell, Details, Figure, Section, Table, Text
from ionscout.report.inputs import Tables
from ionscout.report.tables import (
    MISSING,
    Column,
    count_column,
    explain_lack,
    format_number,
    format_range,
    interval_column,
    is_missing,
    make_table,
    material_column,
    text_column,
)

SIGMA, ACTIVATION_ENERGY = "sigma_rt_log10", "activation_energy_ev"
CONSTANT = "constant"

_HELD_OUT = {"value": "held_out", "low": "held_out_low", "high": "held_out_high"}
_SCHEMES = {
    "random": "at random",
    "grouped_system": "unseen chemical systems",
    "grouped_framework": "unseen anion frameworks",
    "grouped_paper": "unseen papers",
    "test": "test set",
}
_SCORES = {
    "mae": "Mean absolute error",
    "mae_bounds_as_values": "Mean absolute error, bounds as values",
    "rmse": "Root mean square error",
    "r2_bounds_as_values": "R², bounds as values",
    "spearman": "Rank correlation",
    "roc_auc": "ROC-AUC",
    "coverage": "Share inside the interval",
    "interval_spearman": "Width of the interval and error, rank correlation",
    "distance_spearman": "Distance from the known and error, rank correlation",
}
_SHOWN = (
    ("mae", "random"),
    ("mae", "grouped_system"),
    ("mae", "grouped_framework"),
    ("mae", "grouped_paper"),
    ("mae", "test"),
    ("spearman", "grouped_system"),
    ("coverage", "grouped_system"),
    ("coverage", "test"),
    ("distance_spearman", "grouped_system"),
)
_CAPTIONS = {
    SIGMA: (
        "Held-out errors of log₁₀ σ, in decades, with 95 % intervals; in brackets, those of the"
        " constant baseline on the same materials. A prediction below an upper bound is no error"
    ),
    ACTIVATION_ENERGY: (
        "Held-out errors of the activation energy in eV, with 95 % intervals; in brackets, the"
        " constant baseline"
    ),
}


def show_regression(
    tables: Tables, *, fast_threshold_s_cm: float, interval_level: float
) -> Section:
    """Show how well the regressors predict what was measured, and what they predict.

    Parameters
    ----------
    tables : Tables
        The campaign's tables.
    fast_threshold_s_cm : float
        Conductivity from which a material is fast, in S/cm.
    interval_level : float
        Share of new values that the intervals of predictions are to hold.

    Returns
    -------
    Section
    """
    metrics, threshold = tables.regression_metrics, float(np.log10(fast_threshold_s_cm))
    blocks: list[Block] = []
    if metrics["value"].isna().all():
        blocks.append(explain_lack("No conductivity could be predicted", metrics["note"]))
    else:
        blocks += _show_scores(metrics)
        known = _held_out(tables.regressions)
        blocks += _show_parity(known, SIGMA, "log₁₀ σ (S/cm)", interval_level, threshold)
        blocks += _show_parity(
            known, ACTIVATION_ENERGY, "activation energy (eV)", interval_level, None
        )
    blocks += _show_predictions(tables, interval_level)
    blocks += _show_split(tables.split_metrics)
    return Section("regression", "Predicted conductivity", tuple(blocks))


def pair_with_constant(metrics: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Put the scores of the constant baseline beside those of the regressors.

    Parameters
    ----------
    metrics : DataFrame
        model, value and the keys.
    keys : list of str
        Columns that name a score, as in target, scheme, metric.

    Returns
    -------
    DataFrame
        The rows of the regressors, with the column value_constant.
    """
    is_constant = metrics["model"] == CONSTANT
    constant = metrics.loc[is_constant, [*keys, "value"]].drop_duplicates(keys)
    return metrics[~is_constant].merge(constant, on=keys, how="left", suffixes=("", "_constant"))


def _show_scores(metrics: pd.DataFrame) -> list[Block]:
    """Show the scores of each target, the most telling ones first."""
    rows = pair_with_constant(metrics, ["judged", "target", "scheme", "metric"])
    scored = rows.dropna(subset=["value"])
    tables = [
        _score_table(of_target, caption=_CAPTIONS[target])
        for target, of_target in scored.groupby("target", sort=False)
    ]
    return [*tables, _all_scores(scored, "All scores of the regressors")]


def _score_table(rows: pd.DataFrame, *, caption: str) -> Table:
    """Put the most telling scores side by side, a row a regressor."""
    found = rows.set_index(["model", "metric", "scheme"]).to_dict("index")
    shown = [key for key in _SHOWN if any((model, *key) in found for model in rows["model"])]

    def column(metric: str, scheme: str) -> Column:
        def cell(row: dict[str, Any]) -> Cell:
            score = found.get((row["model"], metric, scheme))
            if score is None:
                return Cell(MISSING)
            constant = _in_brackets(score["value_constant"]) if metric == "mae" else ""
            return Cell(
                f"{format_number(score['value'])}{constant}",
                format_range(score["low"], score["high"]),
            )

        return Column(f"{_SCORES[metric]}, {_SCHEMES[scheme]}", cell, numeric=True)

    models = pd.DataFrame({"model": rows["model"].unique()})
    columns = [_model_column(), *(column(*key) for key in shown)]
    return make_table(models, columns, caption=caption)


def _in_brackets(value: float) -> str:
    return "" if is_missing(value) else f" ({format_number(value)})"


def _all_scores(rows: pd.DataFrame, title: str) -> Details:
    columns = [
        text_column("Target", "target"),
        Column("Held out", lambda row: Cell(_SCHEMES.get(row["scheme"], row["scheme"]))),
        Column("Score", lambda row: Cell(_SCORES.get(row["metric"], row["metric"]))),
        _model_column(),
        interval_column("Value", "value", "low", "high"),
        Column(
            "Constant baseline",
            lambda row: Cell(format_number(row["value_constant"])),
            numeric=True,
        ),
        count_column("Materials", "n"),
    ]
    return Details(title, make_table(rows, columns, caption=f"{title}, with 95 % intervals"))


def _model_column() -> Column:
    return Column("Regressor", lambda row: Cell(str(row["model"]).replace("_", " ")))


def _held_out(regressions: pd.DataFrame) -> pd.DataFrame:
    """Keep one row a measured crystal; duplicates of it share measurement and prediction."""
    known = regressions.dropna(subset=["measured", "held_out"])
    columns = ["measured", "held_out", "held_out_low", "held_out_high"]
    known = known.assign(is_upper_bound=known["is_upper_bound"].astype(bool))
    known = known.astype(dict.fromkeys(columns, float))
    return known.drop_duplicates(["model", "target", *columns])


def _show_parity(
    known: pd.DataFrame, target: str, unit: str, interval_level: float, threshold: float | None
) -> list[Figure]:
    rows = known[known["target"] == target]
    if rows.empty:
        return []
    has_bounds = bool(rows["is_upper_bound"].any())
    bounds = " Hollow arrows: the measurement is an upper bound." * has_bounds
    fast = " Dotted: from there on, a material is fast." if threshold is not None else ""
    return [
        Figure(
            figures.draw_regression(rows, threshold=threshold, unit=unit),
            f"Predicted against measured {unit}, a panel a regressor",
            f"Predicted against measured {unit} of the known materials, each predicted by a"
            " regressor that has seen none of its chemical system. Bars: the interval that is to"
            f" hold {100 * interval_level:g} % of new values.{bounds}{fast}",
        )
    ]


def _show_predictions(tables: Tables, interval_level: float) -> list[Block]:
    """Show what the regressors predict of the shortlisted materials."""
    rows = tables.regressions[tables.regressions["target"] == SIGMA]
    rows = rows.assign(
        **{column: rows[held_out].fillna(rows[column]) for column, held_out in _HELD_OUT.items()}
    )
    rows = rows[rows["material_id"].isin(tables.shortlist["material_id"])]
    rows = rows.dropna(subset=["value"])
    if rows.empty:
        return [Text("No shortlisted material has a predicted conductivity.")]
    found = rows.set_index(["material_id", "model"]).to_dict("index")
    measured = rows.drop_duplicates("material_id")[["material_id", "measured", "is_upper_bound"]]
    materials = tables.shortlist.merge(measured, on="material_id")
    columns = [
        material_column(),
        *(_prediction_column(model, found) for model in rows["model"].unique()),
        Column("Measured", _measured_cell, numeric=True),
    ]
    caption = (
        "log₁₀ of the room-temperature conductivity (S/cm) of the shortlisted, predicted from"
        " composition and unit cell, with intervals that are to hold"
        f" {100 * interval_level:g} % of new values; a measured material was held out with its"
        " chemical system. Brackets: not described, the median of the known materials"
    )
    return [make_table(materials, columns, caption=caption)]


def _measured_cell(row: dict[str, Any]) -> Cell:
    if is_missing(row["measured"]):
        return Cell(MISSING)
    return Cell("< " * bool(row["is_upper_bound"]) + format_number(row["measured"]))


def _prediction_column(model: str, found: dict[tuple[str, str], dict[str, Any]]) -> Column:
    def cell(row: dict[str, Any]) -> Cell:
        prediction = found.get((row["material_id"], model))
        if prediction is None:
            return Cell(MISSING)
        text = format_number(prediction["value"])
        return Cell(
            f"({text})" if prediction["reason"] else text,
            format_range(prediction["low"], prediction["high"]),
        )

    return Column(model.replace("_", " "), cell, numeric=True)


def _show_split(metrics: pd.DataFrame) -> list[Block]:
    """Show the scores of the configured split, where there is one."""
    rows = pair_with_constant(metrics, ["target", "scheme", "metric"]).dropna(subset=["value"])
    if rows.empty:
        return []
    caption = (
        "The configured split, learned from its training table alone. Errors of log₁₀ σ in"
        " decades, with 95 % intervals; in brackets, the constant baseline"
    )
    notes = [note for note in rows["note"].dropna().unique() if note]
    return [
        _score_table(rows, caption=caption),
        *(Text(f"{note}.") for note in notes),
        _all_scores(rows, "All scores of the split"),
    ]
