"""Campaigns through a real Slurm on loopback: the same tables; runs stopped by a time limit."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml

from campaigns import ROOT, TINY, Project

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

LAB = ROOT.parent / "shared" / "slurm"


@pytest.fixture(scope="module")
def slurm():
    """A running Slurm cluster; the path of its configuration."""
    if not (LAB / "slurm-up").exists():
        pytest.skip("the scripts that start a test cluster (../shared/slurm) are not here")
    if os.geteuid() != 0:
        pytest.skip("starting a test cluster needs root")
    folder = Path(tempfile.mkdtemp(prefix="slurm-lab-"))
    folder.chmod(0o755)  # munge refuses a socket that others cannot reach
    environment = {**os.environ, "SLURM_LAB": str(folder), "NODES": "2"}
    subprocess.run(["bash", str(LAB / "slurm-up")], check=True, env=environment)
    yield folder / "etc" / "slurm.conf"
    subprocess.run(["bash", str(LAB / "slurm-down"), "--wipe"], check=False, env=environment)


def shortened() -> dict:
    """The default campaign with hardly any dynamics."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    config["structures"]["sources"]["substitution"]["max_candidates"] = 20
    config["screening"] = {
        "shortlist_size": 1,
        "stability": {"max_predicted": 1},
        "positive_control": {"material_id": "bundled-li3n", "temperatures_k": [800]},
        "negative_control": {"material_id": "bundled-licl", "temperatures_k": [700]},
    }
    config["dynamics"]["temperatures_k"] = [800]
    config["dynamics"] |= {"equilibration_ps": 0.04, "production_ps": 0.1, "segment_ps": 0.1}
    config["dynamics"]["audit"]["max_atoms"] = 1
    return config


def tables(project: Project) -> dict[str, bytes]:
    """All tables that a person would open."""
    root = project.results("demo")
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.csv"))}


def test_slurm_gives_the_same_tables(slurm: Path, tmp_path: Path, monkeypatch):
    here, there = Project(tmp_path / "here"), Project(tmp_path / "there")
    for project in (here, there):
        project.write_config(shortened())
    done = here.snakemake()
    assert done.returncode == 0, done.stdout
    monkeypatch.setenv("SLURM_CONF", str(slurm))
    done = there.snakemake("--workflow-profile", "profiles/slurm", "--jobs", "4")
    assert done.returncode == 0, done.stdout
    assert tables(there) == tables(here)
    assert len(tables(here)) > 10


def test_a_run_that_the_time_limit_stops_goes_on(slurm: Path, tmp_path: Path, monkeypatch):
    project = Project(tmp_path)
    config = copy.deepcopy(TINY)
    config["screening"]["shortlist_size"] = 0
    config["screening"]["negative_control"] = {
        "material_id": "bundled-licl",
        "temperatures_k": [400],
    }
    config["dynamics"] |= {
        "production_ps": 600.0,
        "segment_ps": 100.0,
        "stop_when_settled": False,
    }
    project.write_config(config)
    dynamics = "results/tiny/dynamics/bundled-licl"
    done = project.snakemake(f"{dynamics}/cell.json")
    assert done.returncode == 0, done.stdout
    monkeypatch.setenv("SLURM_CONF", str(slurm))
    stopped = project.snakemake(
        f"{dynamics}/400K/0/run.json",
        *("--workflow-profile", "profiles/slurm", "--jobs", "1", "--retries", "12"),
        *("--set-resources", "run_dynamics:runtime=2"),
        *("--default-resources", "slurm_extra='--signal=TERM@60'"),
    )
    assert stopped.returncode == 0, stopped.stdout
    assert "told to stop" in stopped.stdout
    run = json.loads((project.folder / dynamics / "400K" / "0" / "run.json").read_text())
    assert (run["status"], run["production_ps"]) == ("finished", 600.0)
