"""The tracer diffusivity of a trajectory, with an interval that is true.

The slope of the MSD is fitted by generalised least squares within a window that
starts where the walk has become diffusive. Its variance has three parts: that of
Gaussian walkers (exact, `msd_covariance`), what the scatter between the ions shows
beyond it (few or unlike jumps), and what ions moving together add.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ionscout.errors import TransportError
from ionscout.transport.covariance import concerted_variance, msd_covariance
from ionscout.transport.msd import atom_chunks, mean_squared_displacement

CM2_S_PER_ANG2_PS = 1e-4

NET_MSD_ANG2 = 4.0
VIBRATION_PS = 0.5
LATEST_START = 0.3
LATEST_END = 0.6
WINDOW_RATIO = 8
N_LAGS = 12
LINEARITY_P = 0.1


@dataclass(frozen=True)
class Diffusivity:
    """A tracer diffusivity and its posterior.

    The posterior of D is an inverse gamma distribution of the given shape (that of
    a variance estimated from 2 `shape` independent squares) about `d_cm2_s`.
    """

    d_cm2_s: float
    sd_cm2_s: float
    low_cm2_s: float
    high_cm2_s: float
    credible_level: float
    shape: float
    fit_start_ps: float
    fit_end_ps: float
    exponent: float
    intercept_ang2: float
    linearity_p: float
    net_msd_ang2: float
    lag_ps: NDArray = field(repr=False)
    msd_ang2: NDArray = field(repr=False)


def estimate(positions, interval_ps, level=0.95, start_ps=None, end_ps=None, dbg=None, opt=None):
    opt = opt or {}
    msd = mean_squared_displacement(positions)
    n_frames = len(msd)
    N = positions.shape[1]
    latest = int(LATEST_START * n_frames)
    vib = max(2, int(np.ceil(VIBRATION_PS / interval_ps)))
    vib = min(vib, latest)
    above = np.flatnonzero(msd[: latest + 1] >= msd[vib] + opt.get("net", NET_MSD_ANG2))
    first = max(vib, int(above[0]) if len(above) else latest)
    while True:
        fit = gls(positions, msd, first, n_frames)
        if (fit["p"] > LINEARITY_P and fit["c"]<=opt.get("kap",.7)*fit["D"]*first) or first >= latest:
            break
        first = min(latest, int(np.ceil(first * 1.3)))
    fit["first"] = first
    return msd, fit


def gls(positions, msd, first, n_frames):
    N = positions.shape[1]
    last = min(int(LATEST_END * n_frames), WINDOW_RATIO * first)
    stride = max(1, first // 8)
    lags = np.unique(np.round(np.geomspace(first / stride, last / stride, N_LAGS)).astype(int))
    nT = n_frames // stride
    y = msd[lags * stride]
    x = lags * stride * 1.0
    ions = per_ion(positions, lags * stride)  # (M, N)
    G = tensor(positions, lags[0] * stride)
    d_eff = np.trace(G) ** 2 / (G**2).sum()
    A = np.stack([x, np.ones_like(x)], 1)
    sol = np.linalg.lstsq(A, y, rcond=None)[0]
    grid = np.arange(0, 2 * lags[-1] + 1) * stride
    for _ in range(3):
        slope = max(sol[0], 1e-3 * y[-1] / x[-1])
        inter = sol[1]
        g = slope * grid + inter
        k = grid < x[0]
        g[k] = msd[grid[k]] 
        S = msd_covariance(g, lags, nT, N * d_eff)
        S += np.diag(np.diag(S)) * 1e-6
        W = np.linalg.solve(S, A)
        H = np.linalg.inv(A.T @ W) @ W.T
        sol = H @ y
    r = y - A @ sol
    chi2 = r @ np.linalg.solve(S, r)
    p = stats.chi2.sf(chi2, len(lags) - 2)
    w = H[0]
    Di = w @ ions
    Vg = w @ S @ w
    Vi = Di.var(ddof=1) / N if N > 1 else np.nan
    n1 = int(x[0])
    return dict(D=sol[0], c=sol[1], Vg=Vg, Vi=Vi, p=p, lags=x, y=y, d_eff=d_eff, samples=(lambda q: q/q.mean())(block_samples(positions, min(25,n1))), n1=n1, S=S, H=H)


def per_ion(positions, lags):
    out = np.empty((len(lags), positions.shape[1]))
    for i, n in enumerate(lags):
        d = positions[n:] - positions[:-n]
        out[i] = np.einsum("tac,tac->a", d, d) / len(d)
    return out


def tensor(positions, n):
    d = (positions[n:] - positions[:-n]).reshape(-1, 3)
    return d.T @ d / len(d)


def block_samples(positions, n):
    a = positions[n : -n] - positions[: -2 * n]
    b = positions[2 * n :] - positions[n:-n]
    y = ((2 * a + b) * b).sum(2) / n
    B = min(100, len(y) // (2 * n))
    if B < 2:
        return y.mean(0)[None]
    L = len(y) // B
    return y[: B * L].reshape(B, L, -1).mean(1)
