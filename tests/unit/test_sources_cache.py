"""Raw answers are kept by generation; a refresh counts once it is complete."""

import pytest

from ionscout.config import OptimadeSource
from ionscout.errors import SourceError
from ionscout.structures import sources
from ionscout.structures.sources import pull_or_skip
from ionscout.structures.sources.cache import pulled_answers

NOWHERE = {"kind": "optimade", "provider": "http://localhost:9", "max_retries": 0}


def fail_to_refresh(folder):
    with pulled_answers(folder, refresh=True) as fresh:
        assert not (fresh / "page").exists()
        (fresh / "page").write_text("half")
        raise SourceError("gone")


def test_answers_stay_until_a_refresh_is_complete(tmp_path):
    with pulled_answers(tmp_path, refresh=False) as answers:
        (answers / "page").write_text("old")
    with pytest.raises(SourceError, match="gone"):
        fail_to_refresh(tmp_path)
    with pulled_answers(tmp_path, refresh=False) as answers:
        assert (answers / "page").read_text() == "old"
    with pulled_answers(tmp_path, refresh=True) as resumed:
        assert (resumed / "page").read_text() == "half"
        (resumed / "page").write_text("new")
    with pulled_answers(tmp_path, refresh=False) as answers:
        assert (answers / "page").read_text() == "new"


def test_a_source_without_network_stops_or_is_skipped(tmp_path):
    with pytest.raises(SourceError, match="source far: "):
        pull_or_skip("far", OptimadeSource(**NOWHERE), tmp_path, [], refresh=False)
    skipped = OptimadeSource(**NOWHERE, on_failure="skip")
    (record,) = pull_or_skip("far", skipped, tmp_path, [], refresh=False)
    assert record["material_id"] == record["source"] == "far"
    assert "localhost:9" in record["reason"]


def test_a_refresh_that_fails_leaves_a_skipped_source_what_it_had(tmp_path, monkeypatch):
    kept = [{"material_id": "far-1", "source": "far"}]

    def pull(name, settings, context):
        if context.cache.name == "0":
            return kept
        raise SourceError("source far: no network")

    monkeypatch.setattr(sources, "pull", pull)
    skipped = OptimadeSource(**NOWHERE, on_failure="skip")
    assert pull_or_skip("far", skipped, tmp_path, [], refresh=True) == kept
    with pytest.raises(SourceError):
        pull_or_skip("far", OptimadeSource(**NOWHERE), tmp_path, [], refresh=True)
