"""Runs killed at random moments beside runs that nobody disturbed.

    python benchmarks/kills.py [--kills 100] [--engines lennard-jones chgnet]

A run of each engine is started again and again in a child process and ended, in turns
with SIGKILL and with SIGTERM, after a random time, until it has been ended so often;
then it may finish. A run that is through before that is followed by another in a new
folder. All files of each trajectory have to equal, byte for byte, those of a run that
was never disturbed, and no whole segment may have been written twice.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import crystals

from ionscout.config import DynamicsSettings
from ionscout.dynamics.prepare import prepare_cell
from ionscout.dynamics.run import run_dynamics
from ionscout.errors import PausedError

LONGEST_S = {"lennard-jones": 0.5, "chgnet": 2.0}
PRODUCTION_PS = {"lennard-jones": 12.0, "chgnet": 4.0}


def make_run(engine: str) -> Callable[[Path], dict]:
    """Return a run of rock salt as a function of its store."""
    settings = DynamicsSettings(
        min_image_distance_ang=6 if engine == "lennard-jones" else 5,
        expansion_ps=0.4,
        equilibration_ps=0.4,
        production_ps=PRODUCTION_PS[engine],
        segment_ps=0.12 if engine == "lennard-jones" else 0.06,
    )
    cell = prepare_cell(
        crystals.lithium_chloride(), material_id="licl", engine=engine, settings=settings
    )
    # through JSON, as from one job to the next
    cell = json.loads(json.dumps(cell))

    def run(store_dir: Path) -> dict:
        return run_dynamics(cell, temperature_k=600, seed=1, settings=settings, store_dir=store_dir)

    return run


def end_after(run: Callable[[Path], dict], store_dir: Path, seconds: float, number: int) -> bool:
    """Start a run in a child process and end it; say whether it had finished before."""
    child = os.fork()
    if child == 0:
        try:
            run(store_dir)
            os._exit(0)
        except PausedError:
            os._exit(3)
    time.sleep(seconds)
    os.kill(child, number)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


def segments_of(store_dir: Path) -> dict[str, Path]:
    """Return the whole segments of the one run of a store."""
    paths = sorted(store_dir.glob("*/*.npz"))
    return {path.name: path for path in paths if not path.name.startswith(("open", "."))}


def run_with_kills(
    run: Callable[[Path], dict], store_dir: Path, kills: Iterator[tuple[float, int]]
) -> tuple[dict, int, int]:
    """Run to the end through kills; return the record, the kills and the segments written twice."""
    written: dict[str, int] = {}
    n_rewritten = n_killed = 0
    for seconds, number in kills:
        if end_after(run, store_dir, seconds, number):
            break
        n_killed += 1
        for name, path in segments_of(store_dir).items():
            modified = path.stat().st_mtime_ns
            n_rewritten += written.setdefault(name, modified) != modified
    return run(store_dir), n_killed, n_rewritten


def is_equal(killed: tuple[dict, Path], unbroken: tuple[dict, Path]) -> bool:
    """Say whether two runs, each a record and its store, are the same but for their speed."""
    records = [{**record, "seconds_per_step": None} for record, _ in (killed, unbroken)]
    files = [
        {name: path.read_bytes() for name, path in segments_of(store_dir).items()}
        for _, store_dir in (killed, unbroken)
    ]
    is_closed = not list(killed[1].glob("*/open*"))
    return is_closed and records[0] == records[1] and files[0] == files[1]


def kill_and_compare(engine: str, n_kills: int, folder: Path) -> str:
    """End runs so often, finish each and compare it with the unbroken one; return a line."""
    run, moments = make_run(engine), random.Random(0)
    unbroken = run(folder / "unbroken"), folder / "unbroken"
    n_runs = n_killed = n_rewritten = 0
    all_equal = True
    while n_killed < n_kills:
        store_dir = folder / f"killed-{n_runs}"
        kills = (
            (moments.uniform(0, LONGEST_S[engine]), signal.SIGTERM if i % 2 else signal.SIGKILL)
            for i in range(n_kills - n_killed)
        )
        record, killed, rewritten = run_with_kills(run, store_dir, kills)
        n_runs, n_killed, n_rewritten = n_runs + 1, n_killed + killed, n_rewritten + rewritten
        all_equal = all_equal and is_equal((record, store_dir), unbroken)
    return (
        f"{engine}: ended {n_killed} times in {n_runs} runs of {PRODUCTION_PS[engine]:g} ps and "
        f"{len(segments_of(unbroken[1]))} segments, {'equal' if all_equal else 'NOT EQUAL'}, "
        f"{n_rewritten} segments written twice"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="how often each run is ended")
    parser.add_argument("--engines", nargs="+", default=list(LONGEST_S), choices=list(LONGEST_S))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for engine in options.engines:
        with tempfile.TemporaryDirectory() as folder:
            print(kill_and_compare(engine, options.kills, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
