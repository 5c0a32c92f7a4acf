"""Seconds a step of each engine: from the store, from a short trial, or guessed."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from pymatgen.core import Lattice, Structure

from ionscout.config import DynamicsSettings
from ionscout.dynamics.engines import (
    GPAW,
    LENNARD_JONES,
    open_calculator,
    reporting_faults,
    to_atoms,
)
from ionscout.dynamics.engines.gpaw import estimate_seconds_per_step
from ionscout.dynamics.records import EXTERNAL
from ionscout.errors import DynamicsError

TIMED_STEPS = 5
# Rabenau and Schulz, Journal of the Less-Common Metals 50, 155 (1976)
LI3N = Structure(
    Lattice.hexagonal(3.648, 3.875),
    ["Li", "Li", "Li", "N"],
    [[0, 0, 0.5], [1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0], [0, 0, 0]],
)


class Speeds:
    """Seconds a step of an engine: from the store, from a short trial, or guessed.

    Parameters
    ----------
    store_dir : Path
        The store of trajectories, which may not be there.
    settings : DynamicsSettings
    measure : callable, optional
        Times an engine's step, `measure_step`.
    """

    def __init__(
        self,
        store_dir: Path,
        settings: DynamicsSettings,
        measure: Callable[[str, Structure, DynamicsSettings], float] | None = None,
    ):
        self.settings, self.measure = settings, measure or measure_step
        self.stored = sorted(_stored_speeds(store_dir), key=lambda found: found[0])
        self.tried: dict[tuple[str, str], tuple[float | None, str]] = {}

    def find(
        self, engine: str, n_atoms: int, structure: Structure | None
    ) -> tuple[float | None, str]:
        """Return the core-seconds a step of a cell's runs, and where they are from.

        Parameters
        ----------
        engine : str
        n_atoms : int
        structure : Structure or None
            The cell, where it is known.

        Returns
        -------
        core_seconds : float or None
            None where nobody knows.
        source : str
        """
        if engine == EXTERNAL:
            return 0.0, "run elsewhere"
        same = [found for found in self.stored if found[1:3] == (engine, n_atoms)]
        if structure is not None:
            species = _count_elements(structure)
            own = [found for found in same if found[3] == species]
            if own:
                return own[-1][4] * _count_cores(engine, self.settings), "measured in its runs"
        if engine == GPAW:
            if same:
                cores = _count_cores(GPAW, self.settings)
                return same[-1][4] * cores, "measured in runs of as many atoms"
            n_ranks = self.settings.gpaw.ranks
            guess = n_ranks * estimate_seconds_per_step(n_atoms, n_ranks)
            return guess, "not measured: a guess, for 300 eV and the Gamma point"
        return self._try(engine, n_atoms, structure)

    def _try(
        self, engine: str, n_atoms: int, structure: Structure | None
    ) -> tuple[float | None, str]:
        """Time a few steps of the material's cell, or of a crystal of about its size."""
        source = "timed now"
        if structure is None:
            structure = make_standard_cell(n_atoms)
            source = f"timed now, on {len(structure)} atoms of Li3N"
        key = engine, structure.formula
        if key not in self.tried:
            try:
                with reporting_faults(engine):
                    seconds = self.measure(engine, structure, self.settings)
                self.tried[key] = seconds * n_atoms / len(structure), source
            except DynamicsError as error:
                self.tried[key] = None, str(error)
        return self.tried[key]


def measure_step(engine: str, structure: Structure, settings: DynamicsSettings) -> float:
    """Time an engine's step on a cell, on one thread.

    Parameters
    ----------
    engine : str
    structure : Structure
    settings : DynamicsSettings

    Returns
    -------
    float
        Seconds of processor time, which the machine's other work hardly changes: the median
        of a few, the first left out.

    Raises
    ------
    DynamicsError
        The engine is not installed or cannot run.
    """
    one_thread = settings.chgnet.model_copy(update={"threads": 1})
    atoms = to_atoms(structure)
    settings = settings.model_copy(update={"chgnet": one_thread})
    random, seconds = np.random.default_rng(0), []
    with open_calculator(engine, atoms, settings) as atoms.calc:
        for _ in range(TIMED_STEPS + 1):
            atoms.positions += random.normal(0, 0.01, atoms.positions.shape)
            started = time.process_time()
            atoms.get_forces()
            seconds.append(time.process_time() - started)
    return float(np.median(seconds[1:]))


def make_standard_cell(n_atoms: int) -> Structure:
    """Repeat Li3N to at most so many atoms, the shortest edge first."""
    counts = np.ones(3, dtype=int)
    while True:
        more = counts.copy()
        more[np.argmin(counts * LI3N.lattice.abc)] += 1
        if len(LI3N) * more.prod() > n_atoms:
            return LI3N * counts
        counts = more


def _stored_speeds(store_dir: Path) -> Iterator[tuple[float, str, int, Counter, float]]:
    """Read age, engine, atoms, elements and seconds a step of the runs in the store."""
    for path in store_dir.glob("*/speed.json"):
        try:
            seconds = json.loads(path.read_text())["seconds_per_step"]
            meta = json.loads((path.parent / "meta.json").read_text())
            species, engine = meta["species"], meta["engine"]
        except (OSError, ValueError, KeyError):
            continue
        yield path.stat().st_mtime, engine, len(species), Counter(species), seconds


def _count_elements(structure: Structure) -> Counter:
    return Counter(site.specie.symbol for site in structure)


def _count_cores(engine: str, settings: DynamicsSettings) -> int:
    """Return the cores that a run of an engine keeps busy."""
    if engine == GPAW:
        return settings.gpaw.ranks
    return 1 if engine == LENNARD_JONES else settings.chgnet.threads
