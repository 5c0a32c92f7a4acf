"""Spectral clustering on the graph of nearest neighbours."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted

from ionscout.models.clusters._neighbour_graph import leading_vectors, neighbour_graph
from ionscout.models.clusters.base import distinct_rows

N_STARTS = 10


class NeighbourSpectralClustering(ClusterMixin, BaseEstimator):
    """Group rows by the leading vectors of the graph of their nearest neighbours.

    The rows of the first k eigenvectors of the normalised Laplacian, scaled to length
    1, are grouped by k-means. Equal rows count once and share a cluster.

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
    eigenvalues_ : array of float, shape (n_clusters,)
        Of the normalised Laplacian, ascending.
    embedding_ : array of float, shape (n_distinct, n_clusters)
        The eigenvectors.

    References
    ----------
    Ng, Jordan and Weiss, Adv. Neural Inf. Process. Syst. 14 (2001).
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

    def fit(self, X: np.ndarray, y: None = None) -> NeighbourSpectralClustering:
        """Embed the graph and group the rows.

        Parameters
        ----------
        X : array of float, shape (n, p)
        y : ignored

        Returns
        -------
        NeighbourSpectralClustering
        """
        X = check_array(X, dtype=np.float64)
        random = check_random_state(self.random_state)
        first, self._kind = distinct_rows(X)
        self._seed = int(random.randint(2**31 - 1))
        self.eigenvalues_, self.embedding_ = np.zeros(1), np.ones((len(first), 1))
        if min(self.n_clusters, len(first) - 1) > 1:
            graph = neighbour_graph(X[first], self.n_neighbours)
            self.eigenvalues_, self.embedding_ = leading_vectors(graph, self.n_clusters, random)
        self.labels_ = self.cut(self.n_clusters)
        return self

    def cut(self, n_clusters: int) -> np.ndarray:
        """Group by fewer vectors.

        Parameters
        ----------
        n_clusters : int
            At most that of the fit.

        Returns
        -------
        array of int, shape (n,)
        """
        check_is_fitted(self, "embedding_")
        n_distinct = len(self.embedding_)
        if n_clusters >= n_distinct:
            return self._kind.copy()
        if n_clusters == 1:
            return np.zeros(len(self._kind), dtype=int)
        points = self.embedding_[:, :n_clusters]
        length = np.linalg.norm(points, axis=1, keepdims=True)
        points = points / np.where(length > 0, length, 1.0)
        means = KMeans(n_clusters, n_init=N_STARTS, random_state=self._seed)
        return means.fit_predict(points)[self._kind].astype(int)
