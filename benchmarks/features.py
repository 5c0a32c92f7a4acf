"""Time the modified diffraction pattern beside pymatgen's XRDCalculator, on one core.

Run as ``python benchmarks/features.py [directory of CIF files]``. Without a directory,
random anion lattices of 24 sites are used. Ours is timed from the crystal to the
smeared pattern, pymatgen's on the ready anion lattice up to its peaks. The five
descriptors of Sendek's model are timed along. Compilation is left out.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import sys
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from pymatgen.analysis.diffraction.xrd import XRDCalculator
from pymatgen.core import Lattice, Structure

from ionscout.errors import FeatureError
from ionscout.features import get_set
from ionscout.features.mxrd import anion_lattice

N_RANDOM = 50
REPEATS = 3


def random_crystals() -> list[Structure]:
    rng = np.random.default_rng(2026)
    species = ["Li+"] * 16 + ["P5+"] * 4 + ["S2-"] * 24
    lattices = [
        Lattice.from_parameters(*rng.uniform(8, 12, 3), *rng.uniform(80, 100, 3))
        for _ in range(N_RANDOM)
    ]
    return [Structure(lattice, species, rng.random((len(species), 3))) for lattice in lattices]


def read_crystals(directory: Path) -> list[Structure]:
    crystals = []
    for path in sorted(directory.glob("*.cif")):
        crystal = Structure.from_file(path)
        try:
            anion_lattice(crystal)
        except FeatureError as error:
            print(f"{path.name}: left out, {error}")
        else:
            crystals.append(crystal)
    return crystals


def sulfur_lattice(crystal: Structure) -> Structure:
    cell = anion_lattice(crystal)
    return Structure(Lattice(cell.lattice_ang), ["S"] * len(cell.frac_coords), cell.frac_coords)


def milliseconds_each(work: Callable, items: Iterable) -> float:
    """Processor time of the best of some passes over the items, after a first one that compiles."""
    items = list(items)
    work(items[0])
    passes = []
    for _ in range(REPEATS):
        start = time.process_time()
        for item in items:
            work(item)
        passes.append(time.process_time() - start)
    return 1e3 * min(passes) / len(items)


def main() -> None:
    warnings.simplefilter("ignore")
    crystals = read_crystals(Path(sys.argv[1])) if len(sys.argv) > 1 else random_crystals()
    lattices = [sulfur_lattice(crystal) for crystal in crystals]
    median = int(np.median([len(lattice) for lattice in lattices]))
    pymatgen_ms = milliseconds_each(XRDCalculator(wavelength=1.54184).get_pattern, lattices)
    mxrd_ms = milliseconds_each(get_set("mxrd").describe, crystals)
    sendek_ms = milliseconds_each(get_set("sendek").describe, crystals)
    print(f"{len(crystals)} anion lattices, {median} sites in the median, one core")
    print(f"pymatgen XRDCalculator  {pymatgen_ms:8.3f} ms a structure")
    print(f"ionscout mxrd           {mxrd_ms:8.3f} ms a structure")
    print(f"ionscout sendek         {sendek_ms:8.3f} ms a structure")
    print(f"mxrd is {pymatgen_ms / mxrd_ms:.0f} times as fast a core")


if __name__ == "__main__":
    main()
