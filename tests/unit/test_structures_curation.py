import pytest
from pymatgen.core import Lattice, Structure

from ionscout.config import StructureSettings
from ionscout.errors import CampaignError, StructureError
from ionscout.structures.curation import (
    FAILURE_COLUMNS,
    MANIFEST_DTYPES,
    curate,
    curate_all,
    shard_of,
)
from ionscout.structures.hashing import structure_hash

LICL = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0] * 3, [0.5] * 3])
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


def curate_these(*records, settings=SETTINGS, max_failure_rate=1.0):
    by_source = {name: [r for r in records if r["source"] == name] for name in settings.sources}
    return curate_all(by_source, settings, seed=1, max_failure_rate=max_failure_rate)


def lithium_halide(edge_ang):
    lattice = Lattice.cubic(edge_ang)
    return Structure.from_spacegroup("Fm-3m", lattice, ["Li", "Br"], [[0] * 3, [0.5] * 3])


def test_a_material_becomes_primitive_standard_and_decorated():
    material = curate(record("mine-licl"), SETTINGS, seed=1)
    assert len(material.structure) == 2
    assert material.space_group_number == 225
    assert material.oxidation_method == "bond_valence"
    assert {str(s) for s in material.structure.composition} == {"Li+", "Cl-"}
    assert material.structure_hash == structure_hash(LICL)


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
    ],
)
def test_the_absurd_is_refused(structure, reason):
    strict = SETTINGS.model_copy(update={"min_distance_ang": 0.6})
    with pytest.raises(StructureError, match=reason):
        curate(record("mine-bad", structure), strict, seed=1)


def test_too_large_a_cell_is_refused():
    small = SETTINGS.model_copy(update={"max_sites": 1})
    with pytest.raises(StructureError, match=r"2 atoms, more than structures\.max_sites = 1"):
        curate(record("mine-licl"), small, seed=1)


def test_a_disordered_cell_is_ordered_by_seed_and_id():
    half = Structure(
        Lattice.cubic(5.1),
        [{"Li": 0.5}] * 4 + ["Cl"] * 2,
        [
            [0.25, 0.25, 0.25],
            [0.75, 0.25, 0.25],
            [0.25, 0.75, 0.75],
            [0.7, 0.75, 0.2],
            [0, 0, 0],
            [0.5] * 3,
        ],
    )
    material, again = (curate(record("mine-half", half), SETTINGS, seed=1) for _ in range(2))
    assert material.structure == again.structure
    assert material.structure.is_ordered
    assert not material.stated.is_ordered
    assert material.oxidation_method == "composition"


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
