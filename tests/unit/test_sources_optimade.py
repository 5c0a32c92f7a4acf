import gzip
import json
import logging
import re
import time
from email.utils import formatdate

import pytest

from ionscout.config import OptimadeSource
from ionscout.errors import SourceError
from ionscout.structures.records import write_records
from ionscout.structures.sources import optimade_client, optimade_query
from ionscout.structures.sources import pull as pull_source
from ionscout.structures.sources.context import PullContext
from optimade_servers import (
    FakeProvider,
    FaultPlan,
    FaultProxy,
    crystal,
    json_answer,
)

SEVEN = [crystal(f"x-{n}", _alexandria_hull_distance=n / 100) for n in range(7)]
IDS = [f"db-x-{n}" for n in range(7)]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(optimade_client, "FIRST_WAIT_S", 0.01)


def pull(cache, address, **settings):
    source = OptimadeSource(
        kind="optimade",
        provider=address,
        **{"page_size": 2, "timeout_s": 2, "max_retries": 3} | settings,
    )
    return pull_source("db", source, PullContext(cache))


def ids(records):
    return [record["material_id"] for record in records]


def refusal(cache, address, **settings):
    """The error of the source as a whole, which has to be one line that names it."""
    with pytest.raises(SourceError) as raised:
        pull(cache, address, **settings)
    text = str(raised.value)
    assert text.startswith("source db: ")
    assert "\n" not in text
    return text


@pytest.mark.parametrize("cursor", [False, True])
def test_all_pages_in_the_databases_order(tmp_path, cursor):
    with FakeProvider(SEVEN, cursor=cursor) as provider:
        records = pull(tmp_path, provider.address)
        assert len(provider.pages()) == 4
    assert ids(records) == IDS
    assert records[3]["properties"] == {
        "band_gap_ev": None,
        "energy_above_hull_ev_atom": 0.03,
        "formation_energy_ev_atom": None,
    }
    assert records[0]["labels"] == []
    assert records[0]["source"] == "db"


def test_asks_only_for_fields_that_the_database_has(tmp_path):
    with FakeProvider(SEVEN) as provider:
        pull(tmp_path, provider.address)
        asked = provider.pages()[0][0]
    assert "_alexandria_hull_distance" in asked
    assert "_alexandria_band_gap" not in asked
    assert "assemblies" not in asked


def test_says_where_a_material_comes_from(tmp_path):
    with FakeProvider(SEVEN) as provider:
        record = pull(tmp_path, provider.address, filter='elements HAS "Li"')[0]
    for part in ("structure x-0", provider.address, "1.1.0", 'elements HAS "Li"'):
        assert part in record["provenance"]
    [description] = tmp_path.glob("*/meta.json")
    for key in ("provider", "address", "api_version", "filter", "fields", "started", "finished"):
        assert f'"{key}"' in description.read_text()


def test_a_whole_pull_is_not_done_again_until_the_snapshot_changes(tmp_path):
    with FakeProvider(SEVEN) as provider:
        first = pull(tmp_path, provider.address)
    assert pull(tmp_path, provider.address) == first
    assert "asked" in refusal(tmp_path, provider.address, snapshot="2", max_retries=0)


def test_a_broken_pull_goes_on_after_its_last_whole_page(tmp_path):
    with FakeProvider(SEVEN, cursor=True) as provider:
        broken = FaultProxy(lambda path: "500" if "page_above=c4" in path else None)
        provider.address, provider_address = broken.address, provider.address
        with broken:
            broken.upstream = provider_address
            refusal(tmp_path, broken.address, max_retries=0)
            broken.fault = lambda path: None
            before = len(broken.log)
            records = pull(tmp_path, broken.address)
            assert len(broken.log) - before == 2
    assert ids(records) == IDS


def test_a_page_damaged_on_the_disk_is_fetched_again(tmp_path):
    with FakeProvider(SEVEN) as provider:
        first = pull(tmp_path, provider.address)
        page = sorted(tmp_path.glob("*/*.gz"))[0]
        page.write_bytes(gzip.compress(b'{"data": [')[:-3])
        assert pull(tmp_path, provider.address) == first
        assert len(provider.pages()) == 5


def test_no_more_than_wanted_and_more_later(tmp_path):
    with FakeProvider(SEVEN) as provider:
        assert ids(pull(tmp_path, provider.address, max_structures=3)) == IDS[:3]
        assert len(provider.pages()) == 2
        assert ids(pull(tmp_path, provider.address, max_structures=5)) == IDS[:5]
        assert len(provider.pages()) == 3


def test_faults_change_nothing_and_the_log_tells_them(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="ionscout")
    structures = [crystal(f"x-{n}") for n in range(16)]
    plan = FaultPlan()
    with FakeProvider(structures) as provider, FaultProxy(lambda path: None) as proxy:
        provider.address, proxy.upstream = proxy.address, provider.address
        clean = pull(tmp_path / "clean", proxy.address, page_size=1, timeout_s=0.4)
        proxy.fault = plan
        faulty = pull(tmp_path / "faulty", proxy.address, page_size=1, timeout_s=0.4)
    write_records(tmp_path / "clean.gz", clean)
    write_records(tmp_path / "faulty.gz", faulty)
    assert (tmp_path / "clean.gz").read_bytes() == (tmp_path / "faulty.gz").read_bytes()
    assert set(plan.given) == set(FaultPlan.KINDS)
    for said in (
        "429 Too Many Requests",
        "500 Internal Server Error",
        "no answer within 0.4 s",
        "broken or truncated JSON",
        "text/html instead of JSON",
        "connection failed",
    ):
        assert any(said in line and "; try " in line for line in caplog.messages)


@pytest.mark.parametrize("as_date", [False, True])
def test_waits_as_long_as_the_database_asks(monkeypatch, as_date):
    waits = []
    monkeypatch.setattr(optimade_client.time, "sleep", waits.append)
    monkeypatch.setattr(optimade_client.Client, "_keep_quiet", lambda self: None)
    asked = formatdate(time.time() + 8, usegmt=True) if as_date else "7"
    answers = iter([json_answer({}, 429, **{"Retry-After": asked})])
    with FakeProvider(SEVEN) as provider:
        usual = provider.answer
        provider.answer = lambda *page: next(answers, None) or usual(*page)
        with optimade_client.Client(connections=1, timeout_s=2, max_retries=1) as client:
            client.get(f"{provider.address}/v1/info")
    assert 6.5 < waits[0] < 8.5


def test_does_not_wait_for_hours(tmp_path):
    refused = json_answer({}, 503, **{"Retry-After": "7200"})
    with FakeProvider(SEVEN, answers={"/v1/structures": refused}) as provider:
        assert "a pause of 7200 s" in refusal(tmp_path, provider.address)


def test_nothing_is_sent_while_the_database_wants_a_pause():
    with (
        FakeProvider(SEVEN) as provider,
        optimade_client.Client(connections=1, timeout_s=2, max_retries=0) as client,
    ):
        start = time.monotonic()
        client.pause(0.3)
        client.get(f"{provider.address}/v1/info")
    assert time.monotonic() - start >= 0.3


def test_a_link_that_forgets_the_query_is_completed(tmp_path):
    class Forgetful(FakeProvider):
        def page(self, asked):
            page = super().page(asked)
            link = page["links"]["next"]
            if link:
                offset = re.search(r"page_offset=\d+", link)[0]
                page["links"]["next"] = {"href": f"structures?{offset}"}
            return page

    with Forgetful(SEVEN) as provider:
        assert ids(pull(tmp_path, provider.address)) == IDS
        assert all("response_fields" in page and "filter" in page for page, _ in provider.pages())


def test_structures_that_came_twice_or_not_at_all(tmp_path):
    with FakeProvider([*SEVEN, SEVEN[0]]) as provider:
        records = pull(tmp_path, provider.address)
    assert ids(records) == ["db", *IDS]
    assert "counts 8 structures and gave 7" in records[0]["reason"]


def test_what_cannot_be_used_is_named_and_the_rest_goes_on(tmp_path):
    odd = crystal("odd", cartesian_site_positions=[[0, 0, 0], [None] * 3])
    with FakeProvider([odd, {"id": "bare"}, crystal("good")]) as provider:
        records = pull(tmp_path, provider.address)
    assert ids(records) == ["db-odd", "db-bare", "db-good"]
    assert "unknown_positions: 1 of its 2 sites" in records[0]["reason"]
    assert "attributes" in records[1]["reason"]


def test_refused_filter(tmp_path):
    detail = "Unexpected token HAZ at line 1"
    refused = json_answer({"errors": [{"detail": detail}]}, 400)
    with FakeProvider(SEVEN, answers={"/v1/structures": refused}) as provider:
        text = refusal(tmp_path, provider.address)
        assert len(provider.pages()) == 1
    assert detail in text
    assert "`filter`" in text


@pytest.mark.parametrize("status", [401, 403])
def test_refused_access(tmp_path, status):
    refused = json_answer({"errors": [{"title": "Members only"}]}, status)
    with FakeProvider(SEVEN, answers={"/v1/structures": refused}) as provider:
        text = refusal(tmp_path, provider.address)
    assert "refuses access" in text
    assert "Members only" in text


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("/v1/info", {"name": "some other database"}, "no meta.api_version"),
        ("/v1/info", [1], "does not answer as OPTIMADE does"),
        ("/v1/info", {"meta": {"api_version": "0.9.5"}}, "speaks OPTIMADE 0.9.5"),
        ("/v1/info/structures", {"properties": []}, "no data.properties"),
        ("/v1/structures", {"results": [{"structure": 1}]}, "another schema"),
        ("/v1/structures", {"data": ["x"], "meta": {}}, "another schema"),
    ],
)
def test_another_schema(tmp_path, path, content, said):
    with FakeProvider(SEVEN, answers={path: json_answer(content)}) as provider:
        assert said in refusal(tmp_path, provider.address)


def test_not_a_database_at_all(tmp_path):
    page = (200, {"Content-Type": "text/html"}, b"<html>")
    with FakeProvider(SEVEN, answers={"/v1/info": page}) as provider:
        assert "text/html instead of JSON" in refusal(tmp_path, provider.address)
    missing = json_answer({}, 404)
    versions = (200, {"Content-Type": "text/csv"}, b"version\n0\n2\n")
    answers = {"/v1/info": missing, "/info": missing, "/versions": versions}
    with FakeProvider(SEVEN, answers=answers) as provider:
        assert "speaks OPTIMADE 0, 2 only" in refusal(tmp_path, provider.address)


def test_no_network(tmp_path):
    with FakeProvider([]) as gone:
        address = gone.address
    text = refusal(tmp_path, address, max_retries=1)
    assert "asked 2 times" in text
    assert "network" in text


def test_unknown_provider_gives_the_nearest_names(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise SourceError("no network")

    monkeypatch.setattr(optimade_query.Client, "get", offline)
    text = refusal(tmp_path, "oqmdd")
    assert "no provider is called oqmdd" in text
    assert "oqmd" in text.split("did you mean", 1)[1]


def test_nothing_matches(tmp_path):
    with FakeProvider([]) as provider:
        assert "no structure matches" in refusal(tmp_path, provider.address)


def test_pages_that_go_in_a_circle(tmp_path):
    class Circle(FakeProvider):
        def page(self, asked):
            page = super().page({"page_limit": "2"})
            page["meta"] = {"api_version": "1.1.0"}
            page["links"] = {"next": f"{self.address}/v1/structures?page_offset=2"}
            return page

    with Circle(SEVEN) as provider:
        assert "leads back to itself" in refusal(tmp_path, provider.address)


def test_a_database_that_never_stops_is_left_after_an_empty_page(tmp_path):
    class Endless(FakeProvider):
        def page(self, asked):
            page = super().page(asked)
            page["meta"].pop("data_returned", None)
            offset = int(asked.get("page_offset", 0)) + 2
            page["links"] = {"next": f"{self.address}/v1/structures?page_offset={offset}"}
            return page

    with Endless(SEVEN) as provider:
        assert ids(pull(tmp_path, provider.address)) == IDS
        assert len(provider.pages()) == 5


def test_an_old_unfinished_pull_is_begun_anew(tmp_path):
    with FakeProvider(SEVEN) as provider:
        pull(tmp_path, provider.address)
        (meta,) = tmp_path.glob("*/meta.json")
        old = json.loads(meta.read_text()) | {"started": "2020-01-01T00:00:00+00:00"}
        meta.write_text(json.dumps({key: old[key] for key in old if key != "finished"}))
        before = len(provider.pages())
        assert ids(pull(tmp_path, provider.address)) == IDS
        assert len(provider.pages()) == 2 * before
