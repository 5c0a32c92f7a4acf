"""Score twenty billion compositions, and some of them by scikit-learn in the same run.

Run as ``python benchmarks/compositions.py [threads]``: 75 elements, amounts up to 24, 1,000 bins,
the best 100,000 and the best of each system; two threads unless told. The models are linear
support-vector machines fitted to the bundled conductivities, over some of the 29 `elemental`
columns. The peer is scikit-learn's ``decision_function`` on the same columns of a few systems: of
the fitted pipeline (``StandardScaler``, ``SVC``), and of a ``LinearSVC`` with the same weights and
without scaling, the least that scikit-learn can do. The columns are ready, or described by
numpy or by ``describe_composition`` within the time. Compilation is left out. The log-odds of
the pipeline are compared with our scores.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace

import numpy as np
from pymatgen.core import Composition
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from ionscout.bundled.conductivities import measured_compositions
from ionscout.compositions import (
    CompositionSpace,
    LinearCompositionModel,
    OxidationRules,
    Scoring,
    default_elements,
)
from ionscout.compositions.scores import UNIT
from ionscout.compositions.space import list_coprime
from ionscout.features.elemental import COLUMNS, describe_composition, elemental_properties

N_SYSTEMS, N_DESCRIBED, N_BY_PIPELINE = 8, 2000, 200_000
FAST_S_CM = 1e-4


def fit_pipeline(columns: list[int]) -> Pipeline:
    """Fit the machine to the measured compositions, as a user of scikit-learn would."""
    measured = measured_compositions()
    rows = [describe_composition(Composition(formula)) for formula in measured["formula"]]
    x = np.array([[row[COLUMNS[i]] for i in columns] for row in rows])
    known = np.isfinite(x).all(axis=1)
    is_fast = measured["sigma_s_cm"].to_numpy() >= FAST_S_CM
    pipeline = make_pipeline(StandardScaler(), SVC(kernel="linear"))
    return pipeline.fit(x[known], is_fast[known])


def fold(pipeline: Pipeline) -> tuple[np.ndarray, float]:
    """Write the pipeline's decision as weights of the columns before scaling."""
    scaler, machine = pipeline[0], pipeline[1]
    weights = machine.coef_[0] / scaler.scale_
    return weights, float(machine.intercept_[0] - weights @ scaler.mean_)


def describe(symbols: tuple[str, ...], amounts: np.ndarray) -> np.ndarray:
    """Describe many compositions of a system, as `describe_composition` does one."""
    table = np.array([elemental_properties(symbol) for symbol in symbols])
    fractions = amounts / amounts.sum(axis=1, keepdims=True)
    mean = fractions @ table
    deviation = np.sqrt(
        sum(fractions[:, [i]] * (table[i] - mean) ** 2 for i in range(len(symbols)))
    )
    extremes = [np.broadcast_to(e, mean.shape) for e in (table.min(axis=0), table.max(axis=0))]
    columns = np.stack([mean, deviation, *extremes], axis=-1).reshape(len(amounts), -1)
    return np.column_stack([fractions[:, 0], columns])


def time_peers(scoring: Scoring, pipeline: Pipeline, columns: list[int]) -> dict[str, float]:
    """Time scikit-learn; return compositions a second by what is in the time."""
    space, rng = scoring.space, np.random.default_rng(0)
    linear = LinearSVC()
    linear.classes_ = np.array([False, True])
    weights, intercept = fold(pipeline)
    linear.coef_, linear.intercept_ = weights[None], np.array([intercept])
    amounts = list_coprime(space.max_amount, 4)
    systems = [
        ("Li", *sorted(rng.choice(space.elements, 3, replace=False))) for _ in range(N_SYSTEMS)
    ]
    times = [time.perf_counter()]
    described = [describe(system, amounts)[:, columns] for system in systems]
    times.append(time.perf_counter())
    for x in described:
        linear.decision_function(x)
    times.append(time.perf_counter())
    log_odds = pipeline.decision_function(described[0][:N_BY_PIPELINE])
    times.append(time.perf_counter())
    rows = [dict(zip(systems[0], map(int, amounts[i]), strict=True)) for i in range(N_DESCRIBED)]
    for row in rows:
        describe_composition(Composition(row))
    times.append(time.perf_counter())
    scores = np.array([scoring.score(row) for row in rows]) * UNIT
    print(f"  largest difference: {np.abs(scores - log_odds[:N_DESCRIBED]).max():.1e}")
    seconds = np.diff(times)
    n = N_SYSTEMS * len(amounts)
    by_numpy, by_linear, by_pipeline, one_by_one = seconds / [n, n, N_BY_PIPELINE, N_DESCRIBED]
    return {
        "LinearSVC, columns ready": 1 / by_linear,
        "LinearSVC, described by numpy": 1 / (by_linear + by_numpy),
        "LinearSVC, described one by one": 1 / (by_linear + one_by_one),
        "SVC, columns ready": 1 / by_pipeline,
        "SVC, described by numpy": 1 / (by_pipeline + by_numpy),
    }


def time_ours(name: str, scoring: Scoring, n_threads: int) -> float:
    """Time a scoring; return compositions a second."""
    small = CompositionSpace(scoring.space.elements[:12], 5)
    rules = scoring.rules and OxidationRules(small)
    for n_bins in (1, 1000):
        replace(scoring, space=small, rules=rules, n_bins=n_bins).score_shard(0)
    begin, busy = time.perf_counter(), time.process_time()
    found = scoring.score_shard(0, n_threads=n_threads)
    seconds, busy = time.perf_counter() - begin, time.process_time() - busy
    print(
        f"{name}: {found.n_scored:,} of {found.n_reduced:,} compositions in {seconds:.1f} s"
        f" ({busy:.1f} s of processors; load {os.getloadavg()[0]:.1f});"
        f" best {scoring.space.formula(found.top_codes[0])} {found.top_log_odds[0]:.3f}"
    )
    return found.n_scored / seconds


def main() -> None:
    n_threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    space = CompositionSpace(default_elements())
    for name, endings in (
        ("means", ("_fraction", "_mean")),
        ("means and deviations", ("_fraction", "_mean", "_deviation")),
        ("all 29 columns", ("",)),
    ):
        columns = [i for i, column in enumerate(COLUMNS) if column.endswith(endings)]
        pipeline = fit_pipeline(columns)
        model = LinearCompositionModel.from_linear_form(
            name, [COLUMNS[i] for i in columns], *fold(pipeline)
        )
        every = Scoring(model, space)
        neutral = replace(every, rules=OxidationRules(space))
        rates = {
            "all": time_ours(name, every, n_threads),
            "neutral": time_ours(f"{name}, neutral ones", neutral, n_threads),
        }
        for peer, rate in time_peers(every, pipeline, columns).items():
            ratios = ", ".join(f"{ours / rate:,.0f} ({kind})" for kind, ours in rates.items())
            print(f"  {peer}: {rate:.2g} a second; ours as many times faster: {ratios}")


if __name__ == "__main__":
    main()
