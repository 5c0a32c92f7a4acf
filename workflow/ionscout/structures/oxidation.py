"""Oxidation states by a chain of methods, the one used recorded."""

from __future__ import annotations

import itertools
import math
from functools import cache

from pymatgen.analysis.bond_valence import PRIOR_PROB
from pymatgen.core import Composition, Element, Structure

from ionscout.structures.bond_valences import find_bond_valences

FROM_FILE = "file"
BOND_VALENCE = "bond_valence"
FROM_COMPOSITION = "composition"
UNASSIGNED = "unassigned"

_LEAST_SHARE = 0.03
_MIXED_SHARE = 0.10
_NEARLY_NEUTRAL = 0.01
_MAX_ELEMENTS = 9
_NEUTRAL_E = 1e-3


def assign_oxidation_states(structure: Structure) -> tuple[Structure, str]:
    """Decorate an ordered crystal with oxidation states.

    The first of these that is charge neutral: the states that the crystal
    already carries; bond valences (`find_bond_valences`); the composition alone
    (`formal_charges`).

    Parameters
    ----------
    structure : pymatgen.core.Structure
        Ordered.

    Returns
    -------
    structure : pymatgen.core.Structure
        A copy, decorated; without oxidation states where no method had an answer.
    method : str
        `file`, `bond_valence`, `composition` or `unassigned`.
    """
    if carries_neutral_states(structure):
        return structure.copy(), FROM_FILE
    bare = structure.copy().remove_oxidation_states()
    states = find_bond_valences(bare)
    if states is not None:
        return bare.add_oxidation_state_by_site(states), BOND_VALENCE
    charges = formal_charges(bare.composition)
    if charges is None:
        return bare, UNASSIGNED
    return bare.add_oxidation_state_by_element(charges), FROM_COMPOSITION


def carries_neutral_states(structure: Structure) -> bool:
    """Whether every species has an oxidation state and they add up to zero.

    Parameters
    ----------
    structure : pymatgen.core.Structure

    Returns
    -------
    bool
    """
    states = [getattr(species, "oxi_state", None) for species in structure.composition]
    if any(state is None for state in states) or not any(states):
        return False
    amounts = structure.composition.values()
    net_e = sum(state * amount for state, amount in zip(states, amounts, strict=True))
    return abs(net_e) < _NEUTRAL_E


def formal_charges(composition: Composition, *, tolerance: float = 1e-6) -> dict[str, float] | None:
    """Find the most common oxidation states that make a composition neutral.

    One state an element; the product of the states' frequencies in the ICSD
    decides between neutral choices. Where there is none, one transition metal
    or lanthanoid may have a mean state between two common ones. Last, a choice
    that is neutral only within the tolerance is taken.

    Parameters
    ----------
    composition : pymatgen.core.Composition
        Amounts need not be whole.
    tolerance : float
        Largest net charge, as a share of the positive charge.

    Returns
    -------
    dict of str to float, or None
        Charge in e by element symbol; None where no choice is neutral.
    """
    amounts = {Element(el.symbol): n for el, n in composition.element_composition.items()}
    if len(amounts) > _MAX_ELEMENTS:
        return None
    return (
        _whole_states(amounts, min(tolerance, _NEARLY_NEUTRAL))
        or _mixed_states(amounts)
        or _whole_states(amounts, tolerance)
    )


def _whole_states(amounts: dict[Element, float], tolerance: float) -> dict[str, float] | None:
    best, best_score = None, -math.inf
    for choice in itertools.product(*(_common_states(element) for element in amounts)):
        contributions = [n * q for n, (q, _) in zip(amounts.values(), choice, strict=True)]
        positive = sum(c for c in contributions if c > 0)
        score = sum(math.log(share) for _, share in choice)
        if score > best_score and abs(sum(contributions)) <= tolerance * positive:
            best, best_score = [q for q, _ in choice], score
    return None if best is None else _by_symbol(amounts, best)


def _mixed_states(amounts: dict[Element, float]) -> dict[str, float] | None:
    best, best_score = None, -math.inf
    elements = list(amounts)
    for mixed in (el for el in elements if el.is_transition_metal or el.is_lanthanoid):
        states = [q for q, share in _common_states(mixed) if share >= _MIXED_SHARE]
        rest = [element for element in elements if element != mixed]
        for choice in itertools.product(*(_common_states(element) for element in rest)):
            others_e = sum(amounts[el] * q for el, (q, _) in zip(rest, choice, strict=True))
            mean = -others_e / amounts[mixed]
            score = sum(math.log(share) for _, share in choice)
            if score > best_score and min(states) <= mean <= max(states):
                others = {el: q for el, (q, _) in zip(rest, choice, strict=True)}
                best, best_score = [others.get(el, mean) for el in elements], score
    return None if best is None else _by_symbol(amounts, best)


def _by_symbol(amounts: dict[Element, float], charges: list[float]) -> dict[str, float]:
    return {el.symbol: float(q) for el, q in zip(amounts, charges, strict=True)}


@cache
def _common_states(element: Element) -> list[tuple[int, float]]:
    """States of an element with their share of its ICSD entries, rare ones left out."""
    counts = {
        int(species.oxi_state): n
        for species, n in PRIOR_PROB.items()
        if species.symbol == element.symbol and species.oxi_state
    }
    counts = counts or dict.fromkeys(element.common_oxidation_states, 1)
    total = sum(counts.values())
    return [(q, n / total) for q, n in sorted(counts.items()) if n >= _LEAST_SHARE * total]
