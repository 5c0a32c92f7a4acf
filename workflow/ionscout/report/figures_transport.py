"""The figures of what the runs add up to, each a function that returns inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ionscout.report.drawing import (
    BLUE,
    DARK,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    WIDTH_IN,
    count_rows,
    label_decades,
    make_panels,
    open_figure,
    widen_to_decades,
)
from ionscout.transport.conductivity import ROOM_TEMPERATURE_K

_SERIES = [
    (colour, marker)
    for marker in "oDv^sP"
    for colour in (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, DARK)
]
_REPLICA_STEP = 0.012
_ARROW_POINTS = 22
_MAP_COLUMNS = 3
_MAP_DPI = 150
_LONGEST_TITLE = 34


@dataclass(frozen=True)
class ArrheniusSeries:
    """One material in the Arrhenius plot.

    `runs` holds temperature_k and the diffusivity columns of `diffusivity.csv`; `line` the
    lists of `arrhenius.json`, empty where nothing was extrapolated; `measured`
    temperature_k, diffusivity_cm2_s and is_upper_bound of experiments.
    """

    name: str
    runs: pd.DataFrame
    line: Mapping[str, Sequence[float]]
    measured: pd.DataFrame


def draw_arrhenius(series: Sequence[ArrheniusSeries]) -> str:
    """Draw the diffusivities of all materials over 1000/T.

    Parameters
    ----------
    series : sequence of ArrheniusSeries
        One a material.

    Returns
    -------
    str
        SVG.
    """
    height = max(4.8, 1.2 + 0.19 * len(series))
    with open_figure("arrhenius", WIDTH_IN, height) as (figure, svg):
        axes = figure.add_subplot()
        axes.set_yscale("log")
        for index, one in enumerate(series):
            _draw_series(axes, one, *_SERIES[index % len(_SERIES)])
        if any(one.line or len(one.measured) for one in series):
            axes.axvline(1000 / ROOM_TEMPERATURE_K, color=GREY, linewidth=0.8, linestyle=":")
        widen_to_decades(axes)
        label_decades(axes.yaxis)
        axes.set_xlabel("1000 / T (1/K)")
        axes.set_ylabel("lithium diffusivity (cm²/s)")
        top = axes.secondary_xaxis("top", functions=(_thousand_over, _thousand_over))
        top.set_xticks(_kelvin_ticks(axes.get_xlim()))
        top.set_xlabel("T (K)")
        handles, _ = axes.get_legend_handles_labels()
        if any(len(one.measured) for one in series):
            handles.append(_marker_of_measured(DARK, "measured"))
        axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return svg[0]


def draw_density(density: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Draw where lithium was, a map a material, seen along an axis of the cell.

    Parameters
    ----------
    density : DataFrame
        The rows of `density.parquet`.
    names : mapping of str to str
        The materials by id.

    Returns
    -------
    str
        SVG.
    """
    maps = list(density.groupby(["material_id", "temperature_k", "replica", "axis"], sort=False))
    rows = count_rows(maps, _MAP_COLUMNS)
    with open_figure("lithium density", WIDTH_IN, 3.1 * rows) as (figure, svg):
        figure.set_dpi(_MAP_DPI)
        panels = make_panels(figure, len(maps), columns=_MAP_COLUMNS)
        for axes, ((material_id, temperature_k, _, axis), points) in zip(panels, maps, strict=True):
            _draw_map(figure, axes, points)
            name = _shorten(names.get(material_id, material_id))
            axes.set_title(f"{name}\n{temperature_k:g} K, seen along {axis}")
    return svg[0]


def _draw_series(axes: Axes, one: ArrheniusSeries, colour: str, marker: str) -> None:
    """Draw one material: values with intervals, bounds as arrows, its line, the measured."""
    runs = one.runs
    inverse = 1000.0 / runs["temperature_k"].to_numpy(dtype=float) + _aside(runs)
    value, low, high, bound = (
        runs[name].to_numpy(dtype=float)
        for name in (
            *("diffusivity_cm2_s", "diffusivity_low_cm2_s", "diffusivity_high_cm2_s"),
            "diffusivity_upper_bound_cm2_s",
        )
    )
    known = np.isfinite(value)
    errors = np.abs(np.stack([low[known], high[known]]) - value[known])
    axes.errorbar(
        inverse[known], value[known], yerr=np.nan_to_num(errors), fmt=marker, color=colour,
        markersize=5, capsize=2, linewidth=1, label=one.name if known.any() else "_none",
    )  # fmt: skip
    bounded = ~known & (bound > 0)
    axes.plot(
        inverse[bounded], bound[bounded], "_", color=colour, markersize=9,
        label="_bounds" if known.any() else one.name,
    )  # fmt: skip
    for x, y in zip(inverse[bounded], bound[bounded], strict=True):
        _point_down(axes, x, y, colour)
    if one.line:
        line = {key: np.asarray(values, dtype=float) for key, values in one.line.items()}
        inverse_line = 1000.0 / line["temperature_k"]
        axes.plot(inverse_line, line["diffusivity_cm2_s"], color=colour, linewidth=1)
        axes.fill_between(
            inverse_line, line["diffusivity_low_cm2_s"], line["diffusivity_high_cm2_s"],
            color=colour, alpha=0.15, linewidth=0,
        )  # fmt: skip
    for row in one.measured.itertuples():
        x, y = 1000.0 / row.temperature_k, row.diffusivity_cm2_s
        axes.add_line(_marker_of_measured(colour, "_measured", x, y))
        axes.update_datalim([(x, y)])
        if row.is_upper_bound:
            _point_down(axes, x, y, colour)


def _aside(runs: pd.DataFrame) -> np.ndarray:
    """Set the replicas of a temperature side by side, so that no interval hides another."""
    groups = runs.groupby("temperature_k")["temperature_k"]
    place = groups.cumcount() - (groups.transform("size") - 1) / 2
    return _REPLICA_STEP * place.to_numpy(dtype=float)


def _point_down(axes: Axes, x: float, y: float, colour: str) -> None:
    """Draw the arrow of an upper bound, with room for it in the axes."""
    axes.update_datalim([(x, y / 10)])
    axes.annotate(
        "", (x, y), (0, -_ARROW_POINTS), textcoords="offset points",
        arrowprops={"arrowstyle": "<|-", "color": colour, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip


def _marker_of_measured(colour: str, label: str, x: float = np.nan, y: float = np.nan) -> Line2D:
    return Line2D(
        [x], [y], marker="*", markersize=11, markerfacecolor="white", markeredgecolor=colour,
        linestyle="none", label=label, zorder=4,
    )  # fmt: skip


def _draw_map(figure: Figure, axes: Axes, points: pd.DataFrame) -> None:
    """Draw one density on its grid, which may be sheared, inside the cell's outline."""
    grids = points.pivot_table(index="i", columns="j", values=["x_ang", "y_ang", "lithium_ang2"])
    x, y = (_corners(grids[name].to_numpy(dtype=float)) for name in ("x_ang", "y_ang"))
    density = grids["lithium_ang2"].to_numpy(dtype=float)
    mesh = axes.pcolormesh(
        x, y, density, cmap="magma_r", norm=PowerNorm(0.5, vmin=0), shading="flat", rasterized=True
    )
    outline = [(0, 0), (-1, 0), (-1, -1), (0, -1), (0, 0)]
    axes.plot(
        [x[corner] for corner in outline], [y[corner] for corner in outline], color=DARK,
        linewidth=0.8,
    )  # fmt: skip
    axes.set_aspect("equal")
    axes.set_xlabel("x (Å)")
    axes.set_ylabel("y (Å)")
    bar = axes.inset_axes([1.05, 0, 0.05, 1])
    figure.colorbar(mesh, cax=bar, label="Li ions (1/Å²)")


def _corners(middles: np.ndarray) -> np.ndarray:
    """Corners (n_i + 1, n_j + 1) of the pixels of an even grid with these middles (n_i, n_j)."""
    n_i, n_j = middles.shape
    along_i = (middles[-1, 0] - middles[0, 0]) / max(n_i - 1, 1)
    along_j = (middles[0, -1] - middles[0, 0]) / max(n_j - 1, 1)
    i, j = np.arange(n_i + 1)[:, None] - 0.5, np.arange(n_j + 1) - 0.5
    return middles[0, 0] + i * along_i + j * along_j


def _shorten(name: str) -> str:
    return name if len(name) <= _LONGEST_TITLE else f"{name[: _LONGEST_TITLE - 1]}…"


def _thousand_over(value: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return 1000.0 / np.asarray(value, dtype=float)


def _kelvin_ticks(limits: tuple[float, float]) -> list[float]:
    choices = [300, 350, 400, 500, 600, 700, 800, 1000, 1200, 1500, 2000]
    return [t for t in choices if limits[0] <= 1000 / t <= limits[1]]
