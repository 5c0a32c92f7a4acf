"""Agglomerative clustering by Ward's criterion."""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_array, check_is_fitted

from ionscout.models.clusters._distances import condensed_distances


class WardClustering(ClusterMixin, BaseEstimator):
    """Group rows by Euclidean distance, merging what adds least variance.

    Clusters are numbered from left to right in the dendrogram. Rows at equal heights
    of the dendrogram are not told apart: equal rows share a cluster, and there may be
    fewer clusters than asked for.

    Parameters
    ----------
    n_clusters : int
        Number of clusters the dendrogram is cut into.

    Attributes
    ----------
    labels_ : array of int, shape (n,)
        The cluster of each row, from 0.
    linkage_ : array of float, shape (n - 1, 4)
        SciPy's linkage matrix.

    References
    ----------
    Ward, J. Am. Stat. Assoc. 58, 236 (1963), doi:10.1080/01621459.1963.10500845;
    on mXRD: Zhang et al., Nat. Commun. 10, 5260 (2019), doi:10.1038/s41467-019-13214-1.
    """

    def __init__(self, n_clusters: int = 7) -> None:
        self.n_clusters = n_clusters

    def fit(self, X: np.ndarray, y: None = None) -> WardClustering:
        """Build the dendrogram and cut it.

        Parameters
        ----------
        X : array of float, shape (n, p)
        y : ignored

        Returns
        -------
        WardClustering
        """
        X = check_array(X, dtype=np.float64)
        self.linkage_ = (
            linkage(condensed_distances(X), method="ward") if len(X) > 1 else np.empty((0, 4))
        )
        self.labels_ = self.cut(self.n_clusters)
        return self

    def cut(self, n_clusters: int) -> np.ndarray:
        """Cut the dendrogram elsewhere.

        Parameters
        ----------
        n_clusters : int

        Returns
        -------
        array of int, shape (n,)
        """
        check_is_fitted(self, "linkage_")
        if not len(self.linkage_):
            return np.zeros(1, dtype=int)
        return fcluster(self.linkage_, n_clusters, criterion="maxclust").astype(int) - 1
