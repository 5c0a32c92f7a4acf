"""The figures of the classifiers, each a function that returns inline SVG."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ionscout.report.drawing import (
    BLUE,
    DARK,
    GREY,
    VERMILLION,
    WIDTH_IN,
    count_rows,
    label_decades,
    make_panels,
    open_figure,
)

_N_COLUMNS = 4
_PANEL_IN = 2.35


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
    measured = [*known["sigma_rt_s_cm"], threshold_s_cm]
    left, right = min(measured) / 6, max(measured) * 6
    columns = 3 if len(models) > 2 else 2
    height_in = 2.7 * count_rows(models, columns)
    with open_figure("parity", WIDTH_IN, height_in) as (figure, svg):
        panels = make_panels(figure, len(models), columns=columns, sharex=True, sharey=True)
        for axes, model in zip(panels, models, strict=True):
            rows = known[known["model"] == model]
            axes.axvspan(threshold_s_cm, right, color="#FBE9DD", zorder=0)
            axes.axhline(0.5, color=GREY, linewidth=0.8, linestyle=":")
            for left_out, face in ((True, BLUE), (False, "white")):
                chosen = rows[rows["left_out"] == left_out]
                _scatter_bounds(axes, chosen, face)
            axes.axvline(threshold_s_cm, color=VERMILLION, linewidth=1, linestyle="--")
            axes.set_xscale("log")
            axes.set_xlim(left, right)
            axes.set_ylim(-0.04, 1.04)
            axes.set_title(model)
            axes.set_xlabel("measured conductivity (S/cm)")
            axes.set_ylabel("probability of being fast")
            axes.tick_params(labelbottom=True)
            label_decades(axes.xaxis)
    return svg[0]


def draw_roc(curves: pd.DataFrame, *, titles: dict[str, str]) -> str:
    """Draw each model's ROC curve over those of the others.

    Parameters
    ----------
    curves : DataFrame
        model, x (share of the slow called fast), y (share of the fast called fast); a curve a
        model.
    titles : dict of str to str
        By model, what stands above its panel.

    Returns
    -------
    str
        SVG.
    """
    models = list(curves["model"].unique())
    height_in = _PANEL_IN * count_rows(models, _N_COLUMNS)
    with open_figure("roc", WIDTH_IN, height_in) as (figure, svg):
        panels = _square_panels(figure, len(models))
        for axes, model in zip(panels, models, strict=True):
            for _, other in curves[curves["model"] != model].groupby("model", sort=False):
                axes.plot(other["x"], other["y"], color="#D5D5D5", linewidth=0.7)
            own = curves[curves["model"] == model]
            axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.9, linestyle="--")
            axes.plot(own["x"], own["y"], color=BLUE, linewidth=1.8)
            axes.set_title(titles[model])
            axes.set_xlabel("slow called fast")
            axes.set_ylabel("fast called fast")
    return svg[0]


def draw_calibration(curves: pd.DataFrame) -> str:
    """Draw what share of the materials given a probability are fast, a panel a model.

    Parameters
    ----------
    curves : DataFrame
        model, x (probability), y (share of fast ones), low, high, n (materials).

    Returns
    -------
    str
        SVG.
    """
    models = list(curves["model"].unique())
    height_in = _PANEL_IN * count_rows(models, _N_COLUMNS)
    with open_figure("calibration", WIDTH_IN, height_in) as (figure, svg):
        panels = _square_panels(figure, len(models))
        for axes, model in zip(panels, models, strict=True):
            own = curves[curves["model"] == model]
            axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.9, linestyle="--")
            axes.vlines(own["x"], own["low"], own["high"], color=BLUE, linewidth=1.2)
            axes.scatter(own["x"], own["y"], s=22, color=BLUE, zorder=3)
            for row in own.itertuples():
                axes.annotate(
                    f"{row.n:.0f}", (row.x, row.y), (5, 0), va="center", fontsize=7, color=DARK,
                    textcoords="offset points",
                )  # fmt: skip
            axes.set_title(model)
            axes.set_xlabel("probability of being fast")
            axes.set_ylabel("share that is fast")
    return svg[0]


def draw_learning(curves: pd.DataFrame) -> str:
    """Draw the misclassification against the number of materials learned from.

    Parameters
    ----------
    curves : DataFrame
        model, series (misclassification, constant_misclassification), x (materials learned
        from), y, low, high.

    Returns
    -------
    str
        SVG.
    """
    models = list(curves["model"].unique())
    height_in = 2.1 * count_rows(models, _N_COLUMNS)
    with open_figure("learning", WIDTH_IN, height_in) as (figure, svg):
        panels = make_panels(figure, len(models), columns=_N_COLUMNS, sharey=True)
        for axes, model in zip(panels, models, strict=True):
            rows = curves[curves["model"] == model].sort_values("x")
            constant = rows[rows["series"].str.startswith("constant_")]
            own = rows[~rows["series"].str.startswith("constant_")]
            axes.plot(constant["x"], constant["y"], color=GREY, linewidth=1, linestyle="--")
            axes.fill_between(
                own["x"], own["low"].astype(float), own["high"].astype(float), color=BLUE,
                alpha=0.15, linewidth=0,
            )  # fmt: skip
            axes.plot(own["x"], own["y"], color=BLUE, marker="o", markersize=3.5)
            axes.set_xlim(left=0)
            axes.set_title(model)
            axes.set_xlabel("materials learned from")
            axes.set_ylabel("misclassification")
        panels[0].set_ylim(bottom=0)
    return svg[0]


def _square_panels(figure: Figure, count: int) -> list[Axes]:
    """Make panels in which both axes go from 0 to 1."""
    panels = make_panels(figure, count, columns=_N_COLUMNS)
    for axes in panels:
        axes.set_xlim(-0.03, 1.03)
        axes.set_ylim(-0.03, 1.03)
        axes.set_aspect("equal")
        axes.set_xticks([0, 0.5, 1])
        axes.set_yticks([0, 0.5, 1])
    return panels


def _scatter_bounds(axes: Axes, rows: pd.DataFrame, face: str) -> None:
    """Draw measured values as circles and upper bounds as arrows to the left."""
    bounds = rows["is_upper_bound"].to_numpy(dtype=bool)
    for selected, marker, size in ((~bounds, "o", 26), (bounds, "<", 34)):
        axes.scatter(
            rows["sigma_rt_s_cm"][selected], rows["probability"][selected], s=size,
            marker=marker, facecolors=face, edgecolors=BLUE, linewidths=1, zorder=3,
        )  # fmt: skip
