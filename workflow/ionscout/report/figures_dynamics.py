"""The figures of the molecular dynamics, each a function that returns inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

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
from ionscout.report.tables import format_number
from ionscout.transport.conductivity import ROOM_TEMPERATURE_K

_SERIES = [
    (colour, marker)
    for marker in "oDv^sP"
    for colour in (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, DARK)
]
_MAX_POINTS_OF_A_CURVE = 300


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
    height = 2.7 * count_rows(temperatures_k, 3)
    with open_figure(f"msd {name}", WIDTH_IN, height) as (figure, svg):
        panels = make_panels(figure, len(temperatures_k), columns=3)
        for axes, temperature_k in zip(panels, temperatures_k, strict=True):
            curve = msd[msd["temperature_k"] == temperature_k].sort_values("lag_ps")
            _draw_msd_panel(axes, curve)
            axes.set_title(_title_of_run(diffusivity, temperature_k))
        panels[0].legend(loc="upper left")
    return svg[0]


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
    with open_figure("arrhenius", WIDTH_IN, 4.6) as (figure, svg):
        axes = figure.add_subplot()
        for one, (colour, marker) in zip(series, _cycle_styles(len(series)), strict=True):
            _draw_series(axes, one, colour, marker)
        if any(one.line_temperature_k.size for one in series):
            axes.axvline(1000 / ROOM_TEMPERATURE_K, color=GREY, linewidth=0.8, linestyle=":")
        axes.set_yscale("log")
        widen_to_decades(axes)
        label_decades(axes.yaxis)
        axes.set_xlabel("1000 / T (1/K)")
        axes.set_ylabel("lithium diffusivity (cm²/s)")
        top = axes.secondary_xaxis("top", functions=(_thousand_over, _thousand_over))
        top.set_xticks(_kelvin_ticks(axes.get_xlim()))
        top.set_xlabel("T (K)")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return svg[0]


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
    title = f"{temperature_k:g} K: {str(row['verdict']).replace('_', ' ')}"
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
    bounded = ~known & (one.upper_bound_cm2_s > 0)
    for x, bound in zip(inverse[bounded], one.upper_bound_cm2_s[bounded], strict=True):
        axes.annotate(
            "", (x, bound), (0, -24), textcoords="offset points",
            arrowprops={"arrowstyle": "<|-", "color": colour, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip
    axes.plot(inverse[bounded], one.upper_bound_cm2_s[bounded], "_", color=colour, markersize=9)
    if one.line_temperature_k.size:
        inverse_line = 1000.0 / one.line_temperature_k
        axes.plot(inverse_line, one.line_cm2_s, color=colour, linewidth=1)
        axes.fill_between(
            inverse_line, one.line_low_cm2_s, one.line_high_cm2_s, color=colour, alpha=0.15,
            linewidth=0,
        )  # fmt: skip


def _cycle_styles(count: int) -> list[tuple[str, str]]:
    return [_SERIES[index % len(_SERIES)] for index in range(count)]


def _thousand_over(value: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return 1000.0 / np.asarray(value, dtype=float)


def _kelvin_ticks(limits: tuple[float, float]) -> list[float]:
    choices = [300, 350, 400, 500, 600, 700, 800, 1000, 1200, 1500, 2000]
    return [t for t in choices if limits[0] <= 1000 / t <= limits[1]]
