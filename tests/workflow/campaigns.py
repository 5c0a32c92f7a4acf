"""Campaigns that the workflow tests run, each in a copy of the project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
KERNELS = "workflow/ionscout/**/__pycache__/*.nb[ci]"

# Every stage, at the size of a unit test: Lennard-Jones in tiny cells.
TINY = {
    "campaign": "tiny",
    "structures": {
        "sources": {
            "bundled": {"kind": "bundled"},
            "substitution": {"kind": "substitution", "max_candidates": 5},
        }
    },
    "features": {"sets_after_gates": ["bond_valence"], "max_after_gates": 1},
    "models": {"names": ["sendek2017", "logistic"]},
    "clusters": {"names": ["ward"]},
    "regression": {"names": ["gaussian_process"]},
    "screening": {
        "shortlist_size": 1,
        "stability": {"max_predicted": 1},
        "gates": {"models": {"enabled": False}},
    },
    "dynamics": {
        "engine": "lennard-jones",
        "temperatures_k": [500, 600],
        "equilibration_ps": 0.1,
        "production_ps": 0.4,
        "segment_ps": 0.2,
        "min_image_distance_ang": 5.0,
        "max_atoms": 50,
        "relax": {"max_steps": 20},
    },
}


class Project:
    """A copy of the tracked project in a folder of its own, with its campaigns.

    What numba has compiled is copied too: it takes minutes to compile anew.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        tracked = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split("\n")
        self.files = [folder / name for name in tracked if name and (ROOT / name).is_file()]
        compiled = [folder / path.relative_to(ROOT) for path in ROOT.glob(KERNELS)]
        for path in [*self.files, *compiled]:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path.relative_to(folder), path)

    def write_config(self, config: dict, name: str = "campaign.yaml") -> Path:
        path = self.folder / name
        path.write_text(yaml.safe_dump(config))
        return path

    def snakemake(self, *arguments: str, config: str = "campaign.yaml"):
        """Run Snakemake in the copy; return the finished process, its output in one text."""
        return subprocess.run(
            [
                *(sys.executable, "-m", "snakemake", "--configfile", config, "--cores", "2"),
                *("--nolock", *arguments),
            ],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(self.folder / "workflow")},
        )

    def planned_jobs(self, config: str = "campaign.yaml") -> Counter:
        """The jobs a dry run plans, by rule."""
        done = self.snakemake("--dry-run", "--quiet", "host", config=config)
        assert done.returncode == 0, done.stdout
        table = re.search(r"^job\s+count\n-+\s+-+\n(.*?)^total", done.stdout, re.M | re.S)
        rows = (line.split() for line in table[1].splitlines()) if table else ()
        return Counter({rule: int(count) for rule, count in rows if rule != "all"})

    def results(self, campaign: str = "tiny") -> Path:
        return self.folder / "results" / campaign


def finished_jobs(output: str) -> Counter:
    """The jobs a run finished, by rule."""
    return Counter(
        rule for rule in re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", output) if rule != "all"
    )
