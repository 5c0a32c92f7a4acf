"""Energy drift of CHGNet without a thermostat: Ionscout's fast path beside the stock calculator.

    python benchmarks/energy_drift.py [--ps 20] [--stock-ps 1] [--timestep-fs 2 1]
        [--crystals LiCl Li3N]

LiCl (64 atoms) and Li3N (48) start from the perfect crystal with velocities of twice 800 K,
of which about half becomes potential energy, and run by the same velocity Verlet as every
campaign. The total energy is fitted by a line: its change over the run is the drift, its
spread about the line the fluctuation. The stock calculator runs a shorter stretch from the
same start, and ours is fitted over that stretch too.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
import warnings

import crystals
import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from chgnet.model.dynamics import CHGNetCalculator

from ionscout.config import DynamicsSettings
from ionscout.dynamics.engines import make_calculator, to_atoms
from ionscout.dynamics.integrate import Bath, State, advance, kinetic_energy_ev

TEMPERATURE_K = 800.0


def make_crystals() -> dict[str, Atoms]:
    return {
        "LiCl": to_atoms(crystals.lithium_chloride() * 2),
        "Li3N": to_atoms(crystals.lithium_nitride() * (2, 2, 3)),
    }


def run_free(
    atoms: Atoms, calculator: Calculator, length_ps: float, timestep_fs: float
) -> np.ndarray:
    """Return total energy in eV and kinetic temperature in K of each step, shape (n_steps, 2)."""
    atoms = atoms.copy()
    atoms.calc = calculator
    bath = Bath(atoms.get_masses()[:, None], 2 * TEMPERATURE_K, np.random.default_rng(3))
    state = State(atoms.positions.copy(), bath.draw_velocities())

    def evaluate(positions_ang: np.ndarray) -> tuple[float, np.ndarray]:
        atoms.positions = positions_ang
        return float(atoms.get_potential_energy()), atoms.get_forces()

    _, forces = evaluate(state.positions_ang)
    rows = []
    for _ in range(round(1000 * length_ps / timestep_fs)):
        state, energy_ev, forces = advance(
            state,
            forces,
            evaluate,
            lambda velocities: velocities,
            masses_u=bath.masses_u,
            timestep_fs=timestep_fs,
        )
        kinetic_ev = kinetic_energy_ev(bath.masses_u, state.velocities_ang_fs)
        temperature_k = bath.kinetic_temperature_k(state.velocities_ang_fs)
        rows.append((energy_ev + kinetic_ev, temperature_k))
    return np.array(rows)


def describe(
    name: str, who: str, atoms: Atoms, rows: np.ndarray, seconds: float, timestep_fs: float
) -> str:
    """Return one line of the table."""
    energy_mev_atom = 1000 * rows[:, 0] / len(atoms)
    steps = np.arange(len(rows))
    slope, start = np.polyfit(steps, energy_mev_atom, 1)
    spread = np.std(energy_mev_atom - start - slope * steps)
    return (
        f"{name:7s}  {len(atoms):5d}  {who:5s}  {timestep_fs:2g}"
        f"  {len(rows) * timestep_fs / 1000:5.1f}"
        f"  {slope * len(rows):16.4f}  {spread:15.4f}  {rows[:, 1].mean():6.0f}"
        f"  {seconds / len(rows):8.4f}"
    )


def measure(name: str, length_ps: float, stock_ps: float, timestep_fs: float) -> None:
    """Print the lines of one crystal at one time step."""
    atoms = make_crystals()[name]
    started = time.perf_counter()
    ours = run_free(
        atoms, make_calculator("chgnet", atoms, DynamicsSettings()), length_ps, timestep_fs
    )
    seconds = time.perf_counter() - started
    print(describe(name, "ours", atoms, ours, seconds, timestep_fs), flush=True)
    if stock_ps == 0:
        return
    with contextlib.redirect_stdout(io.StringIO()):
        calculator = CHGNetCalculator(use_device="cpu")
    started = time.perf_counter()
    stock = run_free(atoms, calculator, stock_ps, timestep_fs)
    lasted = time.perf_counter() - started
    part = ours[: len(stock)]
    share = seconds * len(part) / len(ours)
    print(describe(name, "ours", atoms, part, share, timestep_fs), flush=True)
    print(describe(name, "stock", atoms, stock, lasted, timestep_fs), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ps", type=float, default=20.0, help="length of our runs")
    parser.add_argument("--stock-ps", type=float, default=1.0, help="length of the stock runs")
    parser.add_argument("--crystals", nargs="+", default=["LiCl", "Li3N"], help="which of them")
    parser.add_argument(
        "--timestep-fs", nargs="+", type=float, default=[2.0, 1.0], help="time steps"
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print("crystal  atoms  who    fs     ps  drift meV/atom   rms meV/atom    mean K  s/step")
    for name in options.crystals:
        for timestep_fs in options.timestep_fs:
            measure(name, options.ps, options.stock_ps, timestep_fs)


if __name__ == "__main__":
    main()
