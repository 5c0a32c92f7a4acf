import gzip
import json
import threading

import pytest
from emmet.core.summary import SummaryDoc
from pymatgen.analysis.phase_diagram import PhaseDiagram
from pymatgen.core import Structure
from pymatgen.entries.computed_entries import ComputedEntry

from ionscout.config import MaterialsProjectSource
from ionscout.errors import SourceError
from ionscout.structures.records import is_failure, write_records
from ionscout.structures.sources import (
    materials_project,
    materials_project_client,
)
from ionscout.structures.sources import pull as pull_source
from ionscout.structures.sources.context import PullContext
from materials_project_server import KEY, LICL, Server, summary, thermo


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("MP_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(materials_project_client, "_FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(materials_project, "PAGE_SIZE", 3)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def settings_of(server, **settings):
    return MaterialsProjectSource(kind="materials_project", address=server.address, **settings)


def pull(server, cache, **settings):
    return pull_source("mp", settings_of(server, **settings), PullContext(cache))


def test_the_servers_documents_are_those_of_the_real_model():
    known = SummaryDoc.model_fields
    assert set(summary(1)) <= set(known)
    assert SummaryDoc(**summary(1), **dict.fromkeys(["nsites"], 8)).shear_modulus["vrh"] == 20.0


def test_it_pulls_all_pages_with_properties(server, tmp_path):
    server.summaries = [summary(number) for number in range(1, 8)]
    records = pull(server, tmp_path)
    assert [r["material_id"] for r in records] == [f"mp-mp-{n}" for n in range(1, 8)]
    assert Structure.from_dict(records[0]["structure"]).matches(LICL)
    assert records[0]["properties"] == {
        "formation_energy_ev_atom": -2.01,
        "energy_above_hull_ev_atom": 0.0,
        "band_gap_ev": 6.3,
    }
    assert records[0]["provenance"] == "mp-1 of the Materials Project, database 2025.09.25"
    path, query = server.asked[0]
    assert path == "/materials/summary/"
    assert (query["elements"], query["deprecated"]) == ("Li", "False")
    assert float(query["energy_above_hull_max"]) == 0.1
    assert [int(query["_page"]) for _, query in server.asked] == [1, 2, 3]


def test_moduli_come_on_request_and_may_be_unknown(server, tmp_path):
    server.summaries = [summary(1)]
    (record,) = pull(server, tmp_path, elasticity=True)
    assert record["properties"]["shear_modulus_gpa"] == 20.0
    assert record["properties"]["bulk_modulus_gpa"] is None


def test_chemical_systems_bring_their_subsystems_with_lithium(server, tmp_path):
    server.summaries = [summary(1), summary(2, chemsys="Cl-S"), summary(3, chemsys="Li")]
    records = pull(server, tmp_path, chemical_systems=["Li-S-Cl"])
    assert [r["material_id"] for r in records] == ["mp-mp-1", "mp-mp-3"]
    asked = server.asked[0][1]["chemsys"].split(",")
    assert sorted(asked) == ["Cl-Li", "Cl-Li-S", "Li", "Li-S"]


def test_the_hull_and_the_number_limit_what_is_pulled(server, tmp_path):
    server.summaries = [summary(n, hull=0.2 * (n == 2)) for n in range(1, 9)]
    records = pull(server, tmp_path, max_structures=4)
    assert [r["material_id"] for r in records] == ["mp-mp-1", "mp-mp-3", "mp-mp-4", "mp-mp-5"]
    assert len(server.asked) == 2
    every = pull(server, tmp_path / "all", max_energy_above_hull_ev_atom=None)
    assert len(every) == 8


def test_nothing_is_asked_twice_until_the_snapshot_changes(server, tmp_path, monkeypatch):
    server.summaries = [summary(number) for number in range(1, 5)]
    first = pull(server, tmp_path)
    server.asked.clear()
    monkeypatch.delenv("MP_API_KEY")
    assert pull(server, tmp_path) == first
    assert server.asked == []
    monkeypatch.setenv("MP_API_KEY", KEY)
    server.summaries = server.summaries[:1]
    assert len(pull(server, tmp_path, snapshot="2")) == 1


def test_a_cut_pull_goes_on_where_it_stopped(server, tmp_path, monkeypatch):
    monkeypatch.setattr(materials_project_client, "_ATTEMPTS", 1)
    server.summaries = [summary(number) for number in range(1, 8)]
    server.troubles = [lambda h: h.say(200, h.server.documents(*server.asked[-1]))]
    server.troubles.append(lambda h: h.say(500, {}))
    with pytest.raises(SourceError, match="it answered 500"):
        pull(server, tmp_path)
    server.asked.clear()
    assert len(pull(server, tmp_path)) == 7
    assert [query["_page"] for _, query in server.asked] == ["2", "3"]


def test_pages_of_another_database_version_do_not_mix(server, tmp_path, monkeypatch):
    monkeypatch.setattr(materials_project_client, "_ATTEMPTS", 1)
    server.summaries = [summary(number) for number in range(1, 5)]
    server.troubles = [lambda h: h.say(200, h.server.documents(*server.asked[-1]))]
    server.troubles.append(lambda h: h.say(500, {}))
    with pytest.raises(SourceError):
        pull(server, tmp_path)
    server.asked.clear()
    server.version = "2026.01.01"
    records = pull(server, tmp_path)
    assert [query["_page"] for _, query in server.asked] == ["1", "2"]
    assert all(record["provenance"].endswith("2026.01.01") for record in records)


def cut(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"data": [')
    handler.close_connection = True


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (lambda h: h.say(429, {}, Retry_After="0"), "it answered 429"),
        (lambda h: h.say(503, {}), "it answered 503"),
        (lambda h: h.say(200, b'{"data": ['), "cut off, or not JSON"),
        (lambda h: h.say(200, b"<html>maintenance</html>"), "cut off, or not JSON"),
        (cut, "no answer (ChunkedEncodingError)"),
    ],
)
def test_passing_trouble_changes_nothing_and_is_logged(server, tmp_path, caplog, trouble, said):
    caplog.set_level("WARNING", logger="ionscout")
    server.summaries = [summary(number) for number in range(1, 6)]
    undisturbed = pull(server, tmp_path / "1")
    server.troubles = [trouble, trouble]
    assert pull(server, tmp_path / "2") == undisturbed
    assert caplog.text.count(said) == 2


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (None, "MP_API_KEY is not set; get a key at https://materialsproject.org/api"),
        ("short", "MP_API_KEY does not hold a key"),
        ("x" * 32, r"the key in MP_API_KEY was refused \(401\)"),
    ],
)
def test_a_missing_or_wrong_key_is_one_clear_line(server, tmp_path, monkeypatch, key, said):
    monkeypatch.delenv("MP_API_KEY")
    if key:
        monkeypatch.setenv("MP_API_KEY", key)
    with pytest.raises(SourceError, match=said) as caught:
        pull(server, tmp_path)
    assert "\n" not in str(caught.value)
    assert key is None or key == "short" or key not in str(caught.value)


def test_no_network_is_one_clear_line(server, tmp_path):
    settings = MaterialsProjectSource(kind="materials_project", address="http://127.0.0.1:9/")
    with pytest.raises(SourceError, match=r"http://127.0.0.1:9/ cannot be pulled, no answer"):
        pull_source("mp", settings, PullContext(tmp_path))


@pytest.mark.parametrize(
    "answer",
    [
        {"data": [{"id": "mp-1", "crystal": {}}], "meta": {"total_doc": 1}},
        {"results": []},
        {"data": "none", "meta": {}},
        [],
    ],
)
def test_another_schema_is_one_clear_line(server, tmp_path, answer):
    server.troubles = [lambda h: h.say(200, answer)]
    with pytest.raises(SourceError, match="in a form that mp-api does not know"):
        pull(server, tmp_path)
    server.heartbeat = {"status": "OK"}
    with pytest.raises(SourceError, match="db_version"):
        pull(server, tmp_path / "beat")


def test_a_refused_question_and_a_wrong_system_are_one_clear_line(server, tmp_path):
    server.troubles = [lambda h: h.say(400, {"detail": "no such field " + KEY})]
    with pytest.raises(SourceError, match=r"refused the question \(400: .*no such field \*\*\*"):
        pull(server, tmp_path)
    for system, said in (("Na-Cl", "no lithium in 'Na-Cl'"), ("Li-Xx", "not a chemical system")):
        with pytest.raises(SourceError, match=said):
            pull(server, tmp_path, chemical_systems=[system])


def test_one_odd_document_is_a_failure_and_the_rest_goes_on(server, tmp_path):
    torn = LICL.as_dict()
    torn["sites"][0]["abc"][0] = None
    server.summaries = [
        summary(1),
        summary(2, structure={"lattice": {}}),
        summary(3, band_gap="wide"),
        summary(4, structure=torn),
        summary(5, band_gap=None),
    ]
    records = pull(server, tmp_path)
    failures = {r["material_id"]: r["reason"] for r in records if is_failure(r)}
    assert list(failures) == ["mp-mp-2", "mp-mp-3", "mp-mp-4"]
    assert "band_gap is 'wide'" in failures["mp-mp-3"]
    assert records[-1]["properties"]["band_gap_ev"] is None


def test_the_key_is_in_no_file_and_no_log(server, tmp_path, caplog):
    caplog.set_level("DEBUG")
    server.summaries, server.thermos = [summary(1)], [thermo("mp-1", {"Li": 1}, -1.9)]
    server.troubles = [lambda h: h.say(503, {"detail": KEY})]
    records = pull(server, tmp_path / "cache")
    entries = materials_project.pull_entries(
        settings_of(server), ["Li-Cl"], PullContext(tmp_path / "cache")
    )
    write_records(tmp_path / "records.jsonl.gz", records)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 5
    for path in files:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        assert KEY.encode() not in content, path
    assert KEY not in caplog.text
    assert KEY not in json.dumps(entries)


def test_entries_of_whole_systems_make_the_phase_diagram_of_their_source(
    server, tmp_path, shared_data
):
    with gzip.open(shared_data / "entries" / "Li-Fe-P-O_entries.json.gz") as file:
        known = [ComputedEntry.from_dict(one) for one in json.load(file)]
    known = [one for one in known if not one.composition.chemical_system.count("Fe")]
    server.thermos = [
        thermo(str(one.entry_id), one.composition.as_dict(), one.uncorrected_energy)
        for one in known
    ]
    for document, one in zip(server.thermos, known, strict=True):
        document["entries"]["GGA"]["correction"] = one.correction
    context = PullContext(tmp_path)
    pulled = materials_project.pull_entries(settings_of(server), ["Li-P-O"], context)
    (_, query), *_ = server.asked
    assert query["thermo_types"] == "GGA_GGA+U"
    assert sorted(query["chemsys"].split(",")) == sorted(
        ["Li", "P", "O", "Li-P", "Li-O", "O-P", "Li-O-P"]
    )
    assert len(pulled) == len(known)
    entries = [ComputedEntry.from_dict(one) for one in pulled]
    assert {one.parameters["run_type"] for one in entries} == {"GGA"}
    assert {one.data["thermo_type"] for one in entries} == {"GGA_GGA+U"}
    assert any("Li" not in one.composition for one in entries)
    ours, theirs = PhaseDiagram(entries), PhaseDiagram(known)
    energies = {f"{one.entry_id}-GGA": theirs.get_e_above_hull(one) for one in known}
    for one in entries:
        assert ours.get_e_above_hull(one) == pytest.approx(energies[one.entry_id], abs=1e-8)
    server.asked.clear()
    assert materials_project.pull_entries(settings_of(server), ["Li-P-O"], context) == pulled
    assert server.asked == []


def test_one_pull_is_of_one_database_version(server, tmp_path, monkeypatch):
    monkeypatch.setattr(materials_project, "_SYSTEMS_AT_ONCE", 3)
    server.thermos = [
        thermo("mp-1", {"Li": 1, "Cl": 1}, -6.0), thermo("mp-2", {"Na": 1, "Cl": 1}, -6.0)
    ]  # fmt: skip
    source, context = settings_of(server), PullContext(tmp_path)
    materials_project.pull_entries(source, ["Li-Cl"], context)
    server.version = "2026.05.01"
    entries = materials_project.pull_entries(source, ["Li-Cl", "Na-Cl"], context)
    assert {one["data"]["database_version"] for one in entries} == {"2026.05.01"}
    assert len(entries) == 2
