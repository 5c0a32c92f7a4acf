"""The levels from which a periodic landscape percolates, by a compiled union-find."""

from __future__ import annotations

import itertools

import numba
import numpy as np
from scipy.ndimage import map_coordinates

_NEIGHBOURS = np.array([v for v in itertools.product((-1, 0, 1), repeat=3) if any(v)])


def interpolate(landscape: np.ndarray, factor: int) -> np.ndarray:
    """Refine a periodic landscape by cubic splines.

    Parameters
    ----------
    landscape : numpy.ndarray
        Shape (n_a, n_b, n_c), one period without its end points.
    factor : int
        Number of points for each one along each axis.

    Returns
    -------
    numpy.ndarray
        Shape (factor * n_a, factor * n_b, factor * n_c).
    """
    axes = [np.arange(factor * n) / factor for n in landscape.shape]
    grid = np.meshgrid(*axes, indexing="ij")
    return map_coordinates(landscape, grid, order=3, mode="grid-wrap")


def percolation_levels(landscape: np.ndarray, highest: float) -> np.ndarray:
    """Find the levels at which the region below them percolates in 1, 2 and 3 dimensions.

    Points are added from the lowest up. Clusters of neighbours (26 a point) are kept
    with the lattice translations under which they meet their own images; the rank of
    these translations is the number of dimensions. They are followed as vectors, so
    that networks which interpenetrate are told apart.

    Parameters
    ----------
    landscape : numpy.ndarray
        Shape (n_a, n_b, n_c), one period without its end points.
    highest : float
        Points above are left out.

    Returns
    -------
    numpy.ndarray
        Shape (3,); infinity where there is no percolation up to `highest`.
    """
    flat = np.ascontiguousarray(landscape, dtype=float).ravel()
    order = np.argsort(flat, kind="stable")
    order = order[: np.searchsorted(flat[order], highest, side="right")]
    return _levels(flat, order, np.array(landscape.shape), _NEIGHBOURS)


@numba.njit(cache=True)
def _find(node, parent, offset):
    """Find a node's root; on the way, point the nodes and their offsets to it."""
    root = node
    total = np.zeros(3, np.int64)
    while parent[root] != root:
        total += offset[root]
        root = parent[root]
    while parent[node] != root:
        following, step = parent[node], offset[node].copy()
        parent[node] = root
        offset[node] = total
        total -= step
        node = following
    return root


@numba.njit(cache=True)
def _extend(basis, rank, vector):
    """Add a translation to a cluster's basis, shape (3, 3); return the new rank."""
    if rank == 3 or not vector.any():
        return rank
    if rank == 1 and not np.cross(basis[0], vector).any():
        return rank
    if rank == 2 and (np.cross(basis[0], basis[1]) * vector).sum() == 0:
        return rank
    basis[rank] = vector
    return rank + 1


@numba.njit(cache=True)
def _levels(flat, order, shape, neighbours):
    """Join the points in their order; `offset` is the cell of the root's image met."""
    parent = np.full(flat.size, -1, np.int64)
    offset = np.zeros((flat.size, 3), np.int16)
    basis = np.zeros((flat.size, 3, 3), np.int16)
    rank = np.zeros(flat.size, np.int64)
    levels = np.full(3, np.inf)
    highest_rank = 0
    crossing = np.zeros(3, np.int64)
    for node in order:
        parent[node] = node
        point = (node // (shape[1] * shape[2]), node // shape[2] % shape[1], node % shape[2])
        for shift in neighbours:
            other = 0
            for axis in range(3):
                moved = point[axis] + shift[axis]
                crossing[axis] = moved // shape[axis]
                other = other * shape[axis] + moved - crossing[axis] * shape[axis]
            if parent[other] < 0:
                continue
            root, root_other = _find(node, parent, offset), _find(other, parent, offset)
            way = offset[other] + crossing - offset[node]
            if root == root_other:
                rank[root] = _extend(basis[root], rank[root], way)
            else:
                parent[root_other] = root
                offset[root_other] = -way
                for row in range(rank[root_other]):
                    rank[root] = _extend(basis[root], rank[root], basis[root_other, row])
            while highest_rank < rank[root]:
                levels[highest_rank] = flat[node]
                highest_rank += 1
        if highest_rank == 3:
            break
    return levels
