"""Spectral clustering by recursive bisection, each time along the best normalised cut."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted

from ionscout.models.clusters._neighbour_graph import leading_vectors, neighbour_graph
from ionscout.models.clusters.base import distinct_rows


class Cut(NamedTuple):
    """A part of a graph in two.

    Attributes
    ----------
    cost : float
        The normalised cut, from 0 to 2; infinite where there is nothing to cut.
    one, other : array of int
        The members of the halves.
    """

    cost: float
    one: np.ndarray
    other: np.ndarray


class SpectralBisection(ClusterMixin, BaseEstimator):
    """Cut the graph of nearest neighbours in two, again and again.

    Of all parts, the one with the least normalised cut is cut next. A part is cut
    along its own second eigenvector, at the value of the least normalised cut. Equal
    rows count once and share a cluster.

    Parameters
    ----------
    n_clusters : int
        Number of clusters; at most one a distinct row is made.
    n_neighbours : int
        Neighbours of each row in the graph; see `neighbour_graph` for its weights.
    random_state : int, RandomState or None

    Attributes
    ----------
    labels_ : array of int, shape (n,)
        The cluster of each row, from 0.
    costs_ : array of float, shape (n_clusters - 1,)
        The normalised cut of each step, from 0 (nothing was cut through) to 2.

    References
    ----------
    Shi and Malik, IEEE Trans. Pattern Anal. Mach. Intell. 22, 888 (2000),
    doi:10.1109/34.868688; on mXRD: the second model of Zhang et al., Nat. Commun. 10,
    5260 (2019), doi:10.1038/s41467-019-13214-1 (the graph's weights are ours).
    """

    def __init__(
        self,
        n_clusters: int = 7,
        n_neighbours: int = 30,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_neighbours = n_neighbours
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: None = None) -> SpectralBisection:
        """Build the graph and cut it.

        Parameters
        ----------
        X : array of float, shape (n, p)
        y : ignored

        Returns
        -------
        SpectralBisection
        """
        X = check_array(X, dtype=np.float64)
        random = check_random_state(self.random_state)
        first, self._kind = distinct_rows(X)
        n = len(first)
        labels, costs = np.zeros(n, dtype=int), []
        self._path = [labels.copy()]
        if min(self.n_clusters, n) > 1:
            graph = neighbour_graph(X[first], self.n_neighbours)
            parts = [_bisect(graph, np.arange(n), random)]
            while len(parts) < min(self.n_clusters, n):
                best = int(np.argmin([part.cost for part in parts]))
                cut = parts[best]
                labels[cut.other] = len(parts)
                costs.append(cut.cost)
                parts[best] = _bisect(graph, cut.one, random)
                parts.append(_bisect(graph, cut.other, random))
                self._path.append(labels.copy())
        self.costs_ = np.array(costs)
        self.labels_ = self.cut(self.n_clusters)
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
        check_is_fitted(self, "costs_")
        return self._path[min(n_clusters, len(self._path)) - 1][self._kind]


def _bisect(graph: csr_array, members: np.ndarray, random: np.random.RandomState) -> Cut:
    """Find the best cut of a part of the graph."""
    if len(members) < 2:
        return Cut(np.inf, members, members)
    part = graph[members][:, members]
    n_pieces, piece = connected_components(part, directed=False)
    if n_pieces > 1:
        in_largest = piece == np.bincount(piece).argmax()
        return Cut(0.0, members[in_largest], members[~in_largest])
    if len(members) == 2:
        return Cut(2.0, members[:1], members[1:])
    value = leading_vectors(part, 2, random)[1][:, 1] / np.sqrt(part.sum(axis=1))
    order = np.argsort(value, kind="stable")
    costs = _normalised_cuts(part, order)
    best = int(costs.argmin())
    halves = members[order[: best + 1]], members[order[best + 1 :]]
    return Cut(float(costs[best]), *sorted(halves, key=lambda half: (-len(half), half.min())))


def _normalised_cuts(graph: csr_array, order: np.ndarray) -> np.ndarray:
    """Compute the normalised cut after each place of an order, shape (n - 1,).

    An edge is cut from the place of its first end up to that of its second, so that
    the cuts are a running sum.
    """
    place = np.argsort(order)
    edges = graph.tocoo()
    one, other = place[edges.coords[0]], place[edges.coords[1]]
    forward = one < other
    change = np.zeros(len(order))
    np.add.at(change, one[forward], edges.data[forward])
    np.subtract.at(change, other[forward], edges.data[forward])
    cut = np.cumsum(change)[:-1]
    volume = np.cumsum(graph.sum(axis=1)[order])
    return cut / volume[:-1] + cut / (volume[-1] - volume[:-1])
