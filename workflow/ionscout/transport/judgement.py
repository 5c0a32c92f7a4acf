"""A run's verdict with what it rests on, and whether more time would change it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ionscout.errors import TransportError
from ionscout.transport.diffusivity import Diffusivity, estimate_diffusivity
from ionscout.transport.jumps import Jumps, find_jumps
from ionscout.transport.periodic import separations
from ionscout.transport.rest_frame import RestFrame
from ionscout.transport.verdict import (
    DIFFUSIVE,
    FRAMEWORK_MOVES,
    MELTED,
    UNRESOLVED,
    Verdict,
    anions_wander,
    has_melted,
    judge,
)

USUAL_JUMP_ANG = 3.0
CONFIRMED_SHARE = 2 / 3


@dataclass(frozen=True)
class Judgement:
    """The verdict of a run, the diffusivity of its lithium and its jumps."""

    verdict: Verdict
    diffusivity: Diffusivity
    jumps: Jumps


def judge_run(run: RestFrame, *, credible_level: float = 0.95) -> Judgement:
    """Judge one run.

    Parameters
    ----------
    run : RestFrame
        From `rest_frame`.
    credible_level : float, optional
        Probability inside the interval of D.

    Returns
    -------
    Judgement

    Raises
    ------
    TransportError
        If the run is too short for any fit, or its ions never move.
    """
    interval_fs = run.frame_interval_fs
    diffusivity = estimate_diffusivity(
        run.ions_ang, frame_interval_fs=interval_fs, credible_level=credible_level
    )
    jumps = find_jumps(run.ions_ang, frame_interval_fs=interval_fs)
    found = judge(
        diffusivity,
        jumps,
        production_ps=run.duration_ps,
        jump_length_ang=_jump_length(run.ions_ang, run.cell_ang),
    )
    return Judgement(_heed_framework(found, run), diffusivity, jumps)


def is_settled(run: RestFrame) -> bool:
    """Whether a run has its verdict and may stop.

    A run that stops the moment it looks diffusive has stopped where D came out large.
    It therefore has to have had the verdict already at `CONFIRMED_SHARE` of its length:
    what came after was not chosen, and outweighs the choice.

    Parameters
    ----------
    run : RestFrame
        All that was run so far.

    Returns
    -------
    bool
        True where the run and its first two thirds have one verdict, and it is not
        `unresolved`.
    """
    try:
        now = judge_run(run).verdict.verdict
        if now == UNRESOLVED:
            return False
        return judge_run(run.first(int(CONFIRMED_SHARE * len(run.ions_ang)))).verdict.verdict == now
    except TransportError:
        return False


def _heed_framework(found: Verdict, run: RestFrame) -> Verdict:
    """Take a verdict back where the framework is no longer that of the crystal."""
    interval_fs = run.frame_interval_fs
    if has_melted(run.framework_ang, run.framework_species, frame_interval_fs=interval_fs):
        return Verdict(MELTED, "the framework flows: its ions leave their sites", None)
    if found.verdict in (DIFFUSIVE, UNRESOLVED) and anions_wander(
        run.framework_ang, run.framework_species, run.cell_ang, frame_interval_fs=interval_fs
    ):
        besides = "" if found.verdict == DIFFUSIVE else f"{found.reason}; "
        return Verdict(
            UNRESOLVED, f"{besides}{FRAMEWORK_MOVES}: its anions leave their sites", None
        )
    return found


def _jump_length(ions_ang: NDArray, cell_ang: NDArray) -> float:
    """Median distance of neighbouring lithium sites, or the usual jump if that is longer.

    Sites that are close together, 2.1 angstrom in Li3N, do not make the jumps that matter
    as short: a bound that is too low would be the worse mistake.
    """
    sites_ang = ions_ang.mean(axis=0, dtype=float)
    if len(sites_ang) < 2:
        return USUAL_JUMP_ANG
    nearest = [distance.min(axis=1) for _, _, distance in separations(sites_ang, cell_ang)]
    return max(USUAL_JUMP_ANG, float(np.median(np.concatenate(nearest))))
