import gzip
import time

from ionscout.structures.records import (
    failure,
    is_failure,
    is_label_only,
    label_only,
    read_records,
    write_records,
)


def test_records_come_back_as_they_were(tmp_path):
    records = [{"b": 0.1 + 0.2, "a": None}, {"a": "é", "nested": {"z": [1, 2.5], "y": True}}]
    write_records(tmp_path / "r.jsonl.gz", records)
    assert read_records(tmp_path / "r.jsonl.gz") == records


def test_equal_records_give_equal_bytes_at_any_time(tmp_path, monkeypatch):
    write_records(tmp_path / "1.gz", [{"a": 1, "b": 2}])
    monkeypatch.setattr(time, "time", lambda: 2e9)
    write_records(tmp_path / "2.gz", [{"b": 2, "a": 1}])
    assert (tmp_path / "1.gz").read_bytes() == (tmp_path / "2.gz").read_bytes()
    assert gzip.decompress((tmp_path / "1.gz").read_bytes()) == b'{"a":1,"b":2}\n'


def test_an_empty_file_is_no_records(tmp_path):
    write_records(tmp_path / "r.gz", [])
    assert read_records(tmp_path / "r.gz") == []


def test_a_failure_is_one_line():
    record = failure(material_id="x-1", source="x", stage="pull", reason="bad\n  file")
    assert record["reason"] == "bad file"
    assert is_failure(record)
    assert not is_failure({"material_id": "x-2", "structure": {}})


def test_labels_without_a_crystal_are_neither_failure_nor_material():
    record = label_only(
        material_id="x-1",
        source="x",
        labels=[],
        formula="Li3N",
        space_group_number=191,
        provenance="a table",
        reason="no structure\n published",
    )
    assert record["reason"] == "no structure published"
    assert is_label_only(record)
    assert not is_failure(record)
    assert not is_label_only({"material_id": "x-2", "structure": {}})
    assert not is_label_only(failure(material_id="x-3", source="x", stage="pull", reason="bad"))
