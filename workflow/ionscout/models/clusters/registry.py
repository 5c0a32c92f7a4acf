"""The clusterings by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import ClusterMixin
from sklearn.cluster import KMeans

from ionscout.config import ClusterSettings
from ionscout.errors import ModelError
from ionscout.models.clusters.base import (
    Clustering,
    number_by_size,
    standardise,
    tabulate_clusters,
    take_complete,
)
from ionscout.models.clusters.bisection import SpectralBisection
from ionscout.models.clusters.cluster_number import (
    NUMBER_COLUMNS,
    choose_number,
    cut_at,
    score_numbers,
)
from ionscout.models.clusters.global_kmeans import GlobalKMeans
from ionscout.models.clusters.spectral import NeighbourSpectralClustering
from ionscout.models.clusters.ward import WardClustering

# Those of the anions' arrangement that no change of scale and no exchange of elements alters.
ANION_LATTICE_COLUMNS = (
    "anion_coordination",
    "anion_coordination_deviation",
    "anion_q4",
    "anion_q6",
    "anion_w6",
)


@dataclass(frozen=True)
class ClusteringMethod:
    """A way to group materials; `CLUSTERING_SETS` says by which descriptor set.

    Attributes
    ----------
    build : callable
        (n_clusters, settings, seed) -> an unfitted scikit-learn estimator.
    columns : tuple of str
        The columns it reads; all of the set where empty.
    is_standardised : bool
        Are the columns scaled to mean 0 and deviation 1 first?
    """

    build: Callable[[int, ClusterSettings, int], ClusterMixin]
    columns: tuple[str, ...] = ()
    is_standardised: bool = False


def _spectral(n_clusters: int, settings: ClusterSettings, seed: int) -> ClusterMixin:
    return NeighbourSpectralClustering(n_clusters, settings.n_neighbours, random_state=seed)


def _bisection(n_clusters: int, settings: ClusterSettings, seed: int) -> ClusterMixin:
    return SpectralBisection(n_clusters, settings.n_neighbours, random_state=seed)


CLUSTERINGS: dict[str, ClusteringMethod] = {
    "ward": ClusteringMethod(lambda k, settings, seed: WardClustering(k)),
    "spectral": ClusteringMethod(_spectral),
    "bisection": ClusteringMethod(_bisection),
    "anion_lattice": ClusteringMethod(_spectral, ANION_LATTICE_COLUMNS, is_standardised=True),
    "kmeans": ClusteringMethod(lambda k, settings, seed: KMeans(k, n_init=10, random_state=seed)),
    "global_kmeans": ClusteringMethod(lambda k, settings, seed: GlobalKMeans(k)),
}


def cluster_materials(
    name: str, features: pd.DataFrame, settings: ClusterSettings, *, seed: int
) -> Clustering:
    """Group materials by their descriptors; no label enters.

    The rows are sorted by id first, so that their order does not matter. The clusters
    of a dendrogram are numbered from left to right in it, all others from the largest.

    Parameters
    ----------
    name : str
        One of `CLUSTERINGS`.
    features : DataFrame, index material_id
        The clustering's descriptor set, with the column `reason`.
    settings : ClusterSettings
        The campaign's.
    seed : int
        Of everything random.

    Returns
    -------
    Clustering

    Raises
    ------
    ModelError
        No such clustering, or a column that it reads is not there.
    """
    if name not in CLUSTERINGS:
        raise ModelError(f"no clustering {name!r}; there are {', '.join(sorted(CLUSTERINGS))}")
    method = CLUSTERINGS[name]
    if lacking := set(method.columns) - set(features.columns):
        raise ModelError(f"clustering {name}: no column {', '.join(sorted(lacking))}")
    complete = take_complete(features, method.columns)
    matrix, ids = complete.rows.to_numpy(), complete.rows.index
    if method.is_standardised and matrix.size:
        matrix = standardise(matrix)
    grouped = _group(method, matrix, settings, seed)
    assigned = pd.Series(grouped.labels + 1, index=ids)
    note = "; ".join(filter(None, (grouped.note, complete.note)))
    table = tabulate_clusters(complete.reason, assigned, grouped.n_clusters, note)
    return Clustering(table, grouped.linkage, ids.to_numpy(dtype=str), grouped.numbers)


class _Grouped(NamedTuple):
    """Rows in clusters: their labels from 0, and how the number of clusters was found."""

    labels: np.ndarray
    linkage: np.ndarray
    n_clusters: int
    numbers: pd.DataFrame
    note: str


def _group(
    method: ClusteringMethod, matrix: np.ndarray, settings: ClusterSettings, seed: int
) -> _Grouped:
    """Group rows into the number of clusters asked for, or one chosen from them alone."""
    is_automatic = settings.n_clusters == "auto"
    if not matrix.size:
        empty = pd.DataFrame(columns=[*NUMBER_COLUMNS, "is_chosen"])
        n_clusters = 0 if is_automatic else settings.n_clusters
        return _Grouped(np.zeros(0, dtype=int), np.empty((0, 4)), n_clusters, empty, "")
    numbers = range(1, settings.max_clusters + 1) if is_automatic else [settings.n_clusters]
    criterion = settings.criterion if is_automatic else "silhouette"
    estimator = method.build(max(numbers), settings, seed)
    partitions = cut_at(estimator, matrix, numbers)
    scores = score_numbers(estimator, matrix, partitions, criterion=criterion, seed=seed)
    chosen, note = choose_number(scores, criterion) if is_automatic else (numbers[0], "")
    linkage = getattr(estimator, "linkage_", None)
    labels = partitions[chosen]
    return _Grouped(
        number_by_size(labels) if linkage is None else labels,
        np.empty((0, 4)) if linkage is None else linkage,
        chosen,
        scores.assign(is_chosen=scores["n_clusters"] == chosen),
        note,
    )
