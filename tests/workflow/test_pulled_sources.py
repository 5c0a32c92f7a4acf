"""Campaigns that pull from databases: keys stay secret, and a dead database need not stop all."""

import copy
import gzip
import threading

import pandas as pd
import pytest

from campaigns import TINY, Project
from materials_project_server import KEY, Server, summary, thermo

MANIFEST = "results/tiny/structures/manifest.csv"
ENTRIES = "results/tiny/structures/entries/mp.jsonl.gz"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("MP_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    server.summaries = [summary(number) for number in range(1, 4)]
    server.thermos = [thermo("mp-1", {"Li": 1, "Cl": 1}, -6.0), thermo("mp-2", {"Cl": 2}, -3.0)]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def campaign(**sources) -> dict:
    config = copy.deepcopy(TINY)
    config["structures"]["sources"] = sources
    return config


def contents(folder):
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            yield path, gzip.decompress(data) if path.suffix == ".gz" else data


def test_a_key_is_written_nowhere(server, tmp_path):
    project = Project(tmp_path)
    project.write_config(campaign(mp={"kind": "materials_project", "address": server.address}))
    done = project.snakemake(MANIFEST, ENTRIES)
    assert done.returncode == 0, done.stdout
    assert KEY not in done.stdout
    assert {path for path, _ in server.asked} == {"/materials/summary/", "/materials/thermo/"}
    written = dict(contents(tmp_path))
    assert not [path for path, data in written.items() if KEY.encode() in data]
    assert b"Cl" in written[tmp_path / ENTRIES]
    manifest = pd.read_csv(project.results() / "structures" / "manifest.csv")
    assert {"mp-mp-1", "mp-mp-2", "mp-mp-3"} <= set(manifest["material_id"])


def test_a_dead_database_stops_or_is_skipped(server, tmp_path):
    dead = {"kind": "optimade", "provider": "http://127.0.0.1:9", "max_retries": 0}
    living = {"kind": "materials_project", "address": server.address}
    project = Project(tmp_path)
    project.write_config(campaign(mp=living, far=dead))
    done = project.snakemake(MANIFEST)
    assert done.returncode != 0
    assert "source far: " in done.stdout
    project.write_config(campaign(mp=living, far={**dead, "on_failure": "skip"}))
    done = project.snakemake(MANIFEST)
    assert done.returncode == 0, done.stdout
    failures = pd.read_csv(project.results() / "structures" / "failures.csv")
    assert failures["material_id"].tolist() == ["far"]
    manifest = pd.read_csv(project.results() / "structures" / "manifest.csv")
    assert "mp-mp-1" in set(manifest["material_id"])
