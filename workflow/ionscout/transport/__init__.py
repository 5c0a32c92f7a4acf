"""From trajectories to diffusivities, verdicts and conductivities."""

from ionscout.transport.arrhenius import ArrheniusFit, fit_arrhenius
from ionscout.transport.conductivity import nernst_einstein
from ionscout.transport.diffusivity import Diffusivity, estimate_diffusivity
from ionscout.transport.jumps import Jumps, find_jumps
from ionscout.transport.msd import mean_squared_displacement, msd_with_error, remove_drift
from ionscout.transport.verdict import (
    Verdict,
    anions_wander,
    has_melted,
    judge,
    jump_bound_cm2_s,
)

__all__ = [
    "ArrheniusFit",
    "Diffusivity",
    "Jumps",
    "Verdict",
    "anions_wander",
    "estimate_diffusivity",
    "find_jumps",
    "fit_arrhenius",
    "has_melted",
    "judge",
    "jump_bound_cm2_s",
    "mean_squared_displacement",
    "msd_with_error",
    "nernst_einstein",
    "remove_drift",
]
