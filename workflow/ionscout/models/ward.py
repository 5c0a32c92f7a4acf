"""Agglomerative clustering by Ward's criterion."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage

from ionscout.models.clustering import Clustering, tabulate_clusters


def cluster_ward(features: pd.DataFrame, n_clusters: int) -> Clustering:
    """Group materials by Euclidean distance, merging what adds least variance.

    Clusters are numbered from left to right in the dendrogram. The rows are
    sorted by id first, so that their order does not matter. Materials at equal
    heights of the dendrogram are not told apart: identical patterns share a
    cluster, and there may be fewer clusters than asked for, which is noted.

    Parameters
    ----------
    features : DataFrame, index material_id
        Descriptors (for instance mXRD patterns, arbitrary units) and `reason`.
    n_clusters : int
        Number of clusters the dendrogram is cut into.

    Returns
    -------
    Clustering
        (clusters, linkage, material_id).

    References
    ----------
    Ward, J. Am. Stat. Assoc. 58, 236 (1963), doi:10.1080/01621459.1963.10500845;
    on mXRD: Zhang et al., Nat. Commun. 10, 5260 (2019), doi:10.1038/s41467-019-13214-1.
    """
    matrix = features.drop(columns="reason", errors="ignore").astype(float).sort_index()
    complete = matrix[np.isfinite(matrix.to_numpy()).all(axis=1)]
    ids = complete.index.to_numpy(dtype=str)
    if len(ids) < 2:
        tree, assigned = np.empty((0, 4)), np.ones(len(ids), dtype=int)
    else:
        tree = linkage(complete.to_numpy(), method="ward", metric="euclidean")
        assigned = fcluster(tree, n_clusters, criterion="maxclust")
    clusters = pd.Series(assigned, index=complete.index)
    return Clustering(tabulate_clusters(features, clusters, n_clusters), tree, ids)
