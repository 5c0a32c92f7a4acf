"""Compare D, its interval and its time with kinisi's: `python benchmarks/diffusivity.py`.

The walks of `walks.py`, whose D is known, are estimated by us and, as far as
`--kinisi-walks` allows, by kinisi: how often the 95 % interval holds the truth, which side
it misses, its width and the time of a walk. kinisi gets `LAGS` evenly spaced intervals, for
with all of them, its default, a walk takes it ten seconds; the rest is as it comes. Where
diffusion starts is the user's to say: where the MSD's log-log slope has come to 1, as its
documentation looks for it, and, second, where we start. Then each on one larger walk, with
all intervals too. One thread; the times of a walk are medians.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import argparse
import time
import warnings

import numpy as np
from walks import DIFFUSING, INTERVAL_PS, brownian

from ionscout.transport import Diffusivity, estimate_diffusivity

try:
    import scipp
    from kinisi.diffusion import Diffusion
    from kinisi.displacement import calculate_msd
    from kinisi.parser import Parser
except ImportError:
    scipp = None

LAGS = 100
SEED = 2026
QUANTILES = (0.025, 0.5, 0.975)
BOX_ANG = 1e4


def ours(positions: np.ndarray) -> Diffusivity:
    return estimate_diffusivity(positions, frame_interval_fs=1000 * INTERVAL_PS)


def our_quantiles(found: Diffusivity) -> np.ndarray:
    return 1e4 * np.array([found.low_cm2_s, *found.posterior.quantiles([0.5]), found.high_cm2_s])


def straight_start_ps(msd: np.ndarray, tolerance: float = 0.1, latest: float = 0.3) -> float:
    """Lag from which on a doubling doubles the MSD; 30 % of the run if there is none."""
    lags = np.arange(1, int(latest * len(msd)) + 1)
    slopes = np.log2(msd[2 * lags] / msd[lags])
    straight = abs(slopes - 1) < tolerance
    return INTERVAL_PS * (lags[straight.argmax()] if straight.any() else lags[-1])


def kinisi_quantiles(positions: np.ndarray, start_ps: float, n_lags: int = LAGS) -> np.ndarray:
    """Quantiles of D in square angstrom per ps by kinisi 2.1, from arrays."""
    n_frames, n_ions, _ = positions.shape
    lags = np.unique(np.linspace(1, n_frames - 1, n_lags).round()) * INTERVAL_PS
    cell = np.broadcast_to(np.eye(3) * BOX_ANG, (n_frames, 3, 3))
    parser = Parser(
        scipp.array(dims=["time", "particle", "dimension"], values=positions / BOX_ANG),
        scipp.array(dims=["time", "dimension1", "dimension2"], values=cell, unit="angstrom"),
        time_step=scipp.scalar(INTERVAL_PS, unit="ps"),
        step_skip=scipp.scalar(1.0),
        dt=scipp.array(dims=["time interval"], values=lags, unit="ps"),
        specie_indices=scipp.array(dims=["particle"], values=np.arange(n_ions)),
        drift_indices=scipp.array(dims=["particle"], values=np.arange(0)),
    )
    fit = Diffusion(calculate_msd(parser, progress=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit.bayesian_regression(scipp.scalar(start_ps - 1e-6, unit="ps"), progress=False)
    return np.quantile(fit.gradient.values / 6, QUANTILES)


def timed(work, *arguments):
    begin = time.perf_counter()
    answer = work(*arguments)
    return answer, time.perf_counter() - begin


def report(name: str, quantiles: list, seconds: list, truth: float) -> None:
    """Print a line; stretched about its median by `stretch`, an interval covers 95 %."""
    low, middle, high = np.transpose(quantiles)
    below, above = (high < truth).mean(), (low > truth).mean()
    coverage = 1 - below - above
    error = np.sqrt(coverage * (1 - coverage) / len(low))
    side = np.where(truth > middle, high - middle, middle - low)
    stretch = np.quantile(abs(truth - middle) / side, 0.95)
    width = np.median(high - low) / truth
    print(
        f"  {name:28s} {len(low):5d} {coverage:8.1%} ±{error:5.1%} {below:8.1%} {above:8.1%}"
        f" {width:7.2f} {stretch:7.2f} {stretch * width:9.2f} {1000 * np.median(seconds):9.1f} ms",
        flush=True,
    )


def compare(kind: str, n_walks: int, n_kinisi: int) -> None:
    make, truth = DIFFUSING[kind]
    rng = np.random.default_rng(SEED)
    np.random.seed(SEED)  # noqa: NPY002  # kinisi's sampler
    answers = {"ours": [], "kinisi, log-log slope 1": [], "kinisi, our start": []}
    for walk in range(n_walks):
        positions = make(rng)
        found, seconds = timed(ours, positions)
        answers["ours"].append((our_quantiles(found), seconds))
        if walk < n_kinisi:
            starts = straight_start_ps(found.msd_ang2), found.fit_start_ps
            for name, start_ps in zip(list(answers)[1:], starts, strict=True):
                answers[name].append(timed(kinisi_quantiles, positions, start_ps))
    print(kind)
    for name, rows in answers.items():
        if rows:
            report(name, *zip(*rows, strict=True), truth)
    if n_kinisi:
        times = [np.median([seconds for _, seconds in rows]) for rows in answers.values()]
        print(
            f"  kinisi takes {times[1] / times[0]:.0f} and {times[2] / times[0]:.0f} times as long"
        )


def compare_large() -> None:
    """D with its posterior of one large walk."""
    rng = np.random.default_rng(SEED)
    for n_frames, n_ions in (400, 60), (2000, 200):
        positions = brownian(rng, n_frames, n_ions, 0.25)
        repeats = [timed(ours, positions) for _ in range(5)]
        our_seconds = np.median([seconds for _, seconds in repeats])
        print(f"{n_frames} x {n_ions}: {our_seconds:.4f} s", flush=True)
        for n_lags in (LAGS, n_frames - 1) if scipp else ():
            start_ps = repeats[0][0].fit_start_ps
            _, seconds = timed(kinisi_quantiles, positions, start_ps, n_lags)
            ratio = seconds / our_seconds
            print(f"  kinisi, {n_lags} intervals: {seconds:.2f} s, {ratio:.0f} times", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--walks", type=int, default=1000, help="walks of a kind by us")
    options.add_argument("--kinisi-walks", type=int, default=100, help="and by kinisi")
    asked = options.parse_args()
    if scipp is None:
        print("kinisi is not installed (`pip install kinisi==2.1.0`): ours alone")
    ours(brownian(np.random.default_rng(0), 1000, 24, 0.25))
    print("  width is (high - low) / D; stretched is the width at a coverage of 95 %")
    heads = "walks", "coverage", "too low", "too high", "width", "stretch", "stretched", "a walk"
    print("  {:28s} {:>5s} {:>15s} {:>8s} {:>8s} {:>7s} {:>7s} {:>9s} {:>12s}".format("", *heads))
    for kind in DIFFUSING:
        compare(kind, asked.walks, asked.kinisi_walks if scipp else 0)
    compare_large()


if __name__ == "__main__":
    main()
