"""The fit of a straight line to an MSD, and the variance of its slope."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ionscout.transport.covariance import STUDENT_AT, concerted_factor, msd_covariance
from ionscout.transport.msd import atom_pieces

FINEST_GRID = 200
LEAST_EIGENVALUE = 1e-7
N_PARTS = 3
JUMP_PARTS = 8


@dataclass(frozen=True)
class Line:
    """A line through an MSD between two lags, by generalised or plain least squares.

    `slope` is in square angstrom a frame, `intercept` in square angstrom, `solve` of shape
    (2, n_lags) gives both from the MSD at `lags` (in frames), `covariance` is that of the
    MSD there for Gaussian walkers, `linearity_p` the probability of a worse line.
    """

    slope: float
    intercept: float
    linearity_p: float
    lags: NDArray = field(repr=False)
    solve: NDArray = field(repr=False)
    covariance: NDArray = field(repr=False)

    @property
    def slope_variance(self) -> float:
        """Of Gaussian walkers, square angstrom squared a frame squared."""
        return float(self.solve[0] @ self.covariance @ self.solve[0])

    @property
    def intercept_sd(self) -> float:
        """Of Gaussian walkers, in square angstrom."""
        return float(np.sqrt(self.solve[1] @ self.covariance @ self.solve[1]))


@dataclass(frozen=True)
class SlopeError:
    """What may be wrong with a slope.

    `sd` is its standard deviation in square angstrom a frame, `excess` and `deficit` how far
    it may relatively lie above and below the slope at long times.
    """

    sd: float
    excess: float
    deficit: float


def fit_line(
    msd: NDArray,
    lags: NDArray,
    n_walkers: float,
    *,
    concerted: float = 1.0,
    weighted: bool = True,
) -> Line:
    """Fit a line to an MSD by generalised or plain least squares.

    Parameters
    ----------
    msd : ndarray, shape (n_frames,)
        Mean squared displacement in square angstrom.
    lags : ndarray of int, shape (n_lags,)
        The lags fitted, rising, in frames; 3 or more, all multiples of `stride_of(last)`.
    n_walkers : float
        One-dimensional walkers averaged over.
    concerted : float, optional
        How many of them move as one.
    weighted : bool, optional
        Generalised least squares, else plain.

    Returns
    -------
    Line
    """
    line = np.stack([lags, np.ones(len(lags))], axis=1)
    y = msd[lags]
    solve = np.linalg.pinv(line)
    for _ in range(3):
        slope, intercept = solve @ y
        covariance = _covariance(msd, lags, slope, intercept, n_walkers / concerted)
        weights = np.linalg.solve(covariance, line)
        best = np.linalg.solve(line.T @ weights, weights.T)
        if weighted:
            solve = best
    slope, intercept = solve @ y
    rest = y - line @ (best @ y)
    chi2 = rest @ np.linalg.solve(covariance, rest)
    return Line(
        slope=float(slope),
        intercept=float(intercept),
        linearity_p=float(stats.chi2.sf(chi2, len(lags) - 2)),
        lags=lags,
        solve=solve,
        covariance=covariance,
    )


def slope_error(
    line: Line,
    positions: NDArray,
    msd: NDArray,
    *,
    vibration_lag: int,
    concerted: float,
    jump_length_ang: float,
    jump_weight: float,
) -> SlopeError:
    """Find the standard deviation of a slope, and what memory may have left in it.

    Parameters
    ----------
    line : Line
        The fit.
    positions : ndarray, shape (n_frames, n_ions, 3)
        Unwrapped Cartesian positions in angstrom.
    msd : ndarray, shape (n_frames,)
        Their mean squared displacement in square angstrom.
    vibration_lag : int
        Lag in frames at which vibration is forgotten.
    concerted : float
        How many ions move as one.
    jump_length_ang, jump_weight : float
        See `FitRules`.

    Returns
    -------
    SlopeError
    """
    n_frames, n_ions = positions.shape[:2]
    short = min(vibration_lag, int(line.lags[0]))
    square = min(_jump_square(positions, 2 * short), jump_length_ang**2)
    foreseen = square * max(line.slope, 0.0) / (n_frames * n_ions)
    slopes = line.solve[0] @ _msd_of_ions(positions, line.lags)
    scatter = slopes.var(ddof=1) / n_ions if n_ions > 1 else 0.0
    freedom = n_ions - 1
    gaussian = line.slope_variance
    alone = gaussian / concerted + foreseen
    shrunk = (jump_weight * alone + freedom * scatter) / (jump_weight + freedom) * concerted
    widening = stats.t.ppf(STUDENT_AT, jump_weight + freedom) / stats.norm.ppf(STUDENT_AT)
    excess, deficit = _memory(line, msd, short)
    return SlopeError(
        sd=float(np.sqrt(max(gaussian, widening**2 * shrunk))), excess=excess, deficit=deficit
    )


def concerted_ions(positions: NDArray, lag: int) -> float:
    """How many ions move as one, from their two-point slopes in blocks of twice a lag.

    Parameters
    ----------
    positions : ndarray, shape (n_frames, n_ions, 3)
        Unwrapped Cartesian positions in angstrom.
    lag : int
        In frames.

    Returns
    -------
    float
        See `covariance.concerted_factor`.
    """
    edges = np.arange(0, len(positions) - 2 * lag + 1, 2 * lag)
    return concerted_factor(_two_point(positions, lag, edges)) if len(edges) > 1 else 1.0


def stride_of(last: int) -> int:
    """Space, in frames, the grid on which the covariance up to a lag is computed."""
    return max(1, last // FINEST_GRID)


def part_slopes(positions: NDArray, lag: int) -> tuple[NDArray, NDArray]:
    """Slope of the MSD between `lag` and twice it, in consecutive parts of a run.

    Parameters
    ----------
    positions : ndarray, shape (n_frames, n_ions, 3)
        Unwrapped Cartesian positions in angstrom.
    lag : int
        In frames, less than half of them.

    Returns
    -------
    slope, error : ndarray, shape (3,)
        In square angstrom a frame; the error from the scatter between ions is NaN
        for one ion.
    """
    edges = np.linspace(0, len(positions) - 2 * lag, N_PARTS + 1).astype(int)
    parts = _two_point(positions, lag, edges)
    n_ions = parts.shape[1]
    error = parts.std(axis=1, ddof=1) / np.sqrt(n_ions) if n_ions > 1 else np.full(N_PARTS, np.nan)
    return parts.mean(axis=1), error


def count_directions(positions: NDArray, lag: int) -> float:
    """Count the directions walked in: 3 for an isotropic walk, 1 along a line.

    Parameters
    ----------
    positions : ndarray, shape (n_frames, n_ions, 3)
        Unwrapped Cartesian positions in angstrom.
    lag : int
        In frames.

    Returns
    -------
    float
        Between 1 and 3: the squared trace of the displacements' tensor over the trace of
        its square.
    """
    tensor = np.zeros((3, 3))
    for _, series in atom_pieces(positions, copies=2):
        steps = series[:, :, lag:] - series[:, :, :-lag]
        tensor += np.einsum("akt,alt->kl", steps, steps, optimize=True)
    return float(np.trace(tensor) ** 2 / max((tensor**2).sum(), 1e-300)) or 3.0


def _covariance(
    msd: NDArray, lags: NDArray, slope: float, intercept: float, n_walkers: float
) -> NDArray:
    """Covariance of the MSD at `lags`, of walkers that follow it and then the line."""
    stride = stride_of(int(lags[-1]))
    grid = np.arange(2 * lags[-1] // stride + 1) * stride
    slope = max(slope, 1e-3 * msd[lags[-1]] / lags[-1])
    curve = np.maximum(slope * grid + intercept, 0.0)
    early = grid < lags[0]
    curve[early] = msd[grid[early]]
    covariance = msd_covariance(curve, lags // stride, len(msd) // stride, n_walkers)
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.maximum(values, LEAST_EIGENVALUE * values[-1])) @ vectors.T


def _memory(line: Line, msd: NDArray, vibration_lag: int) -> tuple[float, float]:
    """How far the slope may lie above and below that at long times, relatively.

    An intercept beyond vibration comes from ions that jump back, one below zero from
    ions in flight. A memory that decays exponentially, on the scale of the window's start,
    leaves a slope that is wrong by about this intercept over the start. Flight is rare
    and short in a crystal: its standard deviation is taken off an intercept below zero.
    """
    if line.slope <= 0:
        return 0.0, 0.0
    vibration = max(0.0, msd[vibration_lag] - line.slope * vibration_lag)
    gained = line.lags[0] * line.slope
    above = (line.intercept - vibration) / gained
    below = (-line.intercept - line.intercept_sd) / gained
    return float(np.clip(above, 0.0, 1.0)), float(np.clip(below, 0.0, 1.0))


def _jump_square(positions: NDArray, lag: int) -> float:
    """Square of a jump's length by which ions scatter more than Gaussian walkers.

    Independent jumps of length l add rate x time x l^4 to the fourth moment of a
    displacement beyond that of a Gaussian of the same tensor C,
    <r^2>^2 + 2 sum C_ij^2, and rate x time x l^2 to the second. Two standard errors are
    added, found from the ions in `JUMP_PARTS` parts of the run.
    """
    n_ions = positions.shape[1]
    edges = np.linspace(0, len(positions) - lag, JUMP_PARTS + 1).astype(int)[:-1]
    fourth = np.empty((JUMP_PARTS, n_ions))
    tensor, count = np.zeros((3, 3)), np.diff(np.append(edges, len(positions) - lag))
    for piece, series in atom_pieces(positions, copies=3):
        steps = series[:, :, lag:] - series[:, :, :-lag]
        squares = np.einsum("akt,akt->at", steps, steps)
        fourth[:, piece] = (np.add.reduceat(squares**2, edges, axis=1) / count).T
        tensor += np.einsum("akt,alt->kl", steps, steps, optimize=True)
    tensor /= (len(positions) - lag) * n_ions
    second = np.trace(tensor)
    error = fourth.std(ddof=1) / np.sqrt(fourth.size)
    beyond = fourth.mean() - second**2 - 2 * (tensor**2).sum() + 2 * error
    return max(0.0, float(beyond / second)) if second > 0 else 0.0


def _msd_of_ions(positions: NDArray, lags: NDArray) -> NDArray:
    """Mean squared displacement of each ion at some lags, shape (n_lags, n_ions)."""
    msd = np.empty((len(lags), positions.shape[1]))
    for piece, series in atom_pieces(positions, copies=2):
        for row, lag in enumerate(lags):
            step = series[:, :, lag:] - series[:, :, :-lag]
            msd[row, piece] = np.einsum("akt,akt->a", step, step) / step.shape[2]
    return msd


def _two_point(positions: NDArray, lag: int, edges: NDArray) -> NDArray:
    """Mean slope from `lag` to twice it, of each ion over origins between edges.

    Shape (n_edges - 1, n_ions).
    """
    means = np.empty((len(edges) - 1, positions.shape[1]))
    for piece, series in atom_pieces(positions, copies=4):
        part = series[:, :, : edges[-1] + 2 * lag]
        early = part[:, :, lag:-lag] - part[:, :, : -2 * lag]
        late = part[:, :, 2 * lag :] - part[:, :, lag:-lag]
        samples = np.einsum("akt,akt->at", 2 * early + late, late) / lag
        means[:, piece] = np.add.reduceat(samples, edges[:-1], axis=1).T
    return means / np.diff(edges)[:, None]
