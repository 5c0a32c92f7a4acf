"""A campaign killed anywhere and started again ends with the same tables."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from campaigns import TINY, Project

N_KILLS = 8


def tables(project: Project) -> dict[str, bytes]:
    root = project.results()
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.csv"))}


@pytest.mark.slow
def test_killed_and_restarted_gives_the_same_tables(tiny, tmp_path):
    project = Project(tmp_path)
    project.write_config(TINY)
    lot = random.Random(7)
    for _ in range(N_KILLS):
        running = subprocess.Popen(
            [
                *(sys.executable, "-m", "snakemake", "--configfile", "campaign.yaml"),
                *("--cores", "2", "--nolock"),
            ],
            cwd=project.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(lot.uniform(3, 25))
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    assert tables(project) == tables(tiny)
