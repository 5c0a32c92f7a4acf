import json
import logging
import os
import signal
import sqlite3

import pytest
from pymatgen.core import Lattice, Structure

from ionscout.config import DisorderSettings, StructureSettings
from ionscout.errors import CampaignError, StructureError
from ionscout.structures import curation
from ionscout.structures.curation import (
    FAILURE_COLUMNS,
    MANIFEST_DTYPES,
    curate_all,
    shard_of,
)
from ionscout.structures.curation_crystal import CurationTask, curate_crystal, state_formula
from ionscout.structures.curation_pool import work_through
from ionscout.structures.hashing import structure_hash
from ionscout.structures.records import label_only

LICL = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0] * 3, [0.5] * 3])
HALF = Structure(
    Lattice.cubic(5.1),
    [{"Li": 0.5}] * 4 + ["Cl"] * 2,
    [[0.25] * 3, [0.75, 0.25, 0.25], [0.25, 0.75, 0.75], [0.7, 0.75, 0.2], [0] * 3, [0.5] * 3],
)
SETTINGS = StructureSettings(
    sources={
        "bundled": {"kind": "bundled"},
        "substitution": {"kind": "substitution"},
        "mine": {"kind": "folder", "path": "x"},
    },
    shards=3,
)


def record(material_id, structure=LICL, parent_id=None):
    return {
        "material_id": material_id,
        "source": material_id.split("-")[0],
        "structure": structure.as_dict(),
        "properties": {"band_gap_ev": 6.2, "energy_above_hull_ev_atom": None},
        "labels": [],
        "provenance": "",
        "parent_id": parent_id,
    }


def curate_these(*records, settings=SETTINGS, max_failure_rate=1.0, seed=1, **options):
    by_source = {name: [r for r in records if r["source"] == name] for name in settings.sources}
    return curate_all(by_source, settings, seed=seed, max_failure_rate=max_failure_rate, **options)


def curate(one, settings=SETTINGS, *, seed=1):
    task = CurationTask.of(one["material_id"], one["structure"], settings, seed=seed)
    return curate_crystal(task)


@pytest.fixture
def curated(monkeypatch):
    """The structures that were really curated, in their order."""
    done = []

    def remember(task):
        done.append(task.structure)
        return original(task)

    original = curation.curate_packed
    monkeypatch.setattr(curation, "curate_packed", remember)
    return done


def lithium_halide(edge_ang):
    lattice = Lattice.cubic(edge_ang)
    return Structure.from_spacegroup("Fm-3m", lattice, ["Li", "Br"], [[0] * 3, [0.5] * 3])


def test_a_material_becomes_primitive_standard_and_decorated():
    crystal = curate(record("mine-licl"))
    (cell,) = crystal.cells
    structure = Structure.from_dict(cell.structure)
    assert len(structure) == cell.n_sites == 2
    assert cell.space_group_number == 225
    assert cell.oxidation_method == "bond_valence"
    assert {str(s) for s in structure.composition} == {"Li+", "Cl-"}
    assert cell.structure_hash == structure_hash(LICL)
    assert cell.stated_formula == "LiCl"


@pytest.mark.parametrize(
    ("structure", "reason"),
    [
        (Structure(Lattice.cubic(3), ["Li", "Cl"], [[0] * 3, [0.1] * 3]), "0.52 angstrom apart"),
        (Structure(Lattice.cubic(3), ["Na", "Cl"], [[0] * 3, [0.5] * 3]), "no lithium in NaCl"),
        (Structure(Lattice.cubic(3), ["Li", "Qq"], [[0] * 3, [0.5] * 3]), "Qq is not an element"),
        (
            Structure(Lattice.cubic(3), ["Li", "Cl"], [[0] * 3, [float("nan")] * 3]),
            "not a number",
        ),
        (LICL.copy().scale_lattice(5000), r"density is 0\.0563 g/cm3"),
        (LICL.copy().scale_lattice(10), r"28\.2 g/cm3, .* max_density_g_cm3 = 25"),
        (
            Structure(
                Lattice.cubic(4),
                [{"Na": 0.8}, {"O": 0.7}, {"Li": 0.8}],
                [[0] * 3, [0, 0, 0.05], [0.5] * 3],
            ),
            "Na and O are 0.20 angstrom apart",
        ),
    ],
)
def test_the_absurd_is_refused(structure, reason):
    strict = SETTINGS.model_copy(update={"min_distance_ang": 0.6})
    with pytest.raises(StructureError, match=reason):
        curate(record("mine-bad", structure), strict)


def test_too_large_a_cell_is_refused():
    small = SETTINGS.model_copy(update={"max_sites": 1})
    with pytest.raises(StructureError, match=r"2 atoms, more than structures\.max_sites = 1"):
        curate(record("mine-licl"), small)


def test_sites_that_exclude_each_other_may_overlap():
    split = Structure(
        Lattice.cubic(5.2),
        [{"Li": 0.5}, {"Li": 0.5}, "Cl"],
        [[0, 0, 0.49], [0, 0, 0.51], [0.5, 0.5, 0]],
    )
    assert len(curate(record("mine-split", split)).cells[0].structure["sites"]) == 2


def test_a_disordered_cell_is_ordered_by_seed_and_id():
    crystal, again = (curate(record("mine-half", HALF)) for _ in range(2))
    assert crystal == again
    assert not Structure.from_dict(crystal.stated).is_ordered
    for cell in crystal.cells:
        assert Structure.from_dict(cell.structure).is_ordered
        assert cell.was_disordered
        assert cell.oxidation_method == "composition"


def test_representatives_are_materials_that_no_shortlist_takes():
    manifest, _, shards = curate_these(record("mine-half", HALF), record("mine-licl"))
    rows = manifest.set_index("material_id")
    assert list(rows.index) == ["mine-half", "mine-half.r2", "mine-half.r3", "mine-licl"]
    assert rows["representative"].tolist() == [1, 2, 3, 1]
    assert rows["candidate"].tolist() == [True, False, False, True]
    assert rows["duplicate_of"].dropna().to_dict() == dict.fromkeys(
        ["mine-half.r2", "mine-half.r3"], "mine-half"
    )
    above = rows["ewald_above_lowest_ev_atom"]
    assert above["mine-half"] == above["mine-licl"] == 0
    assert 0 < above["mine-half.r2"] < above["mine-half.r3"]
    assert rows["structure_hash"].is_unique
    assert sum(map(len, shards)) == 4


def test_a_duplicate_leaves_other_representatives_to_its_original():
    manifest, _, _ = curate_these(record("bundled-half", HALF), record("mine-half", HALF))
    assert "mine-half.r3" in manifest["material_id"].tolist()
    assert "bundled-half.r2" not in manifest["material_id"].tolist()


def test_as_many_representatives_are_made_as_the_settings_allow():
    few = SETTINGS.model_copy(update={"disorder": DisorderSettings(representatives=1)})
    one, _, _ = curate_these(record("mine-half", HALF), settings=few)
    several, _, _ = curate_these(record("mine-half", HALF))
    assert one.equals(several.head(1))


def test_other_settings_of_disorder_change_the_hash():
    other = SETTINGS.model_copy(update={"disorder": DisorderSettings(n_trials=7)})
    hashes = [
        curate(record("mine-half", HALF), settings, seed=seed).cells[0].structure_hash
        for settings, seed in ((SETTINGS, 1), (other, 1), (SETTINGS, 2))
    ]
    assert len(set(hashes)) == 3


def test_an_id_made_here_gives_way_to_one_of_a_source():
    manifest, failures, _ = curate_these(record("mine-half", HALF), record("mine-half.r2"))
    assert manifest.set_index("material_id").loc["mine-half.r2", "reduced_formula"] == "LiCl"
    assert manifest["material_id"].is_unique
    assert failures["material_id"].tolist() == ["mine-half.r2"]


@pytest.mark.parametrize(
    ("full", "partial", "formula"),
    [
        ([{"Zr": 0.75, "Ta": 0.25}] * 2 + ["La"] * 3 + ["O"] * 12, 6.5, "Li6.5La3Zr1.5Ta0.5O12"),
        (["P"] * 2 + [{"S": 0.5, "Cl": 0.5}] * 4 + ["S"] * 8, 12.0, "Li6PS5Cl"),
        (["Cl"] * 4, 4.0, "LiCl"),
    ],
)
def test_formulas_are_stated_by_formula_unit(full, partial, formula):
    grid = [[x / 5, y / 5, z / 5] for x in range(5) for y in range(5) for z in range(5)]
    species = full + [{"Li": partial / 20}] * 20
    assert state_formula(Structure(Lattice.cubic(12), species, grid[: len(species)])) == formula


def test_properties_are_carried_and_may_be_absent():
    known = record("mine-a")
    known["properties"]["formation_energy_ev_atom"] = -2.1
    manifest, _, _ = curate_these(known, {**record("mine-b"), "properties": {}})
    assert manifest["formation_energy_ev_atom"].fillna(0).tolist() == [-2.1, 0]
    assert manifest["band_gap_ev"].fillna(0).tolist() == [6.2, 0]


def test_values_without_a_crystal_are_passed_over():
    values = label_only(
        material_id="mine-values",
        source="mine",
        labels=[],
        formula="LiCl",
        space_group_number=None,
        provenance="",
        reason="no crystal",
    )
    manifest, failures, _ = curate_these(record("mine-licl"), values, max_failure_rate=0.0)
    assert (len(manifest), len(failures)) == (1, 0)


def test_the_tables_hold_what_the_next_stages_need():
    failed = {"material_id": "mine", "source": "mine", "stage": "pull", "reason": "no file"}
    manifest, failures, shards = curate_these(
        record("mine-licl"), failed, record("bundled-libr", lithium_halide(5.5))
    )
    assert manifest.dtypes.astype(str).to_dict() == MANIFEST_DTYPES
    assert list(manifest["material_id"]) == ["bundled-libr", "mine-licl"]
    assert list(manifest["candidate"]) == [False, True]
    assert list(failures.columns) == FAILURE_COLUMNS
    assert failures["stage"].tolist() == ["pull"]
    assert len(shards) == 3
    for row in manifest.itertuples():
        stored = next(r for r in shards[row.shard] if r["material_id"] == row.material_id)
        assert len(Structure.from_dict(stored["structure"])) == row.n_sites


def test_an_empty_column_survives_parquet(tmp_path):
    manifest, _, _ = curate_these(record("mine-licl"))
    manifest.to_parquet(tmp_path / "manifest.parquet")
    assert manifest["duplicate_of"].isna().all()


def test_a_reference_is_the_duplicate_of_a_candidate_and_stays():
    supercell = LICL.copy().make_supercell([2, 1, 1]).scale_lattice(2 * LICL.volume * 1.03)
    manifest, _, shards = curate_these(
        record("bundled-licl"),
        record("substitution-licl", supercell, parent_id="bundled-x"),
        record("mine-salt", supercell),
        record("mine-bromide", lithium_halide(5.5)),
    )
    duplicate_of = manifest.set_index("material_id")["duplicate_of"].dropna().to_dict()
    assert duplicate_of == {"bundled-licl": "mine-salt", "substitution-licl": "mine-salt"}
    assert sum(map(len, shards)) == 4


def test_polymorphs_are_not_duplicates():
    caesium_chloride_type = Structure(Lattice.cubic(3.2), ["Li", "Cl"], [[0] * 3, [0.5] * 3])
    manifest, _, _ = curate_these(record("mine-a"), record("mine-b", caesium_chloride_type))
    assert manifest["duplicate_of"].isna().all()


def test_one_failure_is_recorded_and_too_many_stop_the_campaign():
    bad = record("mine-bad", Structure(Lattice.cubic(3), ["Na"], [[0] * 3]))
    records = [record("mine-a"), record("bundled-b", lithium_halide(5.5)), bad]
    manifest, failures, _ = curate_these(*records, max_failure_rate=0.5)
    assert len(manifest) == 2
    assert failures.loc[0, ["material_id", "stage"]].tolist() == ["mine-bad", "curate"]
    with pytest.raises(CampaignError, match=r"1 of 3 materials failed, .* mine-bad: no lithium"):
        curate_these(*records, max_failure_rate=0.2)


def test_faulty_labels_and_empty_folders_do_not_count_as_failed_materials():
    faults = [
        {"material_id": "mine", "source": "mine", "stage": "pull", "reason": f"line {n}"}
        for n in range(9)
    ]
    manifest, failures, _ = curate_these(record("mine-a"), *faults, max_failure_rate=0.0)
    assert (len(manifest), len(failures)) == (1, 9)


def test_an_id_is_given_once():
    manifest, failures, _ = curate_these(record("mine-a"), record("mine-a", lithium_halide(5.5)))
    assert len(manifest) == 1
    assert "rename a source" in failures.loc[0, "reason"]


def test_no_material_at_all_stops_the_campaign():
    with pytest.raises(CampaignError, match="none is left"):
        curate_these(max_failure_rate=1.0)


def test_curation_does_not_depend_on_the_order_of_records():
    records = [record("mine-b", lithium_halide(5.5)), record("mine-a")]
    one, _, _ = curate_these(*records)
    other, _, _ = curate_these(*reversed(records))
    assert one.equals(other)


def test_shards_follow_from_the_id_alone():
    ids = [f"mine-{number}" for number in range(3000)]
    shards = [shard_of(one, 3) for one in ids]
    assert shards == [shard_of(one, 3) for one in ids]
    assert min(shards.count(n) for n in range(3)) > 900
    assert shard_of("bundled-licl", 8) == 3


def assert_same(one, other):
    assert one[0].equals(other[0])
    assert one[1].equals(other[1])
    assert json.dumps(one[2]) == json.dumps(other[2])


SEVERAL = [
    record("mine-half", HALF),
    record("mine-licl"),
    record("mine-alloy", Structure(Lattice.cubic(3.2), ["Li", "Mg"], [[0] * 3, [0.5] * 3])),
    record("mine-bad", Structure(Lattice.cubic(3), ["Na"], [[0] * 3])),
    record("bundled-salt", LICL.copy().scale_lattice(140)),
    *(record(f"substitution-{n}", lithium_halide(5.2 + 0.05 * n)) for n in range(6)),
]


def test_neither_workers_nor_the_cache_change_a_byte(tmp_path):
    alone = curate_these(*SEVERAL)
    path = tmp_path / "curated.sqlite"
    assert_same(alone, curate_these(*SEVERAL, n_workers=2, cache_path=path))
    assert_same(alone, curate_these(*SEVERAL, n_workers=3, cache_path=path))


def test_one_material_more_costs_one_material(tmp_path, curated):
    path = tmp_path / "store" / "curated.sqlite"
    curate_these(*SEVERAL, cache_path=path)
    assert len(curated) == len(SEVERAL)
    curate_these(*SEVERAL, cache_path=path)
    assert len(curated) == len(SEVERAL)
    more = record("mine-new", lithium_halide(5.9))
    with_one_more = curate_these(*SEVERAL, more, cache_path=path)
    assert curated[len(SEVERAL) :] == [more["structure"]]
    assert_same(with_one_more, curate_these(*SEVERAL, more))


@pytest.mark.parametrize(
    ("changed", "n_again"),
    [
        ({"shards": 5}, 0),
        ({"sources": {**SETTINGS.sources, "other": SETTINGS.sources["mine"]}}, 0),
        ({"vacancy_variants": 1}, 0),
        ({"min_distance_ang": 0.6}, 2),
        ({"max_sites": 299}, 2),
        ({"max_density_g_cm3": 24.0}, 2),
        ({"disorder": DisorderSettings(n_trials=150)}, 1),
        ({"disorder": DisorderSettings(representatives=2)}, 1),
    ],
)
def test_a_changed_setting_curates_again_what_depends_on_it(tmp_path, curated, changed, n_again):
    records = record("mine-half", HALF), record("mine-licl")
    path = tmp_path / "curated.sqlite"
    curate_these(*records, cache_path=path)
    settings = StructureSettings.model_validate({**dict(SETTINGS), **changed})
    by_source = {name: [] for name in settings.sources} | {"mine": list(records)}
    curate_all(by_source, settings, seed=1, max_failure_rate=1.0, cache_path=path)
    assert len(curated) - 2 == n_again


def test_another_seed_or_id_curates_the_disordered_again(tmp_path, curated):
    path = tmp_path / "curated.sqlite"
    curate_these(record("mine-half", HALF), record("mine-licl"), cache_path=path)
    curate_these(record("mine-half", HALF), record("mine-licl"), cache_path=path, seed=2)
    assert len(curated) == 3
    curate_these(record("mine-other", HALF), record("mine-salt"), cache_path=path)
    assert len(curated) == 4


@pytest.mark.parametrize("damage", ["text", "cut", "row"])
def test_a_damaged_cache_costs_time_alone(tmp_path, curated, caplog, damage):
    path = tmp_path / "curated.sqlite"
    expected = curate_these(*SEVERAL, cache_path=path)
    n_once = len(curated)
    if damage == "text":
        path.write_text("not a database " * 100)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        with sqlite3.connect(path) as file:
            file.execute("UPDATE outcomes SET outcome = x'00'")
    with caplog.at_level(logging.WARNING):
        assert_same(expected, curate_these(*SEVERAL, cache_path=path))
    assert "damaged" in caplog.text
    assert len(curated) == 2 * n_once
    curate_these(*SEVERAL, cache_path=path)
    assert len(curated) == 2 * n_once


def test_a_locked_cache_costs_time_alone(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(curation.CurationCache.__init__, "__defaults__", (0.1,))
    path = tmp_path / "curated.sqlite"
    expected = curate_these(*SEVERAL, cache_path=path)
    other = sqlite3.connect(path)
    other.execute("BEGIN EXCLUSIVE")
    with caplog.at_level(logging.WARNING):
        assert_same(expected, curate_these(*SEVERAL, cache_path=path))
    other.close()
    assert "locked" in caplog.text


def test_a_cache_that_cannot_be_written_costs_time_alone(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        assert_same(
            curate_these(*SEVERAL),
            curate_these(*SEVERAL, cache_path=tmp_path / "file" / "curated.sqlite"),
        )
    assert "cannot be used" in caplog.text


def end_abruptly(_task):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_is_named():
    with pytest.raises(CampaignError, match="a process of the curation was killed"):
        list(work_through(end_abruptly, [1, 2, 3], 2))
