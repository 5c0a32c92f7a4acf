import json

import pytest
import trajectory_files as files
from pymatgen.core import Lattice, Structure

from ionscout.dynamics.external import (
    describe_external_cell,
    read_external,
    runs_at,
    unused_runs,
)
from ionscout.dynamics.records import empty_run
from ionscout.transport.folder import find_runs

FRACTIONAL, CELLS, _ = files.truth(n_frames=40, changing=False)
STRUCTURE = Structure(Lattice.cubic(8), ["Li", "S", "P"], [[0, 0, 0], [0.5, 0.5, 0], [0, 0.5, 0.5]])
CELL = describe_external_cell(STRUCTURE, material_id="mine-lps", unused=[])


@pytest.fixture
def folder(tmp_path):
    for place in ("mine-lps/600K/a", "mine-lps/600K/b", "mine-lps/900K", "other/600K"):
        path = tmp_path / place / "XDATCAR"
        path.parent.mkdir(parents=True)
        path.write_text(files.xdatcar(FRACTIONAL, CELLS, headers=False))
    (tmp_path / "run.yaml").write_text("frame_interval_fs: 50\n")
    return tmp_path


def read(folder, temperature_k=600.0, replica=0, cell=CELL):
    return read_external(cell, temperature_k=temperature_k, replica=replica, folder=folder)


def test_a_run_is_described_as_one_of_ours(folder):
    run = read(folder, replica=1)
    assert run["status"] == "finished"
    assert run["reason"] == ""
    assert run["replica"] == 1
    assert run["production_ps"] == pytest.approx(40 * 0.05)
    assert run["n_frames"] == 40
    assert run["files"] == [str(folder / "mine-lps/600K/b/XDATCAR")]
    assert set(empty_run(CELL, temperature_k=1.0, replica=0, reason="")) < set(run)
    assert json.loads(json.dumps(run)) == run


def test_a_change_of_the_files_changes_the_record(folder):
    before = read(folder)
    path = folder / "mine-lps/600K/a/XDATCAR"
    path.write_text(path.read_text().replace("0.1", "0.2", 1))
    after = read(folder)
    assert before["engine_version"].startswith("xdatcar, sha256 ")
    assert before["engine_version"] != after["engine_version"]
    assert before | {"engine_version": ""} == after | {"engine_version": ""}


def test_what_is_not_there_is_not_run(folder):
    assert read(folder, 700.0)["status"] == "not_run"
    assert "0 runs at 700 K" in read(folder, 700.0)["reason"]
    assert "2 runs at 600 K" in read(folder, replica=2)["reason"]
    assert "no such folder" in read(folder / "gone")["reason"]


def test_what_cannot_be_read_has_failed_with_its_reason(folder):
    (folder / "mine-lps/600K/a/XDATCAR").write_text("nothing\n")
    run = read(folder)
    assert run["status"] == "failed"
    assert "XDATCAR" in run["reason"]
    assert read(folder, replica=1)["status"] == "finished"


def test_the_runs_of_another_material_are_refused(folder):
    salt = Structure(Lattice.cubic(5), ["Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    cell = describe_external_cell(salt, material_id="mine-lps", unused=[])
    run = read(folder, cell=cell)
    assert run["status"] == "failed"
    assert "holds Li, P, S, but mine-lps is of Cl, Li" in run["reason"]


def test_the_temperature_may_be_off_by_a_kelvin(folder):
    runs = find_runs(folder)
    assert len(runs_at(runs, "mine-lps", 600.9)) == 2
    assert runs_at(runs, "mine-lps", 602.0) == []
    assert runs_at(runs, "lps", 600.0) == []


def test_runs_off_the_ladder_are_named(folder):
    runs = find_runs(folder)
    assert unused_runs(runs, "mine-lps", [(600.0, 0)]) == ["mine-lps/600K/b", "mine-lps/900K"]
    assert unused_runs(runs, "mine-lps", [(600.0, 0), (600.0, 1), (900.0, 0), (700.0, 0)]) == []
    cell = describe_external_cell(STRUCTURE, material_id="mine-lps", unused=["mine-lps/900K"])
    assert cell["status"] == "ready"
    assert cell["n_atoms"] == 3
    assert "mine-lps/900K" in cell["reason"]
