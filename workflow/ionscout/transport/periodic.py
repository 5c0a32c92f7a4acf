"""Steps and paths in a periodic cell of any shape, changing ones included."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from ase.geometry.minkowski_reduction import minkowski_reduce
from numba import njit
from numpy.typing import ArrayLike, NDArray

from ionscout.errors import TransportError

SURE_SHARE = 0.9
NEIGHBOURS = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=3)))
CELL_CHANGE = 0.02
PAIR_BYTES = 2**25


def minimum_image(steps_ang: ArrayLike, cell_ang: ArrayLike) -> NDArray[np.float64]:
    """Shortest images of steps in a periodic cell.

    The cell is reduced first (Nguyen and Stehle, ACM Trans. Algorithms 5, 46 (2009),
    doi:10.1145/1597036.1597050): rounding fractions of a sheared cell gives images that
    are not the shortest. What rounding leaves longer than half of the shortest lattice
    vector is compared with its 26 neighbours.

    Parameters
    ----------
    steps_ang : array_like, shape (..., 3)
        Cartesian steps in angstrom.
    cell_ang : array_like, shape (3, 3)
        The cell, a vector a row.

    Returns
    -------
    ndarray, shape (..., 3)
        In angstrom.

    Raises
    ------
    TransportError
        If the cell has no volume.
    """
    steps = np.asarray(steps_ang, dtype=float)
    reduced, _ = reduce_cell(cell_ang)
    fractional = np.ascontiguousarray(steps.reshape(-1, 3) @ np.linalg.inv(reduced))
    sure = 0.5 * shortest_vector_ang(reduced)
    return _shortest_images(fractional, reduced, NEIGHBOURS, sure).reshape(steps.shape)


def separations(
    points_ang: NDArray, cell_ang: ArrayLike
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float64]]]:
    """Shortest images of the separations of all pairs, some rows at a time.

    Parameters
    ----------
    points_ang : ndarray, shape (n_points, 3)
        In angstrom.
    cell_ang : array_like, shape (3, 3)
        The cell, a vector a row.

    Yields
    ------
    rows : slice
        Whose separations they are.
    apart_ang : ndarray, shape (n_rows, n_points, 3)
        From the point of the row.
    distance_ang : ndarray, shape (n_rows, n_points)
        Their lengths; infinite from a point to itself.
    """
    step = max(1, PAIR_BYTES // (24 * len(points_ang)))
    for start in range(0, len(points_ang), step):
        rows = slice(start, min(start + step, len(points_ang)))
        apart = minimum_image(points_ang[None] - points_ang[rows, None], cell_ang)
        distance = np.linalg.norm(apart, axis=2)
        distance[np.arange(len(apart)), np.arange(rows.start, rows.stop)] = np.inf
        yield rows, apart, distance


def reduce_cell(cell_ang: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Reduce a cell to its shortest vectors.

    Parameters
    ----------
    cell_ang : array_like, shape (3, 3)
        The cell, a vector a row.

    Returns
    -------
    reduced_ang, operation : ndarray, shape (3, 3)
        The reduced cell, and the whole numbers with `reduced = operation @ cell`.

    Raises
    ------
    TransportError
        If the cell has no volume, or is not of finite numbers.
    """
    cell = np.asarray(cell_ang, dtype=float)
    if not np.isfinite(cell).all() or abs(np.linalg.det(cell)) < 1e-6:
        raise TransportError("the cell has no volume: three lattice vectors are needed")
    _, operation = minkowski_reduce(cell)
    operation = np.asarray(operation, dtype=float)
    return operation @ cell, operation


def shortest_vector_ang(reduced_ang: NDArray) -> NDArray[np.float64]:
    """Length in angstrom of the shortest lattice vectors of reduced cells (..., 3, 3)."""
    others = NEIGHBOURS[(NEIGHBOURS != 0).any(axis=1)]
    return np.linalg.norm(others @ reduced_ang, axis=-1).min(axis=-1)


class Unwrapper:
    """Follow atoms across the faces of the cell, a block of frames at a time.

    Fractional coordinates are made continuous, each step by the shortest image in the cell
    of its own frame; times the mean cell they are positions. In a cell that changes (NPT)
    an ion at rest in its cage so stays at rest, however far from the origin it is. Scaling
    them by each frame's own cell, or adding whole present cells to wrapped positions, does
    not do that: the error grows with the distance travelled (von Bulow, Bullerjahn and
    Hummer, J. Chem. Phys. 153, 021101 (2020), doi:10.1063/5.0008316). The authors sum the
    Cartesian steps instead, which keeps every step's true length; here steps are scaled by
    mean over present cell: D is off by twice the relative difference of a length, averaged
    over the run, next to nothing for a cell that fluctuates about its mean.

    Parameters
    ----------
    n_atoms : int
        Atoms a frame.
    """

    def __init__(self, n_atoms: int) -> None:
        self.n_frames = 0
        self._n_atoms = n_atoms
        self._last = np.zeros((n_atoms, 3))
        self._path = np.zeros((n_atoms, 3))
        self._basis: tuple[NDArray, NDArray] | None = None

    def add(
        self, fractional: NDArray, cells_ang: NDArray, *, trusted: bool = False
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Go on by a block of frames.

        Parameters
        ----------
        fractional : ndarray, shape (n_frames, n_atoms, 3)
            Fractional coordinates.
        cells_ang : ndarray, shape (n_frames, 3, 3)
            The cell of each frame.
        trusted : bool, optional
            Take the steps as they are: the coordinates are continuous already.

        Returns
        -------
        path : ndarray, shape (n_frames, n_atoms, 3)
            Continuous fractional coordinates.
        rms_step_ang : ndarray, shape (n_frames,)
            Root mean square step from the frame before; 0 in the first frame of all.

        Raises
        ------
        TransportError
            If a step comes near half of the shortest lattice vector: two images of it are
            then as likely.
        """
        fractional = np.ascontiguousarray(fractional, dtype=float)
        if self.n_frames == 0 and len(fractional):
            self._last, self._path = fractional[0].copy(), fractional[0].copy()
        reduced, operation = self._reduced(np.ascontiguousarray(cells_ang, dtype=float))
        sure = 0.5 * SURE_SHARE * shortest_vector_ang(reduced)
        path, rms = np.empty_like(fractional), np.zeros(len(fractional))
        frame, atom, length = _follow(
            fractional,
            reduced,
            np.linalg.inv(operation).round(),
            operation,
            np.full(len(sure), np.inf) if trusted else sure,
            trusted,
            NEIGHBOURS,
            self._last,
            self._path,
            path,
            rms,
        )
        if frame >= 0:
            raise TransportError(
                f"frame {self.n_frames + frame + 1}, atom {atom + 1}: a step of {length:.2f} A, "
                f"near half of the shortest lattice vector ({sure[frame] / SURE_SHARE:.2f} A), "
                "cannot be unwrapped surely; write frames more often, use a larger cell or "
                "write unwrapped coordinates"
            )
        self.n_frames += len(fractional)
        return path, rms

    def _reduced(self, cells: NDArray) -> tuple[NDArray, NDArray]:
        """Reduce the cells of a block by one operation each, found anew where they change."""
        operations = np.empty_like(cells)
        for frame, cell in enumerate(cells):
            known = self._basis
            if known is None or np.abs(cell - known[0]).max() > CELL_CHANGE * np.abs(cell).max():
                known = self._basis = (cell, reduce_cell(cell)[1])
            operations[frame] = known[1]
        return operations @ cells, operations


def unwrap(fractional: ArrayLike, cells_ang: ArrayLike) -> NDArray[np.float64]:
    """Unwrap a trajectory that is in memory.

    Parameters
    ----------
    fractional : array_like, shape (n_frames, n_atoms, 3)
        Wrapped fractional coordinates.
    cells_ang : array_like, shape (3, 3) or (n_frames, 3, 3)
        The cell, or each frame's.

    Returns
    -------
    ndarray, shape (n_frames, n_atoms, 3)
        Positions in angstrom in the mean cell, continuous in time.

    Raises
    ------
    TransportError
        As `Unwrapper.add`.
    """
    fractional = np.asarray(fractional, dtype=float)
    cells = np.broadcast_to(np.asarray(cells_ang, dtype=float), (len(fractional), 3, 3))
    path, _ = Unwrapper(fractional.shape[1]).add(fractional, cells)
    return path @ cells.mean(axis=0)


@njit(cache=True)
def _length2(g0, g1, g2, cell):
    total = 0.0
    for axis in range(3):
        value = g0 * cell[0, axis] + g1 * cell[1, axis] + g2 * cell[2, axis]
        total += value * value
    return total


@njit(cache=True)
def _nearest(g, cell, neighbours, sure):
    """Shorten the fractional step `g` in place; return its squared length."""
    for axis in range(3):
        g[axis] -= np.round(g[axis])
    best = _length2(g[0], g[1], g[2], cell)
    if best <= sure * sure:
        return best
    start0, start1, start2 = g[0], g[1], g[2]
    for k in range(len(neighbours)):
        g0 = start0 + neighbours[k, 0]
        g1 = start1 + neighbours[k, 1]
        g2 = start2 + neighbours[k, 2]
        length2 = _length2(g0, g1, g2, cell)
        if length2 < best * (1 - 1e-12):
            best = length2
            g[0], g[1], g[2] = g0, g1, g2
    return best


@njit(cache=True)
def _shortest_images(fractional, cell, neighbours, sure):
    out = np.empty_like(fractional)
    for i in range(len(fractional)):
        _nearest(fractional[i], cell, neighbours, sure)
        for axis in range(3):
            value = 0.0
            for k in range(3):
                value += fractional[i, k] * cell[k, axis]
            out[i, axis] = value
    return out


@njit(cache=True)
def _follow(
    fractional, reduced, to_reduced, operation, sure, trusted, neighbours, last, path, out, rms
):
    """Add each frame's steps to `path`; return (-1, 0, 0) or the first unsure step."""
    n_frames, n_atoms = fractional.shape[:2]
    step, g = np.zeros(3), np.zeros(3)
    for frame in range(n_frames):
        total = 0.0
        for atom in range(n_atoms):
            for axis in range(3):
                step[axis] = fractional[frame, atom, axis] - last[atom, axis]
                last[atom, axis] = fractional[frame, atom, axis]
            for axis in range(3):
                g[axis] = 0.0
                for k in range(3):
                    g[axis] += step[k] * to_reduced[frame, k, axis]
            if trusted:
                length2 = _length2(g[0], g[1], g[2], reduced[frame])
            else:
                length2 = _nearest(g, reduced[frame], neighbours, sure[frame])
            if not length2 <= sure[frame] ** 2:
                return frame, atom, np.sqrt(length2)
            total += length2
            for axis in range(3):
                for k in range(3):
                    path[atom, axis] += g[k] * operation[frame, k, axis]
                out[frame, atom, axis] = path[atom, axis]
        rms[frame] = np.sqrt(total / n_atoms)
    return -1, 0, 0.0
