"""What regressors read of a composition, a space group and a unit cell."""

import numpy as np
import pandas as pd
import pytest

from ionscout.errors import FeatureError
from ionscout.models.regression.description import (
    COLUMNS,
    PROFILE_COLUMNS,
    describe_material,
    describe_table,
)

ROCK_SALT = {"a": 5.13, "b": 5.13, "c": 5.13, "alpha": 90, "beta": 90, "gamma": 90}


def test_lithium_chloride_by_hand():
    found = describe_material("LiCl", space_group_number=225, lattice=ROCK_SALT, n_atoms=8)
    assert list(found) == list(COLUMNS)
    assert found["lithium_fraction"] == 0.5
    assert found["anions_per_atom"] == 0.5
    assert found["lithium_per_anion"] == 1
    assert found["charge_imbalance_per_atom"] == pytest.approx(0)
    assert found["anion_radius_ang"] == pytest.approx(1.67)
    assert found["volume_per_atom_ang3"] == pytest.approx(5.13**3 / 8)
    assert found["volume_per_lithium_ang3"] == pytest.approx(5.13**3 / 4)
    assert found["density_g_cm3"] == pytest.approx(2.07, abs=0.02)
    assert (found["is_cubic"], found["has_centring_F"], found["is_centrosymmetric"]) == (1, 1, 1)
    assert found["symmetry_operations"] == 192


def test_sulfur_is_a_cation_beside_oxygen():
    assert describe_material("Li2SO4")["anion_fraction_O"] == 1
    assert describe_material("Li3PS4")["anion_fraction_S"] == 1
    assert describe_material("Li2SO4")["charge_imbalance_per_atom"] == pytest.approx(0)


def test_formula_units_do_not_matter():
    one, many = describe_material("Li7La3Zr2O12"), describe_material("Li56La24Zr16O96")
    assert one == pytest.approx(many, nan_ok=True)


def test_profiles_of_neighbours_are_closer_than_those_of_strangers():
    def profile(formula):
        found = describe_material(formula)
        return np.array([found[name] for name in PROFILE_COLUMNS])

    def distance(a, b):
        return np.abs(profile(a) - profile(b)).sum()

    assert distance("LiCl", "LiCl") == 0
    assert distance("LiCl", "LiBr") < distance("LiCl", "LiLa")
    assert distance("LiCl", "LiBr") == pytest.approx(0.5)


def test_a_volume_stands_in_for_a_lattice():
    with_cell = describe_material("LiCl", lattice=ROCK_SALT, n_atoms=8)
    with_volume = describe_material("LiCl", volume_per_atom_ang3=5.13**3 / 8)
    assert with_volume["density_g_cm3"] == pytest.approx(with_cell["density_g_cm3"])
    assert np.isnan(with_volume["a_ang"])


@pytest.mark.parametrize("formula", ["Li", "S8", "LiH", "Og2Li", "La2O3"])
def test_odd_compositions_are_described_or_refused(formula):
    table = pd.DataFrame({"formula": [formula], "space_group_number": [np.nan]})
    x, reasons = describe_table(table)
    assert x.shape == (1, len(COLUMNS))
    assert not np.isinf(x).any()
    assert np.isfinite(x).any() != bool(reasons[0])


@pytest.mark.parametrize("formula", ["", "nan", "not a formula", "Li-3", "Xx2O"])
def test_what_is_no_formula_is_refused(formula):
    with pytest.raises(FeatureError):
        describe_material(formula)
    x, reasons = describe_table(pd.DataFrame({"formula": [formula, "LiCl"]}))
    assert np.isnan(x[0]).all()
    assert reasons[0]
    assert not reasons[1]


def test_a_space_group_has_to_be_one():
    with pytest.raises(FeatureError, match="231"):
        describe_material("LiCl", space_group_number=231)


@pytest.mark.parametrize("broken", [{"a": np.nan}, {"a": 0.0}, {"a": -5.0}, {"gamma": 270.0}])
def test_a_lattice_that_is_none_leaves_the_composition(broken):
    found = describe_material("LiCl", lattice={**ROCK_SALT, **broken}, n_atoms=8)
    assert np.isnan(found["volume_per_atom_ang3"])
    assert found["lithium_fraction"] == 0.5
