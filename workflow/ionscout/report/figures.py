"""The figure of the funnel, a function that returns inline SVG."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ionscout.report.drawing import DARK, GREEN, SKY, WIDTH_IN, open_figure


def draw_funnel(funnel: pd.DataFrame) -> str:
    """Draw what each gate keeps and loses.

    Parameters
    ----------
    funnel : DataFrame
        The rows of `funnel.csv`, in the order of the gates.

    Returns
    -------
    str
        SVG.
    """
    unknown_kept = funnel["n_out"] - funnel["n_pass"]
    unknown_lost = funnel["n_unknown"] - unknown_kept
    parts = [
        ("passed", funnel["n_pass"], GREEN, ""),
        ("unknown, kept", unknown_kept, SKY, ""),
        ("unknown, dropped", unknown_lost, "#DDDDDD", "//"),
        ("failed", funnel["n_fail"], "#C9C9C9", ""),
    ]
    with open_figure("funnel", WIDTH_IN, 1.1 + 0.42 * len(funnel)) as (figure, svg):
        axes = figure.add_subplot()
        rows = np.arange(len(funnel))
        left = np.zeros(len(funnel))
        for label, counts, colour, hatch in parts:
            widths = counts.to_numpy(dtype=float)
            axes.barh(
                rows, widths, left=left, height=0.62, color=colour, hatch=hatch,
                edgecolor="white", linewidth=0.5, label=label,
            )  # fmt: skip
            left += widths
        for row, n_in, n_out in zip(rows, funnel["n_in"], funnel["n_out"], strict=True):
            axes.annotate(
                f"{n_out:.0f} of {n_in:.0f} kept", (n_in, row), (6, 0), va="center", color=DARK,
                textcoords="offset points",
            )  # fmt: skip
        axes.set_yticks(rows, [str(gate).replace("_", " ") for gate in funnel["gate"]])
        axes.invert_yaxis()
        axes.set_xlim(0, 1.18 * max(1.0, funnel["n_in"].max()))
        axes.set_xlabel("materials")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
    return svg[0]
