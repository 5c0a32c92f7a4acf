"""The figure of the regressors, a function that returns inline SVG."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from ionscout.report.drawing import (
    BLUE,
    GREY,
    VERMILLION,
    WIDTH_IN,
    count_rows,
    make_panels,
    open_figure,
)

_N_COLUMNS = 3


def draw_regression(known: pd.DataFrame, *, threshold: float | None, unit: str) -> str:
    """Draw held-out predictions with their intervals against measurement, a panel a regressor.

    Parameters
    ----------
    known : DataFrame
        model, measured, is_upper_bound, held_out, held_out_low, held_out_high.
    threshold : float or None
        From which a material is fast, in the same unit; None draws none.
    unit : str
        What is predicted, with its unit.

    Returns
    -------
    str
        SVG.
    """
    models = list(known["model"].unique())
    measured = _widen(known[["measured"]])
    predicted = _widen(known[["held_out", "held_out_low", "held_out_high"]])
    both = min(*measured, *predicted), max(*measured, *predicted)
    height_in = 2.9 * count_rows(models, _N_COLUMNS)
    with open_figure(f"regression {unit}", WIDTH_IN, height_in) as (figure, svg):
        panels = make_panels(figure, len(models), columns=_N_COLUMNS)
        for axes, model in zip(panels, models, strict=True):
            axes.plot(both, both, color=GREY, linewidth=0.9, linestyle="--")
            if threshold is not None:
                axes.axvline(threshold, color=VERMILLION, linewidth=0.8, linestyle=":")
                axes.axhline(threshold, color=VERMILLION, linewidth=0.8, linestyle=":")
            _draw_predictions(axes, known[known["model"] == model])
            axes.set_xlim(measured)
            axes.set_ylim(predicted)
            axes.set_title(model.replace("_", " "))
            axes.set_xlabel(f"measured {unit}")
            axes.set_ylabel(f"predicted {unit}")
    return svg[0]


def _widen(values: pd.DataFrame) -> tuple[float, float]:
    """Find the ends of an axis that shows all values."""
    low, high = float(values.min(axis=None)), float(values.max(axis=None))
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _draw_predictions(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw values as circles and upper bounds as arrows to the left, with the intervals."""
    axes.vlines(
        rows["measured"], rows["held_out_low"], rows["held_out_high"], color=BLUE, linewidth=0.8,
        alpha=0.3,
    )  # fmt: skip
    bounds = rows["is_upper_bound"].to_numpy(dtype=bool)
    for chosen, marker, face in ((rows[~bounds], "o", BLUE), (rows[bounds], "<", "white")):
        axes.scatter(
            chosen["measured"], chosen["held_out"], s=18, marker=marker, facecolors=face,
            edgecolors=BLUE, linewidths=0.9, zorder=3,
        )  # fmt: skip
