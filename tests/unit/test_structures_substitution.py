from pathlib import Path

import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Element, Lattice, Structure

from ionscout.config import SubstitutionSource
from ionscout.structures.crystals import bundled_records
from ionscout.structures.sources import pull as pull_source
from ionscout.structures.sources.context import PullContext
from ionscout.structures.sources.substitution import substitute

DEFAULTS = SubstitutionSource(kind="substitution")


def pull(settings, parents):
    return pull_source("substitution", settings, PullContext(Path("nowhere"), parents))


@pytest.fixture(scope="module")
def parents():
    return bundled_records()


@pytest.fixture(scope="module")
def records(parents):
    return pull(DEFAULTS, parents)


def test_about_a_hundred_candidates(parents, records):
    again = pull(DEFAULTS, parents)
    assert len(records) == 100
    assert again == records


def test_ids_say_what_was_replaced_in_which_parent(parents, records):
    ids = [record["material_id"] for record in records]
    known = {parent["material_id"] for parent in parents}
    assert len(set(ids)) == len(ids)
    assert "substitution-li2s-S-to-Se" in ids
    for record in records:
        assert record["parent_id"] in known
        own = record["parent_id"].removeprefix("bundled-")
        assert record["material_id"].startswith(f"substitution-{own}-")


def test_candidates_keep_lithium_charge_and_claim_nothing(parents, records):
    by_id = {p["material_id"]: Structure.from_dict(p["structure"]) for p in parents}
    for record in records:
        structure = Structure.from_dict(record["structure"])
        parent = by_id[record["parent_id"]]
        assert structure.charge == pytest.approx(0)
        assert structure.composition["Li+"] == parent.composition["Li"]
        assert not any(Element(s.symbol).is_radioactive for s in structure.composition)
        assert record["properties"] == {"band_gap_ev": None, "energy_above_hull_ev_atom": None}
        assert record["labels"] == []


def test_nothing_is_known_or_twice(parents, records):
    matcher = StructureMatcher()
    seen = [Structure.from_dict(parent["structure"]) for parent in parents]
    for record in records:
        structure = Structure.from_dict(record["structure"]).remove_oxidation_states()
        formula = structure.composition.reduced_formula
        rivals = [s for s in seen if s.composition.reduced_formula == formula]
        assert not any(matcher.fit(structure, rival) for rival in rivals)
        seen.append(structure)


def test_the_most_probable_come_first_and_the_number_is_kept(parents, records):
    few = SubstitutionSource(kind="substitution", max_candidates=7)
    assert pull(few, parents) == records[:7]
    probabilities = [float(record["provenance"].rsplit(" ", 1)[1]) for record in records]
    assert probabilities == sorted(probabilities, reverse=True)
    assert min(probabilities) >= 1e-3


def test_the_volume_follows_the_radii():
    licl = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.13), ["Li+", "Cl-"], [[0] * 3, [0.5] * 3]
    )
    chloride, bromide = licl.composition.elements[1], "Br-"
    made = substitute(licl, {chloride: bromide})
    assert made.lattice.a == pytest.approx(5.50, abs=0.08)  # measured: LiBr 5.50 angstrom


def test_failures_and_disordered_parents_have_no_children(parents):
    failure = {"material_id": "bundled", "source": "bundled", "stage": "pull", "reason": "x"}
    lgps = [p for p in parents if p["material_id"] == "bundled-li10gep2s12"]
    settings = SubstitutionSource(kind="substitution")
    assert pull(settings, [failure, *lgps]) == []
