from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from ionscout.config import DynamicsSettings
from ionscout.dynamics import run as run_module
from ionscout.dynamics.health import Health
from ionscout.dynamics.integrate import ExplodedError
from ionscout.dynamics.plan import make_plan
from ionscout.dynamics.prepare import prepare_cell
from ionscout.dynamics.run import run_dynamics
from ionscout.dynamics.store import load_trajectory

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
        return run_module.Runner(cell, 600, 1, settings, run_module.Path("."), None).key

    assert (key(SETTINGS) == key(with_settings(**changes))) is same


def test_the_key_follows_crystal_temperature_seed_and_engine(cell, monkeypatch):
    def key(cell=cell, temperature_k=600.0, seed=1):
        runner = run_module.Runner(cell, temperature_k, seed, SETTINGS, run_module.Path("."), None)
        return runner.key

    moved = json.loads(json.dumps(cell))
    moved["structure"]["sites"][0]["abc"][0] += 1e-9
    keys = [key(), key(temperature_k=601.0), key(seed=2), key(cell=moved)]
    renamed = {**cell, "material_id": "another"}
    assert key(cell=renamed) == keys[0]
    monkeypatch.setattr(run_module, "engine_version", lambda engine: "newer")
    keys.append(key())
    assert len(set(keys)) == 5


def test_light_ions_get_a_short_step():
    assert make_plan(np.array([1.008, 16.0]), SETTINGS).timestep_fs == 0.5
    assert make_plan(np.array([6.94, 16.0]), SETTINGS).timestep_fs == 2.0
    assert make_plan(np.array([1.008]), with_settings(timestep_fs=1.5)).timestep_fs == 1.5


def test_lengths_are_cut_into_whole_segments():
    plan = make_plan(np.array([6.94]), SETTINGS)
    assert plan.phases == [("equilibration", [3, 2]), ("segment", [3, 3, 3, 3])]
    none = make_plan(np.array([6.94]), with_settings(equilibration_ps=0))
    assert none.phases[0] == ("equilibration", [])


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
        (0.0, 4000.0, -10.0, "exploded: 4000 K where 600 K is wanted"),
        (0.0, np.nan, -10.0, "exploded: nan K"),
        (0.0, 600.0, -16.0, "went -3.0 eV/atom"),
        (0.0, 600.0, np.nan, "went [+]nan eV/atom"),
        (2.3, 600.0, -10.0, "two atoms are 0.20 A apart"),
    ],
)
def test_sick_frames_are_told_from_sound_ones(shift_ang, temperature_k, energy_ev, reason):
    health = Health(np.array([3, 17]), np.eye(3) * 5, 600.0, energy_ev_atom=-5.0)
    positions = np.array([[0, 0, 0], [2.5, 0, 0]])
    health.check(positions, 2900.0, -9.0)
    positions[1, 0] -= shift_ang
    with pytest.raises(ExplodedError, match=reason):
        health.check(positions, temperature_k, energy_ev)


def test_a_failed_cell_is_not_run(tmp_path):
    cell = {"material_id": "m", "status": "failed", "reason": "no cell", "engine": "chgnet"}
    run = go(cell, tmp_path)
    assert (run["status"], run["reason"]) == ("not_run", "the cell failed: no cell")
    assert run["key"] is None
    assert not list(tmp_path.iterdir())


def test_a_store_that_cannot_be_written_is_a_reason(cell, tmp_path):
    (tmp_path / "store").write_text("a file where the store should be")
    run = go(cell, tmp_path / "store")
    assert run["status"] == "failed"
    assert "NotADirectoryError" in run["reason"]


def test_a_full_disk_keeps_the_whole_segments(cell, unbroken, tmp_path, monkeypatch):
    write = run_module.store.write_segment

    def fail_on_production(path, segment):
        if path.name == "segment_0001.npz":
            raise OSError(28, "No space left on device")
        write(path, segment)

    monkeypatch.setattr(run_module.store, "write_segment", fail_on_production)
    run = go(cell, tmp_path)
    assert run["status"] == "failed"
    assert "No space left on device" in run["reason"]
    monkeypatch.undo()
    assert go(cell, tmp_path)["status"] == "finished"
    assert read_segments(tmp_path) == read_segments(unbroken[1])


def test_a_mistake_in_the_code_is_not_hidden(cell, tmp_path, monkeypatch):
    def wrong(*args, **kwargs):
        raise TypeError("a mistake")

    monkeypatch.setattr(run_module, "make_calculator", wrong)
    with pytest.raises(TypeError, match="a mistake"):
        go(cell, tmp_path)
