"""What goes wrong in the dynamics of one material is named, and the others finish."""

import contextlib
import copy
import json
import os
import subprocess
from pathlib import Path

import pytest

from campaigns import TINY, Project, finished_jobs

HOT_K = 5000.0


@contextlib.contextmanager
def read_only(folder: Path):
    """Take the right to write away, from root too."""
    if os.geteuid():
        folder.chmod(0o555)
        yield
        folder.chmod(0o755)
        return
    if subprocess.run(["mount", "--bind", folder, folder], check=False).returncode:
        pytest.skip("root can write everywhere, and may not mount here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_results_that_cannot_be_written_stop_before_any_job(tmp_path):
    project = Project(tmp_path)
    project.write_config(TINY)
    results = tmp_path / "results"
    with read_only(results):
        stopped = project.snakemake()
    assert stopped.returncode != 0
    assert f"{results} cannot be written" in stopped.stdout
    assert "Execute" not in stopped.stdout
    assert "Traceback" not in stopped.stdout


@pytest.mark.slow
def test_a_store_on_a_read_only_mount_fails_no_run(tmp_path):
    project = Project(tmp_path)
    project.write_config(TINY)
    cell = "results/tiny/dynamics/bundled-li3n/cell.json"
    run = "results/tiny/dynamics/bundled-li3n/500K/0/run.json"
    assert project.snakemake(cell).returncode == 0
    with read_only(tmp_path / "results" / "store"):
        stopped = project.snakemake(run)
    assert stopped.returncode != 0
    assert "results/store" in stopped.stdout
    assert "cannot be written (" in stopped.stdout
    assert "Traceback" not in stopped.stdout
    assert not (tmp_path / run).exists(), "it is not the run's fault"
    done = project.snakemake(run)
    assert done.returncode == 0, done.stdout
    assert json.loads((tmp_path / run).read_text())["status"] == "finished"


@pytest.mark.slow
def test_faults_are_named_and_the_rest_finishes(tmp_path):
    project = Project(tmp_path)
    config = copy.deepcopy(TINY)
    # without the heating, 5,000 K at 5 fs throw the atoms apart
    config["dynamics"] |= {"max_atoms": 8, "timestep_fs": 5.0, "equilibration_ps": 0.0}
    config["dynamics"] |= {"production_ps": 20.0, "segment_ps": 5.0}
    config["screening"]["shortlist_size"] = 0
    config["screening"]["positive_control"] = {
        "material_id": "bundled-li3n",
        "temperatures_k": [500],
    }
    config["screening"]["negative_control"] = {
        "material_id": "bundled-licl",
        "temperatures_k": [500, HOT_K],
    }
    project.write_config(config)
    prepared = project.snakemake("results/tiny/dynamics/bundled-licl/cell.json")
    assert prepared.returncode == 0, prepared.stdout
    store, kept = (project.folder / "results" / name for name in ("store", "kept"))
    store.rename(kept)
    store.write_text("no folder can be made here\n")

    stopped = project.snakemake()
    assert stopped.returncode != 0
    assert "results/store" in stopped.stdout
    assert "Traceback" not in stopped.stdout
    dynamics = project.results() / "dynamics"
    assert not list(dynamics.glob("bundled-licl/*/*/run.json")), "it is not the runs' fault"
    assert (project.results() / "transport" / "bundled-li3n" / "diffusivity.csv").exists()

    store.unlink()
    kept.rename(store)
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    assert finished_jobs(done.stdout)["run_dynamics"] == 2
    cell = json.loads((dynamics / "bundled-li3n" / "cell.json").read_text())
    assert cell["status"] == "failed"
    assert "dynamics.max_atoms = 8" in cell["reason"]
    runs = [json.loads(path.read_text()) for path in dynamics.glob("bundled-licl/*/0/run.json")]
    outcomes = {run["temperature_k"]: (run["status"], run["reason"]) for run in runs}
    assert outcomes[500.0] == ("finished", "")
    assert outcomes[HOT_K][0] == "failed"
    assert outcomes[HOT_K][1].startswith("exploded: ")
    page = (project.results() / "report" / "index.html").read_text()
    assert "dynamics.max_atoms = 8" in page
    assert "exploded" in page
