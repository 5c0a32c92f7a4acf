"""Covariance of a measured mean squared displacement, and of walkers that move as one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

STUDENT_AT = 0.975


def msd_covariance(
    curve_ang2: NDArray, lags: NDArray, n_frames: int, n_walkers: float
) -> NDArray[np.float64]:
    """Covariance between lags of an MSD averaged over all time origins.

    Exact for independent Gaussian walkers with stationary increments, whatever
    their MSD: random walks, vibration and their sum alike.

    Parameters
    ----------
    curve_ang2 : ndarray, shape (n,)
        The walkers' true MSD at lags 0 to n - 1 >= 2 max(lags), over one direction.
    lags : ndarray of int, shape (n_lags,)
        Lags in frames.
    n_frames : int
        Frames of the trajectory.
    n_walkers : float
        Independent one-dimensional walkers averaged over.

    Returns
    -------
    ndarray, shape (n_lags, n_lags)
        Covariance of the mean over walkers, in the curve's unit squared.

    Notes
    -----
    With the covariance of two displacements, over n frames from i and over m
    from j = i - k, C(k) = [g(k+n) + g(k-m) - g(k) - g(k+n-m)] / 2, Isserlis'
    theorem gives 2 C(k)^2 for that of their squares; the average over all pairs
    of origins follows. For a random walk with noise this is the covariance of
    Michalet, Phys. Rev. E 82, 041914 (2010), doi:10.1103/PhysRevE.82.041914.
    """
    n = lags[:, None, None]
    m = lags[None, :, None]
    longest = int(lags.max())
    k = np.arange(-longest, longest + 1)[None, None, :]
    g = curve_ang2
    cross = 0.5 * (g[abs(k + n)] + g[abs(k - m)] - g[abs(k)] - g[abs(k + n - m)])
    pairs = np.minimum(n_frames - n, n_frames - m + k) - np.maximum(k, 0)
    total = (np.maximum(pairs, 0) * cross**2).sum(axis=2)
    origins = n_frames - lags
    return 2 * total / (origins[:, None] * origins[None, :] * n_walkers)


def concerted_factor(samples: NDArray, *, significance: float = 0.2) -> float:
    """How many walkers move as one.

    Parameters
    ----------
    samples : ndarray, shape (n_blocks, n_walkers)
        A squared displacement, or an estimate made of them, a walker and block of time.
    significance : float, optional
        Level of the F test below which walkers are taken as independent.

    Returns
    -------
    float
        The factor by which the variance of the mean over walkers exceeds that of
        independent ones: the ratio of the mean squares between blocks and of the
        rest, in a two-way analysis of variance without replication, widened for the
        few blocks that it rests on (the squared ratio of the quantiles of Student's and
        the normal distribution at `STUDENT_AT`). 1 where the test does not see it or there
        is too little to test.
    """
    n_blocks, n_walkers = samples.shape
    if n_blocks < 3 or n_walkers < 2:
        return 1.0
    mean = samples.mean()
    block, walker = samples.mean(axis=1) - mean, samples.mean(axis=0) - mean
    rest = samples - mean - block[:, None] - walker[None, :]
    freedom = (n_blocks - 1) * (n_walkers - 1)
    between = n_walkers * (block**2).sum() / (n_blocks - 1)
    within = (rest**2).sum() / freedom
    if within <= 0 or stats.f.sf(between / within, n_blocks - 1, freedom) > significance:
        return 1.0
    widening = stats.t.ppf(STUDENT_AT, n_blocks - 1) / stats.norm.ppf(STUDENT_AT)
    return between / within * widening**2
