import numpy as np
import pandas as pd
import pytest
from scipy.cluster.hierarchy import dendrogram, fcluster, linkage
from scipy.spatial.distance import pdist
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from ionscout.config import ClusterSettings
from ionscout.errors import ModelError
from ionscout.models import cluster_materials
from ionscout.models.clusters._distances import condensed_distances
from ionscout.models.clusters.ward import WardClustering


def cluster_ward(features, n_clusters):
    return cluster_materials("ward", features, ClusterSettings(n_clusters=n_clusters), seed=0)


def patterns(rng, *, n=60, centres=4, spread=0.3):
    middle = rng.normal(size=(centres, 20)) * 3
    x = middle[np.arange(n) % centres] + rng.normal(size=(n, 20)) * spread
    ids = pd.Index([f"m{i:03d}" for i in range(n)], name="material_id")
    return pd.DataFrame(x, index=ids).assign(reason="")


def test_the_clusters_are_those_of_scikit_learn():
    features = patterns(np.random.default_rng(0), spread=3.0)
    clusters, tree, ids, _ = cluster_ward(features, 6)
    reference = AgglomerativeClustering(6, linkage="ward").fit(features.drop(columns="reason"))
    assert adjusted_rand_score(reference.labels_, clusters["cluster"].astype(int)) == 1
    assert tree.shape == (59, 4)
    assert list(ids) == list(features.index)
    assert sorted(clusters["cluster"].unique()) == [1, 2, 3, 4, 5, 6]


def test_planted_groups_are_found():
    features = patterns(np.random.default_rng(1))
    found = cluster_ward(features, 4).clusters["cluster"].astype(int)
    assert adjusted_rand_score(np.arange(60) % 4, found) == 1


def test_the_first_merge_has_the_distance_of_the_nearest_pair():
    features = patterns(np.random.default_rng(2), n=8)
    x = features.drop(columns="reason").to_numpy()
    distances = np.linalg.norm(x[:, None] - x[None], axis=2) + np.diag([np.inf] * 8)
    assert cluster_ward(features, 2).linkage[0, 2] == pytest.approx(distances.min())


def test_the_order_of_the_rows_does_not_matter():
    features = patterns(np.random.default_rng(3), spread=3.0)
    first = cluster_ward(features, 5)
    second = cluster_ward(features.sample(frac=1, random_state=1), 5)
    np.testing.assert_array_equal(first.linkage, second.linkage)
    pd.testing.assert_series_equal(
        first.clusters.set_index("material_id")["cluster"].sort_index(),
        second.clusters.set_index("material_id")["cluster"].sort_index(),
    )


def test_clusters_are_numbered_along_the_dendrogram():
    features = patterns(np.random.default_rng(4), spread=3.0)
    clusters, tree, ids, _ = cluster_ward(features, 5)
    leaves = dendrogram(tree, no_plot=True)["leaves"]
    number = clusters.set_index("material_id")["cluster"]
    along = [int(number[ids[leaf]]) for leaf in leaves]
    assert along == sorted(along)


def test_incomplete_rows_are_left_out_with_their_reason():
    features = patterns(np.random.default_rng(5), n=10)
    features.loc["m003", 0] = np.nan
    features.loc["m004", [1, "reason"]] = [np.nan, "no anions"]
    clusters, tree, ids, _ = cluster_ward(features, 3)
    table = clusters.set_index("material_id")
    assert len(table) == 10
    assert table.loc["m003", "reason"] == "descriptors are missing"
    assert table.loc["m004", "reason"] == "no anions"
    assert table.loc[["m003", "m004"], "cluster"].isna().all()
    assert (table.drop(["m003", "m004"])["reason"] == "").all()
    assert tree.shape == (7, 4)
    assert not {"m003", "m004"} & set(ids)


@pytest.mark.parametrize(("n", "k"), [(3, 3), (1, 1), (0, 0)])
def test_fewer_materials_than_clusters_is_noted(n, k):
    clusters, tree, ids, _ = cluster_ward(patterns(np.random.default_rng(6), n=n), 7)
    assert clusters["cluster"].nunique() == k
    assert tree.shape == (max(n - 1, 0), 4)
    assert len(ids) == n
    assert all(
        note == f"{k} of 7 clusters: no more distinct materials" for note in clusters["note"]
    )


def test_identical_patterns_share_a_cluster():
    features = patterns(np.random.default_rng(7), n=12, centres=3, spread=0.0)
    clusters = cluster_ward(features, 7).clusters
    assert clusters["cluster"].nunique() == 3
    assert adjusted_rand_score(np.arange(12) % 3, clusters["cluster"].astype(int)) == 1
    assert clusters["note"].iloc[0].startswith("3 of 7")
    assert (cluster_ward(features, 3).clusters["note"] == "").all()


def test_unknown_clusterings_are_named():
    with pytest.raises(ModelError, match=r"no clustering 'x'; there are .*ward"):
        cluster_materials("x", patterns(np.random.default_rng(8), n=9), ClusterSettings(), seed=0)


@pytest.mark.parametrize("n", [2, 37, 700])
def test_distances_are_those_of_scipy(n):
    x = np.random.default_rng(n).normal(size=(n, 30)) + 100
    x[-1] = x[0]
    np.testing.assert_allclose(condensed_distances(x), pdist(x), rtol=1e-9, atol=1e-12)
    assert condensed_distances(x)[n - 2] == 0


def test_the_dendrogram_is_that_of_scipy():
    x = np.random.default_rng(9).normal(size=(80, 30))
    ours = WardClustering(5).fit(x)
    np.testing.assert_allclose(ours.linkage_, linkage(pdist(x), method="ward"), rtol=1e-9)
    np.testing.assert_array_equal(ours.cut(3), fcluster(ours.linkage_, 3, "maxclust") - 1)
