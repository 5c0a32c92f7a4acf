"""Reactions with lithium, cathodes and water, against pymatgen and by hand."""

import gzip
import json
from functools import cache

import numpy as np
import pytest
from pymatgen.analysis.interface_reactions import (
    GrandPotentialInterfacialReactivity,
    InterfacialReactivity,
)
from pymatgen.analysis.phase_diagram import GrandPotentialPhaseDiagram, PDEntry, PhaseDiagram
from pymatgen.core import Composition, Element
from pymatgen.entries.computed_entries import ComputedEntry

from ionscout.bundled.thermochemistry import KJ_MOL_PER_EV
from ionscout.screening.equilibrium import PhaseSpace
from ionscout.screening.levels import bundled_level
from ionscout.screening.reactions import (
    Reactant,
    charged,
    products_in_excess,
    react_with_lithium,
    react_with_partner,
)

LITHIUM = Element("Li")
EXPERIMENT, MP_2018 = "experiment", "materials_project_2018"
WATER = Composition("H2O")


@pytest.fixture(scope="module")
def lithium_iron_phosphates(shared_data):
    """The 859 entries of Li-Fe-P-O, with pymatgen's diagram and ours."""
    path = shared_data / "entries" / "Li-Fe-P-O_entries.json.gz"
    with gzip.open(path, "rt") as file:
        computed = [ComputedEntry.from_dict(entry) for entry in json.load(file)]
    return PhaseDiagram(computed), PhaseSpace(computed)


@cache
def space_of(level: str) -> PhaseSpace:
    return PhaseSpace(bundled_level(level).entries)


def reactant(space: PhaseSpace, formula: str) -> Reactant:
    composition = Composition(formula).reduced_composition
    return Reactant(composition, space.energy_ev_atom(composition))


def system_of(space: PhaseSpace, *formulas: str):
    return space.system(frozenset(e.symbol for f in formulas for e in Composition(f)))


def with_lithium(level: str, formula: str, voltage_v: float = 0.0):
    space = space_of(level)
    return react_with_lithium(system_of(space, formula), reactant(space, formula), voltage_v)


def with_partner(level: str, formula: str, partner: str):
    space = space_of(level)
    system = system_of(space, formula, partner)
    return react_with_partner(system, reactant(space, formula), reactant(space, partner))


MATERIALS = ["LiFePO4", "Li3PO4", "LiPO3", "Li2FeP2O7", "Li4P2O7", "LiFeP2O7", "Li5FeO4", "Li3P"]
PARTNERS = ["FePO4", "Fe2O3", "Li2O", "FeP"]


@pytest.mark.parametrize("material", MATERIALS)
def test_worst_mixtures_equal_pymatgens(lithium_iron_phosphates, material):
    diagram, space = lithium_iron_phosphates
    system = space.system(frozenset({"Fe", "P", "O"}))
    for partner in PARTNERS:
        peer = InterfacialReactivity(Composition(material), Composition(partner), diagram)
        share, energy_ev_atom = peer.minimum
        found = react_with_partner(system, reactant(space, material), reactant(space, partner))
        assert found.energy_ev_atom == pytest.approx(-energy_ev_atom, abs=1e-6)
        if found.formulas:
            assert found.mixing_fraction == pytest.approx(share, abs=1e-6)
        else:
            assert energy_ev_atom == pytest.approx(0, abs=2e-6)


@pytest.mark.parametrize("material", MATERIALS)
def test_worst_mixtures_open_to_lithium_equal_pymatgens(lithium_iron_phosphates, material):
    diagram, space = lithium_iron_phosphates
    system, voltage_v = space.system(frozenset({"Fe", "P", "O"})), 4.2
    metal_ev_atom = diagram.el_refs[LITHIUM].energy_per_atom
    grand = GrandPotentialPhaseDiagram(diagram.entries, {LITHIUM: metal_ev_atom - voltage_v})
    for partner in PARTNERS:
        peer = GrandPotentialInterfacialReactivity(
            Composition(material),
            Composition(partner),
            grand,
            diagram,
            include_no_mixing_energy=True,
            use_hull_energy=False,
        )
        share, energy_ev_atom = peer.minimum
        one, other = reactant(space, material), reactant(space, partner)
        found = react_with_partner(system, one, other, voltage_v)
        assert found.energy_ev_atom == pytest.approx(-energy_ev_atom, abs=1e-6)
        if found.formulas:
            assert found.mixing_fraction == pytest.approx(share, abs=1e-6)


def test_a_charged_cathode_does_not_count_its_own_charging(lithium_iron_phosphates):
    """pymatgen without no-mixing energies leaves both reactants' own ones out; the material's
    own oxidation is then added back at each kink.
    """
    diagram, space = lithium_iron_phosphates
    material, cathode, voltage_v = Composition("Li3P"), Composition("LiFePO4"), 4.2
    system = space.system(frozenset({"Fe", "P", "O"}))
    metal_ev_atom = diagram.el_refs[LITHIUM].energy_per_atom
    grand = GrandPotentialPhaseDiagram(diagram.entries, {LITHIUM: metal_ev_atom - voltage_v})
    peer = GrandPotentialInterfacialReactivity(material, cathode, grand, diagram)
    own_ev, _ = (energy for _, energy in peer.get_no_mixing_energy())
    kinks = [
        peer._get_energy(x) + x * own_ev
        for x in (peer._reverse_convert(k[1], peer.factor1, peer.factor2) for k in peer.get_kinks())
    ]
    at_charge = charged(system, reactant(space, "LiFePO4"), voltage_v)
    found = react_with_partner(system, reactant(space, "Li3P"), at_charge, voltage_v)
    assert found.energy_ev_atom == pytest.approx(-min(kinks), abs=1e-6)
    fee = react_with_partner(system, reactant(space, "LiFePO4"), at_charge, voltage_v)
    assert fee.energy_ev_atom == pytest.approx(
        -peer.get_no_mixing_energy()[1][1], abs=1e-6
    )  # as a material, LiFePO4 is oxidised at 4.2 V


def test_lithium_in_excess_equals_pymatgens(lithium_iron_phosphates):
    """The last kink before the metal is the material with all the lithium that it takes up."""
    diagram, space = lithium_iron_phosphates
    system = space.system(frozenset({"Fe", "P", "O"}))
    for material in MATERIALS:
        peer = InterfacialReactivity(Composition(material), Composition("Li"), diagram)
        last = min((k for k in peer.get_kinks() if k[1] > 1e-6), key=lambda kink: kink[1])
        found = react_with_lithium(system, reactant(space, material))
        assert found.energy_ev_atom == pytest.approx(-last[2], abs=1e-6)
        if found.formulas:
            assert found.mixing_fraction == pytest.approx(last[1], abs=1e-6)


def test_lithium_chloride_stands_lithium_and_water():
    for level in (EXPERIMENT, MP_2018):
        assert with_lithium(level, "LiCl").energy_ev_atom == 0
        assert with_partner(level, "LiCl", "H2O").energy_ev_atom == 0
    found = with_lithium(EXPERIMENT, "LiCl")
    assert np.isnan(found.mixing_fraction)
    assert (found.products, found.formulas) == ("", frozenset())


def test_lithium_reduces_lithium_thiophosphate_as_by_hand():
    """Li3PS4 + 8 Li = Li3P + 4 Li2S; energies of the table in eV per atom."""
    set_free_ev = 8 * -1.2663 - (4 * -0.6987 + 4 * 3 * -1.5608)
    found = with_lithium(MP_2018, "Li3PS4")
    assert found.products == "4 Li2S + Li3P"
    assert found.mixing_fraction == pytest.approx(8 / 16)
    assert found.energy_ev_atom == pytest.approx(set_free_ev / 16, abs=1e-4)


def test_the_published_reaction_with_lithium_counts_the_atoms_of_the_material():
    """Zhu, He and Mo 2015, at 0 V: Li3PS4 1.42 and Li10GeP2S12 1.25 eV/atom."""
    for formula, energy_ev_atom in {"Li3PS4": 1.42, "Li10GeP2S12": 1.25}.items():
        found = with_lithium(MP_2018, formula)
        of_material = found.energy_ev_atom / found.mixing_fraction
        assert of_material == pytest.approx(energy_ev_atom, abs=0.05)


def test_a_metastable_material_sets_its_excess_free_too():
    space = space_of(MP_2018)
    system, stable = system_of(space, "Li3PS4"), reactant(space, "Li3PS4")
    higher = Reactant(stable.composition, stable.energy_ev_atom + 0.1)
    difference = (
        react_with_lithium(system, higher).energy_ev_atom
        - react_with_lithium(system, stable).energy_ev_atom
    )
    assert difference == pytest.approx(0.1 * 8 / 16)
    water = system_of(space, "Li3PS4", "H2O")
    alone = react_with_partner(water, higher, Reactant(WATER, -1.3908))
    assert alone.energy_ev_atom >= 0.1


def test_lithium_is_given_off_above_the_window():
    found = with_lithium(EXPERIMENT, "LiCl", voltage_v=5.0)
    excess_ev = 5.0 - 408.54 / KJ_MOL_PER_EV
    assert found.products == "0.5 Cl2"
    assert found.energy_ev_atom == pytest.approx(excess_ev / 2, abs=1e-4)


def test_lithium_oxide_takes_up_water_as_by_hand():
    """Li2O + H2O = 2 LiOH, -597.88 - 285.83 to 2 times -487.5 kJ/mol, six atoms."""
    found = with_partner(EXPERIMENT, "Li2O", "H2O")
    set_free_ev = (2 * 487.5 - 597.88 - 285.83) / KJ_MOL_PER_EV
    assert found.products == "2 LiHO"
    assert found.mixing_fraction == pytest.approx(0.5)
    assert found.energy_ev_atom == pytest.approx(set_free_ev / 6, abs=1e-4)


def test_thiophosphates_release_h2s_in_water():
    space = space_of(MP_2018)
    found = with_partner(MP_2018, "Li3PS4", "H2O")
    assert found.products == "4 H2S + Li3PO4"  # Li3PS4 + 4 H2O
    assert found.mixing_fraction == pytest.approx(8 / 20)
    system = system_of(space, "Li3PS4", "H2O")
    assert "H2S" in products_in_excess(system, Composition("Li3PS4"), WATER)
    system = system_of(space, "LiCl", "H2O")
    assert "H2S" not in products_in_excess(system, Composition("LiCl"), WATER)


def test_water_in_excess_goes_further_than_the_worst_mixture():
    """A lithium-rich sulfide: A + H2O = B sets most free an atom, B + H2O gives off H2S."""
    energies_ev_atom = {
        "Li": 0, "S": 0, "H2": 0, "O2": 0, "H2O": -0.98, "H2S": -0.2,
        "Li2S": -1.2, "LiHO": -2.2, "Li2H2SO": -1.7,
    }  # fmt: skip
    space = PhaseSpace(
        [PDEntry(Composition(f), e * Composition(f).num_atoms) for f, e in energies_ev_atom.items()]
    )
    system = system_of(space, "Li2S", "H2O")
    worst = react_with_partner(system, reactant(space, "Li2S"), reactant(space, "H2O"))
    assert worst.formulas == {"Li2H2SO"}
    assert products_in_excess(system, Composition("Li2S"), WATER) == {"LiHO", "H2S"}


def test_nothing_happens_between_a_stable_material_and_itself():
    assert with_partner(MP_2018, "Li3PS4", "Li3PS4").energy_ev_atom == 0


def test_the_order_of_the_two_does_not_matter():
    one, other = with_partner(MP_2018, "Li3PS4", "TiO2"), with_partner(MP_2018, "TiO2", "Li3PS4")
    assert one.energy_ev_atom == pytest.approx(other.energy_ev_atom)
    assert one.mixing_fraction == pytest.approx(1 - other.mixing_fraction)
    assert one.formulas == other.formulas


def test_products_open_to_lithium_are_those_of_one_formula_unit():
    space, names = space_of(MP_2018), ("Li3PS4", "TiO2")
    one, other = (reactant(space, name) for name in names)
    found = react_with_partner(system_of(space, *names), one, other, 2.5)
    assert 0 < found.mixing_fraction < 1
    amounts = sum(
        float(text.split()[0] if " " in text else 1) * Composition(text.split()[-1])["P"]
        for text in found.products.split(" + ")
    )
    assert amounts == pytest.approx(1, abs=0.01)
