"""From trajectories to diffusivities, verdicts and conductivities.

In a notebook, with arrays in and results out: `mean_squared_displacement`,
`estimate_diffusivity`, `find_jumps` and `judge`, `diffusion_tensor`,
`collective_diffusivity` and `haven_ratio`, `fit_arrhenius`. A file that was written
elsewhere comes through `readers.read_trajectory`, and a folder of them through
`python -m ionscout.transport FOLDER`.
"""

from ionscout.transport.arrhenius import ArrheniusFit, fit_arrhenius
from ionscout.transport.collective import (
    CollectiveDiffusivity,
    HavenRatio,
    collective_diffusivity,
    haven_ratio,
)
from ionscout.transport.conductivity import nernst_einstein
from ionscout.transport.density import Density, find_sites, occupation_density
from ionscout.transport.diffusivity import Diffusivity, estimate_diffusivity
from ionscout.transport.directions import DiffusionTensor, diffusion_tensor
from ionscout.transport.judgement import Judgement, is_settled, judge_run
from ionscout.transport.jumps import Jumps, JumpStatistics, find_jumps, jump_statistics
from ionscout.transport.msd import mean_squared_displacement, msd_with_error, remove_drift
from ionscout.transport.rest_frame import RestFrame, rest_frame
from ionscout.transport.van_hove import (
    non_gaussian_parameter,
    van_hove_distinct,
    van_hove_self,
)
from ionscout.transport.verdict import (
    Verdict,
    anions_wander,
    has_melted,
    judge,
    jump_bound_cm2_s,
)

__all__ = [
    "ArrheniusFit",
    "CollectiveDiffusivity",
    "Density",
    "DiffusionTensor",
    "Diffusivity",
    "HavenRatio",
    "Judgement",
    "JumpStatistics",
    "Jumps",
    "RestFrame",
    "Verdict",
    "anions_wander",
    "collective_diffusivity",
    "diffusion_tensor",
    "estimate_diffusivity",
    "find_jumps",
    "find_sites",
    "fit_arrhenius",
    "has_melted",
    "haven_ratio",
    "is_settled",
    "judge",
    "judge_run",
    "jump_bound_cm2_s",
    "jump_statistics",
    "mean_squared_displacement",
    "msd_with_error",
    "nernst_einstein",
    "non_gaussian_parameter",
    "occupation_density",
    "remove_drift",
    "rest_frame",
    "van_hove_distinct",
    "van_hove_self",
]
