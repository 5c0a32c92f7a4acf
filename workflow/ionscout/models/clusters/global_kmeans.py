"""Global k-means: one centre more at a time, put where it helps most."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_array, check_is_fitted

BLOCK = 512
MAX_ITERATIONS = 300


class GlobalKMeans(ClusterMixin, BaseEstimator):
    """Find centres of least squared distance, step by step and without chance.

    From k - 1 centres, each row x_n is tried as the next one: it would lower the error by
    at least b_n = sum_j max(d_j - |x_n - x_j|^2, 0), where d_j is the squared distance
    of row j to its centre (the fast variant of the paper). The best rows, each
    from where the ones before have not claimed the gain, are followed by k-means and the
    best outcome is kept. The products of all rows are computed once.

    On rows without structure the error can end 1 % above that of the best of 50 restarts
    of k-means.

    Parameters
    ----------
    n_clusters : int
        Number of clusters; at most one a distinct row is made.
    n_candidates : int
        Rows that are followed at each step; 1 is the paper's fast variant.

    Attributes
    ----------
    labels_ : array of int, shape (n,)
        The cluster of each row, from 0.
    cluster_centers_ : array of float, shape (n_clusters, p)
    inertia_ : float
        Sum of squared distances to the centres.
    inertias_ : array of float, shape (n_clusters,)
        That of 1, 2, ... clusters.

    References
    ----------
    Likas, Vlassis and Verbeek, Pattern Recognit. 36, 451 (2003),
    doi:10.1016/S0031-3203(02)00060-2, section 3.1 for the fast variant.
    """

    def __init__(self, n_clusters: int = 7, n_candidates: int = 3) -> None:
        self.n_clusters = n_clusters
        self.n_candidates = n_candidates

    def fit(self, X: np.ndarray, y: None = None) -> GlobalKMeans:
        """Add one centre after another.

        Parameters
        ----------
        X : array of float, shape (n, p)
        y : ignored

        Returns
        -------
        GlobalKMeans
        """
        X = check_array(X, dtype=np.float64)
        centred = X - X.mean(axis=0)
        # A power of two, which rounds nothing: single precision overflows at squares of 1e20.
        unit = np.ldexp(1.0, np.frexp(np.abs(centred).max())[1])
        centred /= unit
        products = _products(centred) if self.n_clusters > 1 else np.empty((0, 0))
        squared = np.einsum("ij,ij->i", centred, centred)
        steps = [_follow(centred, squared, np.zeros((1, X.shape[1])))]
        while len(steps) < self.n_clusters:
            centres, labels, _ = steps[-1]
            error = np.square(centred - centres[labels]).sum(axis=1)
            if error.max() <= 1e-14 * max(squared.max(), 1e-300):
                break
            starts = _best_rows(products, squared, error, self.n_candidates)
            found = [_follow(centred, squared, np.vstack([centres, centred[i]])) for i in starts]
            steps.append(min(found, key=lambda means: means.inertia))
        self._path = [step.labels for step in steps]
        self.inertias_ = np.array([step.inertia for step in steps]) * unit**2
        self.inertia_ = float(self.inertias_[-1])
        self.cluster_centers_ = steps[-1].centres * unit + X.mean(axis=0)
        self.labels_ = self._path[-1]
        return self

    def cut(self, n_clusters: int) -> np.ndarray:
        """Stop at fewer clusters.

        Parameters
        ----------
        n_clusters : int
            At most that of the fit.

        Returns
        -------
        array of int, shape (n,)
        """
        check_is_fitted(self, "inertias_")
        return self._path[min(n_clusters, len(self._path)) - 1]


class _Means(NamedTuple):
    """Where k-means has come to rest."""

    centres: np.ndarray
    labels: np.ndarray
    inertia: float


def _follow(matrix: np.ndarray, squared: np.ndarray, centres: np.ndarray) -> _Means:
    """Run k-means from given centres; the sums are updated by the rows that move alone."""
    k = len(centres)
    labels = np.full(len(matrix), -1)
    sums, sizes = np.zeros_like(centres), np.zeros(k)
    for _ in range(MAX_ITERATIONS):
        distance = np.square(centres).sum(axis=1) - 2 * (matrix @ centres.T)
        nearest = distance.argmin(axis=1)
        moved = np.flatnonzero(nearest != labels)
        if not len(moved):
            break
        np.add.at(sizes, nearest[moved], 1)
        known = moved[labels[moved] >= 0]
        np.subtract.at(sizes, labels[known], 1)
        sums += _one_hot(nearest[moved], k) @ matrix[moved]
        sums -= _one_hot(labels[known], k) @ matrix[known]
        labels = nearest
        centres = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centres)
    inertia = np.square(matrix - centres[labels]).sum()
    return _Means(centres, labels, float(inertia))


def _one_hot(labels: np.ndarray, k: int) -> np.ndarray:
    """Write labels as rows of a matrix, shape (k, n)."""
    return (np.arange(k)[:, None] == labels).astype(float)


def _products(matrix: np.ndarray) -> np.ndarray:
    """Scalar products of all rows in single precision, shape (n, n)."""
    single = matrix.astype(np.float32)
    products = np.empty((len(single), len(single)), dtype=np.float32)
    for first in range(0, len(single), BLOCK):
        block = slice(first, first + BLOCK)
        products[block, first:] = single[block] @ single[first:].T
        products[first:, block] = products[block, first:].T
    return products


def _best_rows(
    products: np.ndarray, squared: np.ndarray, error: np.ndarray, n_rows: int
) -> list[int]:
    """Choose the rows of largest b_n, without counting again what an earlier one gains."""
    left, rows = error.copy(), []
    for _ in range(n_rows):
        gain = _gains(products, squared, left)
        row = int(gain.argmax())
        if gain[row] <= 0 or row in rows:
            break
        rows.append(row)
        distance = squared[row] + squared - 2 * products[row]
        left = np.where(distance < left, 0.0, left)
    return rows or [int(error.argmax())]


@numba.njit(cache=True, fastmath=True)
def _gains(products, squared, error):
    """Sum what the errors lose when a row becomes a centre, for each row."""
    n = squared.size
    gain = np.zeros(n)
    for row in range(n):
        total = 0.0
        for other in range(n):
            total += max(error[other] - squared[row] - squared[other] + 2 * products[row, other], 0)
        gain[row] = total
    return gain
