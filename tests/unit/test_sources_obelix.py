import csv
import io
import tarfile
import threading
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pymatgen.core import Lattice, Structure

from ionscout.config import ObelixSource
from ionscout.errors import SourceError
from ionscout.structures.files import obelix_files as list_files
from ionscout.structures.records import is_failure, is_label_only
from ionscout.structures.sources import obelix_files
from ionscout.structures.sources import pull as pull_source
from ionscout.structures.sources.context import PullContext

COLUMNS = ["ID", "Reduced Composition", "Ionic conductivity (S cm-1)", "IC (Total)", "IC (Bulk)"]
COLUMNS += ["Space group #", "DOI", "ICSD ID"]
LICL = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0] * 3, [0.5] * 3])


def write_split(folder, *rows, cifs=("aaa",)):
    (folder / "cifs").mkdir(parents=True)
    with (folder / "train.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, restval="")
        table.writeheader()
        table.writerows(rows)
    for own_id in cifs:
        LICL.to(str(folder / "cifs" / f"{own_id}.cif"), fmt="cif")
    return folder


def row(own_id, sigma="1e-06", *, formula="LiCl", **values):
    values = {"Space group #": "225", "DOI": "10.1/x"} | values
    return {"ID": own_id, COLUMNS[1]: formula, COLUMNS[2]: sigma} | values


def pull(folder, **settings):
    settings = ObelixSource(kind="obelix", path=str(folder), **settings)
    return pull_source("obelix", settings, PullContext(folder / "cache"))


def test_a_row_with_a_crystal_is_a_material_with_its_label(tmp_path):
    (record,) = pull(write_split(tmp_path / "o", row("aaa", **{"ICSD ID": "12345.0"})))
    assert record["material_id"] == "obelix-aaa"
    assert Structure.from_dict(record["structure"]).matches(LICL)
    assert record["labels"] == [
        {
            "sigma_s_cm": 1e-6,
            "is_upper_bound": False,
            "temperature_k": 298.0,
            "kind": "unknown",
            "activation_energy_ev": None,
            "reference": "10.1/x (read in OBELiX aaa, at room temperature)",
        }
    ]
    for said in ("training split", "positions randomised by its authors", "ICSD 12345"):
        assert said in record["provenance"]


@pytest.mark.parametrize(
    ("values", "label"),
    [
        ({"sigma": "<1E-10"}, (1e-10, True, "unknown")),
        ({"sigma": "2e-06", "IC (Total)": "2e-06"}, (2e-6, False, "total")),
        ({"sigma": "2e-06", "IC (Bulk)": "2e-06"}, (2e-6, False, "bulk")),
        ({"sigma": "2e-06", "IC (Total)": "2e-06", "IC (Bulk)": "3e-06"}, (2e-6, False, "total")),
    ],
)
def test_bounds_and_kinds_are_kept(tmp_path, values, label):
    (record,) = pull(write_split(tmp_path / "o", row("aaa", **values)))
    (found,) = record["labels"]
    assert (found["sigma_s_cm"], found["is_upper_bound"], found["kind"]) == label
    assert ("bulk 3e-06 S/cm" in found["reference"]) == (values.get("IC (Bulk)") == "3e-06")


def test_a_row_without_a_crystal_keeps_its_label_and_says_why(tmp_path):
    folder = write_split(tmp_path / "o", row("aaa"), row("bbb", formula="Li7La3Zr2O12 "))
    _, record = pull(folder)
    assert is_label_only(record)
    assert record["reason"] == "no structure published"
    assert (record["formula"], record["space_group_number"]) == ("Li7La3Zr2O12", 225)
    assert len(record["labels"]) == 1


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("Li2ClF", "aaa.cif: F missing: the sites make LiCl"),
        ("Li2Cl", "aaa.cif: another composition: the sites make LiCl"),
    ],
)
def test_a_crystal_of_another_composition_fails_and_its_label_stays(tmp_path, formula, said):
    failed, labelled = pull(write_split(tmp_path / "o", row("aaa", formula=formula)))
    assert is_failure(failed)
    assert failed["reason"].startswith(said)
    assert is_label_only(labelled)
    assert labelled["formula"] == formula
    assert labelled["reason"] == failed["reason"]


def test_odd_rows_are_named(tmp_path, caplog):
    folder = write_split(tmp_path / "o", row("aaa", "fast"), row("bbb", formula="Li?"), row("ccc"))
    first, second, third = pull(folder)
    assert first["labels"] == []
    assert "obelix-aaa: its conductivity 'fast' is not a positive number" in caplog.text
    assert is_failure(second)
    assert "the stated formula 'Li?' is not one" in second["reason"]
    assert third["material_id"] == "obelix-ccc"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda o: None, "does not exist"),
        (lambda o: o.mkdir(), "has no train.csv"),
        (lambda o: [o.mkdir(), (o / "train.csv").write_text("ID\n")], "has no folder cifs"),
        (
            lambda o: [(o / "cifs").mkdir(parents=True), (o / "train.csv").write_text("ID\n")],
            "no c",
        ),
    ],
)
def test_a_folder_that_is_not_the_split_is_one_clear_line(tmp_path, spoil, said):
    spoil(tmp_path / "o")
    with pytest.raises(SourceError, match=said):
        pull(tmp_path / "o")


def test_nothing_but_the_training_split_is_opened(tmp_path, monkeypatch):
    folder = write_split(tmp_path / "o", row("aaa"), cifs=("aaa", "zzz"))
    others = [folder / "test.csv", folder / "all.csv", folder / "cifs" / "zzz.cif"]
    for path in others[:2]:
        path.write_text("ID\nzzz\n")
    for path in others:
        path.unlink()
        path.mkdir()
    assert [record["material_id"] for record in pull(folder)] == ["obelix-aaa"]
    assert list_files(folder) == [str(folder / "train.csv"), str(folder / "cifs" / "aaa.cif")]
    assert list_files(folder / "nowhere") == []


@pytest.fixture
def release(tmp_path, monkeypatch):
    """A server of the release's files, with what must not be unpacked in the archive."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = write_split(tmp_path / "release", row("aaa"), row("bbb"))
    with tarfile.open(folder / "train_cifs.tar.gz", "w:gz") as archive:
        for name in ("train_randomized_cifs/aaa.cif", "../../bbb.cif", "x/zzz.cif", "x/aaa.sh"):
            content = (folder / "cifs" / "aaa.cif").read_bytes()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_split_is_downloaded_once(release, tmp_path):
    folder, address = release
    cache = tmp_path / "cache"
    files = obelix_files.download_files(cache, "1", address=address)
    assert files.table.read_bytes() == (folder / "train.csv").read_bytes()
    assert sorted(path.name for path in files.cifs.iterdir()) == ["aaa.cif", "bbb.cif"]
    assert not list(tmp_path.glob("*.cif"))
    assert obelix_files.download_files(cache, "1", address="http://127.0.0.1:9") == files
    with pytest.raises(SourceError, match="cannot be reached"):
        obelix_files.download_files(cache, "2", address="http://127.0.0.1:9")


def test_a_failed_download_is_one_clear_line_and_leaves_nothing_half(release, tmp_path):
    folder, address = release
    (folder / "train_cifs.tar.gz").write_bytes(b"no archive")
    with pytest.raises(SourceError, match=r"train_cifs\.tar\.gz is damaged"):
        obelix_files.download_files(tmp_path / "cache", "1", address=address)
    (folder / "train_cifs.tar.gz").unlink()
    with pytest.raises(SourceError, match="answered 404"):
        obelix_files.download_files(tmp_path / "cache", "1", address=address)


def test_of_the_real_split_nothing_is_lost(shared_data):
    records = pull(shared_data / "obelix_train")
    materials = [record for record in records if "structure" in record]
    failures = [record for record in records if is_failure(record)]
    without_crystal = [record for record in records if is_label_only(record)]
    assert (len(materials), len(failures), len(without_crystal)) == (243, 11, 235)
    assert len(materials) + len(failures) == 254
    assert len({r["material_id"] for r in materials + without_crystal}) == 478
    labels = [one for record in records for one in record.get("labels", [])]
    assert len(labels) == 478
    assert sum(label["is_upper_bound"] for label in labels) == 29
    reasons = Counter(one["reason"].split(":")[1].strip() for one in failures)
    assert reasons == {"Li missing": 7, "another composition": 4}
    flags = Counter(flag.split(":")[0] for one in materials for flag in one["flags"])
    assert flags == {"composition": 15, "hydrogen has no sites": 1}
    ordered = [Structure.from_dict(one["structure"]).is_ordered for one in materials]
    assert ordered.count(False) == 185
