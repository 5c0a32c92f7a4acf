"""The fit of a straight line to an MSD, and the variance of its slope."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ionscout.transport.covariance import concerted_factor, msd_covariance
from ionscout.transport.msd import atom_chunks

FINEST_GRID = 200
STUDENT_AT = 0.975
LEAST_EIGENVALUE = 1e-7
N_BLOCKS = 3


@dataclass(frozen=True)
class SlopeFit:
    """A line through an MSD between two lags.

    `slope` is in square angstrom a frame, `sd` its standard deviation, `excess` how far
    it may relatively lie above the slope at long times, `lags` in frames.
    """

    slope: float
    intercept: float
    sd: float
    excess: float
    linearity_p: float
    concerted: float
    lags: NDArray = field(repr=False)


def fit_slope(
    positions: NDArray,
    msd: NDArray,
    lags: NDArray,
    *,
    vibration_lag: int,
    jump_length_ang: float,
    jump_weight: float,
    weighted: bool = True,
) -> SlopeFit:
    """Fit a line to an MSD by generalised or plain least squares.

    Parameters
    ----------
    positions : ndarray, shape (n_frames, n_ions, 3)
        Unwrapped Cartesian positions in angstrom.
    msd : ndarray, shape (n_frames,)
        Their mean squared displacement in square angstrom.
    lags : ndarray of int, shape (n_lags,)
        The lags fitted, rising, in frames; 3 or more, all multiples of `stride_of(last)`.
    vibration_lag : int
        Lag in frames at which vibration is forgotten.
    jump_length_ang, jump_weight : float
        See `FitRules`.
    weighted : bool, optional
        Generalised least squares, else plain.

    Returns
    -------
    SlopeFit
    """
    n_frames, n_ions = positions.shape[:2]
    per_ion = _msd_of_ions(positions, lags)
    walkers = n_ions * _directions(positions, int(lags[0]))
    line = np.stack([lags, np.ones(len(lags))], axis=1)
    y = msd[lags]
    solve = np.linalg.pinv(line)
    for _ in range(3):
        slope, intercept = solve @ y
        covariance = _covariance(msd, lags, slope, intercept, walkers)
        weights = np.linalg.solve(covariance, line)
        best = np.linalg.solve(line.T @ weights, weights.T)
        if weighted:
            solve = best
    slope, intercept = solve @ y
    rest = y - line @ (best @ y)
    chi2 = rest @ np.linalg.solve(covariance, rest)

    gaussian = solve[0] @ covariance @ solve[0]
    foreseen = jump_length_ang**2 * max(slope, 0.0) / (n_frames * n_ions)
    scatter = (solve[0] @ per_ion).var(ddof=1) / n_ions if n_ions > 1 else 0.0
    freedom = n_ions - 1
    shrunk = (jump_weight * (gaussian + foreseen) + freedom * scatter) / (jump_weight + freedom)
    widening = stats.t.ppf(STUDENT_AT, jump_weight + freedom) / stats.norm.ppf(STUDENT_AT)
    concerted = concerted_factor(_block_slopes(positions, min(vibration_lag, int(lags[0]))))
    return SlopeFit(
        slope=float(slope),
        intercept=float(intercept),
        sd=float(np.sqrt(max(gaussian, widening**2 * shrunk) * concerted)),
        excess=_excess(msd, slope, intercept, int(lags[0]), vibration_lag),
        linearity_p=float(stats.chi2.sf(chi2, len(lags) - 2)),
        concerted=concerted,
        lags=lags,
    )


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
    samples = _two_point(positions, lag)
    parts = np.array([part.mean(axis=0) for part in np.array_split(samples, N_BLOCKS)])
    n_ions = parts.shape[1]
    error = parts.std(axis=1, ddof=1) / np.sqrt(n_ions) if n_ions > 1 else np.full(N_BLOCKS, np.nan)
    return parts.mean(axis=1), error


def _covariance(
    msd: NDArray, lags: NDArray, slope: float, intercept: float, walkers: float
) -> NDArray:
    """Covariance of the MSD at `lags`, of walkers that follow it and then the line."""
    stride = stride_of(int(lags[-1]))
    grid = np.arange(2 * lags[-1] // stride + 1) * stride
    slope = max(slope, 1e-3 * msd[lags[-1]] / lags[-1])
    curve = np.maximum(slope * grid + intercept, 0.0)
    early = grid < lags[0]
    curve[early] = msd[grid[early]]
    covariance = msd_covariance(curve, lags // stride, len(msd) // stride, walkers)
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.maximum(values, LEAST_EIGENVALUE * values[-1])) @ vectors.T


def _excess(msd: NDArray, slope: float, intercept: float, first: int, vibration_lag: int) -> float:
    """How far the slope may lie above that at long times, relatively.

    What the intercept has beyond vibration comes from ions that jump back. A memory
    of theirs that decays exponentially, on the scale of the window's start, leaves a
    slope in excess by about this intercept over the start.
    """
    if slope <= 0:
        return 0.0
    vibration = max(0.0, msd[vibration_lag] - slope * vibration_lag)
    return min(1.0, max(0.0, float(intercept - vibration)) / (first * slope))


def _directions(positions: NDArray, lag: int) -> float:
    """Effective number of directions walked in: 3 for an isotropic walk, 1 along a line."""
    tensor = np.zeros((3, 3))
    for piece in atom_chunks(positions):
        steps = (positions[lag:, piece] - positions[:-lag, piece]).reshape(-1, 3)
        tensor += steps.T @ steps
    return float(np.trace(tensor) ** 2 / max((tensor**2).sum(), 1e-300)) or 3.0


def _msd_of_ions(positions: NDArray, lags: NDArray) -> NDArray:
    """Mean squared displacement of each ion at some lags, shape (n_lags, n_ions)."""
    msd = np.empty((len(lags), positions.shape[1]))
    for piece in atom_chunks(positions):
        part = np.ascontiguousarray(positions[:, piece], dtype=float)
        for row, lag in enumerate(lags):
            step = part[lag:] - part[:-lag]
            msd[row, piece] = np.einsum("tac,tac->a", step, step) / len(step)
    return msd


def _two_point(positions: NDArray, lag: int) -> NDArray:
    """Slope from `lag` to twice it, an origin and ion: shape (n_frames - 2 lag, n_ions)."""
    samples = np.empty((len(positions) - 2 * lag, positions.shape[1]))
    for piece in atom_chunks(positions):
        part = np.asarray(positions[:, piece], dtype=float)
        early = part[lag:-lag] - part[: -2 * lag]
        late = part[2 * lag :] - part[lag:-lag]
        samples[:, piece] = ((2 * early + late) * late).sum(axis=2) / lag
    return samples


def _block_slopes(positions: NDArray, lag: int) -> NDArray:
    """Mean two-point slopes in blocks of twice the lag, shape (n_blocks, n_ions)."""
    samples = _two_point(positions, lag)
    length = 2 * lag
    n_blocks = len(samples) // length
    blocks = samples[: n_blocks * length].reshape(n_blocks, length, samples.shape[1])
    return blocks.mean(axis=1)
