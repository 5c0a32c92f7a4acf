"""How many clusters: chosen from the descriptors alone, without labels."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from sklearn.base import ClusterMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, pairwise_distances, silhouette_samples

from ionscout.models.clusters.base import distinct_rows

MAX_SAMPLED = 1000
N_REFERENCES = 10
N_PAIRS = 10
SHARE_OF_SUBSAMPLE = 0.8
NUMBER_COLUMNS = ["n_clusters", "criterion", "value", "standard_error", "n_sampled"]

Scores = dict[int, tuple[float, float]]


def cut_at(
    estimator: ClusterMixin, matrix: np.ndarray, numbers: Iterable[int]
) -> dict[int, np.ndarray]:
    """Group the rows into each of several numbers of clusters.

    Estimators with a method `cut` are fitted once, for the largest number.

    Parameters
    ----------
    estimator : ClusterMixin
        With the parameter `n_clusters`; it is fitted in place.
    matrix : array of float, shape (n, p)
        One row at least.
    numbers : iterable of int
        Not more clusters than distinct rows are made.

    Returns
    -------
    dict of int to array of int, shape (n,)
    """
    wanted = sorted(set(numbers))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if hasattr(estimator, "cut"):
            estimator.set_params(n_clusters=wanted[-1]).fit(matrix)
            return {k: estimator.cut(k) for k in wanted}
        first, kind = distinct_rows(matrix)
        return {
            k: kind if k >= len(first) else estimator.set_params(n_clusters=k).fit_predict(matrix)
            for k in wanted
        }


def score_numbers(
    estimator: ClusterMixin,
    matrix: np.ndarray,
    partitions: Mapping[int, np.ndarray],
    *,
    criterion: str,
    seed: int,
) -> pd.DataFrame:
    """Score numbers of clusters on 1,000 rows, drawn at random, or all where there are fewer.

    * `silhouette`: mean silhouette width of the clusters of all rows, from -1 to 1. Two rows
      at least of each cluster are drawn, and each cluster counts by its size.
    * `gap`: log of the within-cluster sum of squares, less than for rows that are uniform
      in the box of the principal components (ten times); the drawn rows are grouped anew.
    * `stability`: adjusted Rand index of the clusterings of two random 80 % of the drawn
      rows, on the rows common to both, mean of ten pairs.

    Parameters
    ----------
    estimator : ClusterMixin
        With the parameter `n_clusters`; it stays as it is.
    matrix : array of float, shape (n, p)
        One row at least.
    partitions : mapping of int to array of int, shape (n,)
        The clusters of all rows for each number, as `cut_at` returns them.
    criterion : {"silhouette", "gap", "stability"}
    seed : int

    Returns
    -------
    DataFrame
        One row a number: n_clusters, criterion, value (NaN where the criterion says
        nothing, or that many clusters cannot be made), standard_error (of the
        reference or of the mean over pairs; NaN for the silhouette), n_sampled (rows drawn).

    References
    ----------
    Rousseeuw, J. Comput. Appl. Math. 20, 53 (1987), doi:10.1016/0377-0427(87)90125-7;
    Tibshirani, Walther and Hastie, J. R. Stat. Soc. B 63, 411 (2001),
    doi:10.1111/1467-9868.00293; Ben-Hur, Elisseeff and Guyon, Pac. Symp. Biocomput. 7,
    6 (2002).
    """
    random = np.random.default_rng(seed)
    rows = np.sort(random.permutation(len(matrix))[:MAX_SAMPLED])
    numbers = sorted(partitions)
    drawn = dict.fromkeys(numbers, rows)
    if criterion == "silhouette":
        drawn = {k: _draw_two_of_each(partitions[k], rows, random) for k in numbers}
        scores = _silhouettes(matrix, partitions, drawn)
    elif criterion == "gap":
        scores = _gaps(clone(estimator), matrix[rows], numbers, random)
    else:
        scores = _stabilities(clone(estimator), matrix[rows], numbers, random)
    found = [(k, criterion, *scores[k], len(drawn[k])) for k in numbers]
    return pd.DataFrame(found, columns=NUMBER_COLUMNS)


def choose_number(table: pd.DataFrame, criterion: str) -> tuple[int, str]:
    """Choose by the scores.

    * `silhouette`: the largest.
    * `gap`: the smallest within a standard error of the largest, which can be 1. (As
      published: the first that is not clearly less than the next. That stops at 1 where
      two clusters are a bad start on the way to four.)
    * `stability`: the largest number within a standard error of the best.

    Parameters
    ----------
    table : DataFrame
        As `score_numbers` returns it.
    criterion : {"silhouette", "gap", "stability"}

    Returns
    -------
    n_clusters : int
        1 where no number has a score.
    note : str
        What there is to remark, or empty.
    """
    scored = table.dropna(subset="value")
    if scored.empty:
        return 1, f"one cluster: the {criterion} cannot be computed for any number"
    numbers = scored["n_clusters"].to_numpy()
    value, error = scored["value"].to_numpy(), scored["standard_error"].to_numpy()
    if criterion == "silhouette":
        return int(numbers[value.argmax()]), ""
    best = value.argmax()
    as_good = numbers[value >= value[best] - error[best]]
    if criterion == "stability":
        return int(as_good.max()), ""
    grows = len(numbers) > 1 and as_good.min() == numbers[-1]
    return int(as_good.min()), f"the gap still grows at {numbers[-1]} clusters" if grows else ""


def _draw_two_of_each(
    labels: np.ndarray, rows: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Add rows at random until two of each cluster are drawn, or its only one."""
    is_drawn = np.isin(np.arange(len(labels)), rows)
    added = [rows]
    for label in np.unique(labels):
        is_member = labels == label
        n_lacking = max(2 - np.count_nonzero(is_member & is_drawn), 0)
        added.append(random.permutation(np.flatnonzero(is_member & ~is_drawn))[:n_lacking])
    return np.sort(np.concatenate(added))


def _silhouettes(
    matrix: np.ndarray, partitions: Mapping[int, np.ndarray], drawn: Mapping[int, np.ndarray]
) -> Scores:
    """Score the clusters of all rows on those drawn, each cluster by its size."""
    scores = {}
    for k, labels in partitions.items():
        found, size = np.unique(labels, return_counts=True)
        value = np.nan
        if len(found) == k and 2 <= k < len(matrix):
            rows = drawn[k]
            width = silhouette_samples(
                pairwise_distances(matrix[rows]), labels[rows], metric="precomputed"
            )
            means = [width[labels[rows] == label].mean() for label in found]
            value = float(np.average(means, weights=size))
        scores[k] = (value, np.nan)
    return scores


def _gaps(
    estimator: ClusterMixin, matrix: np.ndarray, numbers: list[int], random: np.random.Generator
) -> Scores:
    """Compare the rows with uniform ones; nothing else than distances must matter."""
    centred = matrix - matrix.mean(axis=0)
    principal = centred @ np.linalg.svd(centred, full_matrices=False)[2].T
    low, high = principal.min(axis=0), principal.max(axis=0)
    references = np.array(
        [
            _log_dispersions(estimator, random.uniform(low, high, principal.shape), numbers)
            for _ in range(N_REFERENCES)
        ]
    )
    gap = references.mean(axis=0) - _log_dispersions(estimator, principal, numbers)
    error = references.std(axis=0) * np.sqrt(1 + 1 / N_REFERENCES)
    return dict(zip(numbers, zip(gap, error, strict=True), strict=True))


def _log_dispersions(estimator: ClusterMixin, matrix: np.ndarray, numbers: list[int]) -> np.ndarray:
    """Compute the logs of the within-cluster sums of squares; NaN where too few clusters form."""
    total = np.square(matrix - matrix.mean(axis=0)).sum()
    logs = []
    for k, labels in sorted(cut_at(estimator, matrix, numbers).items()):
        found = [matrix[labels == label] for label in np.unique(labels)]
        within = sum(np.square(rows - rows.mean(axis=0)).sum() for rows in found)
        logs.append(np.log(within) if len(found) == k and within > 1e-9 * total else np.nan)
    return np.array(logs)


def _stabilities(
    estimator: ClusterMixin, matrix: np.ndarray, numbers: list[int], random: np.random.Generator
) -> Scores:
    """Compare the clusters of pairs of subsamples; one cluster is stable and says nothing."""
    size = round(SHARE_OF_SUBSAMPLE * len(matrix))
    n_distinct = len(distinct_rows(matrix)[0])
    numbers_made = [k for k in numbers if 2 <= k < min(n_distinct, size)]
    scores = dict.fromkeys(numbers, (np.nan, np.nan))
    if not numbers_made:
        return scores
    found = np.empty((N_PAIRS, len(numbers_made)))
    for pair in found:
        one, other = (np.sort(random.permutation(len(matrix))[:size]) for _ in range(2))
        cuts = [cut_at(estimator, matrix[rows], numbers_made) for rows in (one, other)]
        in_one, in_other = np.isin(one, other), np.isin(other, one)
        pair[:] = [
            adjusted_rand_score(cuts[0][k][in_one], cuts[1][k][in_other]) for k in numbers_made
        ]
    error = found.std(axis=0, ddof=1) / np.sqrt(N_PAIRS)
    return scores | dict(
        zip(numbers_made, zip(found.mean(axis=0), error, strict=True), strict=True)
    )
