from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from scipy import stats

from ionscout.config import DynamicsSettings
from ionscout.dynamics import engines, store
from ionscout.dynamics import runner as runner_module
from ionscout.dynamics.forces import Forces
from ionscout.dynamics.health import Health
from ionscout.dynamics.integrate import Bath, ExplodedError, State
from ionscout.dynamics.open_segment import Point
from ionscout.dynamics.plan import make_plan
from ionscout.dynamics.prepare import prepare_cell
from ionscout.dynamics.run import run_dynamics
from ionscout.dynamics.runner import Runner
from ionscout.dynamics.store import load_trajectory
from ionscout.errors import PausedError, StoreError

ROCK_SALT = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)
SETTINGS = DynamicsSettings(
    min_image_distance_ang=7,
    equilibration_ps=0.1,
    production_ps=0.2,
    segment_ps=0.06,
    frame_interval_fs=20,
)


@pytest.fixture(scope="module")
def cell():
    return prepare_cell(
        ROCK_SALT, material_id="test-licl", engine="lennard-jones", settings=SETTINGS
    )


def go(cell, store_dir, *, settings=SETTINGS, temperature_k=600, seed=1, progress=None):
    return run_dynamics(
        cell,
        temperature_k=temperature_k,
        seed=seed,
        settings=settings,
        store_dir=store_dir,
        progress=progress,
    )


def with_settings(**changes) -> DynamicsSettings:
    return DynamicsSettings(**{**SETTINGS.model_dump(), **changes})


def read_segments(store_dir) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(store_dir.glob("*/*.npz"))}


@pytest.fixture(scope="module")
def unbroken(cell, tmp_path_factory):
    store_dir = tmp_path_factory.mktemp("unbroken")
    lines: list[str] = []
    return go(cell, store_dir, progress=lines.append), store_dir, lines


def test_a_finished_run_says_what_it_did(unbroken):
    run, store_dir, _ = unbroken
    json.dumps(run, allow_nan=False)
    assert (run["status"], run["reason"]) == ("finished", "")
    assert (run["timestep_fs"], run["frame_interval_fs"]) == (2.0, 20.0)
    assert (run["equilibration_ps"], run["production_ps"], run["n_frames"]) == (0.1, 0.2, 10)
    assert "plumbing" in run["engine_version"]
    assert 0 < run["seconds_per_step"] < 1
    trajectory = load_trajectory(store_dir, run["key"], run["production_ps"])
    assert trajectory.positions_ang.shape == (10, 16, 3)
    assert trajectory.species.count("Li") == trajectory.species.count("Cl") == 8
    assert run["mean_temperature_k"] == pytest.approx(trajectory.kinetic_temperature_k.mean())
    assert 300 < run["mean_temperature_k"] < 1000


def test_each_segment_makes_one_line(unbroken):
    _, _, lines = unbroken
    assert len(lines) == 2 + 4
    assert lines[0].startswith("test-licl 600 K: equilibration 0.06 of 0.1 ps, ")
    assert "production 0.24 of 0.24 ps" in lines[-1]
    assert lines[-1].endswith("0.0 minutes left")


def test_no_atom_jumps_at_the_boundary_and_segments_join(unbroken):
    run, store_dir, _ = unbroken
    positions = load_trajectory(store_dir, run["key"], 0.24).positions_ang
    assert np.abs(np.diff(positions, axis=0)).max() < 1.0
    drift = (positions - positions[0]).transpose(0, 2, 1) @ np.array([6.94] * 8 + [35.45] * 8)
    assert np.abs(drift).max() / (8 * 42.39) < 1e-4


def test_nothing_is_run_twice(cell, unbroken):
    run, store_dir, _ = unbroken
    before = {path: path.stat().st_mtime_ns for path in store_dir.glob("*/*.npz")}
    lines: list[str] = []
    assert go(cell, store_dir, progress=lines.append) == run
    assert lines == []
    assert before == {path: path.stat().st_mtime_ns for path in store_dir.glob("*/*.npz")}


def test_a_longer_run_goes_on_and_equals_one_made_at_once(cell, unbroken, tmp_path):
    longer = with_settings(production_ps=0.4)
    at_once = go(cell, tmp_path / "at_once", settings=longer)
    go(cell, tmp_path / "continued")
    lines: list[str] = []
    continued = go(cell, tmp_path / "continued", settings=longer, progress=lines.append)
    assert len(lines) == 7 - 4
    assert continued["key"] == at_once["key"] == unbroken[0]["key"]
    assert read_segments(tmp_path / "at_once") == read_segments(tmp_path / "continued")


@pytest.mark.parametrize("name", ["segment_0003.npz", "segment_0001.npz", "equilibration_0001.npz"])
@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_a_damaged_segment_is_computed_again(cell, unbroken, tmp_path, name, damage):
    run = go(cell, tmp_path)
    path = tmp_path / run["key"] / name
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-200])
    if name.startswith("equilibration"):
        (tmp_path / run["key"] / "segment_0000.npz").unlink()
    assert go(cell, tmp_path)["status"] == "finished"
    assert read_segments(tmp_path) == read_segments(unbroken[1])


KILLED_RUN = """
import json, sys, time
from pathlib import Path
from ionscout.config import DynamicsSettings
from ionscout.dynamics.run import run_dynamics
cell, settings, store_dir = (Path(sys.argv[1]).read_text(), *sys.argv[2:])
run_dynamics(json.loads(cell), temperature_k=600, seed=1, store_dir=store_dir,
             settings=DynamicsSettings(**json.loads(settings)),
             progress=lambda line: print(line, flush=True))
"""


def test_a_run_killed_inside_its_segments_equals_the_unbroken_one(cell, tmp_path):
    settings = with_settings(production_ps=0.6, segment_ps=0.1)
    go(cell, tmp_path / "unbroken", settings=settings)
    (tmp_path / "cell.json").write_text(json.dumps(cell))
    command = [sys.executable, "-c", KILLED_RUN, str(tmp_path / "cell.json")]
    command += [settings.model_dump_json(), str(tmp_path / "killed")]
    for n_lines in (1, 2):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        for _ in range(n_lines):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert 0 < len(read_segments(tmp_path / "killed")) < 7
    run = go(cell, tmp_path / "killed", settings=settings)
    assert run["status"] == "finished"
    assert read_segments(tmp_path / "killed") == read_segments(tmp_path / "unbroken")


def test_what_a_killed_writer_left_is_removed(cell, unbroken, tmp_path):
    run, *_ = unbroken
    folder = tmp_path / run["key"]
    folder.mkdir()
    (folder / ".segment_0000.npz.4242").write_bytes(b"half")
    go(cell, tmp_path)
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"production_ps": 5}, True),
        ({"max_atoms": 70}, True),
        ({"gpaw": {"cutoff_ev": 500}}, True),
        ({"chgnet": {"threads": 2}}, True),
        ({"equilibration_ps": 0.2}, False),
        ({"timestep_fs": 1}, False),
        ({"thermostat_time_ps": 0.1}, False),
        ({"frame_interval_fs": 10}, False),
        ({"segment_ps": 0.1}, False),
    ],
)
def test_the_key_follows_what_matters(cell, changes, same):
    def key(settings):
        return Runner(cell, 600, 0, 1, settings, Path("."), None).key

    assert (key(SETTINGS) == key(with_settings(**changes))) is same


def test_the_key_follows_crystal_temperature_seed_and_engine(cell, monkeypatch):
    def key(cell=cell, temperature_k=600.0, replica=0, seed=1):
        return Runner(cell, temperature_k, replica, seed, SETTINGS, Path("."), None).key

    moved = json.loads(json.dumps(cell))
    moved["structure"]["sites"][0]["abc"][0] += 1e-9
    keys = [key(), key(temperature_k=601.0), key(seed=2), key(replica=1), key(cell=moved)]
    renamed = {**cell, "material_id": "another"}
    assert key(cell=renamed) == keys[0]
    assert key(temperature_k=600) == keys[0], "whole kelvin are the same temperature"
    monkeypatch.setattr(runner_module, "engine_version", lambda *_: "newer")
    keys.append(key())
    assert len(set(keys)) == 6


def test_the_engine_is_told_the_charge(cell, tmp_path, monkeypatch):
    make, charges = engines.make_calculator, set()

    def make_charged(*args, charge_e=0.0, **kwargs):
        charges.add(charge_e)
        return make(*args, **kwargs)

    monkeypatch.setattr(engines, "make_calculator", make_charged)
    assert go({**cell, "charge_e": -1.0}, tmp_path)["status"] == "finished"
    assert charges == {-1.0}


def test_light_ions_get_a_short_step():
    assert make_plan(np.array([1.008, 16.0]), SETTINGS).timestep_fs == 0.5
    assert make_plan(np.array([6.94, 16.0]), SETTINGS).timestep_fs == 2.0
    assert make_plan(np.array([1.008]), with_settings(timestep_fs=1.5)).timestep_fs == 1.5


def test_lengths_are_cut_into_whole_segments():
    plan = make_plan(np.array([6.94]), SETTINGS)
    assert plan.phases == {"equilibration": [3, 2], "segment": [3, 3, 3, 3]}
    assert (plan.heating_frames, plan.frames_after("equilibration", 0)) == (2, 14)
    none = make_plan(np.array([6.94]), with_settings(equilibration_ps=0))
    assert (list(none.phases), none.heating_frames) == (["segment"], 0)
    warm = make_plan(np.array([6.94]), with_settings(expansion_ps=0.08))
    assert warm.phases == {"expansion": [3, 1], **plan.phases}


def test_atoms_on_top_of_each_other_explode_with_a_reason(cell, tmp_path):
    broken = json.loads(json.dumps(cell))
    for name in ("abc", "xyz"):
        first, second = (broken["structure"]["sites"][i] for i in (0, 1))
        second[name] = [x + 0.01 for x in first[name]]
    run = go(broken, tmp_path)
    assert run["status"] == "failed"
    assert run["reason"].startswith("exploded: ")
    assert "\n" not in run["reason"]


@pytest.mark.parametrize(
    ("shift_ang", "temperature_k", "energy_ev", "reason"),
    [
        (0.0, 12000.0, -10.0, "exploded: 12000 K where 600 K is wanted"),
        (0.0, np.nan, -10.0, "exploded: nan K"),
        (0.0, 600.0, -16.0, "went -3.0 eV/atom"),
        (0.0, 600.0, np.nan, "went [+]nan eV/atom"),
        (2.3, 600.0, -10.0, "two atoms are 0.20 A apart"),
        (-8.0, 600.0, -10.0, "atom 0 has no neighbour within 5 A"),
    ],
)
def test_sick_frames_are_told_from_sound_ones(shift_ang, temperature_k, energy_ev, reason):
    health, cell = Health(np.array([3, 17]), 600.0, energy_ev_atom=-5.0), np.eye(3) * 20
    positions = np.array([[0, 0, 0], [2.5, 0, 0]])
    health.check(positions, cell, 2900.0, -9.0)
    positions[1, 0] -= shift_ang
    with pytest.raises(ExplodedError, match=reason):
        health.check(positions, cell, temperature_k, energy_ev)


@pytest.mark.parametrize("n_atoms", [2, 3, 8, 64])
def test_no_small_cell_is_too_hot_by_chance(n_atoms):
    health = Health(np.full(n_atoms, 3), 600.0, energy_ev_atom=0.0)
    freedom = 3 * n_atoms - 3
    assert stats.chi2.sf(freedom * health.hottest_k / 600, freedom) < 1e-11
    assert health.hottest_k >= 3000
    assert n_atoms < 8 or health.hottest_k == 3000


def test_an_engine_without_stress_expands_no_lattice_and_says_so(cell, tmp_path, monkeypatch):
    make = engines.make_calculator

    def make_without_stress(*args, **kwargs):
        calculator = make(*args, **kwargs)
        calculate = calculator.calculate

        def forget_stress(*args, **kwargs):
            calculate(*args, **kwargs)
            del calculator.results["stress"]

        calculator.calculate = forget_stress
        return calculator

    monkeypatch.setattr(engines, "make_calculator", make_without_stress)
    run = go(cell, tmp_path / "warm", settings=with_settings(expansion_ps=0.1))
    assert run["status"] == "failed"
    assert run["reason"].startswith("dynamics.expansion_ps: lennard-jones gives no stress")
    run = go(cell, tmp_path / "kept")
    assert (run["status"], run["mean_pressure_gpa"]) == ("finished", None)


def test_a_failed_cell_is_not_run(tmp_path):
    cell = {"material_id": "m", "status": "failed", "reason": "no cell", "engine": "chgnet"}
    run = go(cell, tmp_path)
    assert (run["status"], run["reason"]) == ("not_run", "the cell failed: no cell")
    assert run["key"] is None
    assert not list(tmp_path.iterdir())


def test_a_store_that_cannot_be_written_fails_no_run(cell, tmp_path):
    (tmp_path / "store").write_text("a file where the store should be")
    with pytest.raises(StoreError, match=r"store/\w+ cannot be written \(Not a directory\)"):
        go(cell, tmp_path / "store")


def test_a_full_disk_keeps_the_whole_segments(cell, unbroken, tmp_path, monkeypatch):
    fsync, n_synced = os.fsync, [0]

    def fill_up(file):
        n_synced[0] += 1
        if n_synced[0] > 12:
            raise OSError(28, "No space left on device")
        fsync(file)

    monkeypatch.setattr(store.os, "fsync", fill_up)
    with pytest.raises(StoreError, match="No space left on device"):
        go(cell, tmp_path)
    assert 0 < len(read_segments(tmp_path)) < 6
    monkeypatch.undo()
    assert go(cell, tmp_path)["status"] == "finished"
    assert read_segments(tmp_path) == read_segments(unbroken[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_told_to_stop_keeps_its_frames_and_equals_the_unbroken_one(
    cell, unbroken, tmp_path, monkeypatch, number
):
    make, calls = engines.make_calculator, [0]

    def make_and_stop(*args, **kwargs):
        calculator = make(*args, **kwargs)
        calculate = calculator.calculate

        def count(*args, **kwargs):
            calls[0] += 1
            if calls[0] in (15, 95):
                os.kill(os.getpid(), number)
            calculate(*args, **kwargs)

        calculator.calculate = count
        return calculator

    monkeypatch.setattr(engines, "make_calculator", make_and_stop)
    before = signal.getsignal(number)
    with pytest.raises(PausedError, match="test-licl 600 K: told to stop; 2 frames"):
        go(cell, tmp_path)
    assert signal.getsignal(number) == before
    assert list(read_segments(tmp_path)) == ["open_equilibration_0000.npz"]
    with pytest.raises(PausedError):
        go(cell, tmp_path)
    assert go(cell, tmp_path)["status"] == "finished"
    assert read_segments(tmp_path) == read_segments(unbroken[1])
    assert calls[0] < 1 + 10 * 17 + 3, "no frame was computed twice"


def test_energy_less_heat_is_conserved_and_told(unbroken):
    run, store_dir, _ = unbroken
    assert abs(run["energy_drift_mev_atom_ps"]) < 5
    segments = [store.read_segment(path) for path in sorted(store_dir.glob("*/segment_*.npz"))]
    conserved_ev = np.concatenate([segment.conserved_energy_ev for segment in segments])
    total_ev = np.concatenate([segment.potential_energy_ev for segment in segments])
    assert np.ptp(conserved_ev) < 0.1 * np.ptp(total_ev)
    assert run["mean_pressure_gpa"] is not None


def test_forces_that_are_not_those_of_the_energy_fail_the_run(cell, tmp_path, monkeypatch):
    make, random = engines.make_calculator, np.random.default_rng(0)

    class Noisy:
        def __init__(self, calculator):
            self.calculator, self.results = calculator, {}

        def get_potential_energy(self, atoms, **_):
            return self.calculator.get_potential_energy(atoms)

        def get_forces(self, atoms):
            return self.calculator.get_forces(atoms) + random.normal(scale=0.5, size=(16, 3))

    monkeypatch.setattr(engines, "make_calculator", lambda *a, **k: Noisy(make(*a, **k)))
    run = go(cell, tmp_path, settings=with_settings(production_ps=2, segment_ps=1))
    assert run["status"] == "failed"
    assert "the conserved energy drifts by" in run["reason"]


def test_the_crystal_is_heated_from_the_cold(cell, tmp_path):
    settings = with_settings(equilibration_ps=4.0, segment_ps=1.0, stop_when_settled=False)
    run = go(cell, tmp_path, settings=settings, temperature_k=1000)
    paths = sorted(tmp_path.glob("*/equilibration_*.npz"))
    temperatures_k = [store.read_segment(path).kinetic_temperature_k.mean() for path in paths]
    assert run["status"] == "finished"
    assert 150 < temperatures_k[0] < 500 < temperatures_k[1] < 900
    assert 850 < temperatures_k[3] < 1150


def test_the_lattice_expands_at_zero_pressure_and_restarts_to_the_bit(cell, tmp_path):
    settings = with_settings(expansion_ps=16.0, production_ps=8.0, segment_ps=2.0)
    run = go(cell, tmp_path / "whole", settings=settings, temperature_k=500)
    assert run["status"] == "finished"
    assert 0.002 < run["volume_expansion_fraction"] < 0.2
    assert abs(run["mean_pressure_gpa"]) < 0.5
    kept = go(cell, tmp_path / "kept", settings=with_settings(production_ps=8.0), temperature_k=500)
    assert kept["volume_expansion_fraction"] is None
    assert kept["mean_pressure_gpa"] > run["mean_pressure_gpa"] + 0.5
    trajectory = load_trajectory(tmp_path / "whole", run["key"], 8.0)
    volume = np.linalg.det(trajectory.cell_ang) / np.linalg.det(cell_ang_of(cell))
    assert volume == pytest.approx(1 + run["volume_expansion_fraction"])
    folder = tmp_path / "whole" / run["key"]
    before = read_segments(tmp_path / "whole")
    for name in ("expansion_0005", "expansion_0006", "expansion_0007"):
        (folder / f"{name}.npz").unlink()
    for path in [*folder.glob("equilibration_*"), *folder.glob("segment_*")]:
        path.unlink()
    go(cell, tmp_path / "whole", settings=settings, temperature_k=500)
    assert read_segments(tmp_path / "whole") == before


def test_a_breath_stretches_positions_and_slows_velocities(cell):
    runner = Runner(cell, 600, 0, 1, with_settings(expansion_ps=1.0), Path("."), None)
    bath = Bath(runner.masses_u, 600.0, np.random.default_rng(2))
    before = State(runner.atoms.positions, bath.draw_velocities())
    calculator = engines.make_calculator("lennard-jones", runner.atoms, SETTINGS)
    forces = Forces(runner.atoms, calculator, 1.0)
    after = runner._breathe(Point(before, None, 1.0), 40.0, bath, forces)
    assert after.scale > 1
    np.testing.assert_allclose(forces.lattice_ang, after.scale * runner.atoms.cell.array)
    np.testing.assert_allclose(after.state.positions_ang, after.scale * before.positions_ang)
    np.testing.assert_allclose(
        after.state.velocities_ang_fs * after.scale, before.velocities_ang_fs
    )


def test_the_lattice_kept_is_the_mean_of_the_second_half(unbroken):
    first = store.read_segment(next(unbroken[1].glob("*/segment_0000.npz")))
    segments = [replace(first, scale=np.array(scale)) for scale in ([1.0, 1.1], [1.2, 1.4])]
    point = Point(State(first.end_positions_ang, first.end_velocities_ang_fs), None, 1.5)
    kept = runner_module._at_mean_volume(point, segments)
    assert (kept.scale, kept.forces_ev_ang) == (pytest.approx(1.3), None)
    np.testing.assert_allclose(kept.state.positions_ang, first.end_positions_ang * 1.3 / 1.5)


def cell_ang_of(cell) -> np.ndarray:
    return np.array(cell["structure"]["lattice"]["matrix"])


def test_a_run_ends_when_its_verdict_is_settled(cell, tmp_path):
    settings = with_settings(production_ps=200.0, segment_ps=2.5, equilibration_ps=1.0)
    run = go(cell, tmp_path, settings=settings, temperature_k=300)
    assert (run["status"], run["stopped_by"], run["verdict"]) == (
        "finished",
        "settled",
        "non-diffusive",
    )
    assert run["production_ps"] < 100
    assert run["production_ps"] % 5 == 0
    before = read_segments(tmp_path)
    assert go(cell, tmp_path, settings=settings, temperature_k=300) == run
    assert read_segments(tmp_path) == before
    longer = with_settings(
        production_ps=run["production_ps"] + 5,
        segment_ps=2.5,
        equilibration_ps=1.0,
        stop_when_settled=False,
    )
    spent = go(cell, tmp_path, settings=longer, temperature_k=300)
    assert (spent["stopped_by"], spent["key"]) == ("length", run["key"])
    assert spent["production_ps"] == run["production_ps"] + 5
    assert go(cell, tmp_path, settings=settings, temperature_k=300) == {
        **run,
        "seconds_per_step": spent["seconds_per_step"],
    }


def test_a_mistake_in_the_code_is_not_hidden(cell, tmp_path, monkeypatch):
    def wrong(*args, **kwargs):
        raise TypeError("a mistake")

    monkeypatch.setattr(engines, "make_calculator", wrong)
    with pytest.raises(TypeError, match="a mistake"):
        go(cell, tmp_path)
