"""Time the clusterings beside their peers, in one run.

Run as ``python benchmarks/clusters.py [JSON lines with a cif] [number of rows]``: rows of 900
numbers like modified XRD patterns, 12,745 unless told. They are those of the crystals given,
each copied with a random part of another crystal's and noise added; without a file, they are
random peaks. Each line is a process of its own, one thread, with its peak memory; compilation
is left out. Ward is compared with SciPy's linkage of SciPy's distances, spectral clustering
and bisection with scikit-learn's SpectralClustering on its graph of nearest neighbours,
global k-means for 7 clusters with scikit-learn's KMeans started as often as there are rows
(some starts are timed, and scaled up) and with its best of these starts.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import gzip
import json
import multiprocessing
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pymatgen.core import Structure
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist
from sklearn.cluster import KMeans, SpectralClustering

from ionscout.features import get_set
from ionscout.models.clusters.bisection import SpectralBisection
from ionscout.models.clusters.global_kmeans import GlobalKMeans
from ionscout.models.clusters.spectral import NeighbourSpectralClustering
from ionscout.models.clusters.ward import WardClustering

N_ROWS, N_COLUMNS, N_CLUSTERS, N_NEIGHBOURS = 12_745, 900, 7, 30
N_STARTS = 50


def patterns_of(path: Path) -> np.ndarray:
    with gzip.open(path, "rt") as lines:
        crystals = [Structure.from_str(json.loads(line)["cif"], fmt="cif") for line in lines]
    patterns = get_set("mxrd").describe_many(crystals)[0]
    return patterns[np.isfinite(patterns).all(axis=1)]


def random_patterns(n: int = 2000) -> np.ndarray:
    rng = np.random.default_rng(0)
    prototypes = rng.random((40, 12)) * 90
    place = prototypes[rng.integers(40, size=n)] + rng.normal(size=(n, 12))
    two_theta = (np.arange(N_COLUMNS) + 0.5) * 90 / N_COLUMNS
    return np.exp(-((two_theta[None, :, None] - place[:, None]) ** 2)).sum(axis=2)


def make_rows(patterns: np.ndarray, n: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    one, other = (patterns[rng.integers(len(patterns), size=n)] for _ in range(2))
    share = 0.3 * rng.random((n, 1))
    noise = 0.02 * patterns.std() * rng.normal(size=one.shape)
    return np.abs((1 - share) * one + share * other + noise)


def ward(rows: np.ndarray) -> None:
    WardClustering(N_CLUSTERS).fit(rows)


def scipy_linkage(rows: np.ndarray) -> None:
    linkage(pdist(rows), method="ward")


def spectral(rows: np.ndarray) -> None:
    NeighbourSpectralClustering(N_CLUSTERS, N_NEIGHBOURS, random_state=0).fit(rows)


def bisection(rows: np.ndarray) -> None:
    SpectralBisection(N_CLUSTERS, N_NEIGHBOURS, random_state=0).fit(rows)


def sklearn_spectral(rows: np.ndarray) -> None:
    SpectralClustering(
        N_CLUSTERS, affinity="nearest_neighbors", n_neighbors=N_NEIGHBOURS, random_state=0
    ).fit(rows)


def global_kmeans(rows: np.ndarray) -> float:
    return GlobalKMeans(N_CLUSTERS).fit(rows).inertia_


def sklearn_kmeans(rows: np.ndarray) -> float:
    return KMeans(N_CLUSTERS, n_init=N_STARTS, random_state=0).fit(rows).inertia_


def measure(work: Callable, file: str) -> tuple[float, float, float | None]:
    """Run in a process of its own; seconds, peak memory in GB, what the work returns."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(run, (work, file))


def run(work: Callable, file: str) -> tuple[float, float, float | None]:
    warnings.simplefilter("ignore")
    rows = np.load(file)
    work(rows[:200])
    begin = time.perf_counter()
    found = work(rows)
    seconds = time.perf_counter() - begin
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, found


def compare(name: str, ours: Callable, peer: Callable, file: str) -> None:
    seconds, peak_gb, _ = measure(ours, file)
    theirs, their_gb, _ = measure(peer, file)
    print(
        f"{name}: {seconds:.1f} s, {peak_gb:.1f} GB; {peer.__name__} {theirs:.1f} s,"
        f" {their_gb:.1f} GB: {theirs / seconds:.1f} times as long",
        flush=True,
    )


def compare_kmeans(file: str, n_rows: int) -> None:
    seconds, peak_gb, inertia = measure(global_kmeans, file)
    theirs, their_gb, their_inertia = measure(sklearn_kmeans, file)
    all_starts = theirs / N_STARTS * n_rows
    print(
        f"global k-means: {seconds:.1f} s, {peak_gb:.1f} GB; scikit-learn's KMeans, {N_STARTS}"
        f" starts {theirs:.1f} s, {their_gb:.1f} GB, {n_rows:,} starts {all_starts / 60:.0f} min:"
        f" {theirs / seconds:.1f} and {all_starts / seconds:.0f} times as long;"
        f" inertia {inertia / their_inertia:.6f} of its best of {N_STARTS}"
    )


def main() -> None:
    warnings.simplefilter("ignore")
    patterns = patterns_of(Path(sys.argv[1])) if len(sys.argv) > 1 else random_patterns()
    n_rows = int(sys.argv[2]) if len(sys.argv) > 2 else N_ROWS
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "rows.npy")
        np.save(file, make_rows(patterns, n_rows))
        print(f"{n_rows:,} rows of {N_COLUMNS}, from {len(patterns):,} patterns", flush=True)
        compare("Ward", ward, scipy_linkage, file)
        compare("spectral", spectral, sklearn_spectral, file)
        compare("bisection", bisection, sklearn_spectral, file)
        compare_kmeans(file, n_rows)


if __name__ == "__main__":
    main()
