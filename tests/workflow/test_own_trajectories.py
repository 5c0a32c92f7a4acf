"""The user's own trajectories as a target of its own."""

from collections import Counter

import pandas as pd
import pytest
import trajectory_files as files

from campaigns import TINY, Project, finished_jobs

FRACTIONAL, CELLS, _ = files.truth(n_frames=60, changing=False)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("project"))
    project.write_config(TINY)
    runs = project.folder / "my runs"
    for kelvin in (600, 700):
        path = runs / "lps" / f"{kelvin}K" / "XDATCAR"
        path.parent.mkdir(parents=True)
        path.write_text(files.xdatcar(FRACTIONAL, CELLS, headers=False))
    broken = runs / "broken" / "600K" / "XDATCAR"
    broken.parent.mkdir(parents=True)
    broken.write_text("nothing\n")
    (runs / "run.yaml").write_text("frame_interval_fs: 50\n")
    return project


def analyse(project, *arguments):
    return project.snakemake("trajectories", *arguments, "--config", "trajectories=my runs")


def test_only_the_trajectories_are_analysed(project):
    done = analyse(project)
    assert done.returncode == 0, done.stdout
    assert finished_jobs(done.stdout) == Counter({"analyse_trajectories": 1, "trajectories": 1})
    found = project.results() / "trajectories"
    rows = pd.read_csv(found / "diffusivity.csv")
    assert rows[["material_id", "temperature_k"]].to_numpy().tolist() == [
        ["broken", 600.0],
        ["lps", 600.0],
        ["lps", 700.0],
    ]
    assert "XDATCAR" in rows["reason"][0]
    assert rows["n_lithium"].notna().tolist() == [False, True, True]
    page = (found / "index.html").read_text()
    assert "my runs" in page
    assert "broken" in page

    again = analyse(project)
    assert "Nothing to be done" in again.stdout
    (project.folder / "my runs" / "run.yaml").write_text("frame_interval_fs: 100\n")
    assert "analyse_trajectories" in analyse(project, "--dry-run").stdout


def test_a_folder_has_to_be_named_and_to_be_there(project):
    unnamed = project.snakemake("trajectories", "--dry-run")
    assert unnamed.returncode != 0
    assert "make trajectories FOLDER=" in unnamed.stdout
    missing = project.snakemake("trajectories", "--dry-run", "--config", "trajectories=nowhere")
    assert missing.returncode != 0
    assert "nowhere: no such folder" in missing.stdout
