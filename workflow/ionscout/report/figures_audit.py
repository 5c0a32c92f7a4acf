"""The figure of the audit, a function that returns inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ionscout.report.drawing import (
    BLUE,
    DARK,
    GREY,
    VERMILLION,
    WIDTH_IN,
    count_rows,
    make_panels,
    open_figure,
)

_COLUMNS = 3


@dataclass(frozen=True)
class ForcePanel:
    """The forces of one material.

    `scatter` holds the lists gpaw_ev_ang, engine_ev_ang and is_lithium of
    `audit.json`; `softening` is lithium's softening factor, or None.
    """

    title: str
    scatter: Mapping[str, Sequence[Any]]
    softening: float | None


def draw_forces(panels: Sequence[ForcePanel]) -> str:
    """Draw an engine's force components against GPAW's, a panel a material.

    Parameters
    ----------
    panels : sequence of ForcePanel
        At least one.

    Returns
    -------
    str
        SVG. The dashed line is where both agree, the full one lithium's slope.
    """
    height_in = 0.3 + 3.0 * count_rows(panels, _COLUMNS)
    with open_figure("audit forces", WIDTH_IN, height_in) as (figure, svg):
        grid = make_panels(figure, len(panels), columns=_COLUMNS)
        for axes, panel in zip(grid, panels, strict=True):
            _draw_panel(axes, panel)
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return svg[0]


def _draw_panel(axes: Axes, panel: ForcePanel) -> None:
    gpaw, engine = (
        np.asarray(panel.scatter[name], dtype=float) for name in ("gpaw_ev_ang", "engine_ev_ang")
    )
    is_lithium = np.asarray(panel.scatter["is_lithium"], dtype=bool)
    end = 1.05 * max(np.abs(gpaw).max(), np.abs(engine).max(), 1e-3)
    axes.plot((-end, end), (-end, end), color=GREY, linestyle="--", linewidth=0.9, label="equal")
    for chosen, colour, label in (
        (~is_lithium, BLUE, "other atoms"),
        (is_lithium, VERMILLION, "lithium"),
    ):
        axes.plot(gpaw[chosen], engine[chosen], ".", color=colour, markersize=5, alpha=0.6,
                  markeredgewidth=0, label=label)  # fmt: skip
    if panel.softening is not None:
        x = np.array((-end, end))
        axes.plot(x, panel.softening * x, color=DARK, linewidth=1.1, label="slope of lithium")
    axes.set_xlim(-end, end)
    axes.set_ylim(-end, end)
    axes.set_aspect("equal")
    axes.set_title(panel.title)
    axes.set_xlabel("GPAW (eV/Å)")
    axes.set_ylabel("engine (eV/Å)")
