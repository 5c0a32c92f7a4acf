"""Division of a shard among threads, and collection of what they find.

Memory does not depend on the number of compositions: threads keep a histogram and the best
compositions that they have seen, and take systems until none is left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from ionscout.compositions._means import count_reaching, search
from ionscout.compositions._neutral import sweep_groups
from ionscout.compositions._sweep import prepare_positions, sweep
from ionscout.compositions.neutrality import OxidationRules, solve
from ionscout.compositions.results import rank
from ionscout.compositions.scores import ScoreBins, SystemScores, prepare_systems
from ionscout.compositions.space import box_multiplicities, list_coprime

if TYPE_CHECKING:
    from ionscout.compositions.scoring import Scoring

Progress = Callable[[float], None]

_NO_SCORE = -(2**62)
_SYSTEMS_A_TASK = 128
_GROUPS_A_TASK = 16
_EDGES_A_TASK = 4


@dataclass(frozen=True)
class Kept:
    """What was found in some systems; the arrays are those of `ScoredCompositions`."""

    histogram: np.ndarray
    top_scores: np.ndarray
    top_codes: np.ndarray
    systems: np.ndarray
    system_counts: np.ndarray
    best_scores: np.ndarray
    best_codes: np.ndarray


class Tally:
    """Histogram and best compositions of one thread.

    Parameters
    ----------
    n_bins, n_top : int
    """

    def __init__(self, n_bins: int, n_top: int):
        self.histogram = np.zeros(n_bins, dtype=np.int64)
        self.scores = np.empty(n_top, dtype=np.int64)
        self.codes = np.empty(n_top, dtype=np.int64)
        self.size = np.zeros(1, dtype=np.int64)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """As the kernels take it."""
        return self.histogram, self.scores, self.codes, self.size


class Systems:
    """Systems with the best composition of each, and how many were scored.

    Parameters
    ----------
    systems : array of int, shape (n, 3)
    """

    def __init__(self, systems: np.ndarray):
        self.systems = np.ascontiguousarray(systems)
        self.counts = np.zeros(len(systems), dtype=np.int64)
        self.best_scores = np.full(len(systems), _NO_SCORE)
        self.best_codes = np.zeros(len(systems), dtype=np.int64)

    def best(self, part: slice) -> tuple[np.ndarray, np.ndarray]:
        """Best scores and codes of some, as the kernels take them."""
        return self.best_scores[part], self.best_codes[part]


def score_all(scoring: Scoring, pairs: np.ndarray, n_threads: int, progress: Progress) -> Kept:
    """Score every composition of a shard.

    Parameters
    ----------
    scoring : Scoring
    pairs : array of int, shape (n_pairs, 2)
    n_threads : int
    progress : callable

    Returns
    -------
    Kept
    """
    systems, tasks = _list_systems(scoring, pairs)

    def do(task: tuple[slice, np.ndarray], tally: Tally) -> None:
        part, amounts = task
        parts = prepare_systems(scoring.element_scores, systems.systems[part])
        sweep(
            amounts,
            systems.systems[part],
            _arrays_of(parts),
            prepare_positions(parts, scoring.bins),
            _limits(scoring.bins),
            tally.arrays,
            systems.best(part),
        )

    tallies = [_tally(scoring, systems) for _ in range(n_threads)]
    _share_out(tasks, do, tallies, progress)
    return _collect(scoring, tallies, systems)


def rank_means(scoring: Scoring, pairs: np.ndarray, n_threads: int, progress: Progress) -> Kept:
    """Find histogram and best compositions of a shard without scoring every one.

    Parameters
    ----------
    scoring : Scoring
        Of a model over means alone.
    pairs : array of int, shape (n_pairs, 2)
    n_threads : int
    progress : callable

    Returns
    -------
    Kept
    """
    systems, tasks = _list_systems(scoring, pairs)
    units, bins = scoring.element_scores.mean_units, scoring.bins
    boxes = np.array(list(box_multiplicities(scoring.space.max_amount).items()))
    reaching = np.zeros(bins.n_bins + 1, dtype=np.int64)
    reaching[0] = systems.counts.sum()

    def count(first: int, tally: Tally) -> None:
        for i in range(first, min(first + _EDGES_A_TASK, bins.n_bins)):
            edge = bins.lowest_units + i * bins.width_units
            reaching[i] = count_reaching(edge, units, pairs, boxes[:, 0], boxes[:, 1])

    tallies = [_tally(scoring, systems) for _ in range(n_threads)]
    edges = range(1, bins.n_bins, _EDGES_A_TASK)
    _share_out(edges, count, tallies, progress)
    tallies[0].histogram[:] = -np.diff(reaching)
    last = np.flatnonzero(reaching >= len(tallies[0].scores))[-1]
    least = bins.lowest_units + last * bins.width_units

    def find(task: tuple[slice, np.ndarray], tally: Tally) -> None:
        part, _ = task
        side = scoring.space.max_amount
        search(units, systems.systems[part], side, least, tally.arrays, systems.best(part))

    _share_out(tasks, find, tallies, lambda share: None)
    return _collect(scoring, tallies, systems)


def score_neutral(
    scoring: Scoring,
    rules: OxidationRules,
    pairs: np.ndarray,
    n_threads: int,
    progress: Progress,
) -> Kept:
    """Score the neutral compositions of a shard.

    Parameters
    ----------
    scoring : Scoring
    rules : OxidationRules
    pairs : array of int, shape (n_pairs, 2)
    n_threads : int
    progress : callable

    Returns
    -------
    Kept
    """
    groups = rules.group(pairs)
    amounts = solve(groups, scoring.space.max_amount)
    systems = Systems(groups.systems)
    parts = prepare_systems(scoring.element_scores, systems.systems)
    positions = prepare_positions(parts, scoring.bins)
    grouped = groups.class_rows, groups.class_ends, systems.systems, groups.system_ends

    def do(first: int, tally: Tally) -> None:
        sweep_groups(
            first,
            min(first + _GROUPS_A_TASK, len(groups.system_ends)),
            grouped,
            (amounts.ternary, amounts.quaternary, amounts.masks),
            _arrays_of(parts),
            positions,
            _limits(scoring.bins),
            tally.arrays,
            systems.best(slice(None)),
            systems.counts,
        )

    tallies = [Tally(scoring.n_bins, scoring.n_top) for _ in range(n_threads)]
    tasks = range(0, len(groups.system_ends), _GROUPS_A_TASK)
    _share_out(tasks, do, tallies, progress)
    return _collect(scoring, tallies, systems)


def _list_systems(
    scoring: Scoring, pairs: np.ndarray
) -> tuple[Systems, list[tuple[slice, np.ndarray]]]:
    """List a shard's systems, and tasks: which of them, and the amounts to score in them."""
    kinds = scoring.space.systems(pairs)
    systems = Systems(np.concatenate(kinds))
    tasks, first = [], 0
    for kind, n_elements in zip(kinds, (3, 4), strict=True):
        amounts = list_coprime(scoring.space.max_amount, n_elements)
        end = first + len(kind)
        systems.counts[first:end] = len(amounts)
        for begin in range(first, end, _SYSTEMS_A_TASK):
            tasks.append((slice(begin, min(begin + _SYSTEMS_A_TASK, end)), amounts))
        first = end
    return systems, tasks


def _tally(scoring: Scoring, systems: Systems) -> Tally:
    return Tally(scoring.n_bins, min(scoring.n_top, int(systems.counts.sum())))


def _share_out(
    tasks: Iterable, do: Callable[..., None], tallies: list[Tally], progress: Progress
) -> None:
    """Do tasks in as many threads as there are tallies; stop at once when one fails."""
    waiting = deque(tasks)
    n_tasks, n_done, lock = len(waiting), 0, Lock()

    def work(tally: Tally) -> None:
        nonlocal n_done
        while True:
            try:
                task = waiting.popleft()
            except IndexError:
                return
            do(task, tally)
            with lock:
                n_done += 1
                progress(n_done / n_tasks)

    with ThreadPoolExecutor(len(tallies)) as pool:
        try:
            for finished in [pool.submit(work, tally) for tally in tallies]:
                finished.result()
        finally:
            waiting.clear()


def _collect(scoring: Scoring, tallies: list[Tally], systems: Systems) -> Kept:
    """Put together what threads kept; systems in rising order, those without any left out."""
    scores = np.concatenate([tally.scores[: tally.size[0]] for tally in tallies])
    codes = np.concatenate([tally.codes[: tally.size[0]] for tally in tallies])
    top = rank(scores, codes)[: scoring.n_top]
    order = np.lexsort(systems.systems.T[::-1])
    order = order[systems.counts[order] > 0]
    return Kept(
        histogram=np.sum([tally.histogram for tally in tallies], axis=0),
        top_scores=scores[top],
        top_codes=codes[top],
        systems=systems.systems[order],
        system_counts=systems.counts[order],
        best_scores=systems.best_scores[order],
        best_codes=systems.best_codes[order],
    )


def _arrays_of(parts: SystemScores) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return parts.mean_units, parts.squares, parts.weights


def _limits(bins: ScoreBins) -> tuple[int, int, int]:
    return bins.lowest_units, bins.width_units, bins.n_bins
