"""The section of the page on the models: how far they can be believed."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ionscout.models import held_out_where_trained
from ionscout.report import figures_models as figures
from ionscout.report.blocks import Block, Bullets, Cell, Details, Figure, Section, Table, Text
from ionscout.report.inputs import Tables
from ionscout.report.tables import (
    MISSING,
    Column,
    count_column,
    explain_lack,
    format_formula,
    format_number,
    format_range,
    interval_column,
    is_missing,
    make_table,
    text_column,
)

_SCORE_NAMES = (
    ("loo_", "leave-one-out "),
    ("grouped_system_", "unseen chemical systems, "),
    ("grouped_framework_", "unseen anion frameworks, "),
    ("published_unseen_", "compounds it was not trained on, "),
    ("published_", "all compounds, "),
    ("x_randomised", "X-randomised"),
    ("uncertainty_of_errors_", "errors among the uncertain, "),
    ("_spearman", " and error, rank correlation"),
    ("in_domain", "inside the domain,"),
    ("out_of_domain", "outside the domain,"),
    ("roc_auc", "ROC-AUC"),
)
_SCHEMES = {
    "loo": "each left out alone",
    "grouped_system": "unseen chemical systems",
    "grouped_framework": "unseen anion frameworks",
}
_PUBLISHED_SCHEMES = {
    "published": "all compounds",
    "published_unseen": "compounds it was not trained on",
}
_DECISIVE = {
    "loo_misclassification": "leave-one-out misclassification",
    "grouped_system_misclassification": "misclassification of unseen chemical systems",
    "published_unseen_misclassification": "misclassification of compounds it was not trained on",
}
_CAPTIONS = {
    False: "Held-out scores on measured materials, with 95 % intervals; in brackets, those of the"
    " constant baseline on the same materials, whose ROC-AUC is 0.5",
    True: "Scores of models that others fitted, to some of the same compounds: not held out, and"
    " not to be compared with scores that are; in brackets, the constant baseline",
}
# What stands for held-out in each kind of model's curves, the best first.
_SERIES = ("grouped_system", "published_unseen")
_COMPARED = {"selected": "the choice", "constant": "constant baseline"}
_CONTROLS_ARE_FAST = {"positive_control": True, "negative_control": False}
_LIKELY = 0.5


def show_models(tables: Tables, *, fast_threshold_s_cm: float) -> Section:
    """Show how far the models can be believed.

    Parameters
    ----------
    tables : Tables
        The campaign's tables.
    fast_threshold_s_cm : float
        Conductivity from which a material is fast, in S/cm.

    Returns
    -------
    Section
    """
    blocks: list[Block] = []
    known = known_predictions(tables)
    if tables.metrics["value"].isna().all():
        blocks.append(explain_lack("No score could be computed", tables.metrics["note"]))
    else:
        blocks += _metric_blocks(tables.metrics)
        blocks += _compare(tables.comparison)
    blocks += _contradict_controls(tables)
    if known.empty:
        blocks.append(Text("No material with a measured conductivity has a prediction."))
    else:
        blocks.append(
            Figure(
                figures.draw_parity(known, threshold_s_cm=fast_threshold_s_cm),
                "Predicted probability against measured conductivity, a panel a model",
                "Predicted probability against measured conductivity of the known materials."
                " Filled: held out of the fit. Hollow: seen in the fit, here or by the authors of"
                " a published model. Arrows: the measurement is an upper bound. Shaded:"
                f" fast, from {format_number(fast_threshold_s_cm)} S/cm on.",
            )
        )
    blocks += _show_curves(tables)
    return Section("models", "Models", tuple(blocks))


def known_predictions(tables: Tables) -> pd.DataFrame:
    """Join predictions with measurements; held-out ones where the model was fitted here.

    Parameters
    ----------
    tables : Tables
        The campaign's tables.

    Returns
    -------
    DataFrame
        The columns of predictions and labels, and left_out: False where the
        probability is of a material that the fit has seen.
    """
    known = tables.predictions.merge(tables.labels, on="material_id", suffixes=("", "_label"))
    known = known[known["sigma_rt_s_cm"] > 0]
    seen = known["in_training"].fillna(False).astype(bool) & known["probability_loo"].isna()
    known = known.assign(probability=held_out_where_trained(known), left_out=~seen)
    return known.dropna(subset=["probability"])


def _metric_blocks(metrics: pd.DataFrame) -> list[Block]:
    """Put the scores beside the constant baseline, the published models' in their own table."""
    is_constant = metrics["model"] == "constant"
    keys = ["judged", "metric"]
    rows = metrics[~is_constant].merge(
        metrics.loc[is_constant, [*keys, "value", "low", "high"]],
        on=keys,
        how="left",
        suffixes=("", "_constant"),
    )
    published = rows.loc[rows["metric"].str.startswith("published_"), "model"]
    blocks: list[Block] = []
    for is_published, of_kind in rows.groupby(rows["model"].isin(published)):
        schemes = _PUBLISHED_SCHEMES if is_published else _SCHEMES
        blocks.append(_score_table(of_kind, schemes, caption=_CAPTIONS[is_published]))
    return [*blocks, *_doubt(rows), *_list_notes(rows), _all_scores(rows)]


def _score_table(rows: pd.DataFrame, schemes: dict[str, str], *, caption: str) -> Table:
    """Put misclassification and ROC-AUC under each scheme side by side, a row a model."""
    found = rows.set_index(["model", "metric"]).to_dict("index")
    models = pd.DataFrame({"model": rows["model"].unique()})
    names = {"misclassification": "Misclassification", "roc_auc": "ROC-AUC"}

    def column(metric: str, scheme: str) -> Column:
        def cell(row: dict[str, Any]) -> Cell:
            score = found.get((row["model"], f"{scheme}_{metric}"))
            if score is None:
                return Cell(MISSING)
            return _score_cell(score, is_compared=metric == "misclassification")

        return Column(f"{names[metric]}, {schemes[scheme]}", cell, numeric=True)

    columns = [
        text_column("Model", "model"),
        *(column(metric, scheme) for metric in names for scheme in schemes),
    ]
    return make_table(models, columns, caption=caption)


def _score_cell(score: dict[str, Any], *, is_compared: bool) -> Cell:
    if is_missing(score["value"]):
        return Cell(MISSING)
    constant = f" ({format_number(score['value_constant'])})" * is_compared
    return Cell(format_number(score["value"]) + constant, format_range(score["low"], score["high"]))


def _all_scores(rows: pd.DataFrame) -> Details:
    order = {name: place for place, name in enumerate(rows["metric"].unique())}
    rows = rows.sort_values("metric", key=lambda column: column.map(order), kind="stable")
    columns = [
        Column("Score", lambda row: Cell(_name_score(row["metric"]))),
        text_column("Model", "model"),
        interval_column("Value", "value", "low", "high"),
        interval_column("Constant baseline", "value_constant", "low_constant", "high_constant"),
        count_column("Materials", "n"),
    ]
    return Details(
        "All scores", make_table(rows, columns, caption="All scores, with 95 % intervals")
    )


def _list_notes(rows: pd.DataFrame) -> list[Bullets]:
    """Say what a reader has to know of each model."""
    rows = rows[~rows["metric"].str.startswith("x_randomised")]
    notes = rows[["model", "note"]].dropna().drop_duplicates()
    items = tuple(f"{row.model}: {row.note.rstrip('.')}." for row in notes.itertuples() if row.note)
    return [Bullets("About these scores", items)] if items else []


def _doubt(rows: pd.DataFrame) -> list[Text]:
    """Name the models that the labels cannot tell from the constant baseline."""
    texts = []
    for metric, name in _DECISIVE.items():
        of_metric = rows[rows["metric"] == metric]
        doubtful = of_metric[
            of_metric["value_constant"].between(of_metric["low"], of_metric["high"])
        ]
        if len(doubtful):
            models = ", ".join(
                f"{row['model']} ({format_range(row['low'], row['high'])}; constant"
                f" {format_number(row['value_constant'])})"
                for row in doubtful.to_dict("records")
            )
            texts.append(
                Text(
                    "Not distinguishable from the constant baseline on these labels, the interval"
                    f" of its {name} including the constant's: {models}.",
                    "note",
                )
            )
    return texts


def _compare(comparison: pd.DataFrame) -> list[Block]:
    """Show the models on the same materials, and what choosing among them costs."""
    scored = comparison.dropna(subset=["value"])
    if scored.empty:
        notes = comparison["note"].dropna().unique()
        return [Text(f"The models were not compared: {note}.") for note in notes if note]
    of_metric = {
        metric: rows.set_index("model").drop(columns="metric")
        for metric, rows in scored.groupby("metric")
    }
    wide = of_metric["misclassification"].join(of_metric["log_loss"], rsuffix="_loss")
    columns = [
        Column("Model", lambda row: Cell(_COMPARED.get(row["model"], row["model"]))),
        interval_column("Misclassification", "value", "low", "high"),
        interval_column("Log loss (nats)", "value_loss", "low_loss", "high_loss"),
        interval_column(
            "Log loss, less that of the choice",
            "difference_loss",
            "difference_low_loss",
            "difference_high_loss",
        ),
        count_column("Chosen in folds", "chosen_in_folds"),
    ]
    caption = (
        f"The models on the same {wide['n'].iloc[0]:.0f} materials, chemical systems held out."
        " The choice: in each fold the model that did best inside the training part. Its score is"
        " what choosing a model is worth; the best of the other rows is picked by hindsight"
    )
    return [make_table(wide.reset_index(), columns, caption=caption)]


def _show_curves(tables: Tables) -> list[Figure]:
    """Draw ROC, calibration and learning curves, where there are any."""
    curves = tables.curves
    held_out = curves[curves["series"].isin(_SERIES)]
    roc, calibration = (held_out[held_out["kind"] == kind] for kind in ("roc", "calibration"))
    learning = curves[
        (curves["kind"] == "learning") & curves["series"].str.endswith("misclassification")
    ]
    judged = "Chemical systems held out; a published model on compounds it was not trained on."
    figures_of = []
    if len(roc):
        figures_of.append(
            Figure(
                figures.draw_roc(roc, titles=_title_roc(tables.metrics, roc)),
                "ROC curves, a panel a model",
                f"ROC curves, with the area below. {judged} Grey: the other models. Dashed: the"
                " constant baseline, which ranks nothing.",
            )
        )
    if len(calibration):
        figures_of.append(
            Figure(
                figures.draw_calibration(calibration),
                "Calibration, a panel a model",
                f"Calibration. {judged} In each fifth of the probability: the share that is fast,"
                " with its 95 % interval and the number of materials. A well calibrated model"
                " follows the dashed line.",
            )
        )
    if len(learning):
        figures_of.append(
            Figure(
                figures.draw_learning(learning),
                "Misclassification against materials learned from, a panel a model",
                "What more labels would bring: misclassification of unseen chemical systems by"
                " models that learned from a part of the others, with 95 % intervals. Dashed: the"
                " constant baseline.",
            )
        )
    return figures_of


def _title_roc(metrics: pd.DataFrame, roc: pd.DataFrame) -> dict[str, str]:
    """Name each model with the area below its curve."""
    areas = metrics.set_index(["model", "metric"])["value"].to_dict()
    series = roc.drop_duplicates("model").set_index("model")["series"]
    return {
        model: f"{model}: {format_number(areas.get((model, f'{name}_roc_auc')))}"
        for model, name in series.items()
    }


def _contradict_controls(tables: Tables) -> list[Text]:
    """Say which models call a control the opposite of what it is known to be."""
    roles = tables.shortlist["role"].map(_CONTROLS_ARE_FAST)
    controls = tables.shortlist.assign(is_fast=roles)[roles.notna()]
    predictions = tables.predictions.assign(probability=held_out_where_trained(tables.predictions))
    votes = controls[["material_id", "formula", "role", "is_fast"]].merge(
        predictions[["material_id", "model", "probability"]].dropna(), on="material_id"
    )
    wrong = votes[(votes["probability"] >= _LIKELY) != votes["is_fast"]]
    return [
        Text(_contradiction(role, formula, of_control), "warning")
        for (role, formula), of_control in wrong.groupby(["role", "formula"], sort=False)
    ]


def _contradiction(role: str, formula: str, votes: pd.DataFrame) -> str:
    said, known = ("slow", "fast") if _CONTROLS_ARE_FAST[role] else ("fast", "slow")
    models = ", ".join(f"{row.model} ({row.probability:.2f})" for row in votes.itertuples())
    return (
        f"The {role.replace('_', ' ')}, {format_formula(formula)}, is a known {known} conductor and"
        f" is called {said} by {models}; in brackets, its probability of being fast."
    )


def _name_score(metric: str) -> str:
    for short, long in _SCORE_NAMES:
        metric = metric.replace(short, long)
    return metric.replace("_", " ")
