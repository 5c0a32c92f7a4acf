"""Real HTTP against the reference OPTIMADE server, with faults and kills between."""

import gzip
import json
import logging
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from optimade.adapters.structures.pymatgen import from_pymatgen
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from ionscout.config import OptimadeSource
from ionscout.structures.records import is_failure, write_records
from ionscout.structures.sources import optimade, optimade_client
from ionscout.structures.sources.context import PullContext
from ionscout.structures.sources.pages import PageStore
from optimade_servers import FaultPlan, FaultProxy, reference_server

PULL_ONCE = Path(__file__).parent / "pull_once.py"
FEW = 100


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(optimade_client, "FIRST_WAIT_S", 0.05)


@pytest.fixture(scope="module")
def originals(shared_data):
    with gzip.open(shared_data / "mp2018_li" / "structures.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def read_crystal(original):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Structure.from_str(original["cif"], fmt="cif")


def write_resources(originals, path):
    """Write what the reference server holds; it puts its prefix before the last three."""
    resources = [
        from_pymatgen(read_crystal(original)).model_dump(mode="json", exclude_none=True)
        | {
            "id": original["task_id"],
            "last_modified": "2018-01-01T00:00:00Z",
            "hull_distance": original["e_above_hull"],
            "formation_energy_per_atom": original["formation_energy_per_atom"],
            "band_gap": original["band_gap"],
        }
        for original in originals
    ]
    path.write_text(json.dumps(resources))
    return path


def served(originals, folder):
    """The reference server behind a proxy without faults, as a generator of the proxy."""
    with (
        FaultProxy(lambda path: None) as proxy,
        reference_server(
            write_resources(originals, folder / "resources.json"), proxy.address
        ) as upstream,
    ):
        proxy.upstream = upstream
        yield proxy


@pytest.fixture(scope="module")
def few(originals, tmp_path_factory):
    yield from served(originals[:FEW], tmp_path_factory.mktemp("few"))


@pytest.fixture(scope="module")
def everything(originals, tmp_path_factory):
    yield from served(originals, tmp_path_factory.mktemp("everything"))


def pull(cache, address, **settings):
    source = OptimadeSource(kind="optimade", provider=address, **{"timeout_s": 10} | settings)
    return optimade.pull("mp", source, PullContext(cache))


def assert_same(records, originals, matcher):
    assert not [record for record in records if is_failure(record)]
    by_id = {record["material_id"]: record for record in records}
    assert list(by_id) == [f"mp-{original['task_id']}" for original in originals]
    for original in originals:
        record = by_id[f"mp-{original['task_id']}"]
        assert matcher.fit(Structure.from_dict(record["structure"]), read_crystal(original))
        assert record["properties"] == {
            "band_gap_ev": original["band_gap"],
            "energy_above_hull_ev_atom": original["e_above_hull"],
            "formation_energy_ev_atom": original["formation_energy_per_atom"],
        }


def assert_faults_change_nothing(proxy, folder, caplog, **settings):
    caplog.set_level(logging.INFO, logger="ionscout")
    proxy.stall_s = settings["timeout_s"] + 0.5
    clean, clean_s = timed(folder / "clean", proxy.address, **settings)
    proxy.fault = plan = FaultPlan()
    try:
        faulty, faulty_s = timed(folder / "faulty", proxy.address, **settings)
    finally:
        proxy.fault = lambda path: None
    write_records(folder / "clean.gz", clean)
    write_records(folder / "faulty.gz", faulty)
    assert (folder / "clean.gz").read_bytes() == (folder / "faulty.gz").read_bytes()
    assert set(plan.given) == set(FaultPlan.KINDS)
    stalls = sum("no answer within" in line for line in caplog.messages)
    of_its_own = stalls - plan.given["stall"]
    assert of_its_own >= 0
    assert sum("; try " in line for line in caplog.messages) == plan.given.total() + of_its_own
    print(f"clean {clean_s:.1f} s, with {dict(plan.given)}: {faulty_s:.1f} s")


def timed(cache, address, **settings):
    start = time.perf_counter()
    records = pull(cache, address, **settings)
    return records, time.perf_counter() - start


def pull_killed(proxy, folder, *, stops):
    """Kill the pull's process after so many pages, and let it end at last.

    Returns how many pages were kept at each kill, and those asked for again
    although they were.
    """
    chance = random.Random(0)
    proxy.log.clear()
    store, kept, again = PageStore(folder / "unused"), [set()], []
    for stop in [*stops, None]:
        seen = len(proxy.pages())
        process = subprocess.Popen(
            [sys.executable, PULL_ONCE, folder / "cache", proxy.address, folder / "records.gz"],
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None:
            if stop is not None and sum(end == "ok" for _, end in proxy.pages()) >= stop:
                time.sleep(chance.uniform(0, 0.05))
                process.kill()
                break
            time.sleep(0.005)
        assert process.wait() == (0 if stop is None else -signal.SIGKILL)
        asked = {store.path(proxy.address + page).name for page, _ in proxy.pages()[seen:]}
        again += asked & kept[-1]
        kept.append({path.name for path in (folder / "cache").glob("*/*.json.gz")})
    return [len(pages) for pages in kept[1:]], again


def assert_kills_change_nothing(proxy, folder, *, stops):
    kept, again = pull_killed(proxy, folder, stops=stops)
    assert again == []
    assert 0 < kept[0] < kept[-1]
    assert kept == sorted(kept)
    came_whole = sum(end == "ok" for _, end in proxy.pages())
    print(f"pages kept at the kills {kept}; {came_whole} came whole, kept or not")
    write_records(folder / "clean.gz", pull(folder / "clean", proxy.address, page_size=20))
    assert (folder / "records.gz").read_bytes() == (folder / "clean.gz").read_bytes()


def test_structures_through_real_http(few, originals, tmp_path):
    records = pull(tmp_path, few.address, page_size=7)
    assert_same(records, originals[:FEW], StructureMatcher())


def test_faults_before_the_reference_server(few, tmp_path, caplog):
    assert_faults_change_nothing(few, tmp_path, caplog, page_size=4, timeout_s=1.5)


def test_filter_that_the_reference_server_refuses(few, tmp_path):
    with pytest.raises(optimade.SourceError, match=r"source mp: .*refuses the query: 400 .*\("):
        pull(tmp_path, few.address, filter="elements HAZ 3")
    with pytest.raises(optimade.SourceError, match="lower `page_size`"):
        pull(tmp_path, few.address, page_size=1000)


def test_killed_pull_goes_on(few, tmp_path, monkeypatch):
    def wait_for_the_kill(path):
        if sum(end == "ok" for _, end in few.pages()) >= 2:
            time.sleep(4.0)

    monkeypatch.setattr(few, "fault", wait_for_the_kill)
    assert_kills_change_nothing(few, tmp_path, stops=[2])


@pytest.mark.slow
def test_all_structures_through_real_http(everything, originals, tmp_path):
    records = pull(tmp_path, everything.address)
    assert len(records) == 1924
    assert_same(records, originals, StructureMatcher())


@pytest.mark.slow
def test_all_structures_with_faults(everything, tmp_path, caplog):
    assert_faults_change_nothing(everything, tmp_path, caplog, page_size=50, timeout_s=2.5)


@pytest.mark.slow
def test_killed_at_ten_random_points(everything, tmp_path):
    stops = sorted(random.Random(7).sample(range(1, 95), 10))
    assert_kills_change_nothing(everything, tmp_path, stops=stops)
