"""The figures of the compositions, each a function that returns inline SVG."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import PowerNorm
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter
from pymatgen.core import Element

from ionscout.report.drawing import (
    BLUE,
    DARK,
    GREY,
    VERMILLION,
    WIDTH_IN,
    label_decades,
    open_figure,
)
from ionscout.report.tables import format_formula

_MAX_BINS = 400
_COLOURS = "YlGnBu"
_LAST_STABLE, _LAST_ACTINOID = 83, 103
_F_BLOCKS = {6: range(57, 72), 7: range(89, 104)}
_FIRST_F_COLUMN, _GAP = 3, 0.4
_PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}


def draw_scores(histogram: pd.DataFrame, examples: pd.DataFrame) -> str:
    """Draw how many compositions have which score, all and neutral ones.

    Parameters
    ----------
    histogram : DataFrame
        low_log_odds, high_log_odds, n_all, n_neutral; equal bins without gaps. Many bins
        are drawn together.
    examples : DataFrame
        formula and log_odds of compositions to be marked.

    Returns
    -------
    str
        SVG.
    """
    together = np.arange(len(histogram)) // -(-len(histogram) // _MAX_BINS)
    bins = histogram.groupby(together).agg(
        {"low_log_odds": "first", "high_log_odds": "last", "n_all": "sum", "n_neutral": "sum"}
    )
    edges = np.append(bins["low_log_odds"], bins["high_log_odds"].iloc[-1])
    with open_figure("composition scores", WIDTH_IN, 3.6) as (figure, svg):
        axes = figure.add_subplot()
        for label, column, colour in (("all", "n_all", GREY), ("neutral", "n_neutral", BLUE)):
            heights = np.maximum(bins[column].to_numpy(dtype=float), 0.5)
            axes.stairs(heights, edges, fill=True, baseline=0.5, color=colour, alpha=0.55,
                        label=label)  # fmt: skip
        highest = float(max(bins["n_all"].max(), 10))
        axes.set_yscale("log")
        axes.set_ylim(0.7, 20 * highest)
        filled = np.flatnonzero(bins["n_all"])
        axes.set_xlim(edges[filled[0]], edges[filled[-1] + 1])
        axes.axvline(0, color=DARK, linewidth=0.9, linestyle="--", label="as likely fast as slow")
        _mark(axes, examples, 8 * highest)
        label_decades(axes.yaxis)
        axes.set_xlabel("score: log-odds of being a fast conductor")
        axes.set_ylabel("compositions in a bin")
        figure.legend(loc="outside upper center", ncols=3)
    return svg[0]


def _mark(axes: Axes, examples: pd.DataFrame, height: float) -> None:
    """Mark compositions by lines with their formulas, one below the other."""
    for i, row in enumerate(examples.sort_values("log_odds").itertuples()):
        axes.axvline(row.log_odds, color=VERMILLION, linewidth=1)
        axes.annotate(
            format_formula(row.formula), (row.log_odds, height / 6**i), (4, 0), va="center",
            color=VERMILLION, fontsize=8, textcoords="offset points", bbox=_PAPER,
        )  # fmt: skip


def draw_elements(elements: pd.DataFrame) -> str:
    """Draw in which share of the best compositions each element is, as a periodic table.

    Parameters
    ----------
    elements : DataFrame
        element and top_share.

    Returns
    -------
    str
        SVG.
    """
    shares = elements.set_index("element")["top_share"].astype(float)
    norm = PowerNorm(0.5, vmin=0, vmax=max(shares.max(), 1e-6))
    has_actinoids = any(Element(symbol).Z > _LAST_STABLE for symbol in shares.index)
    last, n_periods = (_LAST_ACTINOID, 7) if has_actinoids else (_LAST_STABLE, 6)
    with open_figure("elements of the best", WIDTH_IN, 4.9) as (figure, svg):
        axes = figure.add_subplot()
        for number in range(1, last + 1):
            symbol = Element.from_Z(number).symbol
            _draw_element(axes, symbol, shares.get(symbol), norm, n_periods)
        axes.set_xlim(0.4, 18.6)
        axes.set_ylim(2 * n_periods - 5 + _GAP + 0.6, 0.4)
        axes.set_aspect("equal")
        axes.axis("off")
        bar = figure.colorbar(
            ScalarMappable(norm, _COLOURS), ax=axes, orientation="horizontal", shrink=0.5,
            aspect=40, pad=0.02,
        )  # fmt: skip
        bar.set_label("share of the best neutral compositions with the element")
        bar.ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    return svg[0]


def _draw_element(
    axes: Axes, symbol: str, share: float | None, norm: PowerNorm, n_periods: int
) -> None:
    """Draw one field: coloured by the share, empty for what was not enumerated."""
    column, row = _find_field(Element(symbol), n_periods)
    is_dark = share is not None and norm(share) > 0.6
    axes.add_patch(
        Rectangle(
            (column - 0.46, row - 0.46), 0.92, 0.92, linewidth=0.6, edgecolor="#BBBBBB",
            facecolor="white" if share is None else mpl.colormaps[_COLOURS](norm(share)),
        )
    )  # fmt: skip
    ink = "white" if is_dark else GREY if share is None else DARK
    text = "all" if symbol == "Li" else "" if share is None else _percent(share)
    axes.text(column, row - 0.14, symbol, ha="center", va="center", color=ink, fontsize=8.5)
    axes.text(column, row + 0.24, text, ha="center", va="center", color=ink, fontsize=5.5)


def _find_field(element: Element, n_periods: int) -> tuple[float, float]:
    """Find column and row; lanthanoids and actinoids have theirs below the others."""
    for period, numbers in _F_BLOCKS.items():
        if element.Z in numbers:
            row = n_periods + 1 + _GAP + period - 6
            return _FIRST_F_COLUMN + element.Z - numbers[0], row
    return element.group, element.row


def _percent(share: float) -> str:
    if share >= 0.1:
        return f"{100 * share:.0f} %"
    if share >= 1e-3:
        return f"{100 * share:.2g} %"
    return "< 0.1 %" if share else "0"
