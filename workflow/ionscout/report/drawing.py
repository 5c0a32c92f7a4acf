"""What all figures share: colours, style, and SVG whose bytes depend on its content alone."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from ionscout.report.tables import power_of_ten

# Okabe and Ito's palette, told apart by colour-blind readers.
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, DARK, GREY = "#CC79A7", "#56B4E9", "#333333", "#999999"

WIDTH_IN = 9.5

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


@contextmanager
def open_figure(salt: str, width_in: float, height_in: float) -> Iterator[tuple[Figure, list[str]]]:
    """Open a figure; when the block ends its SVG is in the list.

    Text stays text, names are never read as mathematics, no date is written.

    Parameters
    ----------
    salt : str
        Makes the identifiers inside this SVG its own on the page.
    width_in, height_in : float
        Size in inches.

    Yields
    ------
    figure : Figure
        To draw on.
    svg : list of str
        Empty; afterwards it holds the SVG element.
    """
    svg: list[str] = []
    with mpl.rc_context({**_STYLE, "svg.hashsalt": salt}):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        figure.get_layout_engine().set(h_pad=0.1)
        yield figure, svg
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    svg.append(text[text.index("<svg") :])


def make_panels(figure: Figure, count: int, *, columns: int, **shared: bool) -> list[Axes]:
    """Make a grid of axes and hide those left over.

    Parameters
    ----------
    figure : Figure
        To draw on.
    count, columns : int
        Number of axes, and of columns in the grid.
    **shared : bool
        `sharex` and `sharey`, as in matplotlib.

    Returns
    -------
    list of Axes, length count
    """
    grid = figure.subplots(-(-count // columns), columns, squeeze=False, **shared).ravel()
    for axes in grid[count:]:
        axes.set_visible(False)
    return list(grid[:count])


def count_rows(items: Sequence[object], columns: int) -> int:
    """Count the rows of a grid that holds the items."""
    return -(-len(items) // columns)


def widen_to_decades(axes: Axes) -> None:
    """Let a logarithmic y axis begin and end at whole powers of ten, so that two are labelled."""
    low, high = np.log10(axes.get_ylim())
    axes.set_ylim(10 ** np.floor(low), 10 ** np.ceil(high))


def label_decades(axis: mpl.axis.Axis) -> None:
    """Label whole powers of ten, in plain characters."""

    def label(value: float, _position: int) -> str:
        exponent = np.log10(value) if value > 0 else 0.5
        whole = round(exponent)
        return power_of_ten(whole) if abs(exponent - whole) < 1e-6 else ""

    axis.set_major_formatter(FuncFormatter(label))
    axis.set_minor_formatter(FuncFormatter(lambda _value, _position: ""))
