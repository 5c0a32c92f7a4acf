import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from ionscout.models.clusters.cluster_number import (
    NUMBER_COLUMNS,
    choose_number,
    cut_at,
    score_numbers,
)
from ionscout.models.clusters.global_kmeans import GlobalKMeans
from ionscout.models.clusters.spectral import NeighbourSpectralClustering
from ionscout.models.clusters.ward import WardClustering

CRITERIA = ["silhouette", "gap", "stability"]


def blobs(rng, *, n=100, centres=4, spread=0.4, width=6):
    middle = rng.normal(size=(centres, width)) * 4
    return middle[np.arange(n) % centres] + rng.normal(size=(n, width)) * spread


def choose(estimator, x, criterion, numbers=range(1, 8)):
    partitions = cut_at(estimator, x, numbers)
    table = score_numbers(estimator, x, partitions, criterion=criterion, seed=0)
    assert list(table.columns) == NUMBER_COLUMNS
    assert table["n_clusters"].tolist() == list(numbers)
    return *choose_number(table, criterion), table


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize(
    "estimator",
    [
        WardClustering(),
        GlobalKMeans(),
        NeighbourSpectralClustering(n_neighbours=8, random_state=0),
        KMeans(n_init=3, random_state=0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_the_number_of_planted_groups_is_found(estimator, criterion):
    k, note, table = choose(estimator, blobs(np.random.default_rng(0)), criterion)
    assert (k, note) == (4, "")
    assert (table["n_sampled"] == 100).all()


def test_the_gap_can_choose_one_cluster():
    x = np.random.default_rng(1).normal(size=(150, 3))
    assert choose(WardClustering(), x, "gap")[0] == 1
    assert choose(WardClustering(), x, "silhouette")[0] > 1


def test_the_gap_is_that_of_plain_sums():
    x = blobs(np.random.default_rng(2), n=60)
    table = choose(WardClustering(), x, "gap", range(1, 4))[2].set_index("n_clusters")
    # One cluster: the reference needs no clustering, only the sides of the box.
    centred = x - x.mean(axis=0)
    principal = centred @ np.linalg.svd(centred)[2].T
    sides = np.ptp(principal, axis=0)
    expected = np.log(len(x) * (sides**2 / 12).sum()) - np.log((centred**2).sum())
    assert table.loc[1, "value"] == pytest.approx(expected, abs=0.1)
    assert 0 < table.loc[1, "standard_error"] < 0.2


def test_the_silhouette_is_that_of_scikit_learn_on_a_sample():
    x = blobs(np.random.default_rng(3), n=1500)
    table = choose(WardClustering(), x, "silhouette", [3, 4])[2].set_index("n_clusters")
    assert (table["n_sampled"] == 1000).all()
    whole = silhouette_score(x, WardClustering(4).fit_predict(x))
    assert table.loc[4, "value"] == pytest.approx(whole, abs=0.02)


def test_a_cluster_too_small_for_the_sample_is_scored():
    rng = np.random.default_rng(6)
    middle = np.repeat([[0, 0, 0], [30, 0, 0], [0, 300, 0]], [900, 900, 4], axis=0)
    x = middle + rng.normal(size=(1804, 3))
    partitions = cut_at(WardClustering(), x, range(1, 6))
    for seed in range(5):
        table = score_numbers(
            WardClustering(), x, partitions, criterion="silhouette", seed=seed
        ).set_index("n_clusters")
        assert choose_number(table.reset_index(), "silhouette") == (3, "")
        assert table.loc[2:, "value"].notna().all()
        assert table["n_sampled"].between(1000, 1010).all()
        whole = silhouette_score(x, partitions[3])
        assert table.loc[3, "value"] == pytest.approx(whole, abs=0.01)


def test_a_single_row_is_a_cluster_to_the_silhouette():
    x = np.vstack([blobs(np.random.default_rng(7), n=1500, centres=2), np.full((1, 6), 500.0)])
    table = choose(WardClustering(), x, "silhouette", [2, 3])[2].set_index("n_clusters")
    assert table["n_sampled"].between(1000, 1001).all()
    whole = silhouette_score(x, WardClustering(3).fit_predict(x))
    assert table.loc[3, "value"] == pytest.approx(whole, abs=0.02)


def test_the_rules_by_hand():
    table = pd.DataFrame(
        {
            "n_clusters": [1, 2, 3, 4],
            "value": [0.1, 0.5, 0.9, 0.85],
            "standard_error": [0.1, 0.1, 0.1, 0.1],
        }
    )
    assert choose_number(table, "silhouette") == (3, "")
    assert choose_number(table, "stability") == (4, "")
    assert choose_number(table, "gap") == (3, "")
    growing = table.assign(value=[0.1, 0.5, 0.9, 1.3])
    assert choose_number(growing, "gap") == (4, "the gap still grows at 4 clusters")
    falling = table.assign(value=[0.5, 0.1, 0.55, 0.3])
    assert choose_number(falling, "gap") == (1, "")


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_equal_rows_are_one_cluster(criterion, n):
    k, note, table = choose(WardClustering(), np.ones((n, 3)), criterion)
    assert k == 1
    assert note == f"one cluster: the {criterion} cannot be computed for any number"
    assert table["value"].isna().all()


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_rows_are_no_fault(criterion, n):
    assert (
        1 <= choose(GlobalKMeans(), np.random.default_rng(4).normal(size=(n, 3)), criterion)[0] <= n
    )


def test_the_same_seed_gives_the_same_scores():
    x = np.random.default_rng(5).normal(size=(60, 3))
    for criterion in CRITERIA:
        pd.testing.assert_frame_equal(
            choose(WardClustering(), x, criterion)[2], choose(WardClustering(), x, criterion)[2]
        )
