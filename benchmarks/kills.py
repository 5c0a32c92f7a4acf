"""Runs killed at random moments beside runs that nobody disturbed.

    python benchmarks/kills.py [--kills 100] [--engines lennard-jones chgnet]

A run of each engine is started again and again in a child process and ended, in turns
with SIGKILL and with SIGTERM, after a random time, until it has been ended so often;
then it may finish. All files of its trajectory have to equal, byte for byte, those of a
run of the same length that was never disturbed, and no whole segment may have been
written twice.
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
from collections.abc import Callable
from pathlib import Path

from pymatgen.core import Lattice, Structure

from ionscout.config import DynamicsSettings
from ionscout.dynamics.prepare import prepare_cell
from ionscout.dynamics.run import run_dynamics
from ionscout.errors import PausedError

LONGEST_S = {"lennard-jones": 0.5, "chgnet": 2.0}
PS_PER_KILL = {"lennard-jones": 0.6, "chgnet": 0.2}


def make_run(engine: str, n_kills: int) -> Callable[[Path], dict]:
    """Return a run of rock salt, long enough to be ended so often, as a function of its store."""
    crystal = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    settings = DynamicsSettings(
        min_image_distance_ang=6 if engine == "lennard-jones" else 5,
        expansion_ps=0.4,
        equilibration_ps=0.4,
        production_ps=max(2.0, n_kills * PS_PER_KILL[engine]),
        segment_ps=0.12 if engine == "lennard-jones" else 0.06,
    )
    cell = prepare_cell(crystal, material_id="licl", engine=engine, settings=settings)
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


def kill_and_compare(engine: str, n_kills: int, folder: Path) -> str:
    """End a run so often, finish it and compare it with the unbroken one; return a line."""
    run, moments = make_run(engine, n_kills), random.Random(0)
    written: dict[str, int] = {}
    rewritten = n_done = 0
    while n_done < n_kills:
        number = signal.SIGTERM if n_done % 2 else signal.SIGKILL
        if end_after(run, folder / "killed", moments.uniform(0, LONGEST_S[engine]), number):
            break
        n_done += 1
        for name, path in segments_of(folder / "killed").items():
            modified = path.stat().st_mtime_ns
            rewritten += written.setdefault(name, modified) != modified
    killed, unbroken = run(folder / "killed"), run(folder / "unbroken")
    first, second = (segments_of(folder / name) for name in ("killed", "unbroken"))
    same = list(first) == list(second) and all(
        first[name].read_bytes() == second[name].read_bytes() for name in first
    )
    no_open = not list((folder / "killed").glob("*/open*"))
    equal = (
        same
        and no_open
        and {**killed, "seconds_per_step": None}
        == {
            **unbroken,
            "seconds_per_step": None,
        }
    )
    return (
        f"{engine}: ended {n_done} times in {killed['production_ps']:g} ps of {len(first)} "
        f"segments, {'equal' if equal else 'NOT EQUAL'}, {rewritten} segments written twice"
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
