import gzip
import json
import logging
import warnings

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from ionscout.structures.curation_cache import CurationCache
from ionscout.structures.curation_crystal import standardise
from ionscout.structures.duplicates import StatedCrystal, find_duplicates

NO_CACHE = CurationCache(None)


def rocksalt(anion="Cl", edge_ang=5.13):
    h = edge_ang / 2
    return Structure([[0, h, h], [h, 0, h], [h, h, 0]], ["Li", anion], [[0] * 3, [0.5] * 3])


def stated(material_id, structure):
    return StatedCrystal(
        material_id=material_id,
        key=material_id,
        bucket=structure.composition.reduced_formula,
        structure=structure.as_dict(),
    )


def noisy_supercell(structure, noise_ang):
    cell = structure.copy().make_supercell([2, 1, 2])
    rng = np.random.default_rng(3)
    shifts = rng.normal(scale=noise_ang, size=(len(cell), 3))
    for i, shift in enumerate(shifts):
        cell.translate_sites([i], shift, frac_coords=False)
    return cell


@pytest.mark.parametrize("noise_ang", [0.0, 0.001, 0.02])
def test_neither_another_cell_nor_noise_that_breaks_symmetry_hides_a_duplicate(noise_ang):
    other = noisy_supercell(rocksalt(), noise_ang).scale_lattice(200)
    crystals = [stated("a", rocksalt()), stated("b", other), stated("c", rocksalt("Br"))]
    assert find_duplicates(crystals, NO_CACHE) == {"b": "a"}


def test_polymorphs_are_no_duplicates():
    caesium_chloride_type = Structure(Lattice.cubic(3.2), ["Li", "Cl"], [[0] * 3, [0.5] * 3])
    crystals = [stated("a", rocksalt()), stated("b", caesium_chloride_type)]
    assert find_duplicates(crystals, NO_CACHE) == {}


def test_all_duplicates_name_the_first():
    crystals = [stated(name, rocksalt(edge_ang=5 + i / 9)) for i, name in enumerate("abc")]
    assert find_duplicates(crystals, NO_CACHE) == {"b": "a", "c": "a"}


def test_workers_change_nothing():
    crystals = [
        stated(f"{anion}{i}", rocksalt(anion, 5 + i / 9))
        for anion in ("F", "Cl", "Br", "I")
        for i in range(3)
    ]
    alone, shared = (find_duplicates(crystals, NO_CACHE, n_workers=n) for n in (1, 2))
    assert alone == shared
    assert len(alone) == 8


def test_what_cannot_be_compared_is_different(monkeypatch, caplog):
    def fit(self, *_, **__):
        raise RuntimeError("odd crystal")

    monkeypatch.setattr(StructureMatcher, "fit", fit)
    crystals = [stated("a", rocksalt()), stated("b", rocksalt())]
    with caplog.at_level(logging.WARNING):
        assert find_duplicates(crystals, NO_CACHE) == {}
    assert "a and b cannot be compared (odd crystal)" in caplog.text


def test_compared_pairs_are_not_compared_again(tmp_path, monkeypatch):
    compared = []

    def fit(self, one, other, **_):
        compared.append((one.volume, other.volume))
        return original_fit(self, one, other, **_)

    original_fit = StructureMatcher.fit
    monkeypatch.setattr(StructureMatcher, "fit", fit)
    cache = CurationCache(tmp_path / "curated.sqlite")
    polymorph = Structure(Lattice.cubic(3.2), ["Li", "Cl"], [[0] * 3, [0.5] * 3])
    crystals = [stated("a", rocksalt()), stated("b", rocksalt()), stated("c", polymorph)]
    first = find_duplicates(crystals, cache)
    assert len(compared) == 2
    assert find_duplicates(crystals, cache) == first
    assert len(compared) == 2
    one_more = find_duplicates([*crystals, stated("d", polymorph)], cache)
    assert one_more == {**first, "d": "c"}
    assert len(compared) == 4


@pytest.mark.slow
def test_buckets_split_no_duplicates_of_real_crystals(shared_data):
    """Compared with pymatgen's grouping of all 1,924 crystals at once."""
    warnings.simplefilter("ignore")
    crystals = []
    with gzip.open(shared_data / "mp2018_li/structures.jsonl.gz", "rt") as lines:
        for entry in map(json.loads, lines):
            structure = Structure.from_str(entry["cif"], fmt="cif")
            crystals.append(stated(entry["task_id"], standardise(structure)[0]))
    structures = [Structure.from_dict(crystal.structure) for crystal in crystals]
    name_of = dict(zip(map(id, structures), (one.material_id for one in crystals), strict=True))
    groups = StructureMatcher().group_structures(structures)
    expected = {
        name_of[id(duplicate)]: name_of[id(first)] for first, *rest in groups for duplicate in rest
    }
    assert len(expected) == 12
    assert find_duplicates(crystals, NO_CACHE) == expected
