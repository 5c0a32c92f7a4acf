"""One trajectory: its diffusivity, its verdict and its curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from ase.data import atomic_masses, atomic_numbers
from numpy.typing import NDArray

from ionscout.config import TransportSettings
from ionscout.dynamics.store import Trajectory
from ionscout.errors import TransportError
from ionscout.transport.diffusivity import estimate_diffusivity
from ionscout.transport.jumps import find_jumps
from ionscout.transport.msd import minimum_image, msd_with_error, remove_drift
from ionscout.transport.verdict import (
    DIFFUSIVE,
    MELTED,
    UNRESOLVED,
    Verdict,
    anions_wander,
    has_melted,
    judge,
)

MOBILE = "Li"
TABLE_LAGS = 200
LONGEST_LAG_SHARE = 0.7
USUAL_JUMP_ANG = 3.0
MSD_COLUMNS = (
    "temperature_k",
    "lag_ps",
    "msd_li_ang2",
    "msd_li_error_ang2",
    "msd_framework_ang2",
    "in_fit",
)


def analyse_trajectory(
    trajectory: Trajectory, *, settings: TransportSettings
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Judge one trajectory.

    Parameters
    ----------
    trajectory : Trajectory
        Production frames, with lithium among its species.
    settings : TransportSettings
        The section `transport` of the configuration.

    Returns
    -------
    row : dict
        The columns of `diffusivity.csv` from `verdict` on.
    curve : DataFrame
        Columns `MSD_COLUMNS`.

    Raises
    ------
    TransportError
        If there is no lithium or the run is too short for any fit.
    """
    species = np.array(trajectory.species)
    mobile = species == MOBILE
    if not mobile.any():
        raise TransportError(f"the trajectory has no {MOBILE}")
    masses = atomic_masses[[atomic_numbers[name] for name in species]]
    still = remove_drift(trajectory.positions_ang, masses, ~mobile)
    ions, framework = still[:, mobile], still[:, ~mobile]
    interval_fs = trajectory.frame_interval_fs
    diffusivity = estimate_diffusivity(
        ions, frame_interval_fs=interval_fs, credible_level=settings.credible_level
    )
    jumps = find_jumps(ions, frame_interval_fs=interval_fs)
    production_ps = len(ions) * interval_fs / 1000
    found = judge(
        diffusivity,
        jumps,
        production_ps=production_ps,
        jump_length_ang=_jump_length(ions.mean(axis=0), trajectory.cell_ang),
    )
    found = _heed_framework(found, framework, species[~mobile], trajectory)
    curve = _msd_table(
        trajectory, ions, framework, diffusivity.fit_start_ps, diffusivity.fit_end_ps
    )
    shown = found.verdict == DIFFUSIVE
    row = {
        "verdict": found.verdict,
        "reason": found.reason,
        "diffusivity_cm2_s": diffusivity.d_cm2_s if shown else None,
        "diffusivity_low_cm2_s": diffusivity.low_cm2_s if shown else None,
        "diffusivity_high_cm2_s": diffusivity.high_cm2_s if shown else None,
        "diffusivity_upper_bound_cm2_s": found.upper_bound_cm2_s,
        "fit_start_ps": diffusivity.fit_start_ps,
        "fit_end_ps": diffusivity.fit_end_ps,
        "msd_exponent": diffusivity.exponent,
        "msd_li_max_ang2": curve["msd_li_ang2"].max(),
        "msd_framework_max_ang2": curve["msd_framework_ang2"].max(),
        "n_jumps": int(jumps.n_jumps.sum()),
        "n_lithium": int(mobile.sum()),
        "lithium_density_cm3": mobile.sum() / abs(np.linalg.det(trajectory.cell_ang)) * 1e24,
        "production_ps": production_ps,
    }
    return row, curve


def _heed_framework(
    found: Verdict, framework: NDArray, species: NDArray, trajectory: Trajectory
) -> Verdict:
    """Take a verdict back where the framework is no longer that of the crystal."""
    interval_fs = trajectory.frame_interval_fs
    if has_melted(framework, species, frame_interval_fs=interval_fs):
        return Verdict(MELTED, "the framework flows: its ions leave their sites", None)
    if found.verdict in (DIFFUSIVE, UNRESOLVED) and anions_wander(
        framework, species, trajectory.cell_ang, frame_interval_fs=interval_fs
    ):
        besides = "" if found.verdict == DIFFUSIVE else f"{found.reason}; "
        reason = f"{besides}the framework moves too: its anions leave their sites"
        return Verdict(UNRESOLVED, reason, None)
    return found


def _msd_table(
    trajectory: Trajectory, ions: NDArray, framework: NDArray, start_ps: float, end_ps: float
) -> pd.DataFrame:
    """Curves of the ions and the framework at up to `TABLE_LAGS` lags."""
    longest = max(2, int(LONGEST_LAG_SHARE * len(ions)))
    lags = np.unique(np.linspace(1, longest, TABLE_LAGS).astype(int))
    msd, error = msd_with_error(ions, max_lag=longest)
    rest = np.full(longest + 1, np.nan)
    if framework.shape[1]:
        rest, _ = msd_with_error(framework, max_lag=longest)
    lag_ps = lags * trajectory.frame_interval_fs / 1000
    margin = 1e-9
    return pd.DataFrame(
        {
            "temperature_k": float(trajectory.temperature_k),
            "lag_ps": lag_ps,
            "msd_li_ang2": msd[lags],
            "msd_li_error_ang2": error[lags],
            "msd_framework_ang2": rest[lags],
            "in_fit": (lag_ps >= start_ps - margin) & (lag_ps <= end_ps + margin),
        }
    )


def _jump_length(sites_ang: NDArray, cell_ang: NDArray) -> float:
    """Median distance of neighbouring lithium sites, or the usual jump if that is longer.

    Sites that are close together, 2.1 angstrom in Li3N, do not make the jumps that matter
    as short: a bound that is too low would be the worse mistake.
    """
    if len(sites_ang) < 2:
        return USUAL_JUMP_ANG
    steps = minimum_image(sites_ang[:, None] - sites_ang[None], cell_ang)
    distance = np.linalg.norm(steps, axis=2)
    np.fill_diagonal(distance, np.inf)
    return max(USUAL_JUMP_ANG, float(np.median(distance.min(axis=1))))
