import json
from pathlib import Path

import ase.io
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from ionscout.config import FolderSource
from ionscout.structures.files import folder_files
from ionscout.structures.records import is_failure, is_label_only, write_records
from ionscout.structures.sources import pull as pull_source
from ionscout.structures.sources.context import PullContext

LICL = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0] * 3, [0.5] * 3])
NACL = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0] * 3, [0.5] * 3])


def pull(name, settings):
    return pull_source(name, settings, PullContext(Path("nowhere")))


def source(folder, labels=None):
    return FolderSource(kind="folder", path=str(folder), labels=labels and str(labels))


def write_labels(folder, *lines):
    path = folder / "labels.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_it_finds_structure_files_in_any_case_sorted(tmp_path):
    names = ["b.cif", "A.CIF", "POSCAR", "poscar_x", "CONTCAR.1", "c.vasp", "d.PoScar", "e.mcif"]
    names += ["f.extxyz", "g.XYZ", "h.json"]
    for name in [*names, "notes.txt", ".hidden.cif", "INCAR"]:
        (tmp_path / name).touch()
    (tmp_path / "folder.cif").mkdir()
    assert folder_files(tmp_path) == [str(tmp_path / name) for name in sorted(names)]


def test_every_format_gives_the_same_crystal(tmp_path):
    LICL.to(str(tmp_path / "a.cif"), fmt="cif")
    LICL.to(str(tmp_path / "POSCAR_b"), fmt="poscar")
    LICL.to(str(tmp_path / "c.vasp"), fmt="poscar")
    LICL.to(str(tmp_path / "d.mcif"), fmt="cif")
    LICL.to(str(tmp_path / "e.json"), fmt="json")
    ase.io.write(tmp_path / "f.extxyz", AseAtomsAdaptor.get_atoms(LICL), format="extxyz")
    records = pull("mine", source(tmp_path))
    assert [r["material_id"] for r in records] == [f"mine-{n}" for n in ("POSCAR_b", *"acdef")]
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
        ("cut.json", '{"lattice": ', "cut.json: not a readable JSON file"),
        ("other.json", '{"a": 1}', "other.json: no pymatgen structure"),
        ("none.json", "[]", "none.json: the list in it is empty"),
        ("cut.extxyz", "2\n\nLi 0 0 0\n", "cut.extxyz: not a readable extended XYZ file"),
        ("molecule.xyz", "2\n\nLi 0 0 0\nH 0 0 1.6\n", "molecule.xyz: no cell that is periodic"),
        ("meta.cif", "data_global\n_journal_year 2020\n", "meta.cif: not a readable CIF (no cell"),
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
        (["sigma_s_cm", "1"], "no column 'file', 'material_id' or 'formula'"),
        (["file,block,sigma_s_cm", "a.cif,two,1"], "line 2: file 'a.cif' has no block 'two'"),
        (["material_id,sigma_s_cm", "b,1"], "line 2: no material 'b' in"),
        (["file,material_id,sigma_s_cm", "a.cif,a,1"], "line 2: give one of file, material_id"),
        (["formula,sigma_s_cm", "LiCl,1"], "line 2: formula and space_group_number go together"),
        (["formula,space_group_number,sigma_s_cm", "Li?,225,1"], "line 2: formula: 'Li?' is not"),
        (["file,sigma_s_cm", "b.cif,1e-3"], "line 2: file 'b.cif' is not in"),
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


def cif_of(structure, name="x", **changes):
    """A CIF, with values of its tags changed or added."""
    text = structure.to(fmt="cif").replace("data_LiCl", f"data_{name}")
    for tag, value in changes.items():
        lines = [line for line in text.splitlines() if not line.startswith(f"_{tag} ")]
        heading = lines.index(f"data_{name}")
        text = "\n".join([*lines[: heading + 1], f"_{tag} {value}", *lines[heading + 1 :]]) + "\n"
    return text


@pytest.mark.parametrize(
    ("name", "own_id"),
    [
        ("EntryWithCollCode12345.cif", "icsd-12345"),
        ("ICSD_CollCode12345.cif", "icsd-12345"),
        ("YourCustomFileName_CollCode12345.cif", "icsd-12345"),
        ("icsd_012345.cif", "icsd-12345"),
        ("12345-ICSD.cif", "icsd-12345"),
        ("myCollCode12345.cif", "myCollCode12345"),
        ("icsd_x.cif", "icsd_x"),
    ],
)
def test_exports_of_the_icsd_are_named_by_their_code(tmp_path, name, own_id):
    (tmp_path / name).write_text(cif_of(LICL))
    (record,) = pull("mine", source(tmp_path))
    assert record["material_id"] == f"mine-{own_id}"


def test_every_block_of_a_cif_is_a_material_but_those_without_a_crystal(tmp_path):
    remark = "data_global\n_publ_section_comment\n;\ndata_no block, text\n;\n"
    blocks = [cif_of(LICL, name) for name in ("one", "one", "98765-ICSD")]
    broken = "data_bad\n_cell_length_a 3\n"
    (tmp_path / "a.cif").write_text(remark + "".join(blocks) + broken)
    (tmp_path / "b.cif").write_text(remark + cif_of(LICL))
    records = {r["material_id"]: r for r in pull("mine", source(tmp_path))}
    assert list(records) == [
        *("mine-a-one", "mine-a-one-2", "mine-icsd-98765", "mine-a-bad"),
        "mine-b",
    ]
    assert "a.cif, block bad: not a readable CIF" in records["mine-a-bad"]["reason"]
    assert records["mine-a-one"]["provenance"] == "file a.cif, block one"
    assert sum(map(is_failure, records.values())) == 1


def test_frames_and_lists_are_materials_by_number(tmp_path):
    frames = [AseAtomsAdaptor.get_atoms(one) for one in (LICL, NACL, LICL)]
    ase.io.write(tmp_path / "run.extxyz", frames, format="extxyz")
    structures = [LICL.as_dict(), LICL.as_dict()]
    structures[0]["sites"][0]["properties"] = {"x": {"@module": "os", "@class": "system"}}
    (tmp_path / "two.json").write_text(json.dumps(structures))
    records = {r["material_id"]: r for r in pull("mine", source(tmp_path))}
    assert list(records) == [f"mine-{n}" for n in ("run-1", "run-2", "run-3", "two-1", "two-2")]
    assert records["mine-run-2"]["reason"].startswith("run.extxyz, block 2: no lithium in NaCl")
    for own_id in ("run-1", "run-3", "two-1", "two-2"):
        assert Structure.from_dict(records[f"mine-{own_id}"]["structure"]).matches(LICL)


def test_a_question_mark_for_an_occupancy_is_refused_by_name(tmp_path):
    text = cif_of(LICL).replace("0.50000000  0.00000000  0.50000000  1", "0.5 0.0 0.5 ?")
    (tmp_path / "a.cif").write_text(text)
    (record,) = pull("mine", source(tmp_path))
    assert record["reason"] == "a.cif: site Li2 has the occupancy '?'; write the value"


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("'Li4 Cl4 O1'", "O missing: the sites make LiCl, the stated formula is Li4Cl4O"),
        ("'Li4'", "Cl too many: the sites make LiCl"),
        ("'Li8 Cl4'", "another composition: the sites make LiCl"),
    ],
)
def test_sites_that_do_not_make_the_stated_formula_are_refused(tmp_path, formula, reason):
    (tmp_path / "a.cif").write_text(cif_of(LICL, chemical_formula_sum=formula))
    (record,) = pull("mine", source(tmp_path))
    assert record["reason"].startswith(f"a.cif: {reason}")


def test_lithium_missing_from_the_sites_is_said_so(tmp_path):
    text = NACL.to(fmt="cif").replace("'Na4 Cl4'", "'Li0.4 Na4 Cl4'")
    (tmp_path / "a.cif").write_text(text)
    (record,) = pull("mine", source(tmp_path))
    assert record["reason"].startswith("a.cif: Li missing: the sites make NaCl")


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        ({}, []),
        ({"chemical_formula_sum": "?"}, []),
        ({"chemical_formula_sum": "'Li1.01 Cl1'"}, []),
        ({"exptl_crystal_density_diffrn": "2.07(1)"}, []),
        ({"exptl_crystal_density_diffrn": "?"}, []),
        ({"chemical_formula_sum": "'Li4 Cl4 D0.4'"}, ["hydrogen has no sites"]),
        ({"chemical_formula_sum": "'Li1.1 Cl1'"}, ["composition: the sites make LiCl"]),
        ({"exptl_crystal_density_diffrn": "2.50"}, ["density: 2.09 g/cm3, 2.50 stated"]),
    ],
)
def test_what_the_file_states_differently_is_flagged(tmp_path, caplog, changes, flags):
    (tmp_path / "a.cif").write_text(cif_of(LICL, **changes))
    (record,) = pull("mine", source(tmp_path))
    assert [flag[: len(said)] for flag, said in zip(record["flags"], flags, strict=True)] == flags
    assert caplog.text.count("mine-a: flagged") == len(flags)


def test_labels_find_blocks_and_ids(tmp_path):
    (tmp_path / "a.cif").write_text(cif_of(LICL, "one") + cif_of(LICL, "two"))
    (tmp_path / "icsd_007.cif").write_text(cif_of(LICL))
    labels = write_labels(
        tmp_path,
        "file,block,material_id,sigma_s_cm",
        "a.cif,two,,1e-3",
        ",,icsd-7,2e-3",
        ",,mine-a-one,3e-3",
        "a.cif,,,4e-3",
    )
    failure, *records = pull("mine", source(tmp_path, labels))
    assert "line 5: file 'a.cif' has 2 such crystals" in failure["reason"]
    found = {r["material_id"]: [one["sigma_s_cm"] for one in r["labels"]] for r in records}
    assert found == {"mine-a-one": [3e-3], "mine-a-two": [1e-3], "mine-icsd-7": [2e-3]}


def test_labels_by_formula_and_space_group_travel_without_a_crystal(tmp_path):
    (tmp_path / "a.cif").write_text(cif_of(LICL))
    header = "formula,space_group_number,sigma_s_cm,kind"
    labels = write_labels(tmp_path, header, "Li6.5La3Zr1.5Ta0.5O12,230,<1e-3,total")
    _, record = pull("mine", source(tmp_path, labels))
    assert is_label_only(record)
    assert not is_failure(record)
    assert record["material_id"] == "mine-label-2"
    assert (record["formula"], record["space_group_number"]) == ("Li6.5La3Zr1.5Ta0.5O12", 230)
    assert (record["labels"][0]["kind"], record["labels"][0]["is_upper_bound"]) == ("total", True)


def test_a_label_of_a_crystal_that_failed_is_not_lost_silently(tmp_path):
    (tmp_path / "a.cif").write_text("hello")
    labels = write_labels(tmp_path, "file,sigma_s_cm", "a.cif,1e-3")
    (record,) = pull("mine", source(tmp_path, labels))
    assert record["reason"].endswith("; its label in line 2 is left out")


def test_files_of_one_stem_keep_their_ids_whatever_else_is_there(tmp_path):
    LICL.to(str(tmp_path / "a.vasp"), fmt="poscar")
    larger = LICL.copy().scale_lattice(LICL.volume * 1.2)
    larger.to(str(tmp_path / "a.poscar"), fmt="poscar")
    ids = [record["material_id"] for record in pull("mine", source(tmp_path))]
    assert ids == ["mine-a.poscar", "mine-a.vasp"]


def test_a_byte_order_mark_is_passed_over(tmp_path):
    LICL.to(str(tmp_path / "plain.cif"), fmt="cif")
    marked = tmp_path / "marked.cif"
    marked.write_bytes(b"\xef\xbb\xbf" + (tmp_path / "plain.cif").read_bytes())
    assert not any(map(is_failure, pull("mine", source(tmp_path))))
