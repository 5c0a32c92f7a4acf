"""Score twenty billion compositions, and some of them by scikit-learn in the same run.

Run as ``python benchmarks/compositions.py [threads]``: 75 elements, amounts up to 24, random
weights, 1,000 bins, the best 100,000 and the best of each system; two threads unless told.
The peer is a LogisticRegression's ``decision_function`` on the 29 columns of a few systems,
described by numpy beforehand or within the time, and by ``describe_composition`` of each.
Compilation is left out. Its log-odds are compared with our scores.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace

import numpy as np
from pymatgen.core import Composition
from sklearn.linear_model import LogisticRegression

from ionscout.compositions import (
    CompositionSpace,
    LinearCompositionModel,
    OxidationRules,
    Scoring,
    default_elements,
)
from ionscout.compositions.scores import UNIT
from ionscout.compositions.space import list_coprime
from ionscout.features.elemental import (
    COLUMNS,
    PROPERTIES,
    describe_composition,
    elemental_properties,
)

N_SYSTEMS, N_DESCRIBED = 8, 2000


def make_model(space: CompositionSpace, columns: tuple[str, ...]) -> LinearCompositionModel:
    """Weight each column by about one log-odds a standard deviation over the elements."""
    rng = np.random.default_rng(2019)
    spread = np.std([elemental_properties(symbol) for symbol in space.symbols], axis=0)
    scale = {name: 1 / s for name, s in zip(PROPERTIES, spread, strict=True)}
    weights = rng.normal(size=len(COLUMNS))
    chosen = {
        column: weight * scale.get(column.rsplit("_", 1)[0], 1.0)
        for column, weight in zip(COLUMNS, weights, strict=True)
        if column in columns
    }
    return LinearCompositionModel(chosen, -1.0)


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


def time_peer(space: CompositionSpace, scoring: Scoring) -> dict[str, float]:
    """Time scikit-learn; return compositions a second by what is in the time."""
    rng = np.random.default_rng(0)
    peer = LogisticRegression()
    peer.classes_ = np.array([False, True])
    peer.coef_ = np.array([[scoring.model.weights.get(column, 0.0) for column in COLUMNS]])
    peer.intercept_ = np.array([scoring.model.intercept])
    amounts = list_coprime(space.max_amount, 4)
    systems = [
        ("Li", *sorted(rng.choice(space.elements, 3, replace=False))) for _ in range(N_SYSTEMS)
    ]
    begin = time.perf_counter()
    described = [describe(system, amounts) for system in systems]
    described_at = time.perf_counter()
    log_odds = [peer.decision_function(x) for x in described]
    end = time.perf_counter()
    n = N_SYSTEMS * len(amounts)
    rows = [dict(zip(systems[0], map(int, amounts[i]), strict=True)) for i in range(N_DESCRIBED)]
    one_by_one = time.perf_counter()
    for row in rows:
        describe_composition(Composition(row))
    seconds = time.perf_counter() - one_by_one
    scores = np.array([scoring.score(row) for row in rows]) * UNIT
    difference = np.abs(scores - log_odds[0][:N_DESCRIBED]).max()
    print(f"largest difference of log-odds to scikit-learn's: {difference:.1e}")
    return {
        "features ready": n / (end - described_at),
        "featurised by numpy": n / (end - begin),
        "featurised one by one": N_DESCRIBED / (seconds + (end - described_at) * N_DESCRIBED / n),
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
    means = tuple(column for column in COLUMNS if column.endswith(("_mean", "_fraction")))
    deviations = tuple(column for column in COLUMNS if column.endswith("_deviation"))
    rates = {}
    for name, columns in (
        ("means", means),
        ("means and deviations", means + deviations),
        ("all 29 columns", COLUMNS),
    ):
        scoring = Scoring(make_model(space, columns), space)
        rates[name] = time_ours(name, scoring, n_threads)
    neutral = replace(scoring, rules=OxidationRules(space))
    rates["all 29 columns, neutral"] = time_ours("all 29 columns, neutral", neutral, n_threads)
    for peer, rate in time_peer(space, scoring).items():
        ratios = ", ".join(f"{ours / rate:,.0f} ({name})" for name, ours in rates.items())
        print(f"scikit-learn, {peer}: {rate:.2g} a second; ours as many times faster: {ratios}")


if __name__ == "__main__":
    main()
