"""The section of the page on the clusters: in which of them the known conductors fall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ionscout.labels.classes import known_classes
from ionscout.models.clusters._labelled import one_of_each_group
from ionscout.report import figures_clusters as figures
from ionscout.report.blocks import Block, Cell, Details, Figure, Section, Table, Text
from ionscout.report.inputs import Tables
from ionscout.report.tables import (
    MISSING,
    Column,
    count_column,
    format_count,
    format_number,
    format_range,
    is_missing,
    make_table,
    number_column,
    text_column,
)

_OVERSTATED = (
    "The p-values overstate significance: they take the measured materials for independent,"
    " and members of one family are not; substitution products share the patterns of their"
    " parents."
)


def show_clusters(tables: Tables, *, fast_threshold_s_cm: float) -> Section:
    """Show in which groups of crystals the known conductors fall.

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
    if not tables.clusters:
        return Section("clusters", "Clusters", (Text("No clustering was asked for."),))
    formed = {name: table for name, table in tables.enrichments.items() if len(table)}
    missing = [name for name in tables.clusters if name not in formed]
    blocks: list[Block] = []
    if missing:
        blocks.append(Text(f"{_join(missing)}: fewer than two materials could be clustered."))
    if formed:
        blocks.append(_summarise(tables, list(formed)))
        blocks += _show_enrichment(formed)
        blocks += _show_agreement(tables.agreement, list(formed))
        blocks += _show_dendrograms(tables, list(formed), fast_threshold_s_cm)
        blocks += _show_numbers(tables.cluster_numbers)
    return Section("clusters", "Clusters", tuple(blocks))


def _summarise(tables: Tables, names: list[str]) -> Table:
    """Put the clusterings side by side."""
    rows = tables.cluster_summary.merge(
        tables.label_variance[["clustering", "ratio", "chance_low", "chance_high"]],
        on="clustering",
        how="left",
    )
    rows = rows[rows["clustering"].isin(names)]
    columns = [
        _name_column("Clustering", "clustering"),
        count_column("Materials", "n_materials"),
        count_column("Clusters", "n_clusters"),
        count_column("Promising clusters", "n_promising_clusters"),
        _of_column("Fast conductors in these", "n_fast_promising", "n_fast"),
        _of_column("Measured materials in these", "n_labelled_promising", "n_labelled"),
        number_column("Least corrected p", "least_p_value_corrected"),
        Column("Variance of log σ inside clusters, of all", _variance_cell, numeric=True),
    ]
    caption = (
        "The clusterings, made without a label. The variance of log σ inside the clusters, as a"
        " share of that of all: below its chance interval, clusters say something of σ"
    )
    return make_table(rows, columns, caption=caption)


def _show_enrichment(enrichments: dict[str, pd.DataFrame]) -> list[Block]:
    """Draw the known conductors in the clusters, and say whether any cluster stands out."""
    measured = {name: table for name, table in enrichments.items() if table["n_labelled"].sum()}
    if not measured:
        return [Text("No clustered material has a measured conductivity.")]
    most = max(len(table) for table in measured.values())
    cut = f" Of more than {figures.MAX_BARS} clusters, those with the most known conductors."
    figure = Figure(
        figures.draw_enrichment(measured),
        "Bars of the fast and slow conductors in each cluster, a panel a clustering",
        "The crystals of known conductivity in each cluster; beside the bar, the number of all"
        " its materials and the p-value of so many fast ones, corrected for the number of"
        " clusters (* at most 0.05)." + (cut if most > figures.MAX_BARS else ""),
    )
    tables = [
        Details(f"Enrichment in the clusters of {_plain(name)}, in numbers", _tabulate(name, table))
        for name, table in measured.items()
    ]
    return [_judge(measured), figure, *tables]


def _judge(enrichments: dict[str, pd.DataFrame]) -> Text:
    """Say in which clusters there are more fast conductors than by chance."""
    found = [
        f"{_plain(name)} {', '.join(f'{cluster:.0f}' for cluster in numbers)}"
        for name, table in enrichments.items()
        if len(numbers := table.loc[table["p_value_corrected"] <= figures.SIGNIFICANT, "cluster"])
    ]
    if not found:
        return Text(
            "No cluster holds significantly more known fast conductors than chance would put"
            f" there (corrected p above {figures.SIGNIFICANT:g} in all clusterings).",
            "note",
        )
    return Text(
        f"More known fast conductors than chance would put there (corrected p at most"
        f" {figures.SIGNIFICANT:g}) are in the clusters {'; '.join(found)}. {_OVERSTATED}"
    )


def _tabulate(name: str, enrichment: pd.DataFrame) -> Table:
    columns = [
        count_column("Cluster", "cluster"),
        count_column("Materials", "n_materials"),
        count_column("Measured", "n_labelled"),
        count_column("Fast", "n_fast"),
        number_column("Fraction fast", "fraction_fast"),
        number_column("Expected by chance", "expected_fraction"),
        number_column("p", "p_value"),
        number_column("p, corrected for the number of clusters", "p_value_corrected"),
        Column("Promising", lambda row: Cell("yes" if row["is_promising"] else "no")),
    ]
    caption = f"Known fast conductors in the clusters of {_plain(name)}. {_OVERSTATED.rstrip('.')}"
    return make_table(enrichment, columns, caption=caption)


def _show_agreement(agreement: pd.DataFrame, names: list[str]) -> list[Block]:
    """Show how far the clusterings agree, each pair once."""
    of_pair = agreement.set_index(["clustering", "other"]).to_dict("index")
    if len(names) < 2 or not of_pair:
        return []

    def compare(one: str, other: str) -> Cell:
        pair = of_pair.get((one, other)) or of_pair.get((other, one))
        if pair is None:
            return Cell("" if one == other else MISSING)
        both = f"{format_count(pair['n_promising_both'])} promising in both"
        has_both = pair["n_promising"] and pair["n_promising_other"]
        return Cell(format_number(pair["adjusted_rand"]), both if has_both else "")

    columns = [
        _name_column("Clustering", "clustering"),
        *(
            Column(_plain(name), lambda row, other=name: compare(row["clustering"], other), True)
            for name in names
        ),
    ]
    caption = (
        "Agreement of the clusterings: the adjusted Rand index, 1 for equal partitions and 0 on"
        " average for unrelated ones; below it, where both have promising clusters, how many"
        " materials are in one of each"
    )
    return [make_table(pd.DataFrame({"clustering": names}), columns, caption=caption)]


def _show_dendrograms(tables: Tables, names: list[str], fast_threshold_s_cm: float) -> list[Figure]:
    """Draw the tree of each clustering that makes one."""
    classes = known_classes(tables.labels, fast_threshold_s_cm=fast_threshold_s_cm)
    classes = classes.loc[one_of_each_group(classes.index, tables.manifest)]
    trees = {name: tables.linkages[name] for name in names}
    return [
        _dendrogram(name, tables.clusters[name], linkage, material_ids, classes)
        for name, (linkage, material_ids) in trees.items()
        if len(linkage)
    ]


def _dendrogram(
    name: str,
    clusters: pd.DataFrame,
    linkage: np.ndarray,
    material_ids: np.ndarray,
    classes: pd.Series,
) -> Figure:
    label = classes.reindex(material_ids)
    number = clusters.set_index("material_id")["cluster"].reindex(material_ids)
    return Figure(
        figures.draw_dendrogram(
            linkage,
            fast=(label == True).to_numpy(),  # noqa: E712
            slow=(label == False).to_numpy(),  # noqa: E712
            cluster=number.to_numpy(dtype=int),
        ),
        f"Dendrogram of the clustering {_plain(name)}",
        f"Dendrogram ({_plain(name)}) of {len(material_ids)} materials, its upper part. Below each"
        " branch: its cluster, how many materials it holds, and how many of them are measured"
        " fast (▲) and slow (■) conductors, each crystal once. Dashed: the cut that makes the"
        " clusters.",
    )


def _show_numbers(numbers: pd.DataFrame) -> list[Block]:
    """Show how the number of clusters was chosen, where it was not given."""
    looked_at = numbers.groupby("clustering")["n_clusters"].transform("size")
    numbers = numbers[looked_at > 1]
    if numbers.empty:
        return []
    columns = [
        _name_column("Clustering", "clustering"),
        count_column("Clusters", "n_clusters"),
        text_column("Criterion", "criterion"),
        number_column("Value", "value"),
        number_column("Standard error", "standard_error"),
        Column("Chosen", lambda row: Cell("yes" if row["is_chosen"] else "")),
    ]
    caption = "The number of clusters, chosen without labels"
    summary = "How the number of clusters was chosen"
    return [Details(summary, make_table(numbers, columns, caption=caption))]


def _variance_cell(row: dict[str, Any]) -> Cell:
    chance = format_range(row["chance_low"], row["chance_high"])
    return Cell(format_number(row["ratio"]), f"by chance {chance}" if chance else "")


def _name_column(heading: str, key: str) -> Column:
    return Column(heading, lambda row: Cell(_plain(row[key]), style="strong"))


def _of_column(heading: str, key: str, total: str) -> Column:
    return Column(
        heading,
        lambda row: Cell(
            MISSING
            if is_missing(row[total])
            else f"{format_count(row[key])} of {format_count(row[total])}"
        ),
        numeric=True,
    )


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _join(names: Sequence[str]) -> str:
    return ", ".join(_plain(name) for name in names)
