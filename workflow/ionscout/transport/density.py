"""Where the mobile ions are: their density on a grid of the cell, and its sites."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ionscout.errors import TransportError
from ionscout.transport.msd import atom_pieces, checked_positions

SPACING_ANG = 0.2
MAX_POINTS = 2**27


@dataclass(frozen=True)
class Density:
    """Mean density of ions on a grid of the cell.

    `ions_per_ang3` is of shape (n_a, n_b, n_c); point (i, j, k) stands for the voxel around
    the fractional coordinates ((i + 1/2) / n_a, (j + 1/2) / n_b, (k + 1/2) / n_c).
    """

    ions_per_ang3: NDArray
    cell_ang: NDArray

    @property
    def voxel_ang3(self) -> float:
        """Volume of a voxel in cubic angstrom."""
        return float(abs(np.linalg.det(self.cell_ang)) / self.ions_per_ang3.size)

    @property
    def n_ions(self) -> float:
        """Integral over the cell."""
        return float(self.ions_per_ang3.sum() * self.voxel_ang3)


@dataclass(frozen=True)
class Sites:
    """Sites of ions, the fullest first: arrays of shape (n_sites, 3) and (n_sites,).

    `fractional` is where the density is highest, `occupancy` the mean number of ions in
    the basin around it.
    """

    fractional: NDArray
    occupancy: NDArray


def occupation_density(
    positions_ang: ArrayLike,
    cell_ang: ArrayLike,
    *,
    spacing_ang: float = SPACING_ANG,
    smoothing_ang: float = 0.0,
) -> Density:
    """Mean density of ions, folded back into the cell.

    Parameters
    ----------
    positions_ang : array_like, shape (n_frames, n_ions, 3)
        Cartesian positions in angstrom, wrapped or not, the framework's drift removed. A
        memory map is read in pieces.
    cell_ang : array_like, shape (3, 3)
        The cell, a vector a row, in angstrom.
    spacing_ang : float, optional
        Largest distance of grid points along the cell's vectors.
    smoothing_ang : float, optional
        Standard deviation of a Gaussian that the density is folded with; none at 0.

    Returns
    -------
    Density
        Its integral over the cell is the number of ions.

    Raises
    ------
    TransportError
        If a setting is not positive, the grid is too large, the cell is flat, or
        positions are not finite.
    """
    positions = checked_positions(positions_ang, least_frames=1)
    cell = np.asarray(cell_ang, dtype=float)
    if cell.shape != (3, 3) or not abs(np.linalg.det(cell)) > 0:
        raise TransportError("the cell is not three vectors that span a volume")
    if not spacing_ang > 0 or not smoothing_ang >= 0:
        raise TransportError(
            f"spacing {spacing_ang:g} and smoothing {smoothing_ang:g} angstrom: the first has to "
            "be positive, the second not negative"
        )
    shape = np.maximum(1, np.ceil(np.linalg.norm(cell, axis=1) / spacing_ang - 1e-9)).astype(int)
    if shape.prod(dtype=float) > MAX_POINTS:
        raise TransportError(
            f"a grid of {shape[0]} x {shape[1]} x {shape[2]} points is too large: ask for a "
            f"spacing above {spacing_ang:g} angstrom"
        )
    counts = np.zeros(shape)
    to_fractional = np.linalg.inv(cell)
    for _, series in atom_pieces(positions, copies=2):
        if not np.isfinite(series).all():
            raise TransportError("positions that are not finite: the run exploded or is damaged")
        _count_voxels(series, to_fractional, counts)
    voxel_ang3 = abs(np.linalg.det(cell)) / counts.size
    density = counts / (len(positions) * voxel_ang3)
    if smoothing_ang:
        density = _smoothed(density, cell, smoothing_ang)
    return Density(density, cell)


def find_sites(density: Density, *, least_occupancy: float = 0.05) -> Sites:
    """Sites of ions, as the basins of attraction of the density's maxima.

    Every grid point belongs to the maximum that the steepest way up over its 26 neighbours
    leads to (Henkelman et al., Comput. Mater. Sci. 36, 354 (2006),
    doi:10.1016/j.commatsci.2005.04.010). The density should be smooth
    (`smoothing_ang` of 0.3 or so): noise makes maxima of its own.

    Parameters
    ----------
    density : Density
        Of the ions.
    least_occupancy : float, optional
        Basins with fewer ions are left out.

    Returns
    -------
    Sites
    """
    values = density.ions_per_ang3
    steps_ang = density.cell_ang / np.array(values.shape)[:, None]
    uphill = _uphill(np.ascontiguousarray(values), steps_ang)
    while not np.array_equal(uphill, further := uphill[uphill]):
        uphill = further
    peaks, basin = np.unique(uphill, return_inverse=True)
    occupancy = np.bincount(basin, weights=values.ravel()) * density.voxel_ang3
    order = np.argsort(-occupancy, kind="stable")
    order = order[occupancy[order] >= least_occupancy]
    points = np.stack(np.unravel_index(peaks[order], values.shape), axis=1)
    return Sites((points + 0.5) / values.shape, occupancy[order])


def _smoothed(density: NDArray, cell: NDArray, width_ang: float) -> NDArray[np.float64]:
    """Fold with a Gaussian, exactly and periodically in any cell: exp(-(G width)^2 / 2)."""
    shape = density.shape
    indices = [np.fft.fftfreq(shape[0], 1 / shape[0]), np.fft.fftfreq(shape[1], 1 / shape[1])]
    indices.append(np.fft.rfftfreq(shape[2], 1 / shape[2]))
    reciprocal = 2 * np.pi * np.linalg.inv(cell)
    squared = 0.0
    for axis in range(3):
        parts = [indices[k] * reciprocal[axis, k] for k in range(3)]
        squared = (
            squared
            + (parts[0][:, None, None] + parts[1][None, :, None] + parts[2][None, None, :]) ** 2
        )
    spectrum = np.fft.rfftn(density) * np.exp(-squared * width_ang**2 / 2)
    return np.maximum(np.fft.irfftn(spectrum, s=shape, axes=(0, 1, 2)), 0.0)


@numba.njit(cache=True)
def _count_voxels(series, to_fractional, counts):
    """Add the ions of all frames to the voxels of a grid."""
    index = np.empty(3, dtype=np.int64)
    for ion in range(series.shape[0]):
        for frame in range(series.shape[2]):
            for axis in range(3):
                part = 0.0
                for k in range(3):
                    part += series[ion, k, frame] * to_fractional[k, axis]
                part -= np.floor(part)
                # a tiny negative coordinate folds to 1 exactly
                index[axis] = int(part * counts.shape[axis]) % counts.shape[axis]
            counts[index[0], index[1], index[2]] += 1


@numba.njit(cache=True)
def _uphill(values, steps_ang):
    """Find each point's neighbour up the steepest slope, by number; itself at a maximum."""
    n_a, n_b, n_c = values.shape
    lengths = np.empty((3, 3, 3))
    for i in range(-1, 2):
        for j in range(-1, 2):
            for k in range(-1, 2):
                step = i * steps_ang[0] + j * steps_ang[1] + k * steps_ang[2]
                lengths[i + 1, j + 1, k + 1] = np.sqrt((step**2).sum())
    uphill = np.empty(values.size, dtype=np.int64)
    for a in range(n_a):
        for b in range(n_b):
            for c in range(n_c):
                best, target = 0.0, (a * n_b + b) * n_c + c
                here = target
                for i in range(-1, 2):
                    for j in range(-1, 2):
                        for k in range(-1, 2):
                            x, y, z = (a + i) % n_a, (b + j) % n_b, (c + k) % n_c
                            there = (x * n_b + y) * n_c + z
                            if there == here:
                                continue
                            rise = values[x, y, z] - values[a, b, c]
                            slope = rise / lengths[i + 1, j + 1, k + 1]
                            if slope > best:
                                best, target = slope, there
                uphill[here] = target
    return uphill
