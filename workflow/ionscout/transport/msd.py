"""Mean squared displacements over all time origins."""

from __future__ import annotations

from collections.abc import Iterator

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from ionscout.errors import TransportError

CHUNK_BYTES = 2**25
READ_BYTES = 2**28
READ_FRAMES = 256
DIRECT_LAGS = 32


def mean_squared_displacement(
    positions_ang: ArrayLike,
    *,
    max_lag: int | None = None,
    atoms: ArrayLike | None = None,
    per_atom: bool = False,
    per_direction: bool = False,
) -> NDArray[np.float64]:
    """Mean squared displacement over all time origins, by fast Fourier transform.

    Parameters
    ----------
    positions_ang : array_like, shape (n_frames, n_atoms, 3)
        Unwrapped Cartesian positions in angstrom, evenly spaced in time. A memory map is
        read in pieces.
    max_lag : int, optional
        Longest lag in frames; all lags where it is left out.
    atoms : array_like of bool, shape (n_atoms,), or of int, optional
        The atoms meant, such as those of one species; all where left out.
    per_atom : bool, optional
        Return one curve an atom instead of their mean.
    per_direction : bool, optional
        Return the curves along x, y and z instead of their sum.

    Returns
    -------
    ndarray, shape (max_lag + 1,), with axes n_atoms and then 3 where asked for
        Mean squared displacement in square angstrom; lag 0 comes first.

    Raises
    ------
    TransportError
        If the positions do not have three axes, or too few frames, or no atoms.

    Notes
    -----
    The transform loses the digits by which the square of an atom's position exceeds a
    displacement, and those by which all frames exceed the last few. The first and last
    `DIRECT_LAGS` lags are therefore summed directly.

    References
    ----------
    Calandrini et al., Collection SFN 12, 201 (2011), section 4.2.1, doi:10.1051/sfn/201112010.
    """
    positions = checked_positions(positions_ang)
    n_lags = _number_of_lags(positions, max_lag)
    curves, total, count = [], 0.0, 0
    for _, series in atom_pieces(positions, atoms):
        part = _series_msd(series, n_lags, per_direction)
        count += len(part)
        if per_atom:
            curves.append(part)
        else:
            total = total + part.sum(axis=0)
    # the axes are (atom,) direction, lag
    result = np.concatenate(curves) if per_atom else total / count
    return np.moveaxis(result if per_direction else result[..., 0, :], -1, 0)


def msd_with_error(
    positions_ang: ArrayLike, *, max_lag: int | None = None, atoms: ArrayLike | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean squared displacement and its standard error from the scatter between atoms.

    Parameters
    ----------
    positions_ang : array_like, shape (n_frames, n_atoms, 3)
        Unwrapped Cartesian positions in angstrom.
    max_lag : int, optional
        Longest lag in frames.
    atoms : array_like of bool, shape (n_atoms,), or of int, optional
        The atoms meant; all where left out.

    Returns
    -------
    msd_ang2, error_ang2 : ndarray, shape (max_lag + 1,)
        Both in square angstrom; the error is NaN for a single atom.

    Raises
    ------
    TransportError
        As `mean_squared_displacement`.
    """
    positions = checked_positions(positions_ang)
    n_lags = _number_of_lags(positions, max_lag)
    mean, squares, count = np.zeros(n_lags), np.zeros(n_lags), 0
    for _, series in atom_pieces(positions, atoms):
        curves = _series_msd(series, n_lags)[:, 0]
        # Chan et al.: sums of squares about the mean, which do not cancel
        added = len(curves)
        change = curves.mean(axis=0) - mean
        squares += ((curves - curves.mean(axis=0)) ** 2).sum(axis=0)
        squares += change**2 * count * added / (count + added)
        mean += change * added / (count + added)
        count += added
    if count == 1:
        return mean, np.full(n_lags, np.nan)
    return mean, np.sqrt(squares / (count - 1) / count)


def remove_drift(
    positions_ang: ArrayLike,
    masses_amu: ArrayLike,
    reference: ArrayLike,
    *,
    atoms: ArrayLike | None = None,
    out: NDArray | None = None,
) -> NDArray[np.floating]:
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
    atoms : array_like of bool, shape (n_atoms,), or of int, optional
        The atoms returned; all where left out.
    out : ndarray, shape (n_frames, n_chosen, 3), optional
        Where the result goes, for what does not fit in memory twice: a memory map, or
        the positions themselves. A new array, float64, time its fastest axis, where
        left out.

    Returns
    -------
    ndarray, shape (n_frames, n_chosen, 3)
        Positions in angstrom in which the framework's centre of mass rests.

    Raises
    ------
    TransportError
        If the shapes do not agree.
    """
    positions = checked_positions(positions_ang, least_frames=1)
    n_frames, n_atoms = positions.shape[:2]
    masses, reference = np.asarray(masses_amu, dtype=float), np.asarray(reference, dtype=bool)
    for name, given in (("masses", masses), ("reference", reference)):
        if given.shape != (n_atoms,):
            raise TransportError(
                f"{name} of shape {given.shape} for {n_atoms} atoms: give one each"
            )
    framework = np.flatnonzero(masses * reference)
    if not len(framework):
        framework = np.arange(n_atoms)
    weights = masses[framework] / masses[framework].sum()
    drift = np.zeros((3, n_frames))
    for piece, series in atom_pieces(positions, framework):
        drift += np.einsum("act,a->ct", series, weights[piece])
    drift -= drift[:, :1].copy()

    n_chosen = len(_chosen(n_atoms, atoms))
    if out is None:
        out = np.empty((n_chosen, 3, n_frames)).transpose(2, 0, 1)
    elif out.shape != (n_frames, n_chosen, 3):
        raise TransportError(f"out has shape {out.shape}, not {(n_frames, n_chosen, 3)}")
    for piece, series in atom_pieces(positions, atoms):
        out[:, piece] = (series - drift).transpose(2, 0, 1)
    return out


def atom_pieces(
    positions_ang: NDArray, atoms: ArrayLike | None = None, *, copies: int = 8
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Read a trajectory in pieces of its atoms, time the fastest axis.

    Parameters
    ----------
    positions_ang : ndarray, shape (n_frames, n_atoms, 3)
        What is read, in any order of its axes; a memory map in order of frames is read
        once a `READ_BYTES` of it, not once a piece.
    atoms : array_like of bool, shape (n_atoms,), or of int, optional
        The atoms meant; all where left out.
    copies : int, optional
        How many arrays of a piece's size the work holds at once.

    Yields
    ------
    piece : slice
        Where the piece lies among the atoms meant.
    series_ang : ndarray, shape (n_piece, 3, n_frames)
        A contiguous copy in angstrom.

    Raises
    ------
    TransportError
        If `atoms` names none, or some that are not there.
    """
    by_atom = positions_ang.transpose(1, 2, 0)
    chosen = _chosen(len(by_atom), atoms)
    step = _atoms_within(CHUNK_BYTES, len(positions_ang), 8 * copies)
    read = step
    if by_atom.strides[2] != by_atom.itemsize:
        read = max(step, _atoms_within(READ_BYTES, len(positions_ang), by_atom.itemsize))
    for first in range(0, len(chosen), read):
        block = _read_block(by_atom, chosen[first : first + read])
        for start in range(0, len(block), step):
            series = np.array(block[start : start + step], dtype=float)
            yield slice(first + start, first + start + len(series)), series


def checked_positions(positions_ang: ArrayLike, *, least_frames: int = 2) -> NDArray:
    """Positions as an array, of a shape that is that of a trajectory.

    Parameters
    ----------
    positions_ang : array_like, shape (n_frames, n_atoms, 3)
        Positions in angstrom.
    least_frames : int, optional
        How many frames are needed.

    Returns
    -------
    ndarray, shape (n_frames, n_atoms, 3)
        Not copied where it is an array, such as a memory map.

    Raises
    ------
    TransportError
        If the shape is another or there are too few frames.
    """
    positions = np.asarray(positions_ang)
    if positions.ndim != 3 or positions.shape[2] != 3 or positions.shape[1] == 0:
        raise TransportError(
            f"positions of shape {positions.shape}: not (n_frames, n_atoms, 3) with an atom"
        )
    if len(positions) < least_frames:
        raise TransportError(
            f"{len(positions)} frames: a displacement needs {least_frames} or more"
        )
    return positions


def _number_of_lags(positions: NDArray, max_lag: int | None) -> int:
    longest = len(positions) - 1
    if max_lag is not None and not 1 <= max_lag <= longest:
        raise TransportError(f"max_lag {max_lag} is outside 1 to {longest}, the frames less one")
    return (longest if max_lag is None else max_lag) + 1


def _chosen(n_atoms: int, atoms: ArrayLike | None) -> NDArray[np.int64]:
    """Turn a choice of atoms into their numbers."""
    if atoms is None:
        return np.arange(n_atoms)
    atoms = np.asarray(atoms)
    if atoms.dtype == bool and atoms.shape != (n_atoms,):
        raise TransportError(f"a mask of shape {atoms.shape} for {n_atoms} atoms: give one each")
    chosen = np.flatnonzero(atoms) if atoms.dtype == bool else atoms
    if not len(chosen):
        raise TransportError("no atoms are chosen: check the name of the species")
    if chosen.min() < 0 or chosen.max() >= n_atoms:
        raise TransportError(
            f"atoms {chosen.min()} to {chosen.max()} are chosen of {n_atoms}: they count from 0"
        )
    return chosen


def _atoms_within(n_bytes: int, n_frames: int, item_bytes: int) -> int:
    return max(1, n_bytes // (n_frames * 3 * item_bytes))


def _read_block(by_atom: NDArray, chosen: NDArray) -> NDArray:
    """Copy some atoms, tile by tile of frames where the frames lie apart."""
    n_frames = by_atom.shape[2]
    block = np.empty((len(chosen), 3, n_frames), dtype=by_atom.dtype)
    if by_atom.strides[2] == by_atom.itemsize:
        block[:] = by_atom[chosen]
        return block
    by_frame = by_atom.transpose(2, 0, 1)
    for start in range(0, n_frames, READ_FRAMES):
        tile = slice(start, start + READ_FRAMES)
        block[:, :, tile] = by_frame[tile][:, chosen].transpose(1, 2, 0)
    return block


def _series_msd(series: NDArray, n_lags: int, per_direction: bool = False) -> NDArray[np.float64]:
    """MSD of each atom, shape (n_atoms, 3, n_lags), or (n_atoms, 1, n_lags) for the sum."""
    n_atoms, _, n_frames = series.shape
    series -= series.mean(axis=2, keepdims=True)
    padded = fft.next_fast_len(n_frames + n_lags - 1, real=True)
    axes = [(axis,) for axis in range(3)] if per_direction else [(0, 1, 2)]
    msd = np.empty((n_atoms, len(axes), n_lags))
    lags = np.arange(n_lags)
    ends = n_frames - lags
    running = np.zeros((n_atoms, n_frames + 1))
    for row, summed in enumerate(axes):
        power, squares = 0.0, 0.0
        for axis in summed:
            spectrum = fft.rfft(series[:, axis], n=padded, axis=1)
            power = power + (spectrum.real**2 + spectrum.imag**2)
            squares = squares + series[:, axis] ** 2
        products = fft.irfft(power, n=padded, axis=1)[:, :n_lags]
        np.cumsum(squares, axis=1, out=running[:, 1:])
        sums = running[:, ends] + running[:, -1:] - running[:, :n_lags]
        msd[:, row] = (sums - 2 * products) / ends
        direct = lags[(lags < DIRECT_LAGS) | (ends < DIRECT_LAGS)]
        _sum_directly(series, summed[0], summed[-1] + 1, direct, msd[:, row])
    return np.maximum(msd, 0.0, out=msd)


@numba.njit(cache=True, fastmath={"reassoc", "contract"})
def _sum_directly(series, first_axis, last_axis, lags, msd):
    """Write the MSD of each atom at some lags, of the axes from the first up to the last."""
    n_atoms, _, n_frames = series.shape
    for atom in range(n_atoms):
        for lag in lags:
            total = 0.0
            for axis in range(first_axis, last_axis):
                x = series[atom, axis]
                for frame in range(n_frames - lag):
                    step = x[frame + lag] - x[frame]
                    total += step * step
            msd[atom, lag] = total / (n_frames - lag)
