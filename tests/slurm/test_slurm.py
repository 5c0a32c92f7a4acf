"""The same campaign on this machine and through a real Slurm on loopback: the same tables."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml

from campaigns import ROOT, Project

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

LAB = ROOT.parent / "shared" / "slurm"


@pytest.fixture
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
