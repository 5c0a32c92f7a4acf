"""The figure of the electrochemical windows, a function that returns inline SVG."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ionscout.report.drawing import BLUE, DARK, GREEN, VERMILLION, WIDTH_IN, open_figure
from ionscout.report.tables import format_formula

MAX_WINDOWS = 40
# Typical potentials of electrodes in V against lithium, averages over charge and discharge, and
# whether a label stands to the left of its line, and in which row. Graphite: Dahn 1991
# (doi:10.1103/PhysRevB.44.9170). LiFePO4: Yamada 2001 (doi:10.1149/1.1348257). LiCoO2: Reimers
# and Dahn 1992 (doi:10.1149/1.2221184). LiNi0.8Mn0.1Co0.1O2: Noh 2013
# (doi:10.1016/j.jpowsour.2013.01.063). LiNi0.5Mn1.5O4: Zhong 1997 (doi:10.1149/1.1837386).
ELECTRODES = (
    ("Li metal", 0.0, False, 0),
    ("graphite", 0.1, False, 1),
    ("LiFePO4", 3.45, True, 0),
    ("LiNi0.8Mn0.1Co0.1O2", 3.8, True, 1),
    ("LiCoO2", 3.9, False, 0),
    ("LiNi0.5Mn1.5O4", 4.7, True, 1),
)
_TICK_V = 0.01
_LAST_V, _LABEL_V = 5.4, 0.9
_PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1}


def draw_windows(windows: pd.DataFrame) -> str:
    """Draw windows as bars between their limits, with the potentials of common electrodes.

    Parameters
    ----------
    windows : DataFrame
        formula, material_id, is_control, window_reduction_v, window_oxidation_v (V against
        lithium; NaN is unknown) and hull (text), in the order shown.

    Returns
    -------
    str
        SVG. A bar is hatched where the window is unknown.
    """
    last_v = np.fmax(_LAST_V, windows["window_oxidation_v"].astype(float).max() + _LABEL_V)
    with open_figure("windows", WIDTH_IN, 1.3 + 0.46 * len(windows)) as (figure, svg):
        axes = figure.add_subplot()
        _draw_electrodes(axes)
        for y, (row, is_known) in enumerate(
            zip(windows.itertuples(), has_window(windows), strict=True)
        ):
            if is_known:
                limits_v = row.window_reduction_v, row.window_oxidation_v
                _draw_window(axes, y, *limits_v, GREEN if row.is_control else BLUE)
            else:
                _draw_unknown(axes, y, last_v)
            axes.annotate(
                row.hull, (1, y), (8, 0), xycoords=axes.get_yaxis_transform(), va="center",
                color=DARK, fontsize=8, textcoords="offset points",
            )  # fmt: skip
        names = [
            f"{format_formula(row.formula)}\n{row.material_id}" for row in windows.itertuples()
        ]
        axes.set_yticks(np.arange(len(windows)), names, fontsize=8, linespacing=1.25)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(windows) - 0.4, -0.6)
        axes.set_xlim(-0.05, last_v)
        axes.set_xlabel("potential (V against lithium metal)")
        axes.annotate(
            "above hull\n(eV/atom)", (1, 1), (8, 4), xycoords="axes fraction", color=DARK,
            fontsize=8, textcoords="offset points",
        )  # fmt: skip
    return svg[0]


def has_window(windows: pd.DataFrame) -> pd.Series:
    """Tell of which materials both limits are known, the upper one not below the lower one."""
    width_v = windows["window_oxidation_v"].astype(float) - windows["window_reduction_v"]
    return width_v > -_TICK_V


def _draw_electrodes(axes: Axes) -> None:
    """Mark potentials by lines, their names above in two rows."""
    for name, potential_v, is_left, row in ELECTRODES:
        axes.axvline(potential_v, color=VERMILLION, linewidth=0.9, linestyle=":", zorder=1)
        axes.annotate(
            f"{format_formula(name)} {potential_v:g}", (potential_v, 1),
            (-2 if is_left else 2, 4 + 13 * row), xycoords=axes.get_xaxis_transform(),
            ha="right" if is_left else "left", color=VERMILLION, fontsize=8,
            textcoords="offset points",
        )  # fmt: skip


def _draw_window(axes: Axes, y: float, low_v: float, high_v: float, colour: str) -> None:
    """Draw one window with its limits beside it, a tick where it has no width."""
    width_v = high_v - low_v
    axes.barh(y, max(width_v, _TICK_V), left=low_v, height=0.5, color=colour, alpha=0.8, zorder=2)
    has_width = width_v > _TICK_V
    limits = f"{low_v:.2f} to {high_v:.2f}" if has_width else f"{high_v:.2f}, no width"
    _write(axes, limits, (high_v, y), 4)


def _draw_unknown(axes: Axes, y: float, last_v: float) -> None:
    """Draw an empty, hatched bar."""
    axes.barh(
        y, last_v, height=0.5, facecolor="white", edgecolor="#CCCCCC", hatch="//", linewidth=0.6,
        zorder=2,
    )  # fmt: skip
    _write(axes, "window unknown", (1.5, y), 0)


def _write(axes: Axes, text: str, place: tuple[float, float], shift: float) -> None:
    axes.annotate(
        text, place, (shift, 0), va="center", color=DARK, fontsize=8, zorder=3,
        textcoords="offset points", bbox=_PAPER,
    )  # fmt: skip
