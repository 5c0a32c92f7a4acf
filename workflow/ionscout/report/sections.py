"""The sections of the page on materials, results and ranking."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from ionscout.config import DEMONSTRATION_PS
from ionscout.models import held_out_where_trained
from ionscout.report.blocks import Block, Bullets, Cell, Section, Text
from ionscout.report.inputs import Tables
from ionscout.report.sections_audit import audit_cell
from ionscout.report.tables import (
    MISSING,
    Column,
    answer_cell,
    count_column,
    format_formula,
    format_number,
    interval_column,
    is_missing,
    make_table,
    material_column,
    number_column,
    prose_column,
    text_column,
    verdict_column,
)

PLUMBING_ENGINE = "lennard-jones"
N_RANKED = 20
LIMITS_TITLE = "What the intervals leave out: all but the statistics of the runs"

_ROLES = {
    "candidate": "candidate",
    "positive_control": "positive control",
    "negative_control": "negative control",
}
_CONTROLS = {
    "positive_control": (
        "a known fast conductor that must come out diffusive",
        {"diffusive": True, "non-diffusive": False, "melted": False, "exploded": False},
    ),
    "negative_control": (
        "a known poor conductor that must come out non-diffusive",
        {"non-diffusive": True, "diffusive": False, "melted": False, "exploded": False},
    ),
}
_PARTS = {
    "probability": "Mean probability of being fast",
    "enrichment": "Share of fast ones in its clusters",
    "applicability": "Models in whose domain it is",
    "window": "Width of its window, of 3 V",
    "diversity": "Distance from those before it",
}
_JUDGEMENTS = {
    True: ("good", "it behaved."),
    False: ("warning", "it did not behave, so distrust the other verdicts."),
    None: ("note", "it says nothing about the other verdicts."),
}


def warn(tables: Tables, campaign: dict[str, Any]) -> tuple[Text, ...]:
    """Say above everything else what the numbers below cannot be.

    Parameters
    ----------
    tables : Tables
        The campaign's tables.
    campaign : dict
        Its settings.

    Returns
    -------
    tuple of Text
        Banners; empty when there is nothing to warn of.
    """
    banners = []
    engines = {*tables.runs["engine"].dropna(), *tables.shortlist["engine"].dropna()}
    if PLUMBING_ENGINE in engines:
        banners.append(
            "The forces came from a Lennard-Jones potential. It exercises the machinery and"
            " knows no chemistry: no verdict or number below says anything about a real material."
        )
    lengths_ps = tables.runs["production_ps"].dropna().astype(float)
    shortest_ps = lengths_ps.min() if len(lengths_ps) else campaign["dynamics"]["production_ps"]
    if shortest_ps < DEMONSTRATION_PS:
        banners.append(
            f"This is a demonstration. Production runs of {shortest_ps:g} ps are too"
            f" short to predict a conductivity (at least {DEMONSTRATION_PS:g} ps a temperature,"
            " better several hundred): they show that the chain works. Read the verdicts as"
            " illustrations and no number below as a prediction."
        )
    return tuple(Text(text, tone="warning") for text in banners)


def describe_materials(tables: Tables) -> Section:
    """Say what went in: materials by source."""
    manifest = tables.manifest
    other_orderings = manifest[manifest["representative"] > 1].groupby("source").size()
    variants = manifest[manifest["vacancies_per_cell"] > 0].groupby("source").size()
    manifest = manifest[(manifest["representative"] == 1) & (manifest["vacancies_per_cell"] == 0)]
    blocks: list[Block] = []
    if manifest.empty:
        blocks.append(Text("No material came through curation."))
    else:
        by_source = manifest.groupby("source", sort=True).agg(
            materials=("material_id", "size"),
            candidates=("candidate", "sum"),
            duplicates=("duplicate_of", lambda column: (column.fillna("") != "").sum()),
            was_disordered=("was_disordered", "sum"),
        )
        by_source["other_orderings"] = other_orderings.reindex(by_source.index, fill_value=0)
        by_source["variants"] = variants.reindex(by_source.index, fill_value=0)
        by_source["measured"] = (
            manifest["material_id"]
            .isin(tables.labels["material_id"])
            .groupby(manifest["source"])
            .sum()
        )
        columns = [
            text_column("Source", "source"),
            count_column("Materials", "materials"),
            count_column("Candidates", "candidates"),
            count_column("Duplicates", "duplicates"),
            count_column("Disorder resolved", "was_disordered"),
            count_column("Other orderings of these", "other_orderings"),
            *([count_column("Vacancy variants", "variants")] if variants.any() else []),
            count_column("Conductivity measured", "measured"),
        ]
        blocks.append(
            make_table(by_source.reset_index(), columns, caption="Curated materials by source")
        )
    return Section("materials", "Materials", tuple(blocks))


def show_results(tables: Tables, *, audit_cutoff_ev: float) -> Section:
    """Show what became of each shortlisted material, and whether the controls behaved."""
    if tables.conductivity.empty:
        return Section(
            "results", "Results", (Text("No material went through molecular dynamics."),)
        )
    rows = tables.conductivity.merge(
        tables.shortlist[["material_id", "role"]], on="material_id", how="left"
    ).merge(
        tables.labels[["material_id", "sigma_rt_s_cm", "is_upper_bound"]],
        on="material_id",
        how="left",
    )
    columns = [
        material_column(),
        Column("Role", lambda row: Cell(_ROLES.get(row["role"], ""))),
        text_column("Engine", "engine"),
        verdict_column(),
        interval_column(
            "Activation energy (eV)",
            "activation_energy_ev",
            "activation_energy_low_ev",
            "activation_energy_high_ev",
        ),
        interval_column(
            "σ at 300 K (S/cm)", "sigma_300k_s_cm", "sigma_300k_low_s_cm", "sigma_300k_high_s_cm"
        ),
        Column("Measured σ (S/cm)", _measured_cell, numeric=True),
        number_column("Force error against GPAW (eV/Å)", "audit_force_mae_ev_ang"),
        Column("Forces, by the audit", _audit_cell),
        prose_column("Reason", "reason"),
    ]
    table = make_table(
        rows, columns, caption="Conductivity by molecular dynamics, best first, with intervals"
    )
    limits = Bullets(LIMITS_TITLE, _list_limits(tables, audit_cutoff_ev))
    return Section("results", "Results", (*_judge_controls(rows), table, limits))


def show_ranking(tables: Tables, *, weights: dict[str, float]) -> Section:
    """Show the candidates that the models like best, and the shortlist.

    Parameters
    ----------
    tables : Tables
        The campaign's tables.
    weights : dict of str to float
        Of the parts of the shortlist's score.

    Returns
    -------
    Section
    """
    candidates = tables.manifest.loc[tables.manifest["candidate"], ["material_id", "formula"]]
    rows = candidates.merge(tables.gates, on="material_id")
    rows = rows.merge(
        _extreme_probabilities(tables), left_on="material_id", right_index=True, how="left"
    )
    first = next(iter(tables.clusters), None)
    if first is not None:
        groups = tables.clusters[first][["material_id", "cluster"]]
        rows = rows.merge(groups, on="material_id", how="left")
    rows = rows.dropna(subset=["mean_probability"]).sort_values(
        ["mean_probability", "material_id"], ascending=[False, True]
    )
    if rows.empty:
        text = "No candidate has a probability from the models, so there is nothing to rank."
        return Section("ranking", "Ranking", (Text(text), *_show_shortlist(tables, weights)))
    shortlisted = set(tables.shortlist["material_id"])
    columns = [
        material_column(),
        number_column("Mean probability of being fast", "mean_probability"),
        number_column("Spread over orderings", "probability_spread"),
        _model_column("Lowest by a model", "least"),
        _model_column("Highest by a model", "most"),
        *([count_column(f"Cluster ({first})", "cluster")] if first is not None else []),
        *(
            Column(gate.replace("_", " ").capitalize(), _answer_of(gate))
            for gate in tables.funnel["gate"]
            if gate in rows.columns
        ),
        Column(
            "Shortlisted",
            lambda row: Cell("yes" if row["material_id"] in shortlisted else "no"),
        ),
    ]
    top = rows.head(N_RANKED)
    caption = f"The {len(top)} candidates of highest mean probability, of {len(rows)}"
    return Section(
        "ranking",
        "Ranking",
        (make_table(top, columns, caption=caption), *_show_shortlist(tables, weights)),
    )


def _measured_cell(row: dict[str, Any]) -> Cell:
    if is_missing(row["sigma_rt_s_cm"]):
        return Cell(MISSING)
    sign = "< " if row["is_upper_bound"] else ""
    return Cell(sign + format_number(row["sigma_rt_s_cm"]))


def _audit_cell(row: dict[str, Any]) -> Cell:
    cell = audit_cell(row["audit_verdict"])
    if is_missing(row["audit_softening_factor"]):
        return cell
    return replace(cell, detail=f"softening {format_number(row['audit_softening_factor'])}")


def _extreme_probabilities(tables: Tables) -> pd.DataFrame:
    """Find the lowest and the highest probability of each material, and whose they are."""
    predictions = tables.predictions.assign(probability=held_out_where_trained(tables.predictions))
    probabilities = predictions.pivot_table(
        index="material_id", columns="model", values="probability"
    )
    return pd.DataFrame(
        {
            "least": probabilities.min(axis=1),
            "least_model": probabilities.idxmin(axis=1),
            "most": probabilities.max(axis=1),
            "most_model": probabilities.idxmax(axis=1),
        }
    )


def _model_column(heading: str, key: str) -> Column:
    """Make a column of a probability and the model that gives it."""
    return Column(
        heading,
        lambda row: Cell(format_number(row[key]), _text(row[f"{key}_model"])),
        numeric=True,
    )


def _answer_of(gate: str) -> Any:
    return lambda row: answer_cell(row[gate])


def _judge_controls(rows: pd.DataFrame) -> list[Text]:
    """Say of each control whether it behaved."""
    texts = []
    for role, (meaning, expected) in _CONTROLS.items():
        for row in rows[rows["role"] == role].to_dict("records"):
            tone, judgement = _JUDGEMENTS[expected.get(row["verdict"])]
            name = f"{_ROLES[role].capitalize()}, {format_formula(row['formula'])}"
            verdict = str(row["verdict"]).replace("_", " ")
            texts.append(Text(f"{name}: {meaning}. It came out {verdict}: {judgement}", tone))
    return texts


def _list_limits(tables: Tables, audit_cutoff_ev: float) -> tuple[str, ...]:
    """Name the errors that no interval on the page holds."""
    limits = [
        "The size of the cell: it is small, and its periodic images may move together.",
        _say_expansion(tables),
        "The Haven ratio, set to 1 where the runs do not resolve it: lithium ions that move"
        " together conduct otherwise than the tracer diffusivity says.",
        "The potential's error. The audit, beside the results, measures it on a few snapshots, and"
        f" GPAW's plane waves up to {audit_cutoff_ev:g} eV have a basis error of their own.",
    ]
    candidates = tables.shortlist.loc[tables.shortlist["role"] == "candidate", "material_id"]
    answers = tables.gates.set_index("material_id").reindex(candidates)
    unknown = ((answers["hull"] == "unknown") | (answers["band_gap"] == "unknown")).sum()
    if unknown:
        limits.append(
            f"Stability: {unknown} of {len(candidates)} shortlisted candidates passed with an"
            " unknown distance to the convex hull or band gap, so that nothing has screened them"
            " for it; a hypothetical crystal may not exist."
        )
    return tuple(limits)


def _say_expansion(tables: Tables) -> str:
    if tables.runs["volume_expansion_fraction"].notna().any():
        return (
            "Thermal expansion: each run expanded first, for a few picoseconds, as far as its"
            " engine expands; the line through the temperatures holds the change of volume."
        )
    return "Thermal expansion: the cell is that of 0 K at every temperature."


def _show_shortlist(tables: Tables, weights: dict[str, float]) -> tuple[Block, ...]:
    if tables.shortlist.empty:
        return (Text("The shortlist is empty."),)
    columns = [
        count_column("Rank", "rank"),
        material_column(),
        Column("Role", lambda row: Cell(_ROLES.get(row["role"], ""))),
        count_column("Atoms in the cell", "n_atoms"),
        Column("Temperatures (K)", lambda row: Cell(str(row["temperatures_k"]).replace(";", ", "))),
        Column("Engine", lambda row: Cell(row["engine"], _text(row["engine_reason"]))),
        prose_column("Why it was chosen", "reason"),
    ]
    parts = [
        count_column("Rank", "rank"),
        material_column(),
        number_column("Score", "score"),
        *(
            number_column(f"{_PARTS[name]} (× {weight:g})", f"part_{name}")
            for name, weight in weights.items()
        ),
    ]
    caption = (
        "What the score is made of: the mean of parts from 0 to 1 with their weights; an unknown"
        " part counts as the median of all materials"
    )
    return (
        make_table(tables.shortlist, columns, caption="The shortlist"),
        make_table(tables.shortlist, parts, caption=caption),
    )


def _text(value: Any) -> str:
    return "" if is_missing(value) else str(value)
