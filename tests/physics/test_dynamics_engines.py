from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from ase.build import bulk
from gpaw import GPAW, PW
from pymatgen.core import Lattice, Structure

from ionscout.config import DynamicsSettings
from ionscout.dynamics.audit import audit_forces
from ionscout.dynamics.engines import make_calculator
from ionscout.dynamics.prepare import prepare_cell
from ionscout.dynamics.run import run_dynamics
from ionscout.dynamics.store import load_trajectory

pytestmark = pytest.mark.slow

ROCK_SALT = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)
ROUGH_GPAW = {"cutoff_ev": 250, "kpoint_density_ang": 0}
SETTINGS = DynamicsSettings(
    min_image_distance_ang=6,
    equilibration_ps=0.1,
    production_ps=0.3,
    segment_ps=0.1,
    frame_interval_fs=20,
    gpaw=ROUGH_GPAW,
)

RUN = """
import json, sys
from pathlib import Path
from ionscout.config import DynamicsSettings
from ionscout.dynamics.run import run_dynamics
cell, settings, store_dir = (Path(sys.argv[1]).read_text(), *sys.argv[2:])
run_dynamics(json.loads(cell), temperature_k=800, seed=1, store_dir=store_dir,
             settings=DynamicsSettings(**json.loads(settings)),
             progress=lambda line: print(line, flush=True))
"""


@pytest.fixture(scope="module")
def chgnet_run(tmp_path_factory):
    store_dir = tmp_path_factory.mktemp("store")
    cell = prepare_cell(ROCK_SALT, material_id="licl", engine="chgnet", settings=SETTINGS)
    run = run_dynamics(cell, temperature_k=800, seed=1, settings=SETTINGS, store_dir=store_dir)
    return cell, run, store_dir


def read_segments(store_dir) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(store_dir.glob("*/*.npz"))}


def test_chgnet_killed_at_random_moments_equals_the_unbroken_run(chgnet_run, tmp_path):
    cell, run, store_dir = chgnet_run
    assert run["status"] == "finished"
    (tmp_path / "cell.json").write_text(json.dumps(cell))
    command = [sys.executable, "-c", RUN, str(tmp_path / "cell.json"), SETTINGS.model_dump_json()]
    moments = random.Random(0)
    for kill in (True, True, True, False):
        process = subprocess.Popen(
            [*command, str(tmp_path / "store")],
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        if kill:
            process.stdout.readline()
            time.sleep(moments.uniform(0, 0.5))
            process.send_signal(signal.SIGKILL)
        process.communicate()
    assert read_segments(tmp_path / "store") == read_segments(store_dir)


def test_a_chgnet_run_is_audited_with_gpaw(chgnet_run):
    cell, run, store_dir = chgnet_run
    audit, frames = audit_forces(cell, [run], store_dir=store_dir, settings=SETTINGS)
    assert audit["status"] == "audited", audit["reason"]
    assert 0 < audit["force_mae_ev_ang"] < audit["force_rmse_ev_ang"] < 0.5
    assert 0.5 < audit["softening_factor"] < 1.5
    assert 0.5 < audit["lithium_force_cosine"] <= 1
    assert len(frames) == audit["n_snapshots"] == 1
    json.dumps(audit)


def test_gpaw_forces_are_those_of_a_plain_gpaw_call():
    atoms = bulk("LiCl", "rocksalt", a=5.13, cubic=True)
    atoms.rattle(0.1, seed=1)
    plain = atoms.copy()
    plain.calc = GPAW(
        mode=PW(250),
        xc="PBE",
        kpts=(1, 1, 1),
        occupations={"name": "fermi-dirac", "width": 0.05},
        symmetry="off",
        txt=None,
    )
    atoms.calc = make_calculator("gpaw", atoms, SETTINGS)
    np.testing.assert_allclose(atoms.get_forces(), plain.get_forces(), atol=0.01)


def test_gpaw_starts_from_the_last_wavefunctions():
    atoms = bulk("LiCl", "rocksalt", a=5.13, cubic=True)
    atoms.rattle(0.1, seed=1)
    atoms.calc = make_calculator("gpaw", atoms, SETTINGS)
    atoms.get_forces()
    first = atoms.calc.n_iterations
    atoms.rattle(0.01, seed=2)
    atoms.get_forces()
    assert atoms.calc.n_iterations < first
    fresh = atoms.copy()
    fresh.calc = make_calculator("gpaw", fresh, SETTINGS)
    np.testing.assert_allclose(atoms.get_forces(), fresh.get_forces(), atol=0.01)


def test_a_lithium_vacancy_needs_the_charge_of_its_ion():
    """With -1 e all shells are closed; neutral, there is a hole in the valence band."""
    atoms = bulk("LiCl", "rocksalt", a=5.13, cubic=True)
    del atoms[0]
    closed = []
    for charge_e in (-1, 0):
        calculator = make_calculator("gpaw", atoms, SETTINGS, charge_e=charge_e)
        atoms.calc = calculator
        atoms.get_potential_energy()
        filled = calculator._solver.atoms.calc.get_occupation_numbers()
        closed.append(bool(np.all((filled < 0.01) | (filled > 1.99))))
    assert closed == [True, False]


def test_an_open_shell_finds_its_high_spin():
    atoms = bulk("MnO", "rocksalt", a=4.44)
    settings = DynamicsSettings(gpaw={"cutoff_ev": 350, "kpoint_density_ang": 1.5})
    atoms.calc = make_calculator("gpaw", atoms, settings)
    atoms.get_potential_energy()
    assert atoms.calc.results["magmoms"][0] == pytest.approx(4.3, abs=0.4)


@pytest.mark.parametrize("ranks", [1, 2])
def test_gpaw_in_its_own_processes_gives_the_same_forces(ranks):
    python = os.environ.get("IONSCOUT_MPI_PYTHON") if ranks > 1 else sys.executable
    if python is None:
        pytest.skip("IONSCOUT_MPI_PYTHON names no interpreter of a GPAW built with MPI")
    inside, outside = (bulk("LiCl", "rocksalt", a=5.13, cubic=True) for _ in range(2))
    settings = DynamicsSettings(gpaw={**ROUGH_GPAW, "ranks": ranks, "python": python})
    inside.calc = make_calculator("gpaw", inside, SETTINGS)
    outside.calc = make_calculator("gpaw", outside, settings)
    for seed in (1, 2):
        for atoms in (inside, outside):
            atoms.rattle(0.05, seed=seed)
        np.testing.assert_allclose(inside.get_forces(), outside.get_forces(), atol=1e-6)
    np.testing.assert_allclose(inside.get_stress(), outside.get_stress(), atol=1e-6)
    outside.calc.close()


def test_atomic_orbitals_give_the_forces_of_plane_waves():
    atoms = bulk("LiCl", "rocksalt", a=5.13, cubic=True)
    atoms.rattle(0.05, seed=0)
    forces = []
    for mode in ("lcao", "pw"):
        settings = DynamicsSettings(gpaw={**ROUGH_GPAW, "mode": mode})
        atoms.calc = make_calculator("gpaw", atoms, settings)
        forces.append(atoms.get_forces())
    np.testing.assert_allclose(*forces, atol=0.1)


def test_gpaw_runs_and_restarts_within_its_convergence(tmp_path):
    settings = DynamicsSettings(
        min_image_distance_ang=5,
        equilibration_ps=0.01,
        production_ps=0.02,
        segment_ps=0.01,
        frame_interval_fs=2,
        relax={"max_steps": 2},
        gpaw=ROUGH_GPAW,
    )
    cell = prepare_cell(ROCK_SALT, material_id="licl", engine="gpaw", settings=settings)
    assert (cell["status"], cell["n_atoms"]) == ("ready", 8), cell["reason"]
    volume_ang3 = Structure.from_dict(cell["structure"]).volume
    assert volume_ang3 == pytest.approx(ROCK_SALT.volume), "GPAW keeps the lattice"
    trajectories = []
    for name in ("unbroken", "broken"):
        run = run_dynamics(
            cell, temperature_k=600, seed=1, settings=settings, store_dir=tmp_path / name
        )
        assert run["status"] == "finished", run["reason"]
        if name == "broken":
            (tmp_path / name / run["key"] / "segment_0001.npz").unlink()
            run_dynamics(
                cell, temperature_k=600, seed=1, settings=settings, store_dir=tmp_path / name
            )
        trajectories.append(load_trajectory(tmp_path / name, run["key"], 0.02).positions_ang)
    np.testing.assert_allclose(*trajectories, atol=1e-4)
    assert np.abs(np.diff(trajectories[0], axis=0)).max() > 1e-3


def test_an_unknown_functional_fails_with_a_reason():
    settings = DynamicsSettings(gpaw={**ROUGH_GPAW, "functional": "NOSUCH"})
    cell = prepare_cell(ROCK_SALT, material_id="licl", engine="gpaw", settings=settings)
    assert cell["status"] == "failed"
    assert "NOSUCH" in cell["reason"]
