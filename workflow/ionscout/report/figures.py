"""The figures up to the shortlist, each a function that returns inline SVG."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from scipy.cluster.hierarchy import dendrogram

from ionscout.report.drawing import (
    BLUE,
    DARK,
    GREEN,
    GREY,
    ORANGE,
    SKY,
    VERMILLION,
    WIDTH_IN,
    count_rows,
    label_decades,
    make_panels,
    open_figure,
)

_MAX_LEAVES = 36


def draw_funnel(funnel: pd.DataFrame) -> str:
    """Draw what each gate keeps and loses.

    Parameters
    ----------
    funnel : DataFrame
        The rows of `funnel.csv`, in the order of the gates.

    Returns
    -------
    str
        SVG.
    """
    unknown_kept = funnel["n_out"] - funnel["n_pass"]
    unknown_lost = funnel["n_unknown"] - unknown_kept
    parts = [
        ("passed", funnel["n_pass"], GREEN, ""),
        ("unknown, kept", unknown_kept, SKY, ""),
        ("unknown, dropped", unknown_lost, "#DDDDDD", "//"),
        ("failed", funnel["n_fail"], "#C9C9C9", ""),
    ]
    with open_figure("funnel", WIDTH_IN, 1.1 + 0.42 * len(funnel)) as (figure, svg):
        axes = figure.add_subplot()
        rows = np.arange(len(funnel))
        left = np.zeros(len(funnel))
        for label, counts, colour, hatch in parts:
            widths = counts.to_numpy(dtype=float)
            axes.barh(
                rows, widths, left=left, height=0.62, color=colour, hatch=hatch,
                edgecolor="white", linewidth=0.5, label=label,
            )  # fmt: skip
            left += widths
        for row, n_in, n_out in zip(rows, funnel["n_in"], funnel["n_out"], strict=True):
            axes.annotate(
                f"{n_out:.0f} of {n_in:.0f} kept", (n_in, row), (6, 0), va="center", color=DARK,
                textcoords="offset points",
            )  # fmt: skip
        axes.set_yticks(rows, [str(gate).replace("_", " ") for gate in funnel["gate"]])
        axes.invert_yaxis()
        axes.set_xlim(0, 1.18 * max(1.0, funnel["n_in"].max()))
        axes.set_xlabel("materials")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
    return svg[0]


def draw_parity(known: pd.DataFrame, *, threshold_s_cm: float) -> str:
    """Draw each model's probability of the known conductors against measurement.

    Parameters
    ----------
    known : DataFrame
        model, probability, sigma_rt_s_cm, is_upper_bound, left_out (was the
        material held out of the fit?).
    threshold_s_cm : float
        Conductivity from which a material is fast, in S/cm.

    Returns
    -------
    str
        SVG.
    """
    models = list(known["model"].unique())
    measured = [*known["sigma_rt_s_cm"], threshold_s_cm]
    left, right = min(measured) / 6, max(measured) * 6
    with open_figure("parity", WIDTH_IN, 3.1 * count_rows(models, 2)) as (figure, svg):
        panels = make_panels(figure, len(models), columns=2, sharex=True, sharey=True)
        for axes, model in zip(panels, models, strict=True):
            rows = known[known["model"] == model]
            axes.axvspan(threshold_s_cm, right, color="#FBE9DD", zorder=0)
            axes.axhline(0.5, color=GREY, linewidth=0.8, linestyle=":")
            for left_out, face in ((True, BLUE), (False, "white")):
                chosen = rows[rows["left_out"] == left_out]
                _scatter_bounds(axes, chosen, face)
            axes.axvline(threshold_s_cm, color=VERMILLION, linewidth=1, linestyle="--")
            axes.set_xscale("log")
            axes.set_xlim(left, right)
            axes.set_ylim(-0.04, 1.04)
            axes.set_title(model)
            axes.set_xlabel("measured conductivity (S/cm)")
            axes.set_ylabel("probability of being fast")
            label_decades(axes.xaxis)
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


def _scatter_bounds(axes: Axes, rows: pd.DataFrame, face: str) -> None:
    """Draw measured values as circles and upper bounds as arrows to the left."""
    bounds = rows["is_upper_bound"].to_numpy(dtype=bool)
    for selected, marker, size in ((~bounds, "o", 26), (bounds, "<", 34)):
        axes.scatter(
            rows["sigma_rt_s_cm"][selected], rows["probability"][selected], s=size,
            marker=marker, facecolors=face, edgecolors=BLUE, linewidths=1, zorder=3,
        )  # fmt: skip


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
