import pytest
from pymatgen.core import Lattice, Structure

from ionscout.config import FolderSource
from ionscout.structures.files import folder_files
from ionscout.structures.records import is_failure, write_records
from ionscout.structures.sources import pull

LICL = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0] * 3, [0.5] * 3])
NACL = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0] * 3, [0.5] * 3])


def source(folder, labels=None):
    return FolderSource(kind="folder", path=str(folder), labels=labels and str(labels))


def write_labels(folder, *lines):
    path = folder / "labels.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_it_finds_structure_files_in_any_case_sorted(tmp_path):
    names = ["b.cif", "A.CIF", "POSCAR", "poscar_x", "CONTCAR.1", "c.vasp", "d.PoScar", "e.mcif"]
    for name in [*names, "notes.txt", ".hidden.cif", "INCAR"]:
        (tmp_path / name).touch()
    (tmp_path / "folder.cif").mkdir()
    assert folder_files(tmp_path) == [str(tmp_path / name) for name in sorted(names)]


def test_every_format_gives_the_same_crystal(tmp_path):
    LICL.to(str(tmp_path / "a.cif"), fmt="cif")
    LICL.to(str(tmp_path / "POSCAR_b"), fmt="poscar")
    LICL.to(str(tmp_path / "c.vasp"), fmt="poscar")
    records = pull("mine", source(tmp_path))
    assert [r["material_id"] for r in records] == ["mine-POSCAR_b", "mine-a", "mine-c"]
    for record in records:
        structure = Structure.from_dict(record["structure"])
        assert structure.matches(LICL)
        assert record["provenance"].startswith("file ")
        assert str(tmp_path) not in str(record)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("hello.cif", "hello", "hello.cif: not a CIF"),
        ("empty.cif", " \n", "empty.cif: the file is empty"),
        ("cut.cif", "data_x\n_cell_length_a 3\n", "cut.cif: not a readable CIF"),
        ("POSCAR_bad", "nothing", "POSCAR_bad: not a readable POSCAR"),
        (
            "POSCAR_4",
            "c\n1\n3 0 0\n0 3 0\n0 0 3\n1 1\nDirect\n0 0 0\n.5 .5 .5\n",
            "Elements in POSCAR cannot be determined",
        ),
        (
            "POSCAR_nan",
            "c\n1\n3 0 0\n0 3 0\n0 0 3\nLi Cl\n1 1\nDirect\n0 0 0\n.5 .5 nan\n",
            "POSCAR_nan: a coordinate or a cell edge is not a number",
        ),
        ("salt.vasp", NACL.to(fmt="poscar"), "salt.vasp: no lithium in NaCl"),
    ],
)
def test_a_bad_file_is_one_clear_line_and_the_rest_goes_on(tmp_path, name, text, reason):
    (tmp_path / name).write_text(text)
    LICL.to(str(tmp_path / "good.cif"), fmt="cif")
    records = pull("mine", source(tmp_path))
    failures = [r for r in records if is_failure(r)]
    assert len(records) == 2
    assert len(failures) == 1
    assert reason in failures[0]["reason"]
    assert "\n" not in failures[0]["reason"]
    assert failures[0]["stage"] == "pull"


@pytest.mark.parametrize(("exists", "said"), [(True, "has no CIF"), (False, "does not exist")])
def test_an_empty_or_missing_folder_is_one_clear_line(tmp_path, exists, said):
    folder = tmp_path / "crystals"
    if exists:
        folder.mkdir()
    (failure,) = pull("mine", source(folder))
    assert failure["material_id"] == failure["source"] == "mine"
    assert said in failure["reason"]


def test_ids_are_sanitised_and_stay_apart(tmp_path):
    for name in ["a b.cif", "a(b.cif", "a-b-2.cif", "ü.cif"]:
        LICL.to(str(tmp_path / name), fmt="cif")
    ids = [r["material_id"] for r in pull("mine", source(tmp_path))]
    assert ids == ["mine-a-b", "mine-a-b-2", "mine-a-b-2-2", "mine-unnamed"]


def test_a_pull_repeats_to_the_byte(tmp_path):
    LICL.to(str(tmp_path / "a.cif"), fmt="cif")
    for number in (1, 2):
        write_records(tmp_path / f"{number}.gz", pull("mine", source(tmp_path)))
    assert (tmp_path / "1.gz").read_bytes() == (tmp_path / "2.gz").read_bytes()


def test_labels_are_read_bounds_included(tmp_path):
    LICL.to(str(tmp_path / "a.cif"), fmt="cif")
    labels = write_labels(
        tmp_path,
        "file,sigma_s_cm,temperature_k,kind,activation_energy_ev,reference",
        "a.cif,<1E-10,,,,",
        "a.cif,2e-9,300,bulk,0.6,doi:x",
    )
    (record,) = pull("mine", source(tmp_path, labels))
    bound, value = record["labels"]
    assert bound == {
        "sigma_s_cm": 1e-10,
        "is_upper_bound": True,
        "temperature_k": 298.0,
        "kind": "unknown",
        "activation_energy_ev": None,
        "reference": "",
    }
    assert (value["sigma_s_cm"], value["is_upper_bound"], value["kind"]) == (2e-9, False, "bulk")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["file,sigma_s_cm,colour", "a.cif,1,red"], "unknown column 'colour'"),
        (["file,sigma", "a.cif,1"], "no column 'sigma_s_cm'"),
        (["file,sigma_s_cm", "b.cif,1e-3"], "file 'b.cif' is not in"),
        (["file,sigma_s_cm", "a.cif,fast"], "line 2: sigma_s_cm"),
        (["file,sigma_s_cm", "a.cif,-1"], "line 2: sigma_s_cm"),
        (["file,sigma_s_cm,kind", "a.cif,1,grain"], "line 2: kind"),
        ([""], "not a CSV"),
    ],
)
def test_bad_labels_are_one_clear_line_and_the_crystals_stay(tmp_path, lines, reason):
    LICL.to(str(tmp_path / "a.cif"), fmt="cif")
    records = pull("mine", source(tmp_path, write_labels(tmp_path, *lines)))
    (failure,) = [r for r in records if is_failure(r)]
    assert reason in failure["reason"]
    assert [r["labels"] for r in records if not is_failure(r)] == [[]]


def test_missing_labels_are_named(tmp_path):
    LICL.to(str(tmp_path / "a.cif"), fmt="cif")
    failure, _ = pull("mine", source(tmp_path, tmp_path / "none.csv"))
    assert "do not exist" in failure["reason"]


@pytest.mark.parametrize(
    ("folder", "n_files", "n_failures"), [("benchmark_structures", 21, 0), ("sendek40", 33, 0)]
)
def test_real_folders_are_read(shared_data, folder, n_files, n_failures):
    records = pull("real", source(shared_data / folder))
    assert len(records) == n_files
    assert sum(map(is_failure, records)) == n_failures
