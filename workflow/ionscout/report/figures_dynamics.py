"""The figure of the mean squared displacements, a function that returns inline SVG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ionscout.report.drawing import BLUE, DARK, GREY, VERMILLION, WIDTH_IN, count_rows, open_figure
from ionscout.report.tables import format_number

_COLUMNS = 3
_MAX_POINTS_OF_A_CURVE = 250
_WINDOW = "#FFF3D6"
_SLOPE_LIMITS = (-0.6, 2.3)


def draw_msd(msd: pd.DataFrame, diffusivity: pd.DataFrame, *, name: str) -> str:
    """Draw the mean squared displacements of one material, and their slopes, run by run.

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
    runs = list(msd.groupby(["temperature_k", "replica"]))
    rows = count_rows(runs, _COLUMNS)
    several = bool((msd["replica"] > 0).any())
    with open_figure(f"msd {name}", WIDTH_IN, 0.3 + 3.9 * rows) as (figure, svg):
        grid = figure.subplots(2 * rows, _COLUMNS, squeeze=False, height_ratios=[2.2, 1] * rows)
        uppers, lowers = grid[0::2].ravel(), grid[1::2].ravel()
        for axes in (*uppers[len(runs) :], *lowers[len(runs) :]):
            axes.set_visible(False)
        for (run, curve), upper, lower in zip(runs, uppers, lowers, strict=False):
            curve = curve[(curve["lag_ps"] > 0) & (curve["msd_li_ang2"] > 0)].sort_values("lag_ps")
            lower.sharex(upper)
            upper.set_title(_title_of_run(diffusivity, *run, several))
            if curve.empty:
                continue
            _shade_window(curve, upper, lower)
            curve = _thin(curve)
            _draw_displacement(upper, curve)
            _draw_slope(lower, curve)
        _add_legend(figure, uppers)
    return svg[0]


def _shade_window(curve: pd.DataFrame, upper: Axes, lower: Axes) -> None:
    fitted = curve.loc[curve["in_fit"].astype(bool), "lag_ps"]
    if not fitted.empty:
        upper.axvspan(fitted.min(), fitted.max(), color=_WINDOW, zorder=0, label="fit window")
        lower.axvspan(fitted.min(), fitted.max(), color=_WINDOW, zorder=0)


def _draw_displacement(axes: Axes, curve: pd.DataFrame) -> None:
    """Draw lithium with its error band, the framework, and the fitted line with its band."""
    lag = curve["lag_ps"].to_numpy(dtype=float)
    msd, error, framework, fit, low, high = (
        curve[name].to_numpy(dtype=float)
        for name in (
            *("msd_li_ang2", "msd_li_error_ang2", "msd_framework_ang2"),
            *("fit_ang2", "fit_low_ang2", "fit_high_ang2"),
        )
    )
    floor = 0.5 * min(_least_positive(msd), _least_positive(framework))
    axes.set_xscale("log")
    axes.set_yscale("log")
    if np.isfinite(error).any():
        axes.fill_between(
            lag, np.maximum(msd - error, floor), msd + error, color=BLUE, alpha=0.2, linewidth=0
        )
    axes.plot(lag, msd, color=BLUE, label="Li")
    axes.plot(lag, framework, color=DARK, linestyle="--", linewidth=1.1, label="framework")
    if np.isfinite(fit).any():
        axes.fill_between(
            lag, np.maximum(low, floor), high, color=VERMILLION, alpha=0.25, linewidth=0
        )
        axes.plot(lag, fit, color=VERMILLION, linewidth=1.2, label="fit and its interval")
    axes.set_ylim(bottom=floor)
    _label_logarithm(axes.xaxis)
    _label_logarithm(axes.yaxis)
    axes.tick_params(axis="x", labelbottom=False)
    axes.set_ylabel("MSD (Å²)")


def _draw_slope(axes: Axes, curve: pd.DataFrame) -> None:
    """Draw the local slope of ln MSD over ln lag, with what diffusion and rattling give."""
    axes.axhline(1, color=GREY, linewidth=0.9, linestyle="--")
    axes.axhline(0, color=GREY, linewidth=0.9, linestyle=":")
    axes.plot(curve["lag_ps"], curve["exponent"].astype(float), color=BLUE, linewidth=1.1)
    axes.set_ylim(_SLOPE_LIMITS)
    axes.set_yticks([0, 1, 2])
    axes.set_xscale("log")
    _label_logarithm(axes.xaxis)
    axes.set_xlabel("lag (ps)")
    axes.set_ylabel("slope")


def _add_legend(figure: Figure, panels: Sequence[Axes]) -> None:
    """Name once what is drawn in any of the panels, above all of them."""
    named = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    if named:
        figure.legend(named.values(), named.keys(), loc="outside upper left", ncols=len(named))


def _title_of_run(
    diffusivity: pd.DataFrame, temperature_k: float, replica: int, several: bool
) -> str:
    title = f"{temperature_k:g} K" + (f", replica {replica}" if several else "")
    rows = diffusivity[
        (diffusivity["temperature_k"] == temperature_k) & (diffusivity["replica"] == replica)
    ]
    if rows.empty:
        return title
    row = rows.iloc[0]
    title = f"{title}: {str(row['verdict']).replace('_', ' ')}"
    if pd.notna(row["diffusivity_cm2_s"]):
        return f"{title}\nD = {format_number(row['diffusivity_cm2_s'])} cm²/s"
    if pd.notna(row["diffusivity_upper_bound_cm2_s"]):
        return f"{title}\nD < {format_number(row['diffusivity_upper_bound_cm2_s'])} cm²/s"
    return title


def _thin(curve: pd.DataFrame) -> pd.DataFrame:
    """Leave out points that would lie on each other on a logarithmic axis."""
    if len(curve) <= _MAX_POINTS_OF_A_CURVE:
        return curve
    ln_lag = np.log(curve["lag_ps"].to_numpy(dtype=float))
    step = (ln_lag[-1] - ln_lag[0]) / _MAX_POINTS_OF_A_CURVE
    _, kept = np.unique(np.floor((ln_lag - ln_lag[0]) / step), return_index=True)
    return curve.iloc[np.union1d(kept, len(curve) - 1)]


def _least_positive(values: np.ndarray) -> float:
    positive = values[values > 0]
    return float(positive.min()) if positive.size else np.inf


def _label_logarithm(axis: Axis) -> None:
    """Label powers of ten, and parts of them where the axis spans few, in plain numbers."""
    low, high = np.log10(axis.get_view_interval())
    parts = (1.0,) if high - low > 2 else (1.0, 3.0) if high - low > 1 else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(subs=parts))
    axis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
