"""The figures of the descriptors, each a function that returns inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ionscout.report.drawing import (
    BLUE,
    DARK,
    GREY,
    VERMILLION,
    WIDTH_IN,
    make_panels,
    open_figure,
)

SPEED_STYLES = {"fast": (VERMILLION, "^"), "slow": (BLUE, "s")}
_MAX_VECTOR_POINTS = 2000
_NAME_GAP = 0.055
_ROOM_FOR_NAMES = 0.28


class Pattern(NamedTuple):
    """A diffraction pattern.

    Attributes
    ----------
    title : str
        Whose it is.
    speed : str
        fast or slow.
    intensity : ndarray, shape (n_bins,)
        Their sum is 1.
    """

    title: str
    speed: str
    intensity: np.ndarray


class MapPanel(NamedTuple):
    """The materials in the plane that keeps most of their variance.

    Attributes
    ----------
    title : str
        The descriptors.
    points : DataFrame
        x, y, speed (fast, slow or empty), name (of the shortlisted, else empty),
        cluster (int, or NaN where there is none to show).
    explained : sequence of float, length 2
        Share of the variance along x and y.
    """

    title: str
    points: pd.DataFrame
    explained: Sequence[float]


def draw_patterns(two_theta_deg: np.ndarray, patterns: Sequence[Pattern]) -> str:
    """Draw diffraction patterns side by side, on the same scales.

    Parameters
    ----------
    two_theta_deg : ndarray, shape (n_bins,)
        Middle of each bin in degrees.
    patterns : sequence of Pattern
        One a panel.

    Returns
    -------
    str
        SVG.
    """
    with open_figure("patterns", WIDTH_IN, 3.2) as (figure, svg):
        panels = make_panels(figure, len(patterns), columns=len(patterns), sharex=True, sharey=True)
        for axes, pattern in zip(panels, patterns, strict=True):
            colour, _ = SPEED_STYLES[pattern.speed]
            percent = 100 * pattern.intensity
            axes.fill_between(two_theta_deg, percent, color=colour, alpha=0.2, linewidth=0)
            axes.plot(two_theta_deg, percent, color=colour, linewidth=1)
            axes.set_title(pattern.title)
            axes.set_xlabel("2θ (degrees)")
        panels[0].set_xlim(two_theta_deg[0], two_theta_deg[-1])
        panels[0].set_ylim(bottom=0)
        panels[0].set_ylabel("share of the intensity a bin (%)")
    return svg[0]


def draw_maps(panels: Sequence[MapPanel]) -> str:
    """Draw maps of the materials side by side.

    Parameters
    ----------
    panels : sequence of MapPanel
        One a descriptor space.

    Returns
    -------
    str
        SVG; a cloud of many points in it is a bitmap.
    """
    with open_figure("map", WIDTH_IN, 4.6) as (figure, svg):
        grid = make_panels(figure, len(panels), columns=len(panels))
        for axes, panel in zip(grid, panels, strict=True):
            _draw_points(axes, panel.points)
            _draw_names(axes, panel.points)
            _draw_clusters(axes, panel.points)
            along_x, along_y = (f"{100 * share:.0f} % of the variance" for share in panel.explained)
            axes.set_title(panel.title)
            axes.set_xlabel(f"first principal component ({along_x})")
            axes.set_ylabel(f"second ({along_y})")
            axes.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return svg[0]


def _draw_points(axes: Axes, points: pd.DataFrame) -> None:
    unlabelled = points[points["speed"] == ""]
    is_cloud = len(unlabelled) > _MAX_VECTOR_POINTS
    axes.scatter(
        unlabelled["x"], unlabelled["y"], s=3 if is_cloud else 9, color="#BBBBBB", linewidths=0,
        label="not measured", rasterized=is_cloud,
    )  # fmt: skip
    for speed, (colour, marker) in SPEED_STYLES.items():
        rows = points[points["speed"] == speed]
        axes.scatter(
            rows["x"], rows["y"], s=22, color=colour, marker=marker, alpha=0.85,
            edgecolors="white", linewidths=0.5, label=f"measured {speed}",
        )  # fmt: skip
    chosen = points[points["name"] != ""]
    axes.scatter(
        chosen["x"], chosen["y"], s=90, facecolors="none", edgecolors=DARK,
        linewidths=1.2, label="shortlisted",
    )  # fmt: skip


def _draw_names(axes: Axes, points: pd.DataFrame) -> None:
    """Name the shortlisted to the right of the cloud, where names cannot overlap."""
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top)
    chosen = points[points["name"] != ""].sort_values("y", kind="stable")
    axes.set_xlim(left, right + (_ROOM_FOR_NAMES * (right - left) if len(chosen) else 0))
    heights = _spread_out((chosen["y"].to_numpy() - bottom) / (top - bottom))
    for row, height in zip(chosen.itertuples(), heights, strict=True):
        axes.annotate(
            row.name, (row.x, row.y), (right, bottom + height * (top - bottom)),
            va="center", fontsize=8, color=DARK,
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.6, "relpos": (0, 0.5),
                        "shrinkB": 5},
        )  # fmt: skip


def _spread_out(heights: np.ndarray) -> np.ndarray:
    """Move ascending heights in [0, 1] apart until a line of text fits between them."""
    gap = min(_NAME_GAP, 0.96 / max(1, len(heights)))
    steps = gap * np.arange(len(heights))
    pushed_up = np.maximum.accumulate(heights - steps)
    pushed_down = np.minimum.accumulate((heights - steps)[::-1])[::-1]
    lowest, highest = 0.02, 0.98 - steps[-1:]
    return np.clip(0.5 * (pushed_up + pushed_down), lowest, highest) + steps


def _draw_clusters(axes: Axes, points: pd.DataFrame) -> None:
    """Put each cluster's number beside its median."""
    for cluster, rows in points.dropna(subset=["cluster"]).groupby("cluster"):
        axes.annotate(
            f"{cluster:.0f}", (rows["x"].median(), rows["y"].median()), (-9, 6), color=DARK,
            textcoords="offset points", weight="bold", ha="center", va="center",
        )  # fmt: skip
