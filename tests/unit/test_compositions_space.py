"""The compositions themselves: counts, shards, codes, and what cannot be enumerated."""

from __future__ import annotations

import numpy as np
import pytest
from compositions_reference import enumerate_plainly
from hypothesis import given, settings
from hypothesis import strategies as st

from ionscout.compositions import CompositionSpace, default_elements
from ionscout.compositions.space import (
    box_multiplicities,
    count_coprime,
    decode,
    encode,
    list_coprime,
)
from ionscout.errors import CompositionError


def test_the_default_space_has_more_than_twenty_billion():
    space = CompositionSpace(default_elements())
    assert len(space.elements) == 75
    assert (space.n_ternary_systems, space.n_quaternary_systems) == (2775, 67525)
    assert space.n_reduced == space.n_ternary + space.n_quaternary == 20_752_994_750
    assert space.n_total == 2775 * 24**3 + 67525 * 24**4


@pytest.mark.parametrize("max_amount", range(1, 15))
def test_counts_by_inversion_are_those_of_lists(max_amount):
    for n_elements in (3, 4):
        listed = list_coprime(max_amount, n_elements)
        assert count_coprime(max_amount, n_elements) == len(listed)
        assert np.all(listed[:, [0, 2, 3]] >= 1)
        assert np.all((listed[:, 1] == 0) == (n_elements == 3))
    assert 0 not in box_multiplicities(max_amount).values()


def test_counts_are_those_of_plain_enumeration():
    space = CompositionSpace(("O", "F", "Na", "Zr"), 6)
    listed = [(symbols, len(amounts)) for symbols, amounts in enumerate_plainly(space)]
    assert space.n_ternary == sum(n for symbols, n in listed if len(symbols) == 3)
    assert space.n_quaternary == sum(n for symbols, n in listed if len(symbols) == 4)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 12), st.data())
def test_shards_hold_every_system_once(n_elements, data):
    space = CompositionSpace(default_elements()[:n_elements])
    shards = space.split(data.draw(st.integers(1, len(space.pairs))))
    assert all(len(pairs) for pairs in shards)
    np.testing.assert_array_equal(np.concatenate(shards), space.pairs)
    kinds = [np.concatenate(kind) for kind in zip(*map(space.systems, shards), strict=True)]
    assert len(kinds[0]) == space.n_ternary_systems
    assert len(np.unique(kinds[1], axis=0)) == len(kinds[1]) == space.n_quaternary_systems


def test_shards_are_about_as_large():
    space = CompositionSpace(default_elements())
    sizes = [len(space.systems(pairs)[1]) for pairs in space.split(32)]
    assert max(sizes) < 1.05 * min(sizes)


def test_codes_are_in_the_order_of_formulas():
    rows = [((0, 1, 2), (3, 0, 1, 24)), ((0, 1, 3), (1, 0, 1, 1)), ((1, 2, 3), (1, 1, 1, 2))]
    systems, amounts = (np.array(part) for part in zip(*rows, strict=True))
    codes = encode(systems, amounts)
    assert list(codes) == sorted(codes)
    back = decode(codes)
    np.testing.assert_array_equal(back[0], systems)
    np.testing.assert_array_equal(back[1], amounts)


def test_formulas_there_and_back():
    space = CompositionSpace(("P", "O", "Mg"), 4)
    assert space.formula(space.find({"O": 4, "Mg": 2, "Li": 4})) == "Li2MgO2"
    assert space.formula(space.find({"Li": 3, "P": 1, "O": 4, "Mg": 1})) == "Li3MgO4P"


@pytest.mark.parametrize(
    "amounts", [{"Li": 1, "O": 1}, {"Li": 1, "S": 1, "O": 1}, {"Li": 5, "P": 1, "O": 4}, {"O": 1}]
)
def test_formulas_outside(amounts):
    with pytest.raises(CompositionError, match="is not among the compositions"):
        CompositionSpace(("P", "O", "Mg"), 4).find(amounts)


@pytest.mark.parametrize(
    ("elements", "max_amount", "message"),
    [
        ((), 5, "0 elements beside lithium"),
        (("O",), 5, "1 elements beside lithium"),
        (("O", "Xx"), 5, "'Xx' in the list of elements is not an element"),
        (("O", "Li"), 5, "leave it out"),
        (("O", "S", "O"), 5, "O is twice"),
        (("O", "S"), 0, "set it from 1 to 24"),
        (("O", "S"), 25, "set it from 1 to 24"),
    ],
)
def test_spaces_that_cannot_be(elements, max_amount, message):
    with pytest.raises(CompositionError, match=message):
        CompositionSpace(elements, max_amount)
