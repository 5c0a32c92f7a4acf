"""Work on many crystals by several processes, with the same result as by one."""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from threadpoolctl import threadpool_limits

from ionscout.errors import CampaignError
from ionscout.job import end_with_parent

Task = TypeVar("Task")
Result = TypeVar("Result")

_TASKS_AT_ONCE = 4


def work_through(
    function: Callable[[Task], Result], tasks: Sequence[Task], n_workers: int
) -> Iterator[Result]:
    """Apply a function to tasks by a pool of processes.

    Linear algebra has one thread, in the pool and without one: its sums, and
    so the last digits, would depend on their number.

    Parameters
    ----------
    function : callable
        Of a module, so that the processes can find it; must not raise.
    tasks : sequence
    n_workers : int

    Yields
    ------
    Result
        In the order of the tasks.

    Raises
    ------
    CampaignError
        When a process of the pool dies.
    """
    os.environ.setdefault("SPGLIB_WARNING", "OFF")  # it tells the terminal of each attempt
    n_workers = min(n_workers, len(tasks))
    if n_workers <= 1:
        with threadpool_limits(1):
            yield from map(function, tasks)
        return
    # Snakemake runs scripts as files that must not be imported again: no spawn.
    context = multiprocessing.get_context("fork")
    try:
        with ProcessPoolExecutor(n_workers, context, initializer=_start_worker) as pool:
            yield from pool.map(function, tasks, chunksize=_TASKS_AT_ONCE)
    except BrokenProcessPool:
        raise CampaignError(
            "structures: a process of the curation was killed, perhaps for its memory; run again "
            "with more memory or fewer threads: what was curated so far is kept"
        ) from None


def _start_worker() -> None:
    end_with_parent()
    warnings.simplefilter("ignore")
    threadpool_limits(1)
