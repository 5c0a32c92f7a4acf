"""The figure of the funnel, a function that returns inline SVG."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ionscout.report.drawing import BLUE, DARK, GREEN, GREY, SKY, WIDTH_IN, open_figure
from ionscout.report.tables import format_number

_BAR_HEIGHT = 0.62
_PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.5}


def draw_funnel(funnel: pd.DataFrame) -> str:
    """Draw what each gate keeps and loses, and what the choice so far is worth.

    Parameters
    ----------
    funnel : DataFrame
        The rows of `funnel.csv`, in the order of the gates. Where no enrichment is known,
        none is drawn.

    Returns
    -------
    str
        SVG.
    """
    has_worth = bool(funnel["enrichment"].notna().any())
    with open_figure("funnel", WIDTH_IN, 1.1 + 0.42 * len(funnel)) as (figure, svg):
        ratios = [3.4, 1] if has_worth else [1]
        axes, *beside = figure.subplots(
            1, len(ratios), squeeze=False, sharey=True, width_ratios=ratios
        )[0]
        _draw_counts(axes, funnel)
        for one in beside:
            _draw_enrichment(one, funnel)
        axes.set_yticks(
            np.arange(len(funnel)), [str(gate).replace("_", " ") for gate in funnel["gate"]]
        )
        axes.set_ylim(len(funnel) - 0.5, -0.5)
    return svg[0]


def _draw_counts(axes: Axes, funnel: pd.DataFrame) -> None:
    """Draw a bar a gate: passed, unknown and kept, unknown and dropped, failed."""
    unknown_kept = funnel["n_out"] - funnel["n_pass"]
    unknown_lost = funnel["n_unknown"] - unknown_kept
    parts = [
        ("passed", funnel["n_pass"], GREEN, ""),
        ("unknown, kept", unknown_kept, SKY, ""),
        ("unknown, dropped", unknown_lost, "#DDDDDD", "//"),
        ("failed", funnel["n_fail"], "#C9C9C9", ""),
    ]
    rows = np.arange(len(funnel))
    left = np.zeros(len(funnel))
    for label, counts, colour, hatch in parts:
        widths = counts.to_numpy(dtype=float)
        axes.barh(
            rows, widths, left=left, height=_BAR_HEIGHT, color=colour, hatch=hatch,
            edgecolor="white", linewidth=0.5, label=label,
        )  # fmt: skip
        left += widths
    for row, n_in, n_out in zip(rows, funnel["n_in"], funnel["n_out"], strict=True):
        axes.annotate(
            f"{n_out:.0f} of {n_in:.0f} kept", (n_in, row), (6, 0), va="center", color=DARK,
            textcoords="offset points",
        )  # fmt: skip
    axes.set_xlim(0, 1.25 * max(1.0, funnel["n_in"].max()))
    axes.set_xlabel("candidates")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)


def _draw_enrichment(axes: Axes, funnel: pd.DataFrame) -> None:
    """Draw how many times more fast conductors remain than of a random draw, with intervals."""
    axes.axvline(1, color=GREY, linewidth=0.9, linestyle="--")
    for row, (value, low, high) in enumerate(
        zip(funnel["enrichment"], funnel["enrichment_low"], funnel["enrichment_high"], strict=True)
    ):
        if np.isfinite(value):
            axes.hlines(row, low, high, color=BLUE, linewidth=1.4)
            axes.scatter(value, row, s=26, color=BLUE, zorder=3)
            text, place = format_number(value), (value, row)
        else:
            text, place = "unknown", (1, row)
        axes.annotate(
            text, place, (0, 8), ha="center", va="center", fontsize=7.5, color=DARK,
            textcoords="offset points", bbox=_PAPER,
        )  # fmt: skip
    axes.set_xlim(0, 1.1 * np.fmax(1.8, funnel["enrichment_high"].max()))
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("known fast conductors:\ntimes a random draw")
