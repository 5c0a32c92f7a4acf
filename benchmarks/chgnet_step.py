"""Seconds a step of molecular dynamics with CHGNet: stock ASE calculator against Ionscout's.

    python benchmarks/chgnet_step.py [--steps 10] [--rounds 3] [--threads 1]

Li10GeP2S12 (50 atoms), Li3N (108) and Li7La3Zr2O12 (192) at 800 K and 1 fs, by the same
velocity Verlet. From one state the stock calculator makes some steps, then ours the same
ones, in turns so that a busy machine slows both; the medians of the steps are printed with
their ratio, and the largest errors in force of both: against the published model by its own
code, all in double precision, at positions of the run.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
import warnings

import crystals
import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.spacegroup import crystal
from chgnet.model.dynamics import CHGNetCalculator
from chgnet.model.model import BatchedGraph, CHGNet
from pymatgen.core import Structure

from ionscout.config import DynamicsSettings
from ionscout.dynamics.engines import make_calculator, to_atoms
from ionscout.dynamics.integrate import Bath, State, advance

TEMPERATURE_K = 800.0
TIMESTEP_FS = 1.0


def make_crystals() -> dict[str, Atoms]:
    """Make the crystals; where lithium has more sites than atoms, it takes distant ones."""
    sulfide = crystal(
        ["P", "P", "S", "S", "S"],
        [(0, 0.5, 0.69), (0, 0, 0.5), (0, 0.184, 0.408), (0, 0.297, 0.095), (0, 0.7, 0.791)],
        spacegroup=137,
        cellpar=[8.718, 8.718, 12.635, 90, 90, 90],
    )
    sulfide.symbols[[0, 1]] = "Ge"
    sulfide_lithium = crystal(
        ["Li", "Li", "Li"],
        [(0.257, 0.272, 0.183), (0, 0.5, 0.945), (0.247, 0.247, 0)],
        spacegroup=137,
        cell=sulfide.cell,
    )
    garnet = crystal(
        ["La", "Zr", "O"],
        [(0.125, 0, 0.25), (0, 0, 0), (-0.0318, 0.0548, 0.1495)],
        spacegroup=230,
        cellpar=[12.97, 12.97, 12.97, 90, 90, 90],
    )
    garnet_lithium = crystal(
        ["Li", "Li"], [(0.375, 0, 0.25), (0.097, 0.687, 0.577)], spacegroup=230, cell=garnet.cell
    )
    return {
        "Li10GeP2S12": sulfide + spread(sulfide_lithium, 20),
        "Li3N": to_atoms(crystals.lithium_nitride() * 3),
        "Li7La3Zr2O12": garnet + spread(garnet_lithium, 56),
    }


def spread(sites: Atoms, number: int) -> Atoms:
    """Return that many of the sites, each as far as can be from those before it."""
    distance_ang = sites.get_all_distances(mic=True)
    chosen = [0]
    while len(chosen) < number:
        chosen.append(int(distance_ang[chosen].min(axis=0).argmax()))
    return sites[chosen]


def run_free(
    atoms: Atoms, state: State, calculator: Calculator, n_steps: int
) -> tuple[State, np.ndarray, list[float]]:
    """Return the last state, its forces in eV/angstrom and the seconds of each step."""
    atoms = atoms.copy()
    atoms.calc = calculator

    def evaluate(positions_ang: np.ndarray) -> tuple[float, np.ndarray]:
        atoms.positions = positions_ang
        return float(atoms.get_potential_energy()), atoms.get_forces()

    _, forces = evaluate(state.positions_ang)
    seconds = []
    for _ in range(n_steps):
        started = time.perf_counter()
        state, _, forces = advance(
            state,
            forces,
            evaluate,
            lambda velocities: velocities,
            masses_u=atoms.get_masses()[:, None],
            timestep_fs=TIMESTEP_FS,
        )
        seconds.append(time.perf_counter() - started)
    return state, forces, seconds


def exact_forces(model: CHGNet, atoms: Atoms, positions_ang: np.ndarray) -> np.ndarray:
    """Return the stock model's forces in eV/angstrom, all in double precision."""
    scaled = np.linalg.solve(atoms.cell.array.T, positions_ang.T).T
    graph = model.graph_converter(Structure(atoms.cell.array, atoms.symbols, scaled))
    graph.lattice = torch.tensor(atoms.cell.array, requires_grad=True)
    graph.atom_frac_coord = torch.tensor(scaled, requires_grad=True)
    graph.neighbor_image = graph.neighbor_image.double()
    expansions = {
        "bond_basis_expansion": model.double().bond_basis_expansion,
        "angle_basis_expansion": model.angle_basis_expansion,
    }
    batch = BatchedGraph.from_graphs([graph], **expansions)
    forces = model._compute(batch, compute_force=True)["f"][0].detach().numpy()
    model.float()
    return forces


def compare(
    atoms: Atoms, stock: CHGNetCalculator, ours: Calculator, n_steps: int, n_rounds: int
) -> tuple[float, float, float, float]:
    """Return seconds a step of stock and ours, and their largest errors in force."""
    bath = Bath(atoms.get_masses()[:, None], TEMPERATURE_K, np.random.default_rng(1))
    state = State(atoms.positions.copy(), bath.draw_velocities())
    state, _, _ = run_free(atoms, state, ours, n_steps)
    before, after, stock_error, our_error = [], [], 0.0, 0.0
    for _ in range(n_rounds):
        end, forces, seconds = run_free(atoms, state, stock, n_steps)
        before += seconds
        state, _, seconds = run_free(atoms, state, ours, n_steps)
        after += seconds
        _, same, _ = run_free(atoms, end, ours, 0)
        exact = exact_forces(stock.model, atoms, end.positions_ang)
        stock_error = max(stock_error, float(np.abs(forces - exact).max()))
        our_error = max(our_error, float(np.abs(same - exact).max()))
    return float(np.median(before)), float(np.median(after)), stock_error, our_error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10, help="steps of each turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each calculator")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(options.threads)
    settings = DynamicsSettings(chgnet={"threads": options.threads})
    print("crystal       atoms  stock s/step  ours s/step  ratio  error of stock, ours eV/A")
    for name, atoms in make_crystals().items():
        with contextlib.redirect_stdout(io.StringIO()):
            stock = CHGNetCalculator(use_device="cpu")
        ours = make_calculator("chgnet", atoms, settings)
        before, after, *errors = compare(atoms, stock, ours, options.steps, options.rounds)
        print(
            f"{name:12s}  {len(atoms):5d}  {before:12.4f}  {after:11.4f}  {before / after:5.2f}"
            f"  {errors[0]:14.1e}, {errors[1]:.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
