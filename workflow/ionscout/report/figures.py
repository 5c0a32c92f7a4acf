"""The figures of the report, each a function that returns inline SVG.

Equal input gives equal bytes: the identifiers inside are hashed with a fixed
salt, no date is written, and text stays text.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from scipy.cluster.hierarchy import dendrogram

from ionscout.report.tables import format_number, power_of_ten

# Okabe and Ito's palette, told apart by colour-blind readers.
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, DARK, GREY = "#CC79A7", "#56B4E9", "#333333", "#999999"

SPEED_STYLES = {"fast": (VERMILLION, "^"), "slow": (BLUE, "s")}
_SERIES = [
    (colour, marker)
    for marker in "oDv^sP"
    for colour in (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, DARK)
]
_STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "axes.unicode_minus": True,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "Helvetica"],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.linewidth": 0.8,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
}
_WIDTH_IN = 9.5
_MAX_LEAVES = 36
_MAX_POINTS_OF_A_CURVE = 300
_MAX_VECTOR_POINTS = 2000


@dataclass(frozen=True)
class ArrheniusSeries:
    """One material's diffusivities (n,) in cm2/s by temperature (n,) in kelvin.

    `upper_bound_cm2_s` holds the bound where `diffusivity_cm2_s` is NaN. The
    line and its band (m,) are empty where nothing was extrapolated.
    """

    name: str
    temperature_k: np.ndarray
    diffusivity_cm2_s: np.ndarray
    low_cm2_s: np.ndarray
    high_cm2_s: np.ndarray
    upper_bound_cm2_s: np.ndarray
    line_temperature_k: np.ndarray
    line_cm2_s: np.ndarray
    line_low_cm2_s: np.ndarray
    line_high_cm2_s: np.ndarray


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
    with _figure("funnel", _WIDTH_IN, 1.1 + 0.42 * len(funnel)) as (figure, svg):
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
            axes.text(n_in, row, f"  {n_out:.0f} of {n_in:.0f} kept", va="center", color=DARK)
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
    with _figure("parity", _WIDTH_IN, 3.1 * _rows_of(models, 2)) as (figure, svg):
        panels = _panels(figure, len(models), columns=2, sharex=True, sharey=True)
        for axes, model in zip(panels, models, strict=True):
            rows = known[known["model"] == model]
            axes.axvspan(
                threshold_s_cm, 10 * known["sigma_rt_s_cm"].max(), color="#FBE9DD", zorder=0
            )
            axes.axhline(0.5, color=GREY, linewidth=0.8, linestyle=":")
            for left_out, face in ((True, BLUE), (False, "white")):
                chosen = rows[rows["left_out"] == left_out]
                _scatter_bounds(axes, chosen, face)
            axes.axvline(threshold_s_cm, color=VERMILLION, linewidth=1, linestyle="--")
            axes.set_xscale("log")
            axes.set_xlim(known["sigma_rt_s_cm"].min() / 6, known["sigma_rt_s_cm"].max() * 6)
            axes.set_ylim(-0.04, 1.04)
            axes.set_title(model)
            axes.set_xlabel("measured conductivity (S/cm)")
            axes.set_ylabel("probability of being fast")
            _readable_decades(axes.xaxis)
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
    with _figure("dendrogram", _WIDTH_IN, 4.4) as (figure, svg):
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


def draw_map(points: pd.DataFrame, *, explained: Sequence[float]) -> str:
    """Draw the materials in the plane that keeps most of their variance.

    Parameters
    ----------
    points : DataFrame
        x, y, speed (fast, slow or empty), shortlisted (bool), cluster (int or NaN).
    explained : sequence of float, length 2
        Share of the variance along x and y.

    Returns
    -------
    str
        SVG.
    """
    with _figure("map", _WIDTH_IN, 4.6) as (figure, svg):
        axes = figure.add_subplot()
        unlabelled = points[points["speed"] == ""]
        axes.scatter(
            unlabelled["x"], unlabelled["y"], s=9, color="#BBBBBB", linewidths=0,
            label="not measured", rasterized=len(unlabelled) > _MAX_VECTOR_POINTS,
        )  # fmt: skip
        for speed, (colour, marker) in SPEED_STYLES.items():
            rows = points[points["speed"] == speed]
            axes.scatter(
                rows["x"], rows["y"], s=34, color=colour, marker=marker,
                edgecolors="white", linewidths=0.5, label=f"measured {speed}",
            )  # fmt: skip
        chosen = points[points["shortlisted"]]
        axes.scatter(
            chosen["x"], chosen["y"], s=110, facecolors="none", edgecolors=DARK,
            linewidths=1.2, label="shortlisted",
        )  # fmt: skip
        for cluster, rows in points.dropna(subset=["cluster"]).groupby("cluster"):
            axes.text(
                rows["x"].median(), rows["y"].median(), f"{cluster:.0f}", color=DARK,
                fontsize=11, weight="bold", ha="center", va="center", alpha=0.75,
            )  # fmt: skip
        axes.set_xlabel(f"first principal component ({100 * explained[0]:.0f} % of the variance)")
        axes.set_ylabel(f"second ({100 * explained[1]:.0f} %)")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return svg[0]


def draw_msd(msd: pd.DataFrame, diffusivity: pd.DataFrame, *, name: str) -> str:
    """Draw the mean squared displacements of one material, a panel a temperature.

    Parameters
    ----------
    msd : DataFrame
        The rows of `msd.parquet`.
    diffusivity : DataFrame
        The rows of `diffusivity.csv`.
    name : str
        The material; it makes the figure's inner identifiers its own.

    Returns
    -------
    str
        SVG.
    """
    temperatures_k = sorted(msd["temperature_k"].unique())
    height = 2.7 * _rows_of(temperatures_k, 3)
    with _figure(f"msd {name}", _WIDTH_IN, height) as (figure, svg):
        panels = _panels(figure, len(temperatures_k), columns=3)
        for axes, temperature_k in zip(panels, temperatures_k, strict=True):
            curve = msd[msd["temperature_k"] == temperature_k].sort_values("lag_ps")
            _draw_msd_panel(axes, curve)
            axes.set_title(_title_of_run(diffusivity, temperature_k))
        panels[0].legend(loc="upper left")
    return svg[0]


def draw_arrhenius(series: Sequence[ArrheniusSeries], *, target_temperature_k: float) -> str:
    """Draw the diffusivities of all materials over 1000/T.

    Parameters
    ----------
    series : sequence of ArrheniusSeries
        One a material.
    target_temperature_k : float
        The temperature extrapolated to, in kelvin; marked where a line reaches it.

    Returns
    -------
    str
        SVG.
    """
    with _figure("arrhenius", _WIDTH_IN, 4.6) as (figure, svg):
        axes = figure.add_subplot()
        for one, (colour, marker) in zip(series, _cycle_styles(len(series)), strict=True):
            _draw_series(axes, one, colour, marker)
        if any(one.line_temperature_k.size for one in series):
            axes.axvline(1000 / target_temperature_k, color=GREY, linewidth=0.8, linestyle=":")
        axes.set_yscale("log")
        _readable_decades(axes.yaxis)
        axes.set_xlabel("1000 / T (1/K)")
        axes.set_ylabel("lithium diffusivity (cm²/s)")
        top = axes.secondary_xaxis("top", functions=(_thousand_over, _thousand_over))
        top.set_xticks(_kelvin_ticks(axes.get_xlim()))
        top.set_xlabel("T (K)")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return svg[0]


@contextmanager
def _figure(salt: str, width_in: float, height_in: float) -> Iterator[tuple[Figure, list[str]]]:
    """Open a figure; when the block ends its SVG is in the list."""
    svg: list[str] = []
    with mpl.rc_context({**_STYLE, "svg.hashsalt": salt}):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        yield figure, svg
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    svg.append(text[text.index("<svg") :])


def _panels(figure: Figure, count: int, *, columns: int, **shared: bool) -> list[Axes]:
    """Make a grid of axes and hide those left over."""
    columns = min(columns, count)
    grid = figure.subplots(-(-count // columns), columns, squeeze=False, **shared).ravel()
    for axes in grid[count:]:
        axes.set_visible(False)
    return list(grid[:count])


def _rows_of(items: Sequence[object], columns: int) -> int:
    return -(-len(items) // columns)


def _cycle_styles(count: int) -> list[tuple[str, str]]:
    return [_SERIES[index % len(_SERIES)] for index in range(count)]


def _thousand_over(value: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return 1000.0 / np.asarray(value, dtype=float)


def _kelvin_ticks(limits: tuple[float, float]) -> list[float]:
    choices = [300, 350, 400, 500, 600, 700, 800, 1000, 1200, 1500, 2000]
    return [t for t in choices if limits[0] <= 1000 / t <= limits[1]]


def _readable_decades(axis: mpl.axis.Axis) -> None:
    """Label whole powers of ten, in plain characters."""

    def label(value: float, _position: int) -> str:
        exponent = np.log10(value) if value > 0 else 0.5
        whole = round(exponent)
        return power_of_ten(whole) if abs(exponent - whole) < 1e-6 else ""

    axis.set_major_formatter(FuncFormatter(label))
    axis.set_minor_formatter(FuncFormatter(lambda _value, _position: ""))


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


def _draw_msd_panel(axes: Axes, curve: pd.DataFrame) -> None:
    """Draw lithium with its error band, the framework, and the fit window."""
    fitted = curve.loc[curve["in_fit"].astype(bool), "lag_ps"]
    if not fitted.empty:
        axes.axvspan(fitted.min(), fitted.max(), color="#FFF3D6", zorder=0, label="fit window")
    curve = curve.iloc[:: max(1, len(curve) // _MAX_POINTS_OF_A_CURVE)]
    lag, msd, error = (
        curve[name].to_numpy(dtype=float) for name in ("lag_ps", "msd_li_ang2", "msd_li_error_ang2")
    )
    axes.fill_between(lag, msd - error, msd + error, color=BLUE, alpha=0.2, linewidth=0)
    axes.plot(lag, msd, color=BLUE, label="Li")
    axes.plot(lag, curve["msd_framework_ang2"], color=DARK, linestyle="--", label="framework")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_xlabel("lag (ps)")
    axes.set_ylabel("MSD (Å²)")


def _title_of_run(diffusivity: pd.DataFrame, temperature_k: float) -> str:
    rows = diffusivity[diffusivity["temperature_k"] == temperature_k]
    if rows.empty:
        return f"{temperature_k:g} K"
    row = rows.iloc[0]
    title = f"{temperature_k:g} K: {row['verdict']}"
    if pd.notna(row["diffusivity_cm2_s"]):
        return f"{title}, D = {format_number(row['diffusivity_cm2_s'])} cm²/s"
    return title


def _draw_series(axes: Axes, one: ArrheniusSeries, colour: str, marker: str) -> None:
    """Draw one material: values with intervals, bounds as arrows, its line."""
    inverse = 1000.0 / one.temperature_k
    known = np.isfinite(one.diffusivity_cm2_s)
    values = one.diffusivity_cm2_s[known]
    errors = np.abs(np.stack([one.low_cm2_s[known], one.high_cm2_s[known]]) - values)
    axes.errorbar(
        inverse[known], values, yerr=np.nan_to_num(errors), fmt=marker, color=colour,
        markersize=5, capsize=2, linewidth=1, label=one.name,
    )  # fmt: skip
    bounded = ~known & np.isfinite(one.upper_bound_cm2_s)
    for x, bound in zip(inverse[bounded], one.upper_bound_cm2_s[bounded], strict=True):
        axes.annotate(
            "", (x, bound / 3), (x, bound), arrowprops={"arrowstyle": "-|>", "color": colour}
        )
    axes.plot(inverse[bounded], one.upper_bound_cm2_s[bounded], "_", color=colour, markersize=9)
    if one.line_temperature_k.size:
        inverse_line = 1000.0 / one.line_temperature_k
        axes.plot(inverse_line, one.line_cm2_s, color=colour, linewidth=1)
        axes.fill_between(
            inverse_line, one.line_low_cm2_s, one.line_high_cm2_s, color=colour, alpha=0.15,
            linewidth=0,
        )  # fmt: skip
