"""One run of molecular dynamics, restartable to the bit."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from pymatgen.core import Structure

from ionscout.config import DynamicsSettings
from ionscout.dynamics import store
from ionscout.dynamics.engines import (
    GPAW,
    engine_version,
    make_calculator,
    reporting_faults,
    to_atoms,
)
from ionscout.dynamics.health import Health
from ionscout.dynamics.integrate import (
    Bath,
    State,
    Thermostat,
    advance,
    langevin,
    velocity_rescaling,
)
from ionscout.dynamics.plan import make_plan
from ionscout.errors import DynamicsError

RUN_VERSION = 1
EQUILIBRATION_FRICTION_PER_PS = 10.0

Progress = Callable[[str], None]


def run_dynamics(
    cell: dict[str, Any],
    *,
    temperature_k: float,
    seed: int,
    settings: DynamicsSettings,
    store_dir: Path | str,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run molecular dynamics at constant volume and temperature.

    Equilibration (Langevin) and production (stochastic velocity rescaling) go
    segment by segment into the store, each with a fresh calculator. A run that
    was killed, or is asked for more time, goes on from its last whole segment and
    gives the same bytes as one that never stopped. What fails is told in the
    result, never raised.

    Parameters
    ----------
    cell : dict
        The content of `cell.json`.
    temperature_k : float
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
        The content of `run.json`. `status` is finished, failed or not_run; the
        reason of a run that came apart begins with 'exploded: '.
    """
    run = {
        "material_id": cell["material_id"],
        "temperature_k": temperature_k,
        "status": "not_run",
        "reason": f"the cell failed: {cell['reason']}",
        "engine": cell["engine"],
        "engine_version": None,
        "key": None,
        "timestep_fs": None,
        "frame_interval_fs": None,
        "equilibration_ps": None,
        "production_ps": None,
        "n_frames": 0,
        "seconds_per_step": None,
        "mean_temperature_k": None,
    }
    if cell["status"] != "ready":
        return run
    try:
        with reporting_faults(cell["engine"]):
            runner = Runner(cell, temperature_k, seed, settings, Path(store_dir), progress)
            run |= runner.describe()
            runner.go()
            run |= runner.summarise(settings.production_ps)
    except DynamicsError as error:
        return run | {"status": "failed", "reason": str(error)}
    return run | {"status": "finished", "reason": ""}


class Runner:
    """A run and its place in the store.

    Parameters
    ----------
    cell : dict
        The content of `cell.json`, ready.
    temperature_k : float
    seed : int
    settings : DynamicsSettings
    store_dir : Path
    progress : callable, optional

    Raises
    ------
    DynamicsError
        The engine cannot run, or there are fewer than two atoms.
    """

    def __init__(
        self,
        cell: dict[str, Any],
        temperature_k: float,
        seed: int,
        settings: DynamicsSettings,
        store_dir: Path,
        progress: Progress | None,
    ):
        self.name = f"{cell['material_id']} {temperature_k:g} K"
        self.engine, self.version = cell["engine"], engine_version(cell["engine"])
        self.settings, self.progress = settings, progress or (lambda line: None)
        self.atoms = to_atoms(Structure.from_dict(cell["structure"]))
        if len(self.atoms) < 2:
            raise DynamicsError("molecular dynamics needs at least two atoms in the cell")
        self.masses_u = self.atoms.get_masses()[:, None]
        self.plan = make_plan(self.masses_u, settings)
        self.temperature_k = temperature_k
        self.health = Health(
            self.atoms.numbers, self.atoms.cell.array, temperature_k, cell["energy_ev_atom"]
        )
        self.content = self._content(seed)
        self.key = store.make_key(self.content)
        self.folder = store_dir / self.key
        self.seconds: list[float] = []

    def _content(self, seed: int) -> dict[str, Any]:
        """Return all that decides the trajectory; its length is left out."""
        settings, plan = self.settings, self.plan
        return {
            "run_version": RUN_VERSION,
            "species": list(self.atoms.symbols),
            "positions_ang": self.atoms.positions.tolist(),
            "cell_ang": self.atoms.cell.array.tolist(),
            "engine": self.engine,
            "engine_version": self.version,
            "engine_settings": (
                settings.gpaw.model_dump(exclude={"ranks"}) if self.engine == GPAW else {}
            ),
            "temperature_k": self.temperature_k,
            "seed": seed,
            "timestep_fs": plan.timestep_fs,
            "frame_interval_fs": plan.frame_interval_fs,
            "frames_per_segment": plan.frames_per_segment,
            "equilibration_frames": plan.equilibration_frames,
            "equilibration_friction_per_ps": EQUILIBRATION_FRICTION_PER_PS,
            "thermostat_time_ps": settings.thermostat_time_ps,
        }

    def describe(self) -> dict[str, Any]:
        """Return the columns of `run.json` that are known before the run."""
        plan = self.plan
        return {
            "engine_version": self.version,
            "key": self.key,
            "timestep_fs": plan.timestep_fs,
            "frame_interval_fs": plan.frame_interval_fs,
            "equilibration_ps": plan.to_ps(plan.equilibration_frames),
        }

    def summarise(self, production_ps: float) -> dict[str, Any]:
        """Return the columns of `run.json` that are known after the run."""
        trajectory = store.load_trajectory(self.folder.parent, self.key, production_ps)
        n_frames = len(trajectory.positions_ang)
        return {
            "n_frames": n_frames,
            "production_ps": self.plan.to_ps(n_frames),
            "seconds_per_step": self._seconds_per_step(),
            "mean_temperature_k": float(trajectory.kinetic_temperature_k.mean()),
        }

    def go(self) -> None:
        """Run what is missing in the store."""
        wait = f"{self.name}: another process runs it already, waiting for it"
        with store.lock(self.folder, on_wait=lambda: self.progress(wait)):
            store.remove_drafts(self.folder)
            meta = self.folder / "meta.json"
            if not meta.exists():
                store.write_atomically(meta, json.dumps(self.content).encode())
            self._run_missing()

    def _run_missing(self) -> None:
        last, missing = self._find_missing()
        bath = Bath(self.masses_u, self.temperature_k, np.random.default_rng(int(self.key, 16)))
        if last is None:
            state = State(self.atoms.positions.copy(), bath.draw_velocities())
        else:
            state = State(last.end_positions_ang, last.end_velocities_ang_fs)
            bath.random.bit_generator.state = json.loads(str(last.end_random))
        left = sum(n_frames for _, _, n_frames in missing)
        for phase, index, n_frames in missing:
            started = time.perf_counter()
            segment = self._run_segment(state, bath, phase, n_frames)
            store.write_segment(store.segment_path(self.folder, phase, index), segment)
            state = State(segment.end_positions_ang, segment.end_velocities_ang_fs)
            seconds = time.perf_counter() - started
            left -= n_frames
            self._record_time(seconds / (n_frames * self.plan.steps_per_frame))
            self.progress(self._progress_line(phase, index, n_frames, left, seconds))

    def _find_missing(self) -> tuple[store.Segment | None, list[tuple[str, int, int]]]:
        """Return the last whole segment, and phase, index and frames of those to run."""
        missing: list[tuple[str, int, int]] = []
        for phase, lengths in reversed(self.plan.phases):
            done = store.read_whole_segments(self.folder, phase, len(lengths))
            rest = [(phase, i, n) for i, n in enumerate(lengths)][len(done) :]
            missing = rest + missing
            if done:
                return done[-1], missing
        return None, missing

    def _run_segment(self, state: State, bath: Bath, phase: str, n_frames: int) -> store.Segment:
        """Run one segment with a fresh calculator, so that it depends on its start alone."""
        atoms = Atoms(self.atoms.symbols, cell=self.atoms.cell, pbc=True)
        atoms.calc = make_calculator(
            self.engine, self.atoms, self.settings, log_path=self.folder / f"{self.engine}.log"
        )

        def evaluate(positions_ang: np.ndarray) -> tuple[float, np.ndarray]:
            atoms.positions = positions_ang
            return float(atoms.get_potential_energy()), atoms.get_forces()

        thermostat = self._thermostat(bath, phase)
        frames, temperatures_k, energies_ev = [], [], []
        _, forces = evaluate(state.positions_ang)
        for _ in range(n_frames):
            for _ in range(self.plan.steps_per_frame):
                state, energy_ev, forces = advance(
                    state,
                    forces,
                    evaluate,
                    thermostat,
                    masses_u=self.masses_u,
                    timestep_fs=self.plan.timestep_fs,
                )
            temperature_k = bath.kinetic_temperature_k(state.velocities_ang_fs)
            self.health.check(state.positions_ang, temperature_k, energy_ev)
            frames.append(state.positions_ang.astype(np.float32))
            temperatures_k.append(temperature_k)
            energies_ev.append(energy_ev)
        return store.Segment(
            positions_ang=np.array(frames),
            kinetic_temperature_k=np.array(temperatures_k),
            potential_energy_ev=np.array(energies_ev),
            end_positions_ang=state.positions_ang,
            end_velocities_ang_fs=state.velocities_ang_fs,
            end_random=np.array(json.dumps(bath.random.bit_generator.state)),
        )

    def _thermostat(self, bath: Bath, phase: str) -> Thermostat:
        timestep_fs = self.plan.timestep_fs
        if phase == store.EQUILIBRATION:
            friction = EQUILIBRATION_FRICTION_PER_PS
            return langevin(bath, friction_per_ps=friction, timestep_fs=timestep_fs)
        time_ps = self.settings.thermostat_time_ps
        return velocity_rescaling(bath, time_ps=time_ps, timestep_fs=timestep_fs)

    def _record_time(self, seconds_per_step: float) -> None:
        """Keep the speed beside the segments: their bytes hold nothing that varies."""
        self.seconds.append(seconds_per_step)
        content = json.dumps({"seconds_per_step": float(np.median(self.seconds))})
        store.write_atomically(self.folder / "speed.json", content.encode())

    def _seconds_per_step(self) -> float | None:
        """Return the speed of the last process that ran a segment, None where it is lost."""
        try:
            return json.loads((self.folder / "speed.json").read_text())["seconds_per_step"]
        except (OSError, ValueError, KeyError):
            return None

    def _progress_line(
        self, phase: str, index: int, n_frames: int, left: int, seconds: float
    ) -> str:
        lengths = dict(self.plan.phases)[phase]
        done_ps, total_ps = (
            self.plan.to_ps(sum(lengths[: index + 1])),
            self.plan.to_ps(sum(lengths)),
        )
        ps_per_hour = 3600 * self.plan.to_ps(n_frames) / seconds
        minutes_left = 60 * self.plan.to_ps(left) / ps_per_hour
        name = "equilibration" if phase == store.EQUILIBRATION else "production"
        return (
            f"{self.name}: {name} {done_ps:g} of {total_ps:g} ps, "
            f"{ps_per_hour:.3g} ps/hour, {minutes_left:.1f} minutes left"
        )
