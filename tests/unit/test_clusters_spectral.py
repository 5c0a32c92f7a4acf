import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score

from ionscout.models.clusters._neighbour_graph import leading_vectors, neighbour_graph
from ionscout.models.clusters.bisection import SpectralBisection, _normalised_cuts
from ionscout.models.clusters.spectral import NeighbourSpectralClustering


def blobs(rng, *, n=120, centres=4, spread=0.3, width=10):
    middle = rng.normal(size=(centres, width)) * 3
    truth = np.arange(n) % centres
    return middle[truth] + rng.normal(size=(n, width)) * spread, truth


def rings(rng, n=200):
    """Two circles, one in the other, which no centres tell apart."""
    truth = np.arange(n) % 2
    angle = np.linspace(0, 2 * np.pi, n) + rng.normal(size=n) * 0.01
    radius = np.where(truth, 3.0, 1.0) + rng.normal(size=n) * 0.05
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), truth


def plain_graph(x, n_neighbours):
    """The weights by plain loops; for points whose neighbours connect them all."""
    distance = np.linalg.norm(x[:, None] - x[None], axis=2)
    nearest = [
        sorted(set(range(len(x))) - {i}, key=lambda j: distance[i, j]) for i in range(len(x))
    ]
    nearest = [order[:n_neighbours] for order in nearest]
    scale = [distance[i, order[(n_neighbours + 1) // 2 - 1]] for i, order in enumerate(nearest)]
    graph = np.zeros_like(distance)
    for i, order in enumerate(nearest):
        for j in order:
            weight = max(np.exp(-(distance[i, j] ** 2) / (scale[i] * scale[j])), 1e-6)
            graph[i, j] = graph[j, i] = weight
    return graph


def test_the_graph_is_that_of_plain_loops():
    x = np.random.default_rng(0).normal(size=(60, 5))
    np.testing.assert_allclose(neighbour_graph(x, 8).toarray(), plain_graph(x, 8), rtol=1e-9)


def test_parts_without_a_connection_are_joined():
    rng = np.random.default_rng(1)
    x = np.vstack([rng.normal(size=(20, 3)) + 1000 * shift for shift in range(3)])
    graph = neighbour_graph(x, 5)
    assert connected_components(graph)[0] == 1
    assert (graph != graph.T).nnz == 0


@pytest.mark.parametrize("n", [30, 150])
def test_the_vectors_are_those_of_the_dense_laplacian(n):
    graph = neighbour_graph(np.random.default_rng(2).normal(size=(n, 4)), 8)
    values, vectors = leading_vectors(graph, 4, np.random.RandomState(0))
    weights = graph.toarray()
    root = np.sqrt(weights.sum(axis=1))
    laplacian = np.eye(n) - weights / np.outer(root, root)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(laplacian)[:4], atol=1e-8)
    np.testing.assert_allclose(laplacian @ vectors, vectors * values, atol=1e-7)


def test_normalised_cuts_are_those_of_plain_sums():
    rng = np.random.default_rng(3)
    graph = neighbour_graph(rng.normal(size=(25, 3)), 5)
    order = rng.permutation(25)
    weights = graph.toarray()
    plain = []
    for size in range(1, 25):
        one, other = order[:size], order[size:]
        cut = weights[np.ix_(one, other)].sum()
        plain.append(cut / weights[one].sum() + cut / weights[other].sum())
    np.testing.assert_allclose(_normalised_cuts(graph, order), plain, rtol=1e-9)


@pytest.mark.parametrize("method", [NeighbourSpectralClustering, SpectralBisection])
class TestBothMethods:
    def test_planted_groups_are_found(self, method):
        x, truth = blobs(np.random.default_rng(4))
        model = method(4, n_neighbours=10, random_state=0).fit(x)
        assert adjusted_rand_score(truth, model.labels_) == 1
        assert adjusted_rand_score(model.cut(4), model.labels_) == 1

    def test_rings_are_found(self, method):
        x, truth = rings(np.random.default_rng(5))
        assert adjusted_rand_score(truth, method(2, 8, random_state=0).fit_predict(x)) == 1

    def test_the_order_of_the_rows_does_not_matter(self, method):
        x, _ = blobs(np.random.default_rng(6), spread=1.5)
        order = np.random.default_rng(7).permutation(len(x))
        first = method(3, 10, random_state=0).fit_predict(x)
        second = method(3, 10, random_state=1).fit_predict(x[order])
        assert adjusted_rand_score(first[order], second) > 0.95

    def test_equal_rows_share_a_cluster(self, method):
        x, _ = blobs(np.random.default_rng(8), n=40, spread=1.5)
        labels = method(6, 10, random_state=0).fit_predict(np.vstack([x, x]))
        np.testing.assert_array_equal(labels[:40], labels[40:])

    @pytest.mark.parametrize("n", [1, 2, 3])
    def test_few_rows_and_equal_rows(self, method, n):
        x = np.random.default_rng(9).normal(size=(n, 4))
        assert len(set(method(7, random_state=0).fit_predict(x))) == n
        equal = method(7, random_state=0).fit_predict(np.ones((n, 4)))
        assert set(equal) == {0}

    def test_the_parameters_survive_cloning(self, method):
        assert clone(method(3, 5, random_state=1)).get_params() == method(3, 5, 1).get_params()


def test_each_bisection_keeps_the_earlier_ones():
    x, _ = blobs(np.random.default_rng(10), spread=1.5)
    model = SpectralBisection(6, 10, random_state=0).fit(x)
    for k in range(2, 7):
        coarse, fine = model.cut(k - 1), model.cut(k)
        assert len(np.unique(fine)) == k
        assert len(np.unique(np.column_stack([coarse, fine]), axis=0)) == k
    assert ((model.costs_ >= 0) & (model.costs_ <= 2)).all()
