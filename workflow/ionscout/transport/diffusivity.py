"""The tracer diffusivity of a trajectory, with an interval that is true.

The slope of the MSD is fitted by generalised least squares in a window that starts
where the walk has become diffusive. Its variance has three parts: that of Gaussian
walkers (exact, `covariance.msd_covariance`); what the scatter between the ions shows
beyond it, for ions jump seldom and are not alike; and a factor where ions move
together. A slope that may still fall beyond the window widens the interval downwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ionscout.errors import TransportError
from ionscout.transport.msd import atom_pieces, mean_squared_displacement
from ionscout.transport.posterior import Posterior
from ionscout.transport.slope import (
    Line,
    SlopeError,
    concerted_ions,
    count_directions,
    fit_line,
    part_slopes,
    slope_error,
    stride_of,
)

CM2_S_PER_ANG2_PS = 1e-4
LEAST_FRAMES = 30
PLAIN_LAGS = 100
PARTS_LAG = 8


@dataclass(frozen=True)
class FitRules:
    """How the window of the fit is found.

    Parameters
    ----------
    vibration_ps : float
        Lag at which vibration is forgotten; no window starts before it.
    net_msd_ang2 : float
        What the MSD must have gained since then: about a squared jump length, so that
        most ions have jumped and forgotten it. He et al., npj Comput. Mater. 4, 18
        (2018), doi:10.1038/s41524-018-0074-y, ask for half of that.
    intercept_ratio : float
        Largest intercept, as a share of the diffusive part of the MSD at the start:
        ions that jump back have a large one until they forget where they came from.
    linearity_p : float
        The window starts later while a straight line is less probable than this.
    latest_start, latest_end : float
        Largest start and end of the window, as shares of the trajectory.
    window_ratio : float
        End over start of the window; still longer lags add nothing but noise.
    n_lags : int
        Lags in the window, evenly spaced in their logarithm.
    jump_length_ang : float
        A long jump between lithium sites, from which the scatter between few ions
        is foreseen.
    jump_weight : float
        The number of degrees of freedom that foresight is worth.
    """

    vibration_ps: float = 0.5
    net_msd_ang2: float = 8.0
    intercept_ratio: float = 1.0
    linearity_p: float = 0.1
    latest_start: float = 0.3
    latest_end: float = 0.6
    window_ratio: float = 8.0
    n_lags: int = 12
    jump_length_ang: float = 3.0
    jump_weight: float = 8.0


FIT_RULES = FitRules()


@dataclass(frozen=True)
class Diffusivity:
    """A tracer diffusivity, its posterior and the fit it comes from.

    `d_cm2_s` is the fitted slope over 6 (0 where the slope is negative), `sd_cm2_s`
    its standard deviation, `low_cm2_s` and `high_cm2_s` bound the central credible
    interval. `exponent` is the log-log slope of the MSD in the window, `intercept_ang2`
    where the line meets lag 0, `gained_msd_ang2` what the MSD has gained since vibration at
    the latest lag where a window may start, `linearity_p` the probability of a worse straight line,
    `block_d_cm2_s` and `block_sd_cm2_s` the slopes of three consecutive parts of the run,
    `line` the fit itself, in angstrom and frames.
    """

    d_cm2_s: float
    sd_cm2_s: float
    low_cm2_s: float
    high_cm2_s: float
    credible_level: float
    posterior: Posterior
    fit_start_ps: float
    fit_end_ps: float
    exponent: float
    intercept_ang2: float
    gained_msd_ang2: float
    linearity_p: float
    concerted_ions: float
    block_d_cm2_s: tuple[float, ...]
    block_sd_cm2_s: tuple[float, ...]
    msd_ang2: NDArray = field(repr=False)
    line: Line = field(repr=False)

    @property
    def net_msd_ang2(self) -> float:
        """Diffusive part of the MSD at the end of the window, in square angstrom."""
        return 6 * self.d_cm2_s / CM2_S_PER_ANG2_PS * self.fit_end_ps


def estimate_diffusivity(
    positions_ang: ArrayLike,
    *,
    frame_interval_fs: float,
    credible_level: float = 0.95,
    fit_start_ps: float | None = None,
    fit_end_ps: float | None = None,
    weighted: bool = True,
    rules: FitRules = FIT_RULES,
) -> Diffusivity:
    """Tracer diffusivity of the ions of a trajectory, with its credible interval.

    Parameters
    ----------
    positions_ang : array_like, shape (n_frames, n_ions, 3)
        Unwrapped Cartesian positions of the mobile ions in angstrom, the framework's
        drift removed (`msd.remove_drift`).
    frame_interval_fs : float
        Time between frames in fs.
    credible_level : float, optional
        Probability inside the interval.
    fit_start_ps, fit_end_ps : float, optional
        The window of lags; found by the rules where left out.
    weighted : bool, optional
        Generalised least squares; False fits a plain line to every lag, as older
        work did, and still states its true variance.
    rules : FitRules, optional
        How the window is found.

    Returns
    -------
    Diffusivity

    Raises
    ------
    TransportError
        If there are fewer than 30 frames, positions that are not finite or never
        change, a time between frames that is not positive, a credible level that is not
        between 0 and 1, or a window that does not fit the trajectory.

    References
    ----------
    McCluskey et al., J. Chem. Theory Comput. 21, 79 (2025), doi:10.1021/acs.jctc.4c01249,
    founds generalised least squares on the covariance of the MSD.
    """
    if not 0 < frame_interval_fs < np.inf:
        raise TransportError(f"{frame_interval_fs} fs between frames: give a positive time")
    if not 0 < credible_level < 1:
        raise TransportError(f"credible_level {credible_level}: give one between 0 and 1")
    positions = np.asarray(positions_ang)
    interval_ps = frame_interval_fs / 1000
    if len(positions) < LEAST_FRAMES:
        raise TransportError(f"{len(positions)} frames: a diffusivity needs {LEAST_FRAMES} or more")
    if not all(np.isfinite(series).all() for _, series in atom_pieces(positions, copies=2)):
        raise TransportError("positions that are not finite: the run exploded or is damaged")
    msd = mean_squared_displacement(positions)
    if not msd.any():
        raise TransportError("the ions do not move at all: the positions are frozen")
    search = _Search(positions, msd, interval_ps, weighted, rules)
    first, last = _asked_window(fit_start_ps, fit_end_ps, interval_ps, len(positions))
    line = search.run(last) if first is None else search.fit(first, last)
    error = slope_error(
        line,
        positions,
        msd,
        vibration_lag=search.vibration_lag,
        concerted=search.concerted,
        jump_length_ang=rules.jump_length_ang,
        jump_weight=rules.jump_weight,
    )
    return _result(line, error, search, credible_level)


@dataclass(frozen=True)
class _Search:
    """Fits in windows of one trajectory."""

    positions: NDArray
    msd: NDArray
    interval_ps: float
    weighted: bool
    rules: FitRules

    def run(self, last: int | None) -> Line:
        """Fit in the earliest window in which the walk is diffusive."""
        latest = self.latest_start if last is None else int(2 * self.rules.latest_start * last)
        latest = min(latest, len(self.msd) // 2 - 1)
        first = min(self.earliest_start, latest)
        line = self.fit(first, last)
        while first < latest and not self._is_diffusive(line):
            first = min(latest, int(np.ceil(1.3 * first)))
            line = self.fit(first, last)
        return line

    def fit(self, first: int, last: int | None) -> Line:
        """Fit between two lags in frames."""
        if last is None:
            last = min(
                int(self.rules.latest_end * len(self.msd)), int(self.rules.window_ratio * first)
            )
        stride = stride_of(last)
        if self.weighted:
            lags = np.geomspace(first / stride, last / stride, self.rules.n_lags)
        else:
            lags = np.linspace(first / stride, last / stride, PLAIN_LAGS)
        lags = np.unique(np.maximum(np.round(lags).astype(int), 1)) * stride
        return fit_line(
            self.msd, lags, self.n_walkers, concerted=self.concerted, weighted=self.weighted
        )

    @cached_property
    def n_walkers(self) -> float:
        """One-dimensional walkers, ions that move as one counted each."""
        return self.positions.shape[1] * count_directions(self.positions, self.earliest_start)

    @cached_property
    def concerted(self) -> float:
        """How many ions move as one."""
        return concerted_ions(self.positions, self.vibration_lag)

    @property
    def earliest_start(self) -> int:
        """First lag, in frames, at which the ions have jumped: the latest start if none."""
        vibration = self.vibration_lag
        enough = self.msd[vibration] + self.rules.net_msd_ang2
        gained = self.msd[vibration : self.latest_start + 1] >= enough
        return vibration + int(gained.argmax()) if gained.any() else self.latest_start

    @property
    def latest_start(self) -> int:
        """Latest start of a window, in frames."""
        return int(self.rules.latest_start * len(self.msd))

    @property
    def gained_msd_ang2(self) -> float:
        """What the MSD has gained at the latest start of a window since vibration."""
        return float(self.msd[self.latest_start] - self.msd[self.vibration_lag])

    @property
    def vibration_lag(self) -> int:
        """Lag in frames at which vibration is forgotten."""
        lag = max(2, int(np.ceil(self.rules.vibration_ps / self.interval_ps)))
        return min(lag, self.latest_start)

    def _is_diffusive(self, line: Line) -> bool:
        small = line.intercept <= self.rules.intercept_ratio * line.slope * line.lags[0]
        return bool(small and line.linearity_p > self.rules.linearity_p)


def _asked_window(
    start_ps: float | None, end_ps: float | None, interval_ps: float, n_frames: int
) -> tuple[int | None, int | None]:
    """Check a window and turn it into lags in frames."""
    duration_ps = (n_frames - 1) * interval_ps
    first = None if start_ps is None else max(1, round(start_ps / interval_ps))
    last = None if end_ps is None else round(end_ps / interval_ps)
    if end_ps is not None and last >= n_frames - 1:
        raise TransportError(
            f"the fit is to end at {end_ps:g} ps but the trajectory lasts {duration_ps:g} ps: "
            "join consecutive pieces, or ask for a shorter window"
        )
    if first is not None and first >= (n_frames // 2 if last is None else last - 1):
        raise TransportError(
            f"the fit is to start at {start_ps:g} ps, too late for "
            f"{'its end' if end_ps is not None else 'half of the trajectory'}"
        )
    return first, last


def _result(line: Line, error: SlopeError, search: _Search, level: float) -> Diffusivity:
    """Put a fit into physical units."""
    unit = CM2_S_PER_ANG2_PS / (6 * search.interval_ps)
    posterior = Posterior(line.slope * unit, error.sd * unit, error.excess, error.deficit)
    low, high = posterior.quantiles([(1 - level) / 2, (1 + level) / 2])
    msd, lags = search.msd, line.lags
    block, block_sd = part_slopes(search.positions, min(int(lags[0]), len(msd) // PARTS_LAG))
    positive = np.maximum(msd[lags], 1e-12)
    return Diffusivity(
        d_cm2_s=max(posterior.slope, 0.0),
        sd_cm2_s=posterior.sd,
        low_cm2_s=float(low),
        high_cm2_s=float(high),
        credible_level=level,
        posterior=posterior,
        fit_start_ps=float(lags[0] * search.interval_ps),
        fit_end_ps=float(lags[-1] * search.interval_ps),
        exponent=float(np.polyfit(np.log(lags), np.log(positive), 1)[0]),
        intercept_ang2=line.intercept,
        gained_msd_ang2=search.gained_msd_ang2,
        linearity_p=line.linearity_p,
        concerted_ions=search.concerted,
        block_d_cm2_s=tuple(float(value) for value in block * unit),
        block_sd_cm2_s=tuple(float(value) for value in block_sd * unit),
        msd_ang2=msd,
        line=line,
    )
