"""The section of the page on the models: how far they can be believed."""

from __future__ import annotations

import pandas as pd

from ionscout.models import held_out_where_trained
from ionscout.report import figures
from ionscout.report.blocks import Block, Cell, Figure, Section, Text
from ionscout.report.inputs import Tables
from ionscout.report.tables import (
    Column,
    count_column,
    format_formula,
    format_number,
    format_range,
    interval_column,
    make_table,
    text_column,
)

_SCORE_NAMES = (
    ("loo_", "leave-one-out "),
    ("grouped_", "leave-one-system-out "),
    ("published_unseen_", "compounds it was not trained on, "),
    ("published_", "all compounds, "),
    ("x_randomised", "X-randomised"),
    ("roc_auc", "ROC-AUC"),
)
_DECISIVE = {
    "loo_misclassification": "leave-one-out misclassification",
    "published_unseen_misclassification": "misclassification of compounds it was not trained on",
}
_CAPTIONS = {
    False: "Held-out scores on measured materials, with intervals",
    True: "Scores of models that others fitted, to some of the same compounds: not held out, and"
    " not to be compared with scores that are",
}
_CONTROLS_ARE_FAST = {"positive_control": True, "negative_control": False}
_LIKELY = 0.5


def show_models(tables: Tables, *, fast_threshold_s_cm: float) -> Section:
    """Show how far the models can be believed."""
    blocks: list[Block] = []
    known = known_predictions(tables)
    if tables.metrics["value"].isna().all():
        notes = [note for note in tables.metrics["note"].dropna().unique() if note]
        blocks.append(Text("No score could be computed. " + " ".join(notes)))
    else:
        blocks += _metric_blocks(tables.metrics)
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
    """Put every score beside the constant baseline, the published models' in their own table."""
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
        blocks.append(_metric_table(of_kind, caption=_CAPTIONS[is_published]))
        notes = of_kind[["model", "note"]].dropna().drop_duplicates()
        blocks += [
            Text(f"{row.model}: {row.note.rstrip('.')}.") for row in notes.itertuples() if row.note
        ]
    return [*blocks, *_doubt(rows)]


def _metric_table(rows: pd.DataFrame, *, caption: str) -> Block:
    order = {name: place for place, name in enumerate(rows["metric"].unique())}
    rows = rows.sort_values("metric", key=lambda column: column.map(order), kind="stable")
    columns = [
        Column("Score", lambda row: Cell(_name_score(row["metric"]))),
        text_column("Model", "model"),
        interval_column("Value", "value", "low", "high"),
        interval_column("Constant baseline", "value_constant", "low_constant", "high_constant"),
        count_column("Materials", "n"),
    ]
    return make_table(rows, columns, caption=caption)


def _doubt(rows: pd.DataFrame) -> list[Text]:
    """Name the models that the labels cannot tell from the constant baseline."""
    decisive = rows[rows["metric"].isin(_DECISIVE)]
    doubtful = decisive[decisive["value_constant"].between(decisive["low"], decisive["high"])]
    return [
        Text(
            f"{row['model']} is not distinguishable from the constant baseline on these labels:"
            f" the interval of its {_DECISIVE[row['metric']]},"
            f" {format_range(row['low'], row['high'])}, includes the constant's"
            f" {format_number(row['value_constant'])}.",
            "note",
        )
        for row in doubtful.to_dict("records")
    ]


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
