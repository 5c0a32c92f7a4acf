"""Euclidean distances of all pairs of rows, by matrix products."""

from __future__ import annotations

import numba
import numpy as np

BLOCK = 512
CANCELLATION = 1e-6


def condensed_distances(matrix: np.ndarray) -> np.ndarray:
    """Compute the distances of all pairs of rows.

    As SciPy's ``pdist``, but by matrix products, many times faster for wide rows. Where
    the product cancels (squared distance below a millionth of the squared lengths) the
    distance is summed from the differences, so that equal rows are at distance 0.

    Parameters
    ----------
    matrix : array of float, shape (n, p)

    Returns
    -------
    array of float, shape (n (n - 1) / 2,)
        In SciPy's condensed order.
    """
    centred = np.ascontiguousarray(matrix - matrix.mean(axis=0), dtype=float)
    squared = np.einsum("ij,ij->i", centred, centred)
    n = len(centred)
    condensed = np.empty(n * (n - 1) // 2)
    for first in range(0, n, BLOCK):
        products = centred[first : first + BLOCK] @ centred[first:].T
        _fill(condensed, centred, squared, products, first)
    return condensed


@numba.njit(cache=True)
def _fill(condensed, matrix, squared, products, first):
    """Write the distances of a block of rows to the rows after each of them."""
    n = squared.size
    for row in range(products.shape[0]):
        i = first + row
        start = n * i - i * (i + 1) // 2 - i - 1
        for j in range(i + 1, n):
            lengths = squared[i] + squared[j]
            distance = lengths - 2 * products[row, j - first]
            if distance < CANCELLATION * lengths:
                distance = 0.0
                for column in range(matrix.shape[1]):
                    distance += (matrix[i, column] - matrix[j, column]) ** 2
            condensed[start + j] = np.sqrt(distance)
