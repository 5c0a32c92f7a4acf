from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from ionscout.config import DynamicsSettings
from ionscout.dynamics.defects import make_defects
from ionscout.dynamics.prepare import prepare_cell
from ionscout.errors import DynamicsError

ROCK_SALT = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)


def test_vacancies_lie_as_far_apart_as_they_can():
    whole = ROCK_SALT * (2, 2, 2)
    made = make_defects(whole, n_vacancies=2, n_interstitials=0, seed=3)
    assert made.composition.formula == "Li30 Cl32"
    gone = [site for site in whole if site not in made]
    assert gone[0].distance(gone[1]) == pytest.approx(5.13 * 3**0.5)
    again = make_defects(whole, n_vacancies=2, n_interstitials=0, seed=3)
    assert made == again
    assert len(whole) == 64


@pytest.mark.parametrize("matrix", [np.eye(3), [[2, 1, 0], [0, 2, 0], [1, 0, 3]]])
def test_an_interstitial_goes_to_the_middle_of_the_widest_void(matrix):
    cell = ROCK_SALT.get_primitive_structure()
    cell.make_supercell(matrix)
    made = make_defects(cell, n_vacancies=0, n_interstitials=1, seed=0)
    neighbours = made.get_neighbors(made[-1], 2.6)
    assert made[-1].specie.symbol == "Li"
    assert len(neighbours) == 8, "the tetrahedral site has four of each kind"
    assert min(site.nn_distance for site in neighbours) > 0.9 * 5.13 * 3**0.5 / 4


def test_more_than_the_cell_can_bear_is_refused():
    with pytest.raises(DynamicsError, match="3 vacancies in a cell with 4 lithium ions"):
        make_defects(ROCK_SALT, n_vacancies=3, n_interstitials=0, seed=0)
    with pytest.raises(DynamicsError, match="no void holds an interstitial"):
        make_defects(ROCK_SALT, n_vacancies=0, n_interstitials=40, seed=0)


def test_a_cell_is_prepared_with_its_defects():
    settings = DynamicsSettings(
        min_image_distance_ang=7, defects={"lithium_vacancies": 1, "lithium_interstitials": 1}
    )
    cell = prepare_cell(
        ROCK_SALT, material_id="licl", engine="lennard-jones", settings=settings, seed=1
    )
    assert (cell["status"], cell["n_atoms"]) == ("ready", 16)
    assert (cell["lithium_vacancies"], cell["lithium_interstitials"]) == (1, 1)
    whole = prepare_cell(
        ROCK_SALT,
        material_id="licl",
        engine="lennard-jones",
        settings=DynamicsSettings(min_image_distance_ang=7),
    )
    assert cell["energy_ev_atom"] > whole["energy_ev_atom"]
    assert cell["relax_steps"] > whole["relax_steps"]
    assert cell["max_force_ev_ang"] <= settings.relax.force_tolerance_ev_ang


@pytest.mark.parametrize(
    ("lacking", "vacancies", "interstitials", "charge_e"),
    [(0, 1, 0, -1), (0, 0, 1, 1), (0, 2, 1, -1), (1, 0, 0, -2), (1, 1, 0, -3)],
)
def test_a_cell_that_lacks_lithium_ions_is_negative(lacking, vacancies, interstitials, charge_e):
    """Each of the two cells of 8 atoms lacks some ions; the defects are those of both."""
    settings = DynamicsSettings(
        min_image_distance_ang=7,
        defects={"lithium_vacancies": vacancies, "lithium_interstitials": interstitials},
        relax={"max_steps": 0},
    )
    cell = prepare_cell(
        ROCK_SALT,
        material_id="licl",
        engine="lennard-jones",
        settings=settings,
        vacancies_per_cell=lacking,
    )
    assert (cell["status"], cell["charge_e"]) == ("ready", charge_e)


def test_too_many_defects_fail_the_cell_with_a_reason():
    settings = DynamicsSettings(min_image_distance_ang=7, defects={"lithium_vacancies": 8})
    cell = prepare_cell(ROCK_SALT, material_id="licl", engine="lennard-jones", settings=settings)
    assert cell["status"] == "failed"
    assert "8 vacancies in a cell with 8 lithium ions" in cell["reason"]
