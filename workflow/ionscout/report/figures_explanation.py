"""The figures of what the classifiers go by, each a function that returns inline SVG."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ionscout.report.descriptor_names import name_descriptor
from ionscout.report.drawing import (
    BLUE,
    DARK,
    VERMILLION,
    WIDTH_IN,
    count_rows,
    make_panels,
    open_figure,
)

N_IMPORTANT = 8


def draw_importance(importance: pd.DataFrame) -> str:
    """Draw the descriptors whose shuffling costs each model most, a panel a model.

    Parameters
    ----------
    importance : DataFrame
        model, column, log_loss_increase, low, high; the most important first. What changes
        nothing is left out; some row must.

    Returns
    -------
    str
        SVG.
    """
    changed = importance[importance[["low", "high"]].ne(0).any(axis=1)]
    panels = {
        model: rows.head(N_IMPORTANT).rename(columns={"log_loss_increase": "length"})
        for model, rows in changed.groupby("model", sort=False)
    }
    with open_figure("importance", WIDTH_IN, _height_in(panels)) as (figure, svg):
        grid = make_panels(figure, len(panels), columns=2)
        for axes, (model, table) in zip(grid, panels.items(), strict=True):
            _draw_bars(axes, table, np.full(len(table), BLUE), n_bars=N_IMPORTANT)
            axes.set_title(model)
            axes.set_xlabel("rise of the log loss (nats)")
    return svg[0]


def draw_attribution(panels: dict[str, pd.DataFrame]) -> str:
    """Draw which descriptors speak for and against each material.

    Parameters
    ----------
    panels : dict of str to DataFrame
        By title: column, attribution (mean over the models, in log-odds of fast), low and
        high (the range over the models); in the order drawn.

    Returns
    -------
    str
        SVG.
    """
    n_bars = max(len(table) for table in panels.values())
    with open_figure("attribution", WIDTH_IN, _height_in(panels)) as (figure, svg):
        grid = make_panels(figure, len(panels), columns=2, sharex=True)
        for axes, (title, table) in zip(grid, panels.items(), strict=True):
            table = table.rename(columns={"attribution": "length"})
            colours = np.where(table["length"] >= 0, VERMILLION, BLUE)
            _draw_bars(axes, table, colours, n_bars=n_bars)
            axes.set_title(title)
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("slow ← log-odds → fast")
    return svg[0]


def _height_in(panels: dict[str, pd.DataFrame]) -> float:
    """Find the height at which the names of all bars can be read."""
    n_bars = max(len(table) for table in panels.values())
    return (0.8 + 0.19 * n_bars) * count_rows(list(panels), 2)


def _draw_bars(axes: Axes, table: pd.DataFrame, colours: np.ndarray, *, n_bars: int) -> None:
    """Draw bars with the range of each; panels of fewer bars leave room for n_bars."""
    rows = np.arange(len(table))
    axes.barh(rows, table["length"], height=0.62, color=colours)
    axes.hlines(rows, table["low"], table["high"], color=DARK, linewidth=1)
    axes.axvline(0, color="#666666", linewidth=0.8)
    axes.set_yticks(rows, [name_descriptor(name) for name in table["column"]], fontsize=7.5)
    axes.set_ylim(n_bars - 0.4, -0.6)
