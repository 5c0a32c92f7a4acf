"""Collective diffusion: the sum of all displacements, which carries the current.

The conductivity is that of the summed displacement of the mobile ions,
sigma = n q^2 D_sigma / kT with D_sigma = lim |sum_i dr_i(t)|^2 / (6 N t); the tracer D
gives it only where ions move independently. The Haven ratio is D_tracer / D_sigma.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ionscout.errors import TransportError
from ionscout.transport.diffusivity import (
    CM2_S_PER_ANG2_PS,
    FIT_RULES,
    Diffusivity,
    FitRules,
)
from ionscout.transport.msd import atom_pieces, checked_positions, mean_squared_displacement
from ionscout.transport.posterior import Posterior

LEAST_SIGNAL = 3.0
LEAST_SHARE = 1e-3
LEAST_INTERCEPT_ANG2 = 0.75
N_QUANTILES = 1024
ROUNDS = 4


@dataclass(frozen=True)
class CollectiveDiffusivity:
    """The diffusivity of the summed displacement, and the fit it comes from.

    `d_cm2_s` is the estimate (0 where the slope is negative), `sd_cm2_s` its standard
    deviation, `low_cm2_s` and `high_cm2_s` bound its credible interval; `msd_ang2` is that
    of the sum over the root of the number of ions, a lag a frame.
    """

    d_cm2_s: float
    sd_cm2_s: float
    low_cm2_s: float
    high_cm2_s: float
    credible_level: float
    posterior: Posterior
    fit_start_ps: float
    fit_end_ps: float
    msd_ang2: NDArray = field(repr=False)

    @property
    def resolved(self) -> bool:
        """Whether it deserves a number: the slope is three of its standard deviations.

        The standard deviation is nearly a fixed share of the slope, by the length of the
        run, so that believing what is resolved does not favour what came out large.
        """
        return self.d_cm2_s >= LEAST_SIGNAL * self.sd_cm2_s


@dataclass(frozen=True)
class HavenRatio:
    """Tracer over collective diffusivity, with its credible interval."""

    ratio: float
    low: float
    high: float
    credible_level: float


def collective_diffusivity(
    positions_ang: ArrayLike,
    tracer: Diffusivity,
    *,
    frame_interval_fs: float,
    rules: FitRules = FIT_RULES,
) -> CollectiveDiffusivity:
    """Diffusivity of the summed displacement of the mobile ions.

    Parameters
    ----------
    positions_ang : array_like, shape (n_frames, n_ions, 3)
        Unwrapped Cartesian positions of the mobile ions in angstrom, relative to the
        framework's centre of mass (`msd.remove_drift`).
    tracer : Diffusivity
        Of the same ions (`estimate_diffusivity`), whose window and
        credible level are used.
    frame_interval_fs : float
        Time between frames in fs.
    rules : FitRules, optional
        Those of the tracer's fit.

    Returns
    -------
    CollectiveDiffusivity

    Raises
    ------
    TransportError
        If the ions' displacements add up to nothing, as they do where there is no
        framework.

    Notes
    -----
    The sum is one walker, whose own MSD is too uncertain to find weights or a window by.
    Both come from the ions' MSD, of which the sum's is taken to be a multiple in all but
    noise. Its intercept is expected to be its vibration, which short lags show well, give or
    take what the ions' own intercept has beyond theirs (0.75 square angstrom at least).

    References
    ----------
    Marcolongo and Marzari, Phys. Rev. Materials 1, 025402 (2017),
    doi:10.1103/PhysRevMaterials.1.025402; France-Lanord and Grossman, Phys. Rev. Lett. 122,
    136001 (2019), doi:10.1103/PhysRevLett.122.136001.
    """
    positions = checked_positions(positions_ang)
    msd = mean_squared_displacement(summed_displacement(positions)[:, None])
    interval_ps = frame_interval_fs / 1000
    unit = CM2_S_PER_ANG2_PS / (6 * interval_ps)
    vibration = min(int(np.ceil(rules.vibration_ps / interval_ps)), int(tracer.line.lags[0]))
    slope, sd = _fit_multiple(msd, tracer, positions.shape[1], vibration)
    posterior = Posterior(
        slope * unit, sd * unit, tracer.posterior.excess, tracer.posterior.deficit
    )
    tail = (1 - tracer.credible_level) / 2
    low, high = posterior.quantiles([tail, 1 - tail])
    return CollectiveDiffusivity(
        d_cm2_s=max(posterior.slope, 0.0),
        sd_cm2_s=posterior.sd,
        low_cm2_s=float(low),
        high_cm2_s=float(high),
        credible_level=tracer.credible_level,
        posterior=posterior,
        fit_start_ps=tracer.fit_start_ps,
        fit_end_ps=tracer.fit_end_ps,
        msd_ang2=msd,
    )


def _fit_multiple(
    msd: NDArray, tracer: Diffusivity, n_ions: int, vibration: int
) -> tuple[float, float]:
    """Slope of the sum's MSD and its standard deviation, in square angstrom a frame.

    `vibration` is the lag in frames at which vibration is forgotten.
    """
    lags, tracer_slope = tracer.line.lags, tracer.line.slope
    shape = tracer.line.covariance * n_ions / tracer.concerted_ions
    memory = tracer.intercept_ang2 - tracer.msd_ang2[vibration] + tracer_slope * vibration
    unsure = max(memory, LEAST_INTERCEPT_ANG2)
    prior = np.diag([0.0, 1 / unsure**2])
    line = np.stack([lags, np.ones(len(lags))], axis=1)
    least = 1e-3 * tracer.msd_ang2[lags[-1]] / lags[-1]
    tracer_slope = max(tracer_slope, least)
    slope = tracer_slope
    for _ in range(ROUNDS):
        weighted = np.linalg.solve(shape * (max(slope, least) / tracer_slope) ** 2, line)
        precision = line.T @ weighted + prior
        expected = max(0.0, msd[vibration] - max(slope, 0.0) * vibration)
        slope, _ = np.linalg.solve(precision, weighted.T @ msd[lags] + prior[1] * expected)
    return float(slope), float(np.sqrt(np.linalg.inv(precision)[0, 0]))


def summed_displacement(positions_ang: ArrayLike) -> NDArray[np.float64]:
    """Sum of the ions' displacements since the first frame, over the root of their number.

    Its mean squared displacement equals that of one ion where ions move independently.

    Parameters
    ----------
    positions_ang : array_like, shape (n_frames, n_ions, 3)
        Unwrapped Cartesian positions in angstrom, relative to the framework.

    Returns
    -------
    ndarray, shape (n_frames, 3)
        In angstrom.

    Raises
    ------
    TransportError
        If the ions move but their displacements add up to nothing.
    """
    positions = checked_positions(positions_ang)
    total = np.zeros((3, len(positions)))
    squares = 0.0
    for _, series in atom_pieces(positions, copies=2):
        series -= series[:, :, :1].copy()
        total += series.sum(axis=0)
        squares += (series**2).sum()
    if (total**2).sum() <= LEAST_SHARE**2 * squares:
        raise TransportError(
            "the displacements of the mobile ions add up to nothing: without a framework of "
            "other ions, or relative to their own centre, they carry no current"
        )
    return total.T / np.sqrt(positions.shape[1])


def haven_ratio(tracer: Diffusivity, collective: CollectiveDiffusivity) -> HavenRatio:
    """Tracer diffusivity over the collective one.

    Parameters
    ----------
    tracer : Diffusivity
        Of the mobile ions.
    collective : CollectiveDiffusivity
        Of the same ions in the same run.

    Returns
    -------
    HavenRatio
        With the interval of the collective one's `credible_level`.

    Raises
    ------
    TransportError
        If one of the two is not resolved.

    Notes
    -----
    The two are taken as independent: among N ions that move independently their estimates
    correlate with 1 / sqrt(N).
    """
    if not tracer.posterior.resolved:
        raise TransportError("no Haven ratio: the tracer diffusivity is not resolved")
    if not collective.resolved:
        raise TransportError(
            f"no Haven ratio: the collective diffusivity, {collective.d_cm2_s:.1e} cm2/s, is "
            f"below {LEAST_SIGNAL:g} of its standard deviations: run longer"
        )
    chance = (np.arange(N_QUANTILES) + 0.5) / N_QUANTILES
    ratios = (
        tracer.posterior.quantiles(chance)[:, None]
        / collective.posterior.quantiles(chance)[None, :]
    )
    level = collective.credible_level
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2])
    return HavenRatio(tracer.d_cm2_s / collective.d_cm2_s, float(low), float(high), level)
