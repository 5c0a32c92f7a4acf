"""Van Hove correlation functions and the non-Gaussian parameter."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ionscout.errors import TransportError
from ionscout.transport.msd import atom_pieces, checked_positions

SELF_ORIGINS = 2000
DISTINCT_ORIGINS = 100


@dataclass(frozen=True)
class VanHove:
    """Where ions are found after a time, from where they or others were.

    `time_ps` is of shape (n_times,), `distance_ang` (middle of the bins) (n_bins,),
    `values` (n_times, n_bins). The self part is a density in 1/angstrom^3, whose integral
    with 4 pi r^2 is 1; the distinct part is relative to the mean density of the others,
    so that it tends to 1.
    """

    time_ps: NDArray
    distance_ang: NDArray
    values: NDArray


def van_hove_self(
    positions_ang: ArrayLike,
    *,
    frame_interval_fs: float,
    times_ps: ArrayLike,
    longest_ang: float = 10.0,
    bin_ang: float = 0.1,
    max_origins: int = SELF_ORIGINS,
) -> VanHove:
    """Self part of the van Hove correlation function.

    Parameters
    ----------
    positions_ang : array_like, shape (n_frames, n_ions, 3)
        Unwrapped Cartesian positions in angstrom, drift removed.
    frame_interval_fs : float
        Time between frames in fs.
    times_ps : array_like, shape (n_times,)
        Times in ps; each is taken to the nearest frame.
    longest_ang, bin_ang : float, optional
        Largest distance and width of the bins.
    max_origins : int, optional
        Time origins averaged over, evenly spaced.

    Returns
    -------
    VanHove
        Displacements beyond the largest distance are left out but counted in the norm.

    Raises
    ------
    TransportError
        If a time is outside the trajectory, or positions are not finite.

    References
    ----------
    Van Hove, Phys. Rev. 95, 249 (1954), doi:10.1103/PhysRev.95.249, equation 34.
    """
    positions = checked_positions(positions_ang)
    lags = _lags(times_ps, frame_interval_fs, len(positions))
    n_bins = _number_of_bins(longest_ang, bin_ang)
    counts = np.zeros((len(lags), n_bins))
    for _, series in atom_pieces(positions, copies=2):
        _require_finite(series)
        for row, lag in enumerate(lags):
            origins = _origins(series.shape[2] - lag, max_origins)
            _count_displacements(series, lag, origins, bin_ang, counts[row])
    n_origins = [len(_origins(len(positions) - lag, max_origins)) for lag in lags]
    samples = positions.shape[1] * np.array(n_origins)
    middle, volume = _shells(n_bins, bin_ang)
    return VanHove(
        time_ps=lags * frame_interval_fs / 1000,
        distance_ang=middle,
        values=counts / samples[:, None] / volume,
    )


def van_hove_distinct(
    positions_ang: ArrayLike,
    cell_ang: ArrayLike,
    *,
    frame_interval_fs: float,
    times_ps: ArrayLike,
    longest_ang: float | None = None,
    bin_ang: float = 0.1,
    max_origins: int = DISTINCT_ORIGINS,
) -> VanHove:
    """Distinct part of the van Hove correlation function, of the pairs of unlike ions.

    At time 0 it is the pair distribution function of the ions.

    Parameters
    ----------
    positions_ang : array_like, shape (n_frames, n_ions, 3)
        Cartesian positions in angstrom, drift removed; two ions or more.
    cell_ang : array_like, shape (3, 3)
        The cell, a vector a row, in angstrom.
    frame_interval_fs : float
        Time between frames in fs.
    times_ps : array_like, shape (n_times,)
        Times in ps; each is taken to the nearest frame.
    longest_ang : float, optional
        Largest distance; half of the cell's least thickness where left out, beyond which
        not all images would be counted.
    bin_ang : float, optional
        Width of the bins.
    max_origins : int, optional
        Time origins averaged over, evenly spaced.

    Returns
    -------
    VanHove

    Raises
    ------
    TransportError
        If the distance is larger than that, a time is outside the trajectory, there is
        one ion only, or positions are not finite.
    """
    positions = checked_positions(positions_ang)
    n_frames, n_ions = positions.shape[:2]
    if n_ions < 2:
        raise TransportError("one ion has no others: the distinct part needs two or more")
    cell = np.ascontiguousarray(cell_ang, dtype=float)
    inverse = np.linalg.inv(cell)
    half_ang = 0.5 / np.linalg.norm(inverse, axis=0).max()
    longest_ang = half_ang if longest_ang is None else longest_ang
    if longest_ang > half_ang * (1 + 1e-9):
        raise TransportError(
            f"distances to {longest_ang:g} angstrom exceed half of the cell's least thickness, "
            f"{half_ang:.3g}: ask for less, or run a larger cell"
        )
    lags = _lags(times_ps, frame_interval_fs, n_frames)
    n_bins = _number_of_bins(longest_ang, bin_ang)
    middle, volume = _shells(n_bins, bin_ang)
    values = np.zeros((len(lags), n_bins))
    density = (n_ions - 1) / abs(np.linalg.det(cell))
    for row, lag in enumerate(lags):
        origins = _origins(n_frames - lag, max_origins)
        for origin in origins:
            before = np.array(positions[origin], dtype=float)
            after = np.array(positions[origin + lag], dtype=float)
            _require_finite(before + after)
            _count_pairs(before @ inverse, after @ inverse, cell, bin_ang, values[row])
        values[row] /= len(origins) * n_ions * density * volume
    return VanHove(time_ps=lags * frame_interval_fs / 1000, distance_ang=middle, values=values)


def non_gaussian_parameter(
    positions_ang: ArrayLike,
    *,
    frame_interval_fs: float,
    times_ps: ArrayLike,
    max_origins: int = SELF_ORIGINS,
) -> NDArray[np.float64]:
    """Non-Gaussian parameter, alpha_2(t) = 3 <r^4> / (5 <r^2>^2) - 1.

    Parameters
    ----------
    positions_ang : array_like, shape (n_frames, n_ions, 3)
        Unwrapped Cartesian positions in angstrom, drift removed.
    frame_interval_fs : float
        Time between frames in fs.
    times_ps : array_like, shape (n_times,)
        Times in ps, above 0; each is taken to the nearest frame.
    max_origins : int, optional
        Time origins averaged over, evenly spaced.

    Returns
    -------
    ndarray, shape (n_times,)
        0 for an isotropic Gaussian walk, large where few ions have jumped; NaN where
        nothing has moved.

    Raises
    ------
    TransportError
        If a time is outside the trajectory, or positions are not finite.

    References
    ----------
    Rahman, Phys. Rev. 136, A405 (1964), doi:10.1103/PhysRev.136.A405.
    """
    positions = checked_positions(positions_ang)
    lags = _lags(times_ps, frame_interval_fs, len(positions))
    moments = np.zeros((len(lags), 2))
    for _, series in atom_pieces(positions):
        _require_finite(series)
        for row, lag in enumerate(lags):
            origins = _origins(series.shape[2] - lag, max_origins)
            squared = ((series[:, :, origins + lag] - series[:, :, origins]) ** 2).sum(axis=1)
            moments[row] += squared.mean(axis=1).sum(), (squared**2).mean(axis=1).sum()
    second, fourth = moments.T / positions.shape[1]
    with np.errstate(invalid="ignore"):
        return 3 * fourth / (5 * second**2) - 1


def _lags(times_ps: ArrayLike, frame_interval_fs: float, n_frames: int) -> NDArray[np.int64]:
    lags = np.round(np.atleast_1d(times_ps) * 1000 / frame_interval_fs).astype(int)
    if lags.min() < 0 or lags.max() >= n_frames:
        raise TransportError(
            f"times from {lags.min() * frame_interval_fs / 1000:g} to "
            f"{lags.max() * frame_interval_fs / 1000:g} ps: the trajectory lasts "
            f"{(n_frames - 1) * frame_interval_fs / 1000:g} ps"
        )
    return lags


def _number_of_bins(longest_ang: float, bin_ang: float) -> int:
    n_bins = int(longest_ang / bin_ang + 1e-9) if bin_ang > 0 else 0
    if n_bins < 1:
        raise TransportError(f"no bin of {bin_ang:g} angstrom fits in {longest_ang:g} angstrom")
    return n_bins


def _origins(n_origins: int, max_origins: int) -> NDArray[np.int64]:
    """Frames that time is counted from, evenly spaced."""
    return np.unique(np.linspace(0, n_origins - 1, min(n_origins, max_origins)).astype(int))


def _shells(n_bins: int, bin_ang: float) -> tuple[NDArray, NDArray]:
    """Middle of each bin in angstrom and volume of its shell in cubic angstrom."""
    edges = np.arange(n_bins + 1) * bin_ang
    return edges[:-1] + bin_ang / 2, 4 / 3 * np.pi * np.diff(edges**3)


def _require_finite(positions: NDArray) -> None:
    if not np.isfinite(positions).all():
        raise TransportError("positions that are not finite: the run exploded or is damaged")


@numba.njit(cache=True)
def _count_displacements(series, lag, origins, bin_ang, counts):
    """Add the displacements over a lag to a histogram of their lengths."""
    for ion in range(series.shape[0]):
        for origin in origins:
            squared = 0.0
            for axis in range(3):
                squared += (series[ion, axis, origin + lag] - series[ion, axis, origin]) ** 2
            length = np.sqrt(squared) / bin_ang
            if length < counts.size:
                counts[int(length)] += 1


@numba.njit(cache=True)
def _count_pairs(before, after, cell, bin_ang, counts):
    """Add the distances of ions from where the others were to a histogram.

    Fractional coordinates come in. Within half of the cell's least thickness each
    fractional step of a nearest image is below one half, and rounding finds it.
    """
    step = np.empty(3)
    for one in range(before.shape[0]):
        for other in range(before.shape[0]):
            if one == other:
                continue
            for axis in range(3):
                part = after[one, axis] - before[other, axis]
                step[axis] = part - np.round(part)
            squared = 0.0
            for axis in range(3):
                across = 0.0
                for vector in range(3):
                    across += step[vector] * cell[vector, axis]
                squared += across * across
            length = np.sqrt(squared) / bin_ang
            if length < counts.size:
                counts[int(length)] += 1
