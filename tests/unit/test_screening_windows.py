"""Phase equilibria and electrochemical windows, against pymatgen and by hand."""

import gzip
import itertools
import json
from functools import cache

import numpy as np
import pytest
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition, Element
from pymatgen.entries.computed_entries import ComputedEntry
from scipy.optimize import linprog

from ionscout.bundled.thermochemistry import KJ_MOL_PER_EV, load_levels, load_thermochemistry
from ionscout.errors import ScreeningError
from ionscout.screening.equilibrium import PhaseSpace, System, minimise_energy
from ionscout.screening.levels import Level, bundled_level
from ionscout.screening.windows import check_window, electrochemical_window

LITHIUM = Element("Li")
EXPERIMENT, MP_2018 = "experiment", "materials_project_2018"


@pytest.fixture(scope="module")
def computed(shared_data):
    """The 859 entries of Li-Fe-P-O."""
    path = shared_data / "entries" / "Li-Fe-P-O_entries.json.gz"
    with gzip.open(path, "rt") as file:
        return [ComputedEntry.from_dict(entry) for entry in json.load(file)]


@cache
def space_of(level: str) -> PhaseSpace:
    return PhaseSpace(bundled_level(level).entries)


def system_of(space: PhaseSpace, composition: Composition) -> System:
    return space.system(frozenset(element.symbol for element in composition))


def window_of(space: PhaseSpace, formula: str):
    composition = Composition(formula)
    return electrochemical_window(system_of(space, composition), composition)


def window_by_pymatgen(diagram: PhaseDiagram, composition: Composition) -> tuple[float, float]:
    """Read the window off the element profile.

    Each stage holds from its potential up to that of the next; the one at which nothing is
    taken up or given off is the window. Without one, the composition is passed in the
    course of a stage, at one potential.
    """
    metal = diagram.el_refs[LITHIUM].energy_per_atom
    stages = sorted(
        (metal - stage["chempot"], stage["evolution"])
        for stage in diagram.get_element_profile(LITHIUM, composition)
    )
    for (potential, evolution), (following, _) in itertools.pairwise(stages):
        if abs(evolution) < 1e-6:
            return potential, following
    crossed = min(potential for potential, evolution in stages if evolution < 0)
    return crossed, crossed


def as_lowest(computed) -> dict[str, PDEntry]:
    """Keep the lowest of each formula: more than half the time of a profile goes to the rest."""
    lowest: dict[str, PDEntry] = {}
    for entry in sorted(computed, key=lambda entry: -entry.energy_per_atom):
        lowest[entry.composition.reduced_formula] = PDEntry(entry.composition, entry.energy)
    return lowest


def lithium_compounds(entries) -> dict[str, Composition]:
    compositions = {e.composition.reduced_formula: e.composition for e in entries}
    return {f: c for f, c in compositions.items() if LITHIUM in c and len(c) > 1}


def test_hull_distances_equal_pymatgens(computed):
    diagram, space = PhaseDiagram(computed), PhaseSpace(computed)
    system = space.system(frozenset({"Fe", "P", "O"}))
    assert set(system.formulas) == {e.composition.reduced_formula for e in diagram.stable_entries}
    for entry in computed:
        hull = system.equilibrium(system.fractions_of(entry.composition)).energy_ev
        expected = diagram.get_e_above_hull(entry)
        assert entry.energy_per_atom - hull == pytest.approx(expected, abs=1e-6)


def test_the_least_energy_is_that_of_a_general_solver():
    """Random programmes, half of them at a phase's own composition, where amounts are zero."""
    rng = np.random.default_rng(8)
    for n_rows in (1, 2, 4, 7):
        for trial in range(20):
            columns = np.hstack([np.eye(n_rows), rng.dirichlet(np.full(n_rows, 0.3), 60).T])
            energies = np.append(np.zeros(n_rows), -rng.random(60))
            target = columns[:, -1] if trial % 2 else rng.dirichlet(np.ones(n_rows))
            found = minimise_energy(energies, columns, target)
            peer = linprog(energies, A_eq=columns, b_eq=target)
            assert found.energy_ev == pytest.approx(peer.fun, abs=1e-7)
            assert columns @ found.amounts == pytest.approx(target, abs=1e-9)
            assert (found.amounts >= 0).all()
            assert (energies - found.potentials_ev @ columns > -1e-9).all()
            assert found.potentials_ev @ target == pytest.approx(found.energy_ev, abs=1e-9)


def test_the_last_amount_can_be_bounded():
    energies, columns = np.array([0.0, -1.0]), np.array([[1.0, 1.0]])
    free = minimise_energy(energies, columns, np.array([1.0]))
    bounded = minimise_energy(energies, columns, np.array([1.0]), most_of_last=0.25)
    assert list(free.amounts) == [0, 1]
    assert list(bounded.amounts) == [0.75, 0.25]


def test_an_energy_without_a_lower_bound_is_refused():
    with pytest.raises(ScreeningError, match="no lower bound"):
        minimise_energy(np.array([0.0, -1.0]), np.array([[1.0, -1.0]]), np.array([1.0]))
    with pytest.raises(ScreeningError, match="an element has no entry"):
        minimise_energy(np.array([0.0]), np.array([[0.5]]), np.array([1.0]))


def test_windows_of_computed_entries_equal_pymatgens(computed):
    space = PhaseSpace(computed)
    compounds = lithium_compounds(computed)
    assert len(compounds) > 150
    level = Level("computed", "Li-Fe-P-O", [*as_lowest(computed).values()])
    for composition in compounds.values():
        diagram = level.phase_diagram({element.symbol for element in composition})
        found = electrochemical_window(system_of(space, composition), composition)
        expected = window_by_pymatgen(diagram, composition)
        assert (found.reduction_v, found.oxidation_v) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("level", list(load_levels()))
def test_windows_of_bundled_tables_equal_pymatgens(level):
    bundled, space = bundled_level(level), space_of(level)
    for composition in lithium_compounds(bundled.entries).values():
        symbols = [element.symbol for element in composition]
        if bundled.uncovered(symbols) is None:
            expected = window_by_pymatgen(bundled.phase_diagram(symbols), composition)
            found = electrochemical_window(system_of(space, composition), composition)
            assert (found.reduction_v, found.oxidation_v) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("formula", "enthalpy_kj_mol", "n_lithium", "published_v"),
    [
        ("LiF", -618.3, 1, 6.38),
        ("LiCl", -408.54, 1, 4.21),
        ("LiI", -273.2, 1, None),  # computed without correction: 2.46
        ("Li2S", -446.9, 2, None),  # the same: 2.00
        ("Li3N", -164.56, 3, None),  # the paper gives off LiN3 first, which was never measured
    ],
)
def test_binaries_give_off_lithium_at_their_enthalpy_of_formation(
    formula, enthalpy_kj_mol, n_lithium, published_v
):
    found = window_of(space_of(EXPERIMENT), formula)
    by_hand = -enthalpy_kj_mol / KJ_MOL_PER_EV / n_lithium
    assert found.oxidation_v == pytest.approx(by_hand, abs=1e-3)
    assert found.reduction_v == 0
    assert found.reduction_products == ""
    assert found.lithium_given_off == pytest.approx(n_lithium)
    if published_v is not None:
        assert found.oxidation_v == pytest.approx(published_v, abs=0.05)


def formation_ev(level: str, formula: str) -> float:
    """Energy of formation of a formula unit, of the table's lowest phase."""
    table = load_thermochemistry(level)
    reduced = Composition(formula).reduced_formula
    same = [Composition(f).reduced_formula == reduced for f in table["formula"]]
    energy_ev_atom = table["formation_energy_ev_atom"][same].min()
    return energy_ev_atom * Composition(formula).num_atoms


# Level, material, side, what a formula unit (of its phases) becomes, lithium given off.
REACTIONS = [
    (EXPERIMENT, "Li2O", "oxidation", {"Li2O": -2, "Li2O2": 1}, 2),
    (MP_2018, "LiF", "oxidation", {"LiF": -1}, 1),
    (MP_2018, "LiCl", "oxidation", {"LiCl": -1}, 1),
    (MP_2018, "LiI", "oxidation", {"LiI": -1}, 1),
    (MP_2018, "Li2S", "oxidation", {"Li2S": -1}, 2),
    (MP_2018, "Li2O", "oxidation", {"Li2O": -2, "Li2O2": 1}, 2),
    (MP_2018, "Li3P", "oxidation", {"Li3P": -1, "LiP": 1}, 2),
    (MP_2018, "Li3N", "oxidation", {"Li3N": -3, "LiN3": 1}, 8),
    (MP_2018, "Li3PS4", "reduction", {"Li3PS4": -1, "Li2S": 4}, -5),
    (MP_2018, "Li3PS4", "oxidation", {"Li3PS4": -2, "P2S5": 1}, 6),
    (MP_2018, "Li6PS5Cl", "reduction", {"Li3PS4": -1, "Li2S": 4}, -5),
    (MP_2018, "Li6PS5Cl", "oxidation", {"Li2S": -1}, 2),
    (MP_2018, "Li10GeP2S12", "reduction", {"Li3PS4": -1, "Li2S": 4}, -5),
    (MP_2018, "Li10GeP2S12", "oxidation", {"Li4GeS4": -1, "GeS2": 1}, 4),
    (MP_2018, "Li7La3Zr2O12", "reduction", {"Li6Zr2O7": -1, "Li2O": 7}, -8),
    (MP_2018, "Li7La3Zr2O12", "oxidation", {"Li2O": -2, "Li2O2": 1}, 2),
    (EXPERIMENT, "Li7La3Zr2O12", "reduction", {"La2Zr2O7": -1, "La2O3": 1, "Li2O": 4}, -8),
    (EXPERIMENT, "Li7La3Zr2O12", "oxidation", {"Li2O": -2, "Li2O2": 1}, 2),
    (EXPERIMENT, "Li3PS4", "reduction", {"P4S10": -1, "P4S5": 1, "Li2S": 5}, -10),
    (EXPERIMENT, "Li10GeP2S12", "oxidation", {"Li2S": -1}, 2),
]


@pytest.mark.parametrize(("level", "material", "side", "change", "n_lithium"), REACTIONS)
def test_limits_are_those_of_the_reactions_by_hand(level, material, side, change, n_lithium):
    """Lithium metal, sulfur, the halogens and the like have no energy of formation."""
    cost_ev = sum(n * formation_ev(level, formula) for formula, n in change.items())
    found = window_of(space_of(level), material)
    assert getattr(found, f"{side}_v") == pytest.approx(cost_ev / n_lithium, abs=1e-3)


@pytest.mark.parametrize(
    ("formula", "low_v", "high_v"),
    [
        ("LiF", 0, 6.38),
        ("LiCl", 0, 4.21),
        ("Li2O", 0, 2.90),
        ("LiI", 0, 2.46),
        ("Li3P", 0, 0.85),
        ("Li3N", 0, 0.45),
        ("Li3PS4", 1.71, None),
        ("Li6PS5Cl", 1.71, None),
        ("Li10GeP2S12", 1.71, None),
        ("Li7La3Zr2O12", 0.05, 2.91),
    ],
)
def test_limits_without_sulfur_given_off_are_the_published_ones(formula, low_v, high_v):
    """Zhu, He and Mo 2015; where sulfide becomes sulfur, the correction makes the difference."""
    found = window_of(space_of(MP_2018), formula)
    assert found.reduction_v == pytest.approx(low_v, abs=0.05)
    if high_v is not None:
        assert found.oxidation_v == pytest.approx(high_v, abs=0.05)


def test_without_the_correction_of_sulfides_the_published_limits_come_back():
    """-0.6635 eV per S of a sulfide: taken off, S2- to S costs 0.33 eV less per lithium."""
    uncorrected = []
    for entry in bundled_level(MP_2018).entries:
        symbols = {element.symbol for element in entry.composition}
        n_sulfur = entry.composition["S"] if len(symbols) > 1 and "O" not in symbols else 0
        uncorrected.append(PDEntry(entry.composition, entry.energy + 0.6635 * n_sulfur))
    space = PhaseSpace(uncorrected)
    published = {
        "Li2S": (0.0, 2.00),
        "Li3PS4": (1.71, 2.31),
        "Li6PS5Cl": (1.71, 2.01),
        "Li10GeP2S12": (1.71, 2.14),
    }
    for formula, limits_v in published.items():
        found = window_of(space, formula)
        assert (found.reduction_v, found.oxidation_v) == pytest.approx(limits_v, abs=0.05)


def test_products_balance_for_a_formula_unit():
    found = window_of(space_of(MP_2018), "Li6P2S8")
    assert found.reduction_products == "4 Li2S + P"
    assert found.lithium_taken_up == pytest.approx(5)
    assert found.oxidation_products == "0.5 P2S5 + 1.5 S"
    assert found.lithium_given_off == pytest.approx(3)


def test_metastable_materials_have_the_window_of_their_phases():
    """LGPS is 0.02 eV/atom above Li3PS4 and Li4GeS4."""
    space = space_of(MP_2018)
    system = system_of(space, Composition("Li10GeP2S12"))
    assert "Li10Ge(PS6)2" not in system.formulas
    found = window_of(space, "Li10GeP2S12")
    phases = [window_of(space, formula) for formula in ("Li3PS4", "Li4GeS4")]
    assert found.reduction_v == pytest.approx(max(one.reduction_v for one in phases))
    assert found.oxidation_v == pytest.approx(min(one.oxidation_v for one in phases))


def test_a_phase_below_the_hull_widens_the_window():
    composition = Composition("Li10GeP2S12")
    system = system_of(space_of(MP_2018), composition)
    hull = system.equilibrium(system.fractions_of(composition)).energy_ev
    before = electrochemical_window(system, composition)
    deeper = electrochemical_window(system.with_phase(composition, hull - 0.01), composition)
    assert deeper.reduction_v < before.reduction_v < before.oxidation_v < deeper.oxidation_v


def test_as_many_phases_as_elements_leave_no_window():
    """LiS is Li2S and S: the potential is that of sulfur and Li2S together."""
    found = window_of(space_of(EXPERIMENT), "LiS")
    of_sulfide = window_of(space_of(EXPERIMENT), "Li2S").oxidation_v
    assert (found.reduction_v, found.oxidation_v) == pytest.approx((of_sulfide, of_sulfide))


def test_without_lithium_there_is_no_oxidation_limit():
    found = window_of(space_of(EXPERIMENT), "Al2O3")
    assert found.reduction_v > 0
    assert np.isnan(found.oxidation_v)
    assert found.oxidation_products == ""


def test_potentials_do_not_depend_on_the_zero_of_energies():
    """Total energies and energies of formation have one window."""
    shifts = {"Li": -1.9, "P": -5.4, "S": -4.1}
    shifted = [
        PDEntry(
            e.composition, e.energy + sum(n * shifts[str(el)] for el, n in e.composition.items())
        )
        for e in bundled_level(MP_2018).entries
        if {str(el) for el in e.composition} <= set(shifts)
    ]
    found, before = (window_of(s, "Li3PS4") for s in (PhaseSpace(shifted), space_of(MP_2018)))
    assert found.reduction_v == pytest.approx(before.reduction_v)
    assert found.oxidation_v == pytest.approx(before.oxidation_v)


@pytest.mark.parametrize(
    ("reduction_v", "oxidation_v", "fault"),
    [(2.14, 1.71, "reversed"), (-0.3, 2.0, "below 0 V"), (-0.3, np.nan, "below 0 V")],
)
def test_impossible_windows_are_refused_by_name(reduction_v, oxidation_v, fault):
    with pytest.raises(ScreeningError, match=f"Li3PS4: .* {fault}"):
        check_window("Li3PS4", reduction_v, oxidation_v)


def test_a_window_below_the_metal_is_refused(monkeypatch):
    monkeypatch.setattr(System, "lithium_metal_ev_atom", property(lambda system: -3.0))
    with pytest.raises(ScreeningError, match=r"Li2S: .* below 0 V"):
        window_of(space_of(MP_2018), "Li2S")


@pytest.mark.parametrize("energy", [np.nan, np.inf])
def test_energies_that_are_no_numbers_are_named(energy):
    entries = [PDEntry(Composition("Li"), 0.0), PDEntry(Composition("LiCl"), energy)]
    with pytest.raises(ScreeningError, match="LiCl"):
        PhaseSpace(entries)


def test_elements_without_an_entry_are_named():
    with pytest.raises(ScreeningError, match="element U"):
        space_of(MP_2018).system(frozenset({"U", "O"}))
