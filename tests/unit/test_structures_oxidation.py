import gzip
import itertools
import json
import warnings

import pytest
from pymatgen.analysis.bond_valence import BVAnalyzer
from pymatgen.core import Composition, Lattice, Structure

from ionscout.structures.bond_valences import find_bond_valences
from ionscout.structures.crystals import load_crystals
from ionscout.structures.oxidation import assign_oxidation_states, formal_charges


def rocksalt(cation, anion, edge_ang):
    return Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(edge_ang), [cation, anion], [[0] * 3, [0.5] * 3]
    )


@pytest.mark.parametrize(
    ("formula", "charges"),
    [
        ("Li10GeP2S12", {"Li": 1, "Ge": 4, "P": 5, "S": -2}),
        ("Li7La3Zr2O12", {"Li": 1, "La": 3, "Zr": 4, "O": -2}),
        ("Li6PS5Cl", {"Li": 1, "P": 5, "S": -2, "Cl": -1}),
        ("Li7BiO6", {"Li": 1, "Bi": 5, "O": -2}),
        ("LiBH4", {"Li": 1, "B": 3, "H": -1}),
        ("LiFePO4", {"Li": 1, "Fe": 2, "P": 5, "O": -2}),
    ],
)
def test_known_charges_follow_from_the_composition(formula, charges):
    assert formal_charges(Composition(formula)) == charges


def test_one_metal_may_have_a_mean_state():
    assert formal_charges(Composition("LiMn2O4"))["Mn"] == pytest.approx(3.5)


def test_refined_occupancies_balance_within_the_tolerance_only():
    refined = Composition("Li20.2Ge2.06P3.94S24")
    assert formal_charges(refined) is None
    assert formal_charges(refined, tolerance=0.03) == {"Li": 1, "Ge": 4, "P": 5, "S": -2}


def test_missing_lithium_is_not_balanced_away():
    assert formal_charges(Composition("Li17.88La12Zr8O48"), tolerance=0.03) is None


def test_the_chain_takes_states_of_the_file_first():
    decorated, method = assign_oxidation_states(rocksalt("Li+", "Cl-", 5.13))
    assert method == "file"
    assert {str(s) for s in decorated.composition} == {"Li+", "Cl-"}


def test_states_of_the_file_that_do_not_balance_are_dropped():
    decorated, method = assign_oxidation_states(rocksalt("Li+", "Cl3-", 5.13))
    assert method == "bond_valence"
    assert {str(s) for s in decorated.composition} == {"Li+", "Cl-"}


def test_composition_is_the_last_resort():
    """All manganese sites of the spinel are alike, so no whole states balance it."""
    spinel = Structure.from_spacegroup(
        "Fd-3m:2",
        Lattice.cubic(8.24),
        ["Li", "Mn", "O"],
        [[0.125] * 3, [0.5] * 3, [0.2625] * 3],
    )
    decorated, method = assign_oxidation_states(spinel)
    assert method == "composition"
    assert decorated.charge == pytest.approx(0)
    assert {s.oxi_state for s in decorated.composition if s.symbol == "Mn"} == {3.5}


def test_an_alloy_stays_undecorated():
    decorated, method = assign_oxidation_states(rocksalt("Li", "Mg", 4.5))
    assert method == "unassigned"
    assert all(getattr(s, "oxi_state", None) is None for s in decorated.composition)


def by_pymatgen(structure):
    try:
        return BVAnalyzer(max_permutations=2000).get_valences(structure)
    except ValueError:
        return None


def test_bond_valences_are_those_of_pymatgen():
    full = [
        crystal
        for crystal in load_crystals()
        if all(list(site.species.values()) == [1] for site in crystal.sites)
    ]
    for crystal in full[::8]:
        structure = crystal.structure()
        assert find_bond_valences(structure) == by_pymatgen(structure), crystal.id
    assert len(full) > 40


@pytest.mark.slow
def test_bond_valences_of_real_crystals_are_those_of_pymatgen(shared_data):
    warnings.simplefilter("ignore")
    n_found = 0
    with gzip.open(shared_data / "mp2018_li/structures.jsonl.gz", "rt") as lines:
        for line in itertools.islice(lines, 0, None, 3):
            structure = Structure.from_str(json.loads(line)["cif"], fmt="cif")
            found = find_bond_valences(structure)
            assert found == by_pymatgen(structure), structure.formula
            n_found += found is not None
    assert n_found > 300


def test_elements_without_parameters_have_no_bond_valences():
    assert find_bond_valences(rocksalt("Li", "Xe", 5.0)) is None
