"""Mean squared displacements over all time origins."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from ionscout.errors import TransportError

CHUNK_BYTES = 2**25


def mean_squared_displacement(
    positions_ang: ArrayLike, *, max_lag: int | None = None, per_atom: bool = False
) -> NDArray[np.float64]:
    """Mean squared displacement over all time origins, by fast Fourier transform.

    Parameters
    ----------
    positions_ang : array_like, shape (n_frames, n_atoms, 3)
        Unwrapped Cartesian positions in angstrom, evenly spaced in time.
    max_lag : int, optional
        Longest lag in frames; all lags where it is left out.
    per_atom : bool, optional
        Return one curve an atom instead of their mean.

    Returns
    -------
    ndarray, shape (max_lag + 1,) or (max_lag + 1, n_atoms)
        Mean squared displacement in square angstrom; lag 0 comes first.

    Raises
    ------
    TransportError
        If the positions do not have three axes, or too few frames, or no atoms.

    References
    ----------
    Calandrini et al., Collection SFN 12, 201 (2011), section 4.2.1, doi:10.1051/sfn/201112010.
    """
    positions, n_lags = _checked(positions_ang, max_lag)
    pieces = [_atoms_msd(positions[:, piece], n_lags) for piece in atom_chunks(positions)]
    if per_atom:
        return np.concatenate(pieces, axis=0).T
    return sum(piece.sum(axis=0) for piece in pieces) / positions.shape[1]


def msd_with_error(
    positions_ang: ArrayLike, *, max_lag: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean squared displacement and its standard error from the scatter between atoms.

    Parameters
    ----------
    positions_ang : array_like, shape (n_frames, n_atoms, 3)
        Unwrapped Cartesian positions in angstrom.
    max_lag : int, optional
        Longest lag in frames.

    Returns
    -------
    msd_ang2, error_ang2 : ndarray, shape (max_lag + 1,)
        Both in square angstrom; the error is NaN for a single atom.

    Raises
    ------
    TransportError
        As `mean_squared_displacement`.
    """
    positions, n_lags = _checked(positions_ang, max_lag)
    n_atoms = positions.shape[1]
    total, squares = np.zeros(n_lags), np.zeros(n_lags)
    for piece in atom_chunks(positions):
        curves = _atoms_msd(positions[:, piece], n_lags)
        total += curves.sum(axis=0)
        squares += (curves**2).sum(axis=0)
    mean = total / n_atoms
    if n_atoms == 1:
        return mean, np.full(n_lags, np.nan)
    variance = np.maximum(squares / n_atoms - mean**2, 0.0) * n_atoms / (n_atoms - 1)
    return mean, np.sqrt(variance / n_atoms)


def remove_drift(
    positions_ang: ArrayLike, masses_amu: ArrayLike, reference: ArrayLike
) -> NDArray[np.float64]:
    """Positions relative to the centre of mass of the reference atoms.

    Parameters
    ----------
    positions_ang : array_like, shape (n_frames, n_atoms, 3)
        Unwrapped Cartesian positions in angstrom.
    masses_amu : array_like, shape (n_atoms,)
        Masses in atomic mass units.
    reference : array_like of bool, shape (n_atoms,)
        The framework: all atoms that are not mobile. Where there are none, all
        atoms are the reference.

    Returns
    -------
    ndarray, shape (n_frames, n_atoms, 3)
        Positions in angstrom in which the framework's centre of mass rests.
    """
    positions = np.asarray(positions_ang, dtype=float)
    weights = np.asarray(masses_amu, dtype=float) * np.asarray(reference, dtype=bool)
    if not weights.any():
        weights = np.asarray(masses_amu, dtype=float)
    centre = np.einsum("tac,a->tc", positions, weights / weights.sum())
    return positions - (centre - centre[0])[:, None, :]


def minimum_image(steps_ang: NDArray, cell_ang: NDArray) -> NDArray[np.float64]:
    """Shortest images of steps in a periodic cell, within half of its vectors.

    Parameters
    ----------
    steps_ang : ndarray, shape (..., 3)
        Cartesian steps in angstrom.
    cell_ang : ndarray, shape (3, 3)
        The cell, a vector a row.

    Returns
    -------
    ndarray, shape (..., 3)
        In angstrom.
    """
    fractional = steps_ang @ np.linalg.inv(cell_ang)
    return (fractional - np.round(fractional)) @ cell_ang


def atom_chunks(positions_ang: NDArray, copies: int = 8) -> list[slice]:
    """Cut the atoms so that work on one piece stays within `CHUNK_BYTES`.

    Parameters
    ----------
    positions_ang : ndarray, shape (n_frames, n_atoms, 3)
        What is cut.
    copies : int, optional
        How many arrays of the piece's size the work holds at once.

    Returns
    -------
    list of slice
        Slices along the atoms; each holds at least one.
    """
    n_frames, n_atoms = positions_ang.shape[:2]
    size = max(1, CHUNK_BYTES // (n_frames * 3 * 8 * copies))
    return [slice(start, start + size) for start in range(0, n_atoms, size)]


def _checked(positions_ang: ArrayLike, max_lag: int | None) -> tuple[NDArray, int]:
    positions = np.asarray(positions_ang)
    if positions.ndim != 3 or positions.shape[2] != 3 or positions.shape[1] == 0:
        raise TransportError(
            f"positions of shape {positions.shape}: not (n_frames, n_atoms, 3) with an atom"
        )
    longest = positions.shape[0] - 1
    if longest < 1:
        raise TransportError("a trajectory needs two frames or more for a displacement")
    if max_lag is not None and not 1 <= max_lag <= longest:
        raise TransportError(f"max_lag {max_lag} is outside 1 to {longest}, the frames less one")
    return positions, (longest if max_lag is None else max_lag) + 1


def _atoms_msd(positions: NDArray, n_lags: int) -> NDArray[np.float64]:
    """Mean squared displacement of each atom, shape (n_atoms, n_lags)."""
    n_frames, n_atoms = positions.shape[:2]
    series = np.ascontiguousarray(positions.transpose(1, 2, 0), dtype=float)
    series -= series.mean(axis=2, keepdims=True)
    padded = fft.next_fast_len(n_frames + n_lags - 1, real=True)
    spectrum = fft.rfft(series, n=padded, axis=2)
    power = (spectrum.real**2 + spectrum.imag**2).sum(axis=1)
    products = fft.irfft(power, n=padded, axis=1)[:, :n_lags]

    squares = (series**2).sum(axis=1)
    running = np.zeros((n_atoms, n_frames + 1))
    np.cumsum(squares, axis=1, out=running[:, 1:])
    ends = n_frames - np.arange(n_lags)
    sums = running[:, ends] + running[:, -1:] - running[:, :n_lags]
    msd = (sums - 2 * products) / ends
    msd[:, 0] = 0.0
    return np.maximum(msd, 0.0)
