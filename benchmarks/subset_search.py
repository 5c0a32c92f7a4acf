"""Time the search over all 2^20 subsets against the plain scikit-learn loop.

Run as ``python benchmarks/subset_search.py [threads]``: 40 materials, 20 correlated columns,
a quarter of the materials fast, ridge penalty 1, two threads unless told. The peer fits a
StandardScaler and a LogisticRegression in every fold of some subsets, on one core, scaled
up to all of them. Compilation is left out. The leave-one-out scores of some of the best
subsets are compared.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import sys
import time

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ionscout.models.subset_search import SubsetSearch, search_subsets

N_MATERIALS, N_COLUMNS, PENALTY, N_BEST = 40, 20, 1.0, 1000
N_SAMPLED = 40


def make_materials() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2017)
    causes = rng.normal(size=(N_MATERIALS, 6))
    noise = rng.normal(size=(N_MATERIALS, N_COLUMNS))
    values = causes @ rng.normal(size=(6, N_COLUMNS)) + noise
    score = causes[:, 0] - causes[:, 1] + 0.5 * rng.normal(size=N_MATERIALS)
    return values, score > np.quantile(score, 0.75)


def leave_one_out(values: np.ndarray, is_fast: np.ndarray) -> tuple[int, float]:
    peer = make_pipeline(StandardScaler(), LogisticRegression(C=1 / PENALTY, tol=1e-8))
    p = np.empty(len(is_fast))
    for i in range(len(is_fast)):
        others = np.arange(len(is_fast)) != i
        fitted = clone(peer).fit(values[others], is_fast[others])
        p[i] = fitted.predict_proba(values[[i]])[0, 1]
    loss = -np.log(np.where(is_fast, p, 1 - p)).mean()
    return np.count_nonzero((p >= 0.5) != is_fast), loss


def seconds_of_the_loop(values: np.ndarray, is_fast: np.ndarray) -> float:
    """Time the peer on random subsets; return the seconds that all would take."""
    masks = np.random.default_rng(0).random((N_SAMPLED, N_COLUMNS)) < 0.5
    begin = time.perf_counter()
    for mask in masks:
        leave_one_out(values[:, mask], is_fast)
    return (time.perf_counter() - begin) / N_SAMPLED * 2**N_COLUMNS


def largest_difference(
    values: np.ndarray, is_fast: np.ndarray, found: SubsetSearch
) -> tuple[int, float]:
    """Compare our scores with the peer's: misclassified materials, and log loss."""
    wrong, loss = [], []
    for i in range(0, N_BEST, N_BEST // N_SAMPLED):
        peer = leave_one_out(values[:, found.masks[i]], is_fast)
        wrong.append(abs(found.loo_misclassified[i] - peer[0]))
        loss.append(abs(found.loo_log_loss[i] - peer[1]))
    return max(wrong), max(loss)


def main() -> None:
    n_threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    values, is_fast = make_materials()
    search_subsets(values[:, :2], is_fast, penalty=PENALTY)
    begin = time.perf_counter()
    found = search_subsets(values, is_fast, penalty=PENALTY, n_best=N_BEST, n_threads=n_threads)
    ours = time.perf_counter() - begin
    loop = seconds_of_the_loop(values, is_fast)
    wrong, loss = largest_difference(values, is_fast, found)
    print(
        f"{found.n_searched:,} subsets, {N_MATERIALS} materials: {ours:.0f} s, {n_threads} threads"
    )
    print(f"all folds fitted for {found.n_refitted:,} of them")
    print(
        f"best misclassifies {found.loo_misclassified[0]},"
        f" the {N_BEST:,}th {found.loo_misclassified[-1]}"
    )
    print(f"scikit-learn loop {loop / 3600:.1f} h, one core: {loop / ours:.0f} times as long")
    print(f"largest difference: {wrong} materials, {loss:.1e} of the log loss")


if __name__ == "__main__":
    main()
