"""The section of the page on the descriptors: what there is, and what it looks like."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import shorten
from typing import Any

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from ionscout.features import get_set
from ionscout.labels.classes import known_classes
from ionscout.report import figures_descriptors as figures
from ionscout.report.blocks import Block, Cell, Figure, Section, Text
from ionscout.report.inputs import Tables
from ionscout.report.tables import (
    Column,
    count_column,
    format_formula,
    format_number,
    make_table,
    material_column,
    number_column,
    prose_column,
    text_column,
)

PATTERN_SET = "mxrd"
SCALAR_SETS = ("sendek", "elemental")

_PATTERN_PREFIX = "two_theta_"
_KEYS = ["material_id", "formula", "reason"]
_UNITS = {"_ev": " (eV)", "_ang": " (Å)"}
_MAX_COLUMNS_SHOWN = 8
_N_REASONS, _REASON_LENGTH = 2, 110
_LEAST_ON_MAP = 3
_NOTES = {
    "bond_valence": " Barriers are those of an empirical potential with all other ions at rest:"
    " they compare crystals, and are no activation energies.",
}


def show_descriptors(tables: Tables, *, fast_threshold_s_cm: float) -> Section:
    """Show the descriptor sets, two patterns, and the materials in descriptor space.

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
    classes = known_classes(tables.labels, fast_threshold_s_cm=fast_threshold_s_cm)
    speed = classes.map({True: "fast", False: "slow"})
    blocks = (
        _list_sets(tables),
        *_show_patterns(tables, speed),
        *_show_maps(tables, speed),
        *(_show_candidates(name, table) for name, table in tables.candidates.items()),
    )
    return Section("descriptors", "Descriptors", blocks)


def choose_extremes(labels: pd.DataFrame, material_ids: pd.Index) -> pd.DataFrame:
    """Choose the materials of highest and of lowest measured conductivity.

    Upper bounds are left out; of equals, the first by material id is taken.

    Parameters
    ----------
    labels : DataFrame
        material_id, sigma_rt_s_cm, is_upper_bound.
    material_ids : Index
        The materials to choose from.

    Returns
    -------
    DataFrame
        Two rows of labels, the better conductor first; empty where all measured
        conductivities are the same, or there are none.
    """
    measured = labels[
        ~labels["is_upper_bound"]
        & (labels["sigma_rt_s_cm"] > 0)
        & labels["material_id"].isin(material_ids)
    ]
    if measured["sigma_rt_s_cm"].nunique() < 2:
        return measured.head(0)
    ranked = measured.sort_values("material_id").sort_values("sigma_rt_s_cm", kind="stable")
    lowest = ranked["sigma_rt_s_cm"].iloc[0]
    highest = ranked["sigma_rt_s_cm"].iloc[-1]
    return pd.concat(
        [ranked[ranked["sigma_rt_s_cm"] == sigma].head(1) for sigma in (highest, lowest)]
    )


def _values(table: pd.DataFrame) -> pd.DataFrame:
    """Take the descriptors alone, (n, columns)."""
    return table.drop(columns=_KEYS, errors="ignore").astype(float)


def _list_sets(tables: Tables) -> Block:
    """Say of each set where it comes from and how much of it there is."""
    rows = [_describe_set(name, "", table) for name, table in tables.features.items()]
    rows += [
        _describe_set(name, "after the gates", table) for name, table in tables.candidates.items()
    ]
    columns = [
        Column("Set", lambda row: Cell(row["name"], row["detail"], "strong")),
        count_column("Columns", "n_columns"),
        prose_column("Source", "source"),
        count_column("Materials complete", "n_complete"),
        count_column("Incomplete", "n_incomplete"),
        prose_column("Commonest reasons", "reasons"),
    ]
    return make_table(pd.DataFrame(rows), columns, caption="Descriptor sets")


def _describe_set(name: str, detail: str, table: pd.DataFrame) -> dict[str, Any]:
    values = _values(table)
    incomplete = values.isna().any(axis=1)
    reasons = table.loc[incomplete, "reason"].value_counts().head(_N_REASONS)
    return {
        "name": name,
        "detail": detail,
        "n_columns": values.shape[1],
        "source": get_set(name).source,
        "n_complete": (~incomplete).sum(),
        "n_incomplete": incomplete.sum(),
        "reasons": "; ".join(
            f"{count} × {shorten(str(reason), _REASON_LENGTH, placeholder=' …')}"
            for reason, count in reasons.items()
        ),
    }


def _show_patterns(tables: Tables, speed: pd.Series) -> list[Block]:
    """Show the patterns of the best and of the poorest measured conductor."""
    if PATTERN_SET not in tables.features:
        return []
    patterns = tables.features[PATTERN_SET].filter(like=_PATTERN_PREFIX).dropna()
    extremes = choose_extremes(tables.labels, patterns.index)
    if extremes.empty:
        return [Text("Fewer than two different measured conductors have a diffraction pattern.")]
    manifest = tables.manifest.set_index("material_id")
    drawn = [
        figures.Pattern(
            _title(row.material_id, row.sigma_rt_s_cm, speed[row.material_id], manifest),
            speed[row.material_id],
            patterns.loc[row.material_id].to_numpy(),
        )
        for row in extremes.itertuples()
    ]
    two_theta_deg = patterns.columns.str.removeprefix(_PATTERN_PREFIX).astype(float).to_numpy()
    caption = (
        "Modified diffraction patterns: the anions alone, every one taken for sulfur, in a cell of"
        " 40 Å³ an anion. Left the material of highest measured conductivity, right that of"
        " lowest, of those with a pattern; upper bounds are left out. Two extremes show what the"
        " descriptor looks like, not that patterns tell fast conductors from poor ones."
    )
    svg = figures.draw_patterns(two_theta_deg, drawn)
    return [Figure(svg, "Diffraction patterns of a fast and of a poor conductor", caption)]


def _title(material_id: str, sigma_s_cm: float, speed: str, manifest: pd.DataFrame) -> str:
    known = manifest.loc[material_id]
    formula, sigma = format_formula(known["reduced_formula"]), format_number(sigma_s_cm)
    ordering = ", one ordering of a disordered crystal" if known["was_disordered"] else ""
    return f"{formula} ({speed}), σ = {sigma} S/cm\n{material_id}{ordering}"


def _show_maps(tables: Tables, speed: pd.Series) -> list[Block]:
    """Project the materials on two axes, by scalar descriptors and by patterns."""
    scalar = [name for name in SCALAR_SETS if name in tables.features]
    spaces = [(scalar, True)] if scalar else []
    spaces += [([PATTERN_SET], False)] if PATTERN_SET in tables.features else []
    panels, remarks = [], []
    for names, standardise in spaces:
        values = pd.concat([_values(tables.features[name]) for name in names], axis=1)
        panel, remark = _project(" and ".join(names), values, standardise=standardise)
        remarks.append(remark)
        if panel is not None:
            clusters = tables.clusters if names == [PATTERN_SET] else {}
            panels.append(panel._replace(points=_mark(panel.points, tables, speed, clusters)))
    if not panels:
        return [Text(f"No map of the materials: {'; '.join(remarks) or 'no set to draw'}.")]
    caption = (
        "The materials by their principal components, materials with a missing value left out."
        f" {'; '.join(remarks)}. {_explain_numbers(tables, panels)}The axes have no meaning of"
        " their own, and neighbours here may be apart in what the plane leaves out. Orderings of"
        " one crystal and products of one parent lie together: a group of one colour may be one"
        " family. How well fast and slow can be told apart, the scores of the models say."
    )
    return [Figure(figures.draw_maps(panels), "Maps of the materials, coloured by label", caption)]


def _explain_numbers(tables: Tables, panels: list[figures.MapPanel]) -> str:
    if not any(panel.points["cluster"].notna().any() for panel in panels):
        return ""
    return f"Numbers: the clusters of {next(iter(tables.clusters))}, beside their middle. "


def _project(
    title: str, values: pd.DataFrame, *, standardise: bool
) -> tuple[figures.MapPanel | None, str]:
    """Find the plane of most variance, and say which materials are on it."""
    mostly_there = values.loc[:, values.notna().mean() >= 0.5]
    n_lacking = values.shape[1] - mostly_there.shape[1]
    complete = mostly_there.dropna()
    complete = complete.loc[:, complete.max() > complete.min()]
    remark = f"{title}: {len(complete)} materials, {len(values) - len(complete)} left out"
    if n_lacking:
        remark += f", without {n_lacking} columns that most materials lack"
    if len(complete) < _LEAST_ON_MAP or complete.shape[1] < 2:
        return None, f"{remark}, too few or too alike to draw"
    matrix = complete.to_numpy()
    if standardise:
        matrix = StandardScaler().fit_transform(matrix)
    pca = PCA(n_components=2, svd_solver="covariance_eigh")
    plane = np.round(pca.fit_transform(matrix), 6)
    points = pd.DataFrame(plane, columns=["x", "y"], index=complete.index)
    title += ", standardised" if standardise else ""
    return figures.MapPanel(title, points, pca.explained_variance_ratio_), remark


def _mark(
    points: pd.DataFrame,
    tables: Tables,
    speed: pd.Series,
    clusters: Mapping[str, pd.DataFrame],
) -> pd.DataFrame:
    """Add each point's label, name and cluster; of several clusterings the first."""
    names = tables.shortlist.set_index("material_id")["formula"].map(format_formula)
    groups = next(iter(clusters.values()), None)
    number = pd.Series(dtype=float)
    if groups is not None:
        number = groups.set_index("material_id")["cluster"].astype(float)
    return points.assign(
        speed=speed.reindex(points.index).fillna(""),
        name=names.reindex(points.index).fillna(""),
        cluster=number.reindex(points.index),
    )


def _show_candidates(name: str, table: pd.DataFrame) -> Block:
    """Show what a slow set says of the candidates that passed the gates."""
    caption = f"{name}, of candidates that passed the gates."
    if table.empty:
        return Text(f"{caption} None was described.")
    shown = [column for column in table.columns if column not in _KEYS]
    n_values = table[shown].notna().sum(axis=1)
    columns = [material_column()]
    if len(shown) > _MAX_COLUMNS_SHOWN:
        columns.append(text_column("Values, not shown", "n_values"))
    else:
        columns += [_value_column(column, table[column]) for column in shown]
    columns.append(prose_column("What is missing", "reason"))
    rows = table.reset_index().assign(n_values=n_values.astype(str).to_numpy())
    return make_table(
        rows, columns, caption=f"{caption}{_NOTES.get(name, '')} A missing value is no verdict"
    )


def _value_column(name: str, values: pd.Series) -> Column:
    is_whole = (values.dropna().astype(float) % 1 == 0).all()
    return (count_column if is_whole else number_column)(_heading(name), name)


def _heading(column: str) -> str:
    for suffix, unit in _UNITS.items():
        if column.endswith(suffix):
            return column.removesuffix(suffix).replace("_", " ") + unit
    return column.replace("_", " ")
