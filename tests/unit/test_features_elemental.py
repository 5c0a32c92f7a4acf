"""Statistics of elemental properties against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition

from ionscout.errors import FeatureError
from ionscout.features.elemental import (
    COLUMNS,
    PROPERTIES,
    describe_composition,
    elemental_properties,
)


def test_lithium_phosphate_by_hand():
    values = describe_composition(Composition("Li3PO4"))
    chi, weight = {"Li": 0.98, "P": 2.19, "O": 3.44}, {"Li": 3 / 8, "P": 1 / 8, "O": 4 / 8}
    mean = sum(weight[e] * chi[e] for e in chi)
    variance = sum(weight[e] * (chi[e] - mean) ** 2 for e in chi)
    assert values["lithium_fraction"] == pytest.approx(3 / 8)
    assert values["electronegativity_pauling_mean"] == pytest.approx(mean)
    assert values["electronegativity_pauling_deviation"] == pytest.approx(math.sqrt(variance))
    assert values["electronegativity_pauling_min"] == 0.98
    assert values["electronegativity_pauling_max"] == 3.44
    assert values["atomic_mass_u_mean"] == pytest.approx(
        (3 * 6.941 + 30.974 + 4 * 15.999) / 8, rel=1e-4
    )
    assert values["group_max"] == 16
    assert values["row_mean"] == pytest.approx((3 * 2 + 3 + 4 * 2) / 8)
    assert values["first_ionization_energy_ev_min"] == pytest.approx(5.3917, abs=1e-3)
    assert values["atomic_radius_ang_max"] == pytest.approx(1.45)
    assert tuple(values) == COLUMNS


def test_only_ratios_and_elements_matter():
    plain = describe_composition(Composition("Li3PO4"))
    decorated = describe_composition(Composition({"Li+": 6, "P5+": 2, "O2-": 8}))
    assert decorated == pytest.approx(plain)


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["Li", "O", "S", "Cl", "P", "La"]), st.floats(0.1, 9), min_size=1
    ),
    st.randoms(use_true_random=False),
    st.integers(1, 5),
)
def test_does_not_depend_on_order_or_size_of_the_cell(amounts, random, times):
    shuffled = list(amounts.items())
    random.shuffle(shuffled)
    again = describe_composition(Composition({one: times * n for one, n in shuffled}))
    assert again == pytest.approx(describe_composition(Composition(amounts)), abs=1e-12)


def test_an_element_alone_has_no_deviation():
    values = describe_composition(Composition("Li"))
    assert all(values[name] == 0 for name in COLUMNS if name.endswith("_deviation"))


def test_unknown_data_are_named_and_leave_the_rest():
    values = describe_composition(Composition("LiAr"))
    assert values.reason == "unknown: electronegativity_pauling of Ar"
    assert math.isnan(values["electronegativity_pauling_mean"])
    assert math.isnan(values["electronegativity_pauling_max"])
    assert values["atomic_mass_u_mean"] == pytest.approx((6.941 + 39.948) / 2)


def test_nothing_has_no_averages():
    with pytest.raises(FeatureError, match="empty"):
        describe_composition(Composition({}))


def test_means_are_separable_by_element():
    table = {symbol: elemental_properties(symbol) for symbol in ("Li", "P", "S", "Cl")}
    amounts = {"Li": 6, "P": 1, "S": 5, "Cl": 1}
    means = sum(amounts[one] / 13 * np.array(table[one]) for one in amounts)
    values = describe_composition(Composition("Li6PS5Cl"))
    found = [values[f"{name}_mean"] for name in PROPERTIES]
    assert found == pytest.approx(means.tolist())
