"""The graph of nearest neighbours that spectral methods cut."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh
from sklearn.neighbors import NearestNeighbors

LEAST_SCALE = 0.01
LEAST_WEIGHT = 1e-6
DENSE_UP_TO = 100


def neighbour_graph(matrix: np.ndarray, n_neighbours: int) -> csr_array:
    """Connect each row with its nearest ones.

    The weight of two neighbours at distance d is exp(-d^2 / (s_i s_j)), where the local
    scale s of a row is the distance of its neighbour number `n_neighbours` / 2, and at
    least a hundredth of the scales' median. Two rows are connected when one is among
    the neighbours of the other. Parts without a connection are joined by the shortest
    edge to another part, so that the graph is connected.

    Parameters
    ----------
    matrix : array of float, shape (n, p)
        Distinct rows, two at least.
    n_neighbours : int
        At most n - 1 are taken.

    Returns
    -------
    csr_array of float, shape (n, n)
        Symmetric, its diagonal empty, weights from 1e-6 to 1.

    References
    ----------
    Zelnik-Manor and Perona, Adv. Neural Inf. Process. Syst. 17 (2004), for the scale.
    """
    matrix = matrix - matrix.mean(axis=0)
    n = len(matrix)
    k = min(n_neighbours, n - 1)
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(matrix)
    distance, index = search.kneighbors()
    scale = distance[:, (k + 1) // 2 - 1]
    scale = np.maximum(scale, LEAST_SCALE * np.median(scale))
    rows = np.repeat(np.arange(n), k)
    edges = (distance.ravel(), rows, index.ravel())
    joined = _join_parts(matrix, csr_array((np.ones(n * k), edges[1:]), shape=(n, n)))
    distance, rows, columns = (np.concatenate(pair) for pair in zip(edges, joined, strict=True))
    weight = np.exp(-(distance**2) / (scale[rows] * scale[columns]))
    weight = np.maximum(weight, LEAST_WEIGHT)
    graph = csr_array((weight, (rows, columns)), shape=(n, n))
    return graph.maximum(graph.T)


def _join_parts(matrix: np.ndarray, graph: csr_array) -> tuple[np.ndarray, ...]:
    """Find edges that connect all parts; distance, one end, other end."""
    found: list[tuple[float, int, int]] = []
    n_parts, part = connected_components(graph, directed=False)
    while n_parts > 1:
        largest = np.bincount(part).argmax()
        for number in set(range(n_parts)) - {largest}:
            inside, outside = np.flatnonzero(part == number), np.flatnonzero(part != number)
            search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(matrix[outside])
            distance, index = search.kneighbors(matrix[inside])
            nearest = distance[:, 0].argmin()
            other = outside[index[nearest, 0]]
            found.append((float(distance[nearest, 0]), int(inside[nearest]), int(other)))
        ends = np.array([edge[1:] for edge in found])
        more = csr_array((np.ones(len(ends)), ends.T), shape=graph.shape)
        n_parts, part = connected_components(graph + more, directed=False)
    columns = np.array(found).reshape(-1, 3)
    return columns[:, 0], columns[:, 1].astype(int), columns[:, 2].astype(int)


def leading_vectors(
    graph: csr_array, n_vectors: int, random: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Find the smoothest vectors on a graph: those of the least normalised Laplacian.

    Parameters
    ----------
    graph : csr_array, shape (n, n)
        Symmetric weights; no row is empty.
    n_vectors : int
        At most n - 1 are found.
    random : RandomState
        For the starting vector.

    Returns
    -------
    eigenvalues : array of float, shape (k,)
        Of I - D^(-1/2) W D^(-1/2), ascending.
    vectors : array of float, shape (n, k)
        The signs are such that the largest component is positive.

    References
    ----------
    Shi and Malik, IEEE Trans. Pattern Anal. Mach. Intell. 22, 888 (2000),
    doi:10.1109/34.868688.
    """
    n = graph.shape[0]
    k = min(n_vectors, n - 1)
    inverse_root = diags_array(1 / np.sqrt(graph.sum(axis=1)))
    adjacency = inverse_root @ graph @ inverse_root
    if n <= DENSE_UP_TO:
        values, vectors = np.linalg.eigh(adjacency.toarray())
    else:
        start = random.uniform(-1, 1, n)
        values, vectors = eigsh(adjacency, k=k, which="LA", v0=start, ncv=min(n, 4 * k + 20))
    order = np.argsort(-values)[:k]
    values, vectors = values[order], vectors[:, order]
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(k)]
    return 1 - values, vectors * np.sign(largest)
