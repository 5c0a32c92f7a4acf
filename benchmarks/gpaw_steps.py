"""GPAW's molecular dynamics: our overhead, its forces, and the drift of the conserved energy.

    python benchmarks/gpaw_steps.py [--crystal LiCl] [--steps 40] [--ps 1] [--ranks 2 --python PATH]

LiCl (8 atoms) or Li3N (16), 800 K, 2 fs a step, at the default settings:

- seconds a step of our molecular dynamics, and of bare GPAW calls on the same positions in
  turn with it: all that is not GPAW is overhead;
- the largest difference of the last forces from those of a fresh GPAW;
- with `--ps`, a run as a campaign makes it, of that length: its speed, temperature and the
  drift of the conserved energy (the total less the heat from the thermostat).

With `--ranks` on MPI ranks, with the GPAW of the interpreter `--python`.
"""

from __future__ import annotations

import argparse
import tempfile
import time

import crystals
import numpy as np
from ase import Atoms
from gpaw import GPAW

from ionscout.config import DynamicsSettings
from ionscout.dynamics.engines import open_calculator, to_atoms, to_structure
from ionscout.dynamics.engines.gpaw import choose_parameters
from ionscout.dynamics.forces import Forces
from ionscout.dynamics.integrate import Bath, State, advance, velocity_rescaling
from ionscout.dynamics.run import run_dynamics

TEMPERATURE_K = 800
TIMESTEP_FS = 2.0


def make_crystals() -> dict[str, Atoms]:
    return {
        "LiCl": to_atoms(crystals.lithium_chloride()),
        "Li3N": to_atoms(crystals.lithium_nitride() * (2, 2, 1)),
    }


def measure_overhead(crystal: Atoms, settings: DynamicsSettings, n_steps: int) -> None:
    """Make some steps, and bare GPAW calls in turn with them, so that a busy machine slows both."""
    plain = crystal.copy()
    parameters = choose_parameters(settings.gpaw, crystal.symbols)
    plain.calc = GPAW(**parameters, txt=None)
    masses_u = crystal.get_masses()[:, None]
    bath = Bath(masses_u, TEMPERATURE_K, np.random.default_rng(0))
    state = State(crystal.positions.copy(), bath.draw_velocities())
    thermostat = velocity_rescaling(bath, time_ps=0.2, timestep_fs=TIMESTEP_FS)
    ours, bare = [], []
    with open_calculator("gpaw", crystal, settings) as calculator:
        forces = Forces(crystal, calculator, 1.0)
        _, pull = forces.evaluate(state.positions_ang)
        plain.get_forces()
        for _ in range(n_steps):
            started = time.perf_counter()
            state, _, pull = advance(
                state, pull, forces.evaluate, thermostat, masses_u=masses_u, timestep_fs=TIMESTEP_FS
            )
            ours.append(time.perf_counter() - started)
            started = time.perf_counter()
            plain.positions = state.positions_ang
            plain.get_forces()
            bare.append(time.perf_counter() - started)
    fresh = plain.copy()
    fresh.calc = GPAW(**parameters, txt=None)
    difference = np.abs(fresh.get_forces() - pull).max()
    print(
        f"{n_steps} steps: {np.median(ours):.3f} s a step, bare GPAW on one rank"
        f" {np.median(bare):.3f}; median ratio {np.median(np.array(ours) / bare):.3f};"
        f" forces {difference:.1e} eV/A from a fresh GPAW's",
        flush=True,
    )


def run_long(name: str, crystal: Atoms, settings: DynamicsSettings) -> None:
    """Make a run as a campaign does."""
    with open_calculator("gpaw", crystal, settings) as crystal.calc:
        energy_ev_atom = crystal.get_potential_energy() / len(crystal)
    cell = {
        "material_id": name,
        "engine": "gpaw",
        "status": "ready",
        "reason": "",
        "structure": to_structure(crystal).as_dict(),
        "energy_ev_atom": energy_ev_atom,
        "charge_e": 0.0,
    }
    with tempfile.TemporaryDirectory() as store_dir:
        run = run_dynamics(
            cell,
            temperature_k=TEMPERATURE_K,
            seed=1,
            settings=settings,
            store_dir=store_dir,
            progress=lambda line: print(f"  {line}", flush=True),
        )
    if run["status"] != "finished":
        print(f"  {run['status']}: {run['reason']}")
        return
    print(
        f"  {run['production_ps']:g} ps: {run['seconds_per_step']:.3f} s a step, "
        f"{run['mean_temperature_k']:.0f} K, conserved energy drifts by "
        f"{run['energy_drift_mev_atom_ps']:+.3f} meV/atom/ps",
        flush=True,
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crystal", choices=["LiCl", "Li3N"], default="LiCl")
    parser.add_argument("--steps", type=int, default=40, help="steps beside bare GPAW calls")
    parser.add_argument("--ps", type=float, default=0.0, help="length of a whole run")
    parser.add_argument("--kpoint-density", type=float, default=1.5, help="0 is Gamma alone")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--python", help="interpreter of a GPAW built with MPI")
    chosen = parser.parse_args()
    crystal = make_crystals()[chosen.crystal]
    settings = DynamicsSettings(
        equilibration_ps=min(0.1, chosen.ps),
        production_ps=chosen.ps or 1.0,
        segment_ps=0.1,
        frame_interval_fs=10.0,
        gpaw={
            "kpoint_density_ang": chosen.kpoint_density,
            "ranks": chosen.ranks,
            "python": chosen.python,
        },
    )
    print(f"{chosen.crystal}, {len(crystal)} atoms, {chosen.ranks} rank(s)", flush=True)
    if chosen.steps:
        moved = crystal.copy()
        moved.rattle(0.05, seed=0)
        measure_overhead(moved, settings, chosen.steps)
    if chosen.ps:
        run_long(chosen.crystal, crystal, settings)


if __name__ == "__main__":
    main()
