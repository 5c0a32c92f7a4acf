import pytest
from pymatgen.core import Composition, Lattice, Structure

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
