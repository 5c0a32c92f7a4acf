import itertools

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from ionscout.models.clusters.global_kmeans import GlobalKMeans


def blobs(rng, *, n=90, centres=5, spread=0.5, width=4):
    middle = rng.normal(size=(centres, width)) * 4
    truth = np.arange(n) % centres
    return middle[truth] + rng.normal(size=(n, width)) * spread, truth


def follow(x, centres):
    return KMeans(len(centres), init=centres, n_init=1).fit(x)


def plain_fast_variant(x, n_clusters):
    """Likas, section 3.1: the row of the largest guaranteed gain becomes the next centre."""
    found = [follow(x, x.mean(axis=0, keepdims=True))]
    for _ in range(1, n_clusters):
        centres = found[-1].cluster_centers_
        nearest = ((x[:, None] - centres[None]) ** 2).sum(axis=2).min(axis=1)
        gains = [np.maximum(nearest - ((x - row) ** 2).sum(axis=1), 0).sum() for row in x]
        found.append(follow(x, np.vstack([centres, x[int(np.argmax(gains))]])))
    return [step.inertia_ for step in found]


def plain_global_kmeans(x, n_clusters):
    """Likas, section 3: every row is tried as the next centre."""
    best = follow(x, x.mean(axis=0, keepdims=True))
    for _ in range(1, n_clusters):
        tried = [follow(x, np.vstack([best.cluster_centers_, row])) for row in x]
        best = min(tried, key=lambda means: means.inertia_)
    return best.inertia_


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_candidate_is_the_papers_fast_variant(seed):
    x, _ = blobs(np.random.default_rng(seed), spread=2.0)
    ours = GlobalKMeans(6, n_candidates=1).fit(x)
    np.testing.assert_allclose(ours.inertias_, plain_fast_variant(x, 6), rtol=1e-6)


@pytest.mark.parametrize("seed", [3, 4])
def test_three_candidates_come_near_trying_every_row(seed):
    x, _ = blobs(np.random.default_rng(seed), n=40, spread=2.0)
    assert GlobalKMeans(4).fit(x).inertia_ <= 1.02 * plain_global_kmeans(x, 4)


def test_the_best_of_all_partitions_is_nearly_reached_for_a_few_points():
    x = np.random.default_rng(5).normal(size=(9, 2))

    def within(labels):
        groups = [x[np.array(labels) == k] for k in range(3)]
        return sum(((g - g.mean(axis=0)) ** 2).sum() for g in groups if len(g))

    best = min(within(labels) for labels in itertools.product(range(3), repeat=9))
    assert best * (1 - 1e-9) <= GlobalKMeans(3).fit(x).inertia_ <= 1.05 * best


def test_the_inertia_is_no_larger_than_of_restarts():
    x, truth = blobs(np.random.default_rng(6), n=300, centres=8, spread=0.4)
    ours = GlobalKMeans(8).fit(x)
    assert ours.inertia_ <= KMeans(8, n_init=10, random_state=0).fit(x).inertia_ * (1 + 1e-9)
    assert adjusted_rand_score(truth, ours.labels_) == 1
    assert (np.diff(ours.inertias_) < 0).all()
    middle = np.array([x[ours.labels_ == k].mean(axis=0) for k in range(8)])
    np.testing.assert_allclose(middle, ours.cluster_centers_, rtol=1e-9)


def test_fewer_clusters_are_those_of_an_earlier_stop():
    x, _ = blobs(np.random.default_rng(7), spread=2.0)
    many = GlobalKMeans(7).fit(x)
    np.testing.assert_array_equal(many.cut(4), GlobalKMeans(4).fit(x).labels_)


def test_the_order_of_the_rows_does_not_matter():
    x, _ = blobs(np.random.default_rng(8), spread=2.0)
    order = np.random.default_rng(9).permutation(len(x))
    first, second = GlobalKMeans(5).fit(x), GlobalKMeans(5).fit(x[order])
    assert adjusted_rand_score(first.labels_[order], second.labels_) == 1


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_rows_and_equal_rows(n):
    x = np.random.default_rng(10).normal(size=(n, 3))
    assert len(set(GlobalKMeans(7).fit_predict(x))) == n
    assert set(GlobalKMeans(7).fit_predict(np.full((n, 3), 1e6))) == {0}
    assert clone(GlobalKMeans(3, 2)).get_params() == {"n_clusters": 3, "n_candidates": 2}


@pytest.mark.parametrize("scale", [2.0**-100, 2.0**67, 2.0**99])
def test_the_unit_does_not_matter(scale):
    x, _ = blobs(np.random.default_rng(12), spread=2.0)
    plain, scaled = GlobalKMeans(6).fit(x), GlobalKMeans(6).fit(x * scale)
    np.testing.assert_array_equal(scaled.labels_, plain.labels_)
    np.testing.assert_allclose(scaled.inertias_, plain.inertias_ * scale**2)
    np.testing.assert_allclose(scaled.cluster_centers_, plain.cluster_centers_ * scale)
