"""A run's way through its phases, restartable to the bit."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from pymatgen.core import Structure

from ionscout.config import DynamicsSettings
from ionscout.dynamics import store
from ionscout.dynamics.barostat import draw_scale
from ionscout.dynamics.engines import (
    GPAW,
    engine_settings,
    engine_version,
    open_calculator,
    to_atoms,
)
from ionscout.dynamics.forces import Forces
from ionscout.dynamics.health import Health, check_drift
from ionscout.dynamics.integrate import (
    Bath,
    State,
    Thermostat,
    advance,
    kinetic_energy_ev,
    langevin,
    velocity_rescaling,
)
from ionscout.dynamics.interrupt import watch_for_stop
from ionscout.dynamics.open_segment import Point, Record, go_to_end
from ionscout.dynamics.plan import make_plan
from ionscout.dynamics.watch import Watch
from ionscout.errors import DynamicsError, PausedError

RUN_VERSION = 2
FRICTION_PER_PS = 10.0
COLDEST_K = 100.0
PHASE_NAMES = {store.PRODUCTION: "production"}


class Runner:
    """A run and its place in the store.

    Parameters
    ----------
    cell : dict
        The content of `cell.json`, ready.
    temperature_k : float
    replica : int
    seed : int
    settings : DynamicsSettings
    store_dir : Path
    progress : callable, optional
        Gets a line at the end of each segment.

    Raises
    ------
    DynamicsError
        The engine cannot run as asked, or there are fewer than two atoms.
    """

    def __init__(
        self,
        cell: dict[str, Any],
        temperature_k: float,
        replica: int,
        seed: int,
        settings: DynamicsSettings,
        store_dir: Path,
        progress: Callable[[str], None] | None,
    ):
        self.name = f"{cell['material_id']} {temperature_k:g} K"
        if replica:
            self.name += f", replica {replica}"
        self.engine, self.version = cell["engine"], engine_version(cell["engine"], settings)
        self.charge_e = cell["charge_e"]
        self.settings, self.progress = settings, progress or (lambda line: None)
        self.atoms = to_atoms(Structure.from_dict(cell["structure"]))
        if len(self.atoms) < 2:
            raise DynamicsError("molecular dynamics needs at least two atoms in the cell")
        if settings.expansion_ps and self.engine == GPAW:
            raise DynamicsError(
                "dynamics.expansion_ps: plane waves carry Pulay stress at the cutoffs of molecular"
                " dynamics, which would move the lattice; set it to 0 for GPAW"
            )
        self.masses_u = self.atoms.get_masses()[:, None]
        self.plan = make_plan(self.masses_u, settings)
        self.temperature_k = float(temperature_k)
        self.health = Health(self.atoms.numbers, temperature_k, cell["energy_ev_atom"])
        self.content = self._content(replica, seed)
        self.key = store.make_key(self.content)
        self.folder = store_dir / self.key
        self.watch = Watch(
            list(self.atoms.symbols), self.atoms.cell.array, self.plan.frame_interval_fs
        )
        self.stopped_by = "length"
        self.seconds: list[float] = []

    def _content(self, replica: int, seed: int) -> dict[str, Any]:
        """Return all that decides the trajectory; its length is left out."""
        settings, plan = self.settings, self.plan
        return {
            "run_version": RUN_VERSION,
            "species": list(self.atoms.symbols),
            "positions_ang": self.atoms.positions.tolist(),
            "cell_ang": self.atoms.cell.array.tolist(),
            "engine": self.engine,
            "engine_version": self.version,
            "engine_settings": engine_settings(
                self.engine, self.atoms, settings, charge_e=self.charge_e
            ),
            "temperature_k": self.temperature_k,
            "replica": replica,
            "seed": seed,
            "timestep_fs": plan.timestep_fs,
            "frame_interval_fs": plan.frame_interval_fs,
            "frames_per_segment": plan.frames_per_segment,
            "expansion_frames": plan.expansion_frames,
            "equilibration_frames": plan.equilibration_frames,
            "friction_per_ps": FRICTION_PER_PS,
            "coldest_k": COLDEST_K,
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

    def summarise(self) -> dict[str, Any]:
        """Return the columns of `run.json` that are known after the run."""
        temperatures_k = self.watch.join("kinetic_temperature_k")[: self.plan.production_frames]
        verdict, reason = self.watch.judge(self.plan.production_frames)
        expansion = float(self.watch.segments[0].scale[0] ** 3 - 1)
        return {
            "n_frames": len(temperatures_k),
            "production_ps": self.plan.to_ps(len(temperatures_k)),
            "seconds_per_step": self._seconds_per_step(),
            "mean_temperature_k": float(temperatures_k.mean()),
            "mean_pressure_gpa": self.watch.mean_pressure_gpa(),
            "volume_expansion_fraction": expansion if self.settings.expansion_ps else None,
            "energy_drift_mev_atom_ps": self.watch.energy_drift_mev_atom_ps(),
            "verdict": verdict,
            "verdict_reason": reason,
            "stopped_by": self.stopped_by,
        }

    def go(self) -> None:
        """Run what is missing in the store."""
        wait = f"{self.name}: another process runs it already, waiting for it"
        with store.lock(self.folder, on_wait=lambda: self.progress(wait)):
            store.remove_drafts(self.folder)
            meta = self.folder / "meta.json"
            if not meta.exists():
                store.write_atomically(meta, json.dumps(self.content).encode())
            with watch_for_stop() as stop_asked:
                self.stop_asked = stop_asked
                self._run_missing()

    def _run_missing(self) -> None:
        """Go through the phases; what lies before a whole segment is not run again."""
        done = {
            phase: store.read_whole_segments(self.folder, phase, len(lengths))
            for phase, lengths in self.plan.phases.items()
        }
        phases = list(done)
        begun = [phase for phase in phases if done[phase]]
        bath = Bath(self.masses_u, self.temperature_k, np.random.default_rng(int(self.key, 16)))
        point = None
        for phase in phases[phases.index(begun[-1]) if begun else 0 :]:
            point = self._run_phase(phase, done[phase], point, bath)
            if phase == store.EXPANSION and done[phase]:
                point = _at_mean_volume(point, done[phase])

    def _run_phase(
        self, phase: str, segments: list[store.Segment], point: Point | None, bath: Bath
    ) -> Point | None:
        """Run what a phase lacks: `segments` holds what is there, and gets what is new."""
        for index, n_frames in enumerate(self.plan.phases[phase]):
            if index == len(segments):
                point = point or self._start(bath)
                segments.append(self._run_segment(phase, index, n_frames, point, bath))
            point = go_to_end(segments[index], bath)
            if phase == store.PRODUCTION and self._may_stop(segments[index]):
                break
        return point

    def _start(self, bath: Bath) -> Point:
        """Return the relaxed crystal with velocities of the first target temperature."""
        first_k = self._target_k(next(iter(self.plan.phases)), 0)
        velocities = replace(bath, temperature_k=first_k).draw_velocities()
        return Point(State(self.atoms.positions.copy(), velocities), None, 1.0)

    def _may_stop(self, segment: store.Segment) -> bool:
        """Show a segment of production to the watch, and say whether it was the last one."""
        self.watch.segments.append(segment)
        check_drift(self.watch.energy_drift_mev_atom_ps(), self.watch.duration_ps)
        if self.settings.stop_when_settled and self.watch.is_settled():
            self.stopped_by = "settled"
        return self.stopped_by == "settled"

    def _run_segment(
        self, phase: str, index: int, n_frames: int, point: Point, bath: Bath
    ) -> store.Segment:
        """Run one segment with a fresh calculator, or the rest of one that was stopped."""
        started = time.perf_counter()
        open_path = store.open_path(self.folder, phase, index)
        begun = store.read_segment(open_path)
        record = Record(begun)
        n_new = n_frames - len(record)
        if begun is not None:
            point = go_to_end(begun, bath)
        first = sum(self.plan.phases[phase][:index])
        with open_calculator(
            self.engine,
            self.atoms,
            self.settings,
            log_path=self.folder / f"{self.engine.replace(':', '_')}.log",
            charge_e=self.charge_e,
        ) as calculator:
            forces = Forces(self.atoms, calculator, point.scale)
            while len(record) < n_frames:
                if self.stop_asked():
                    self._pause(open_path, record, point, bath)
                point = self._run_frame(phase, first + len(record), point, bath, forces, record)
        segment = record.close(point, bath)
        store.write_segment(store.segment_path(self.folder, phase, index), segment)
        open_path.unlink(missing_ok=True)
        self._record_time((time.perf_counter() - started) / (n_new * self.plan.steps_per_frame))
        self.progress(self._progress_line(phase, index, segment))
        return segment

    def _run_frame(
        self, phase: str, frame: int, point: Point, bath: Bath, forces: Forces, record: Record
    ) -> Point:
        """Run the steps up to the next frame, and record it."""
        thermostat = self._thermostat(phase, frame, bath)
        state, pull = point.state, point.forces_ev_ang
        if pull is None:
            _, pull = forces.evaluate(state.positions_ang)
        for _ in range(self.plan.steps_per_frame):
            state, energy_ev, pull = advance(
                state,
                pull,
                forces.evaluate,
                thermostat,
                masses_u=self.masses_u,
                timestep_fs=self.plan.timestep_fs,
            )
        kinetic_ev = kinetic_energy_ev(self.masses_u, state.velocities_ang_fs)
        temperature_k = bath.kinetic_temperature_k(state.velocities_ang_fs)
        self.health.check(state.positions_ang, forces.lattice_ang, temperature_k, energy_ev)
        pressure = forces.pressure_gpa(kinetic_ev)
        record.add(
            positions_ang=state.positions_ang.astype(np.float32),
            kinetic_temperature_k=temperature_k,
            potential_energy_ev=energy_ev,
            conserved_energy_ev=energy_ev + kinetic_ev - state.heat_ev,
            pressure_gpa=pressure,
            scale=point.scale,
        )
        if phase == store.EXPANSION:
            return self._breathe(Point(state, pull, point.scale), pressure, bath, forces)
        return Point(state, pull, point.scale)

    def _breathe(self, point: Point, pressure_gpa: float, bath: Bath, forces: Forces) -> Point:
        """Let the volume follow the pressure."""
        if not np.isfinite(pressure_gpa):
            raise DynamicsError(
                f"dynamics.expansion_ps: {self.engine} gives no stress, and the lattice cannot"
                " follow it; set it to 0"
            )
        factor = draw_scale(
            pressure_gpa,
            temperature_k=self.temperature_k,
            volume_ang3=forces.volume_ang3,
            interval_fs=self.plan.frame_interval_fs,
            random=bath.random,
        )
        state = replace(
            point.state,
            positions_ang=factor * point.state.positions_ang,
            velocities_ang_fs=point.state.velocities_ang_fs / factor,
        )
        forces.set_scale(factor * point.scale)
        _, pull = forces.evaluate(state.positions_ang)
        return Point(state, pull, factor * point.scale)

    def _target_k(self, phase: str, frame: int) -> float:
        """Return the thermostat's temperature: it rises through the first half of the start."""
        heating_frames = self.plan.heating_frames
        if phase != next(iter(self.plan.phases)) or frame >= heating_frames:
            return self.temperature_k
        coldest_k = min(COLDEST_K, self.temperature_k)
        return coldest_k + (self.temperature_k - coldest_k) * (frame + 1) / heating_frames

    def _thermostat(self, phase: str, frame: int, bath: Bath) -> Thermostat:
        timestep_fs = self.plan.timestep_fs
        if phase == store.PRODUCTION:
            time_ps = self.settings.thermostat_time_ps
            return velocity_rescaling(bath, time_ps=time_ps, timestep_fs=timestep_fs)
        heated = replace(bath, temperature_k=self._target_k(phase, frame))
        return langevin(heated, friction_per_ps=FRICTION_PER_PS, timestep_fs=timestep_fs)

    def _pause(self, open_path: Path, record: Record, point: Point, bath: Bath) -> NoReturn:
        """Keep the open segment's frames, and end."""
        if len(record):
            store.write_segment(open_path, record.close(point, bath))
        raise PausedError(
            f"{self.name}: told to stop; {len(record)} frames of the open segment are kept, run"
            " again to go on"
        )

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

    def _progress_line(self, phase: str, index: int, newest: store.Segment) -> str:
        """Say how far the run is, how fast, how far lithium has moved and how long it may take."""
        lengths = self.plan.phases[phase]
        done_ps, total_ps = (
            self.plan.to_ps(sum(frames)) for frames in (lengths[: index + 1], lengths)
        )
        seconds_per_ps = self.seconds[-1] * 1000 / self.plan.timestep_fs
        minutes = self.plan.to_ps(self.plan.frames_after(phase, index)) * seconds_per_ps / 60
        moved_ang2 = self.watch.displacement_ang2(newest) if phase == store.PRODUCTION else None
        moved = "" if moved_ang2 is None else f", lithium moved {moved_ang2:.2g} A2"
        at_most = "at most " if self.settings.stop_when_settled else ""
        return (
            f"{self.name}: {PHASE_NAMES.get(phase, phase)} {done_ps:g} of {total_ps:g} ps, "
            f"{3600 / seconds_per_ps:.3g} ps/hour{moved}, {at_most}{minutes:.1f} minutes left"
        )


def _at_mean_volume(point: Point, segments: list[store.Segment]) -> Point:
    """Bring a crystal to the mean lattice of the second half of its expansion."""
    scales = np.concatenate([segment.scale for segment in segments])
    mean = float(scales[len(scales) // 2 :].mean())
    positions = point.state.positions_ang * (mean / point.scale)
    return Point(replace(point.state, positions_ang=positions), None, mean)
