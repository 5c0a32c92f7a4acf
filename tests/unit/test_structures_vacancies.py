import pytest
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Lattice, Structure

from ionscout.config import StructureSettings
from ionscout.errors import DynamicsError
from ionscout.structures.crystals import load_crystals
from ionscout.structures.curation import curate_all
from ionscout.structures.curation_crystal import CurationTask, curate_crystal
from ionscout.structures.vacancies import VacancyTask, make_variants, rank_lithium

SOURCES = {"mine": {"kind": "folder", "path": "x"}, "bundled": {"kind": "bundled"}}
LICL = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0] * 3, [0.5] * 3])


@pytest.fixture(scope="module")
def li3n():
    return next(crystal for crystal in load_crystals() if crystal.id == "li3n").structure()


def host_of(structure):
    task = CurationTask.of("x", structure.as_dict(), StructureSettings(sources=SOURCES), seed=1)
    return curate_crystal(task).cells[0]


def record(material_id, structure):
    return {
        "material_id": material_id,
        "source": material_id.split("-")[0],
        "structure": structure.as_dict(),
        "properties": {"band_gap_ev": 6.2, "formation_energy_ev_atom": -2.0},
        "labels": [],
        "provenance": "",
        "parent_id": None,
    }


def curate(*records, **settings):
    settings = StructureSettings(sources=SOURCES, **settings)
    by_source = {name: [r for r in records if r["source"] == name] for name in SOURCES}
    manifest, failures, shards = curate_all(by_source, settings, seed=1, max_failure_rate=1.0)
    structures = {r["material_id"]: r["structure"] for shard in shards for r in shard}
    return manifest.set_index("material_id"), failures, structures


def test_a_variant_lacks_one_lithium_and_its_images_are_far():
    (variant,) = make_variants(VacancyTask(host_of(LICL), n_variants=3, max_sites=300))
    cell = Structure.from_dict(variant.structure)
    assert cell.composition["Cl-"] - cell.composition["Li+"] == 1
    assert cell.charge == -1
    assert variant.vacancies_per_cell == 1
    assert variant.n_sites == len(cell)
    assert min(cell.lattice.get_lll_reduced_lattice().abc) >= 10 - 1e-6
    assert not cell.site_properties


def test_variants_are_the_distinct_sites_least_bound_first(li3n):
    """Li3N has two kinds of lithium; full Ewald sums of the cells with the vacancy rank them."""
    variants = make_variants(VacancyTask(host_of(li3n), n_variants=5, max_sites=300))
    assert len(variants) == 2
    energies_ev = [
        EwaldSummation(Structure.from_dict(one.structure)).total_energy for one in variants
    ]
    assert energies_ev[0] < energies_ev[1] - 0.1
    assert len({one.structure_hash for one in variants}) == 2


def test_without_oxidation_states_the_order_of_the_sites_ranks():
    alloy = Structure(Lattice.cubic(4), ["Li", "Mg", "Li"], [[0] * 3, [0.5] * 3, [0.5, 0.5, 0]])
    assert rank_lithium(alloy) == [0, 2]


def test_too_large_a_cell_is_refused():
    with pytest.raises(DynamicsError):
        make_variants(VacancyTask(host_of(LICL), n_variants=1, max_sites=20))


def test_variants_are_materials_of_their_own():
    manifest, _, structures = curate(record("mine-licl", LICL), vacancy_variants=2)
    assert list(manifest.index) == ["mine-licl", "mine-licl.v1"]
    variant = manifest.loc["mine-licl.v1"]
    assert variant["parent_id"] == "mine-licl"
    assert variant["candidate"]
    assert variant["vacancies_per_cell"] == 1
    assert variant["band_gap_ev"] == 6.2
    assert variant[["duplicate_of", "formation_energy_ev_atom"]].isna().all()
    assert variant["structure_hash"] != manifest.loc["mine-licl", "structure_hash"]
    assert len(structures["mine-licl.v1"]["sites"]) == variant["n_sites"]


def test_references_and_duplicates_have_none_and_none_are_made_unasked():
    records = record("bundled-a", LICL), record("mine-b", LICL), record("mine-c", LICL)
    manifest, _, _ = curate(*records, vacancy_variants=1)
    assert list(manifest.index) == ["bundled-a", "mine-b", "mine-b.v1", "mine-c"]
    manifest, _, _ = curate(*records)
    assert (manifest["vacancies_per_cell"] == 0).all()


def test_a_cell_too_large_is_listed_and_the_host_stays():
    manifest, failures, _ = curate(record("mine-licl", LICL), vacancy_variants=1, max_sites=20)
    assert list(manifest.index) == ["mine-licl"]
    assert failures.loc[0, "material_id"] == "mine-licl.v1"
    assert "structures.max_sites = 20" in failures.loc[0, "reason"]
