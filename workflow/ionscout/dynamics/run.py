"""One run of molecular dynamics and its record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ionscout.config import DynamicsSettings
from ionscout.dynamics.engines import reporting_faults
from ionscout.dynamics.records import empty_run
from ionscout.dynamics.runner import Runner
from ionscout.errors import DynamicsError


def run_dynamics(
    cell: dict[str, Any],
    *,
    temperature_k: float,
    replica: int = 0,
    seed: int,
    settings: DynamicsSettings,
    store_dir: Path | str,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Run molecular dynamics at constant temperature.

    Where `expansion_ps` is set, the lattice expands first at zero pressure. Then
    equilibration (Langevin) and production (stochastic velocity rescaling) go on at
    constant volume, segment by segment into the store, each with a fresh calculator. A
    run ends when its verdict is settled or its length is spent. One that was killed, or
    is asked for more time, goes on from its last whole segment and gives the same bytes
    as one that never stopped. What fails is told in the result, never raised.

    Parameters
    ----------
    cell : dict
        The content of `cell.json`.
    temperature_k : float
    replica : int
        Runs of one material and temperature differ in their random numbers alone.
    seed : int
        The campaign's seed; each run draws its own numbers from it.
    settings : DynamicsSettings
    store_dir : Path or str
        The store of trajectories.
    progress : callable, optional
        Gets a line at the end of each segment.

    Returns
    -------
    dict
        The content of `run.json`. `status` is finished, failed or not_run; the reason
        of a run that came apart begins with 'exploded: '. `verdict` is the run's own,
        None where it was too short for one; `stopped_by` is settled or length.

    Raises
    ------
    PausedError
        On SIGTERM or SIGINT, after a restart was written.
    StoreError
        The store cannot be written.
    """
    run = empty_run(
        cell,
        temperature_k=temperature_k,
        replica=replica,
        reason=f"the cell failed: {cell['reason']}",
    )
    if cell["status"] != "ready":
        return run
    try:
        with reporting_faults(cell["engine"]):
            runner = Runner(cell, temperature_k, replica, seed, settings, Path(store_dir), progress)
            run |= runner.describe()
            runner.go()
            run |= runner.summarise()
    except DynamicsError as error:
        return run | {"status": "failed", "reason": str(error)}
    return run | {"status": "finished", "reason": ""}
