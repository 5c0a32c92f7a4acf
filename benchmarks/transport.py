"""Time our mean squared displacement against its peers: `python benchmarks/transport.py`.

2,000 frames of 200 atoms, all time origins: brute force on one lag in `EVERY`
(scaled up), the same transform in plain numpy, and pymatgen's DiffusionAnalyzer where
it is installed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from ionscout.transport import estimate_diffusivity, mean_squared_displacement

N_FRAMES, N_ATOMS, EVERY = 2000, 200, 20


def best_seconds(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def brute_force(positions: np.ndarray) -> np.ndarray:
    lags = range(1, len(positions), EVERY)
    return np.array([((positions[n:] - positions[:-n]) ** 2).sum(axis=2).mean() for n in lags])


def plain_transform(positions: np.ndarray) -> np.ndarray:
    """Transform all atoms at once with numpy alone, as it is mostly written."""
    n = len(positions)
    spectrum = np.fft.fft(positions, n=2 * n, axis=0)
    products = np.fft.ifft(abs(spectrum) ** 2, axis=0)[:n].real.sum(axis=2)
    squares = (positions**2).sum(axis=2)
    before = np.concatenate([np.zeros((1, N_ATOMS)), np.cumsum(squares, axis=0)])
    lags = np.arange(n)
    sums = before[n - lags] + before[-1] - before[lags]
    return ((sums - 2 * products) / (n - lags)[:, None]).mean(axis=1)


def time_diffusion_analyzer(positions: np.ndarray) -> float | None:
    try:
        from pymatgen.analysis.diffusion.analyzer import DiffusionAnalyzer
    except ImportError:
        return None
    from pymatgen.core import Lattice, Structure

    rng = np.random.default_rng(1)
    structure = Structure(Lattice.cubic(20), ["Li"] * N_ATOMS, rng.random((N_ATOMS, 3)))
    displacements = (positions - positions[0]).transpose(1, 0, 2)
    return best_seconds(
        lambda: DiffusionAnalyzer(structure, displacements, "Li", 600, 2, 10, smoothed="max"), 2
    )


def main() -> None:
    rng = np.random.default_rng(0)
    positions = np.cumsum(rng.normal(0, 0.1, (N_FRAMES, N_ATOMS, 3)), axis=0)
    ours = best_seconds(lambda: mean_squared_displacement(positions), 5)
    brute = best_seconds(lambda: brute_force(positions), 1) * EVERY
    exact = brute_force(positions)
    difference = abs(mean_squared_displacement(positions)[1::EVERY] / exact - 1).max()
    directions = best_seconds(lambda: mean_squared_displacement(positions, per_direction=True), 5)
    estimate = best_seconds(lambda: estimate_diffusivity(positions, frame_interval_fs=20), 3)
    print(f"FFT MSD {ours:.3f} s; brute force {brute:.1f} s: {brute / ours:.0f} times faster")
    plain = best_seconds(lambda: plain_transform(positions), 3)
    print(f"plain numpy FFT {plain:.3f} s: {plain / ours:.1f} times ours")
    print(f"largest difference, relatively: {difference:.1e}")
    print(f"per direction {directions:.3f} s")
    print(f"D with its posterior {estimate:.3f} s")
    analyzer = time_diffusion_analyzer(positions)
    if analyzer is None:
        print("pymatgen-analysis-diffusion is not installed: not compared")
    else:
        print(f"DiffusionAnalyzer {analyzer:.3f} s: {analyzer / ours:.1f} times ours")


if __name__ == "__main__":
    main()
