"""The clusterings by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from ionscout.config import ClusterSettings
from ionscout.errors import ModelError
from ionscout.models.clustering import Clustering
from ionscout.models.ward import cluster_ward


@dataclass(frozen=True)
class ClusteringMethod:
    """A way to group materials.

    Attributes
    ----------
    feature_set : str
        The descriptor set it reads.
    cluster : callable
        (features, settings) -> Clustering.
    """

    feature_set: str
    cluster: Callable[[pd.DataFrame, ClusterSettings], Clustering]


CLUSTERINGS: dict[str, ClusteringMethod] = {
    "ward": ClusteringMethod("mxrd", lambda features, s: cluster_ward(features, s.n_clusters)),
}


def cluster_materials(name: str, features: pd.DataFrame, settings: ClusterSettings) -> Clustering:
    """Group materials by their descriptors.

    Parameters
    ----------
    name : str
        One of `CLUSTERINGS`.
    features : DataFrame, index material_id
        The clustering's descriptor set, with the column `reason`.
    settings : ClusterSettings
        The campaign's.

    Returns
    -------
    Clustering

    Raises
    ------
    ModelError
        No such clustering.
    """
    if name not in CLUSTERINGS:
        raise ModelError(f"no clustering {name!r}; there are {', '.join(sorted(CLUSTERINGS))}")
    return CLUSTERINGS[name].cluster(features, settings)
