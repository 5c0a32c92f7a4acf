"""Lists of elements that users give."""

from __future__ import annotations

from collections.abc import Sequence

from pymatgen.core import Element

from ionscout.errors import CompositionError


def check_elements(elements: Sequence[str]) -> None:
    """Check the elements that lithium is combined with.

    Parameters
    ----------
    elements : sequence of str
        Symbols, in any order.

    Raises
    ------
    CompositionError
        If there are fewer than two, or one is unknown, twice there or lithium.
    """
    if len(elements) < 2:
        raise CompositionError(
            f"{len(elements)} elements beside lithium make no ternary compound: give two or more"
        )
    for symbol in elements:
        if not Element.is_valid_symbol(symbol):
            raise CompositionError(f"{symbol!r} in the list of elements is not an element")
    if "Li" in elements:
        raise CompositionError("lithium is in every composition: leave it out of the elements")
    twice = {symbol for symbol in elements if elements.count(symbol) > 1}
    if twice:
        raise CompositionError(f"{', '.join(sorted(twice))} is twice among the elements")
