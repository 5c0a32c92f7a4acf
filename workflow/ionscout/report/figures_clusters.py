"""The figures of the clusters, each a function that returns inline SVG."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from scipy.cluster.hierarchy import dendrogram

from ionscout.report.drawing import (
    BLUE,
    DARK,
    ORANGE,
    VERMILLION,
    WIDTH_IN,
    count_rows,
    make_panels,
    open_figure,
)

SIGNIFICANT = 0.05
MAX_BARS = 24
_MAX_LEAVES = 36
_EXPECTED = "fast ones expected by chance"


def draw_enrichment(enrichments: Mapping[str, pd.DataFrame]) -> str:
    """Draw how many fast and slow conductors each cluster holds, a panel a clustering.

    Parameters
    ----------
    enrichments : mapping of str to DataFrame
        By clustering: cluster, n_materials, n_labelled, n_fast, expected_fraction,
        p_value_corrected. Of many clusters those with the most labelled materials are drawn.

    Returns
    -------
    str
        SVG.
    """
    shown = {name: _most_labelled(table) for name, table in enrichments.items()}
    n_bars = max(len(table) for table in shown.values())
    height_in = (0.95 + 0.24 * n_bars) * count_rows(list(shown), 2) + 0.3
    with open_figure("enrichment", WIDTH_IN, height_in) as (figure, svg):
        panels = make_panels(figure, len(shown), columns=2, sharex=True)
        longest = max(1, *(table["n_labelled"].max() for table in shown.values()))
        for axes, (name, table) in zip(panels, shown.items(), strict=True):
            _draw_bars(axes, table)
            axes.set_title(name.replace("_", " "))
            axes.set_ylim(n_bars - 0.4, -0.6)
            axes.set_xlim(0, 1.5 * longest)
            axes.set_xlabel("materials of known conductivity")
            axes.tick_params(left=False, labelbottom=True)
        handles = dict(zip(*panels[0].get_legend_handles_labels()[::-1], strict=True))
        labels = ["fast", "slow", _EXPECTED]
        figure.legend(
            [handles[label] for label in labels], labels, loc="outside upper center", ncols=3
        )
    return svg[0]


def draw_dendrogram(
    linkage: np.ndarray, *, fast: np.ndarray, slow: np.ndarray, cluster: np.ndarray
) -> str:
    """Draw the upper part of a dendrogram, known conductors counted below.

    Parameters
    ----------
    linkage : ndarray, shape (n - 1, 4)
        Merges in SciPy's format.
    fast, slow : ndarray of bool, shape (n,)
        Is a leaf a known fast, or slow, conductor?
    cluster : ndarray of int, shape (n,)
        The cluster of each leaf.

    Returns
    -------
    str
        SVG.
    """
    tree = dendrogram(linkage, p=_MAX_LEAVES, truncate_mode="lastp", no_plot=True)
    sums = _sums_of_nodes(linkage, np.column_stack([np.ones(len(fast)), fast, slow]))
    first = _first_leaf_of_nodes(linkage)
    leaves = tree["leaves"]
    # SciPy places the leaves at 5, 15, 25, ...
    x = 10.0 * np.arange(len(leaves)) + 5.0
    with open_figure("dendrogram", WIDTH_IN, 4.4) as (figure, svg):
        axes = figure.add_subplot()
        paths = [np.column_stack(path) for path in zip(tree["icoord"], tree["dcoord"], strict=True)]
        axes.add_collection(LineCollection(paths, colors=DARK, linewidths=1))
        height = 1.05 * linkage[-1, 2]
        _draw_cut(axes, linkage[:, 2], len(np.unique(cluster)))
        rows = [
            ("cluster", [f"{cluster[first[leaf]]}" for leaf in leaves], DARK, "normal"),
            ("materials", [f"{sums[leaf, 0]:.0f}" for leaf in leaves], "#666666", "normal"),
            ("▲ fast", [f"{sums[leaf, 1]:.0f}" for leaf in leaves], VERMILLION, "bold"),
            ("■ slow", [f"{sums[leaf, 2]:.0f}" for leaf in leaves], BLUE, "bold"),
        ]
        for level, (label, counts, colour, weight) in enumerate(rows):
            y = -(level + 0.8) * 0.07 * height
            axes.text(-8, y, label, ha="right", va="center", color=colour, fontsize=8)
            for place, count in zip(x, counts, strict=True):
                shown = "·" if count == "0" else count
                axes.text(place, y, shown, ha="center", va="center", color=colour,
                          fontsize=7.5, weight=weight)  # fmt: skip
        axes.set_xlim(-8, x[-1] + 8)
        axes.set_ylim(-0.3 * height, height)
        axes.spines[["bottom"]].set_visible(False)
        axes.spines["left"].set_bounds(0, height)
        axes.set_xticks([])
        axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= height])
        axes.set_ylabel("distance of the merged groups")
    return svg[0]


def _most_labelled(enrichment: pd.DataFrame) -> pd.DataFrame:
    """Keep the clusters with the most labelled materials, in the order of their numbers."""
    order = enrichment.sort_values("n_labelled", ascending=False, kind="stable")
    return order.head(MAX_BARS).sort_values("cluster")


def _draw_bars(axes: Axes, table: pd.DataFrame) -> None:
    """Draw the bars of one clustering, with what chance would make of them."""
    rows = np.arange(len(table))
    fast = table["n_fast"].to_numpy(dtype=float)
    labelled = table["n_labelled"].to_numpy(dtype=float)
    expected = table["expected_fraction"].to_numpy(dtype=float) * labelled
    axes.barh(rows, fast, height=0.66, color=VERMILLION, label="fast")
    axes.barh(rows, labelled - fast, left=fast, height=0.66, color=BLUE, label="slow")
    axes.vlines(
        expected, rows - 0.42, rows + 0.42, color=DARK, linewidth=1.3,
        label=_EXPECTED,
    )  # fmt: skip
    for row, end, of_cluster in zip(rows, labelled, table.itertuples(), strict=True):
        axes.annotate(
            _describe(of_cluster.n_materials, of_cluster.p_value_corrected), (end, row), (5, 0),
            va="center", fontsize=7.5, color=DARK, textcoords="offset points",
        )  # fmt: skip
    axes.set_yticks(rows, [f"{cluster:.0f}" for cluster in table["cluster"]])
    axes.set_ylabel("cluster")


def _describe(n_materials: float, p_value: float) -> str:
    """Say how many materials a cluster holds, and how likely its fast ones are by chance."""
    count = f"of {n_materials:.0f}"
    if np.isnan(p_value):
        return count
    star = " *" if p_value <= SIGNIFICANT else ""
    return f"{count}, p = {p_value:.2g}{star}"


def _sums_of_nodes(linkage: np.ndarray, leaves: np.ndarray) -> np.ndarray:
    """Sum the leaves' values (n, m) for every node (2n - 1, m) of a dendrogram."""
    n = len(leaves)
    sums = np.zeros((2 * n - 1, leaves.shape[1]))
    sums[:n] = leaves
    for step, (left, right) in enumerate(linkage[:, :2].astype(int)):
        sums[n + step] = sums[left] + sums[right]
    return sums


def _first_leaf_of_nodes(linkage: np.ndarray) -> np.ndarray:
    """Name one leaf below every node (2n - 1,) of a dendrogram."""
    n = len(linkage) + 1
    first = np.arange(2 * n - 1)
    for step, left in enumerate(linkage[:, 0].astype(int)):
        first[n + step] = first[left]
    return first


def _draw_cut(axes: Axes, heights: np.ndarray, n_clusters: int) -> None:
    """Mark the height at which the tree falls into its clusters."""
    if 1 < n_clusters <= len(heights):
        cut = 0.5 * (heights[-n_clusters] + heights[-n_clusters + 1])
        axes.axhline(cut, color=ORANGE, linewidth=1, linestyle="--")
