"""Seconds a step of CHGNet: stock ASE calculator against Ionscout's trimmed path, in one run.

    python benchmarks/chgnet_step.py [--steps 10] [--threads 1]

Three crystals of 48, 108 and 192 atoms, thermally displaced. Both
calculators see the same positions, taken in turns so that a busy machine slows
both; the medians are printed with their ratio and the largest difference in force.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from chgnet.model.dynamics import CHGNetCalculator
from pymatgen.core import Lattice, Structure

from ionscout.config import DynamicsSettings
from ionscout.dynamics.engines import make_calculator, to_atoms


def make_crystals() -> dict[str, Atoms]:
    nitride = Structure.from_spacegroup(
        "P6/mmm",
        Lattice.hexagonal(3.65, 3.87),
        ["Li", "Li", "N"],
        [[0, 0, 0.5], [1 / 3, 2 / 3, 0], [0, 0, 0]],
    )
    sulfide = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.72), ["Li", "S"], [[0.25, 0.25, 0.25], [0, 0, 0]]
    )
    return {
        "Li2S": to_atoms(sulfide * (2, 2, 1)),
        "Li3N": to_atoms(nitride * (3, 3, 3)),
        "LiCl": bulk("LiCl", "rocksalt", a=5.13, cubic=True).repeat((4, 3, 2)),
    }


def time_both(atoms: Atoms, calculators: list, n_steps: int) -> tuple[np.ndarray, float]:
    """Return seconds a step, (2,), and the largest difference in force in eV/angstrom."""
    rng = np.random.default_rng(0)
    seconds, difference = [], 0.0
    for _ in range(n_steps + 1):
        moved = atoms.copy()
        moved.positions += rng.normal(scale=0.05, size=moved.positions.shape)
        forces, step = [], []
        for calculator in calculators:
            started = time.perf_counter()
            calculator.calculate(moved, ["energy", "forces"])
            step.append(time.perf_counter() - started)
            forces.append(np.asarray(calculator.results["forces"]))
        seconds.append(step)
        difference = max(difference, float(np.abs(forces[0] - forces[1]).max()))
    return np.median(seconds[1:], axis=0), difference


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10, help="steps timed for each crystal")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(options.threads)
    settings = DynamicsSettings(chgnet={"threads": options.threads})
    print("crystal  atoms  stock s/step  ours s/step  ratio  largest force difference eV/A")
    for name, atoms in make_crystals().items():
        stock = CHGNetCalculator(use_device="cpu")
        ours = make_calculator("chgnet", atoms, settings)
        (before, after), difference = time_both(atoms, [stock, ours], options.steps)
        print(
            f"{name:7s}  {len(atoms):5d}  {before:12.4f}  {after:11.4f}  {before / after:5.2f}"
            f"  {difference:.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
