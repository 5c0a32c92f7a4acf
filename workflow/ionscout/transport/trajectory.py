"""One trajectory: its row of `diffusivity.csv`, its curves and its lithium density."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ionscout.config import TransportSettings
from ionscout.errors import TransportError
from ionscout.trajectory import Trajectory
from ionscout.transport.collective import collective_diffusivity, haven_ratio
from ionscout.transport.conductivity import nernst_einstein
from ionscout.transport.density import occupation_density
from ionscout.transport.diffusivity import CM2_S_PER_ANG2_PS
from ionscout.transport.directions import diffusion_tensor
from ionscout.transport.judgement import Judgement, judge_run
from ionscout.transport.msd import msd_with_error
from ionscout.transport.rest_frame import RestFrame, rest_frame
from ionscout.transport.verdict import DIFFUSIVE

TABLE_LAGS = 200
LONGEST_LAG_SHARE = 0.7
GRID_POINTS = 80
LEAST_SPACING_ANG = 0.2
SMOOTHING_ANG = 0.3
AXES = ("a", "b", "c")
MSD_COLUMNS = (
    "temperature_k",
    "lag_ps",
    "msd_li_ang2",
    "msd_li_error_ang2",
    "msd_framework_ang2",
    "exponent",
    "in_fit",
    "fit_ang2",
    "fit_low_ang2",
    "fit_high_ang2",
)
DENSITY_COLUMNS = ("temperature_k", "axis", "i", "j", "x_ang", "y_ang", "lithium_ang2")


def analyse_trajectory(
    trajectory: Trajectory, *, settings: TransportSettings
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
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
    density : DataFrame
        Columns `DENSITY_COLUMNS`.

    Raises
    ------
    TransportError
        If there is no lithium or the run is too short for any fit.
    """
    run = rest_frame(trajectory)
    judged = judge_run(run, credible_level=settings.credible_level)
    curve = _msd_table(run, judged)
    row = {
        "verdict": judged.verdict.verdict,
        "reason": judged.verdict.reason,
        "diffusivity_upper_bound_cm2_s": judged.verdict.upper_bound_cm2_s,
        "fit_start_ps": judged.diffusivity.fit_start_ps,
        "fit_end_ps": judged.diffusivity.fit_end_ps,
        "msd_exponent": judged.diffusivity.exponent,
        "msd_li_max_ang2": curve["msd_li_ang2"].max(),
        "msd_framework_max_ang2": curve["msd_framework_ang2"].max(),
        "n_jumps": int(judged.jumps.n_jumps.sum()),
        "jump_rate_per_ion_ps": judged.jumps.rate_per_ion_ps,
        "jump_length_ang": judged.jumps.length_ang or None,
        "n_lithium": run.ions_ang.shape[1],
        "lithium_density_cm3": run.lithium_density_cm3,
        "production_ps": run.duration_ps,
    }
    if judged.verdict.verdict == DIFFUSIVE:
        row |= _diffusion(run, judged)
    return row, curve, _density_table(run)


def _diffusion(run: RestFrame, judged: Judgement) -> dict[str, Any]:
    """Numbers of a run in which lithium diffuses."""
    tracer, interval_fs = judged.diffusivity, run.frame_interval_fs
    ln_mean, ln_sd = tracer.posterior.ln_moments()
    tensor = diffusion_tensor(run.ions_ang, tracer, frame_interval_fs=interval_fs)
    row = {
        "diffusivity_cm2_s": tracer.d_cm2_s,
        "diffusivity_low_cm2_s": tracer.low_cm2_s,
        "diffusivity_high_cm2_s": tracer.high_cm2_s,
        "ln_diffusivity_mean": ln_mean,
        "ln_diffusivity_sd": ln_sd,
        "anisotropy": tensor.anisotropy if tensor.resolved else None,
    }
    for name, value in tensor.components_cm2_s().items():
        row[f"diffusivity_{name}_cm2_s"] = value
    row |= _collective(run, judged)
    for which, prefix in (("sigma", "diffusivity"), ("sigma_collective", "collective_diffusivity")):
        for end in ("", "_low", "_high"):
            d_cm2_s = row.get(f"{prefix}{end}_cm2_s")
            if d_cm2_s is not None:
                row[f"{which}{end}_s_cm"] = nernst_einstein(
                    d_cm2_s,
                    temperature_k=run.temperature_k,
                    density_cm3=run.lithium_density_cm3,
                )
    return row


def _collective(run: RestFrame, judged: Judgement) -> dict[str, float]:
    """Give the collective diffusivity and the Haven ratio, where they are resolved."""
    try:
        found = collective_diffusivity(
            run.ions_ang, judged.diffusivity, frame_interval_fs=run.frame_interval_fs
        )
        haven = haven_ratio(judged.diffusivity, found)
    except TransportError:
        return {}
    return {
        "collective_diffusivity_cm2_s": found.d_cm2_s,
        "collective_diffusivity_low_cm2_s": found.low_cm2_s,
        "collective_diffusivity_high_cm2_s": found.high_cm2_s,
        "haven_ratio": haven.ratio,
        "haven_ratio_low": haven.low,
        "haven_ratio_high": haven.high,
    }


def _msd_table(run: RestFrame, judged: Judgement) -> pd.DataFrame:
    """Curves of the ions and the framework at up to `TABLE_LAGS` lags, and the fitted line."""
    found = judged.diffusivity
    longest = max(2, int(LONGEST_LAG_SHARE * len(run.ions_ang)))
    lags = np.unique(np.geomspace(1, longest, TABLE_LAGS).astype(int))
    msd, error = msd_with_error(run.ions_ang, max_lag=longest)
    rest = np.full(longest + 1, np.nan)
    if run.framework_ang.shape[1]:
        rest, _ = msd_with_error(run.framework_ang, max_lag=longest)
    lag_ps = lags * run.frame_interval_fs / 1000
    margin = 1e-9
    in_fit = (lag_ps >= found.fit_start_ps - margin) & (lag_ps <= found.fit_end_ps + margin)

    def line(d_cm2_s: float) -> NDArray:
        change = 6 * (d_cm2_s - found.posterior.slope) / CM2_S_PER_ANG2_PS
        fitted = found.intercept_ang2 + 6 * found.posterior.slope / CM2_S_PER_ANG2_PS * lag_ps
        return np.where(in_fit, fitted + change * (lag_ps - found.fit_start_ps), np.nan)

    return pd.DataFrame(
        {
            "temperature_k": float(run.temperature_k),
            "lag_ps": lag_ps,
            "msd_li_ang2": msd[lags],
            "msd_li_error_ang2": error[lags],
            "msd_framework_ang2": rest[lags],
            "exponent": np.gradient(np.log(np.maximum(msd[lags], 1e-12)), np.log(lag_ps)),
            "in_fit": in_fit,
            "fit_ang2": line(found.posterior.slope),
            "fit_low_ang2": line(found.low_cm2_s),
            "fit_high_ang2": line(found.high_cm2_s),
        }
    )


def _density_table(run: RestFrame) -> pd.DataFrame:
    """Lithium density, projected along the shortest vector of the cell."""
    lengths = np.linalg.norm(run.cell_ang, axis=1)
    spacing = max(LEAST_SPACING_ANG, lengths.max() / GRID_POINTS)
    density = occupation_density(
        run.ions_ang, run.cell_ang, spacing_ang=spacing, smoothing_ang=SMOOTHING_ANG
    )
    along = int(lengths.argmin())
    first, second = (axis for axis in range(3) if axis != along)
    counts = density.ions_per_ang3.sum(axis=along) * density.voxel_ang3
    area = np.linalg.norm(np.cross(run.cell_ang[first], run.cell_ang[second])) / counts.size
    i, j = (index.ravel() for index in np.indices(counts.shape))
    u, v = (i + 0.5) / counts.shape[0], (j + 0.5) / counts.shape[1]
    x_first = lengths[first]
    cosine = run.cell_ang[first] @ run.cell_ang[second] / x_first
    x_second, y_second = cosine, np.sqrt(max(lengths[second] ** 2 - cosine**2, 0.0))
    return pd.DataFrame(
        {
            "temperature_k": float(run.temperature_k),
            "axis": AXES[along],
            "i": i,
            "j": j,
            "x_ang": u * x_first + v * x_second,
            "y_ang": v * y_second,
            "lithium_ang2": counts.ravel() / area,
        }
    )
