"""How long planning takes in an unchanged campaign of many materials.

`python benchmarks/plan.py 12745 150000` makes campaigns of so many generated
materials, marks all their files as made, and times `snakemake --dry-run`, which
must find nothing to do. The peer is Snakemake's own start-up (`--version`).
"""

import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from ionscout.structures.curation import MANIFEST_DTYPES, shard_of

ROOT = Path(__file__).parents[1]
PER_SHARD = 500


def campaign(n_materials: int) -> dict:
    return {
        "campaign": "big",
        "structures": {
            "sources": {"big": {"kind": "optimade", "provider": "http://localhost:9"}},
            "shards": max(2, n_materials // PER_SHARD),
        },
    }


def write_manifest(path: Path, n_materials: int, n_shards: int) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(MANIFEST_DTYPES), restval="")
        writer.writeheader()
        for number in range(n_materials):
            material_id = f"big-{number:07d}"
            writer.writerow(
                {
                    "material_id": material_id,
                    "source": "big",
                    "candidate": True,
                    "structure_hash": f"{number:016x}",
                    "shard": shard_of(material_id, n_shards),
                }
            )


def snakemake(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--configfile", "big.yaml", "--cores", "2"),
            *("--nolock", *arguments),
        ],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(folder / "workflow")},
    )
    return done.stdout


def make_all_files(folder: Path, n_materials: int, n_shards: int) -> None:
    """Make the files that each dry run says are to be made, then mark them as made."""
    while True:
        planned = snakemake(folder, "--dry-run", "--quiet", "host")
        lines = re.findall(r"^    output: (.*)$", planned, re.M)
        files = [folder / name for line in lines for name in line.split(", ")]
        files = [file for file in files if not file.exists()]
        if not files:
            break
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            if file.name == "manifest.csv":
                write_manifest(file, n_materials, n_shards)
            elif file.name == "shortlist.csv":
                file.write_text("material_id,engine,temperatures_k\n")
            else:
                file.touch()
    snakemake(folder, "--touch")


def time_plan(n_materials: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "workflow", folder / "workflow")
        for part in ("profiles", "resources", "envs"):
            shutil.copytree(ROOT / part, folder / part)
        shutil.copy(ROOT / "Snakefile", folder)
        config = campaign(n_materials)
        (folder / "big.yaml").write_text(yaml.safe_dump(config))
        make_all_files(folder, n_materials, config["structures"]["shards"])
        start = time.perf_counter()
        answer = snakemake(folder, "--dry-run")
        plan_s = time.perf_counter() - start
        if "Nothing to be done" not in answer:
            raise SystemExit(f"the campaign was not taken as unchanged:\n{answer[-2000:]}")
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "snakemake", "--version"], capture_output=True)
        return plan_s, time.perf_counter() - start


if __name__ == "__main__":
    for n in map(int, sys.argv[1:] or ["12745", "150000"]):
        plan_s, start_s = time_plan(n)
        print(
            f"{n} materials: planned in {plan_s:.1f} s, {plan_s / start_s:.1f} times the "
            f"{start_s:.1f} s that Snakemake takes to start"
        )
