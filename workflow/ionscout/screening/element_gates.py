"""The gates that need no more than a formula: unwanted, rare and dear elements."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from pymatgen.core import Composition, Element, Structure

from ionscout.bundled.element_facts import cost_usd_kg, facts_of, rarest_mg_kg
from ionscout.config import AbundanceGate, ElementGate
from ionscout.errors import CampaignError
from ionscout.screening.answers import FAIL, PASS, UNKNOWN, all_of, judge_at_least, judge_at_most

# Without d electrons in their highest state, and hard to reduce in it. V5+, Cr6+, Mo6+ and W6+
# have none either, but their oxides take up lithium above 2 V: they are electrodes.
D0_METALS = frozenset({"Sc", "Y", "Ti", "Zr", "Hf", "Nb", "Ta"})
_WHOLE_STATE = 0.01


def judge_elements(
    formula: str, gate: ElementGate, states: Mapping[str, float] | None = None
) -> str:
    """Refuse unwanted elements.

    Parameters
    ----------
    formula : str
        Chemical formula.
    gate : ElementGate
        Which elements are unwanted. Transition metals are those of groups 3 to 12 but for
        the lanthanides and actinides, as in Sendek et al. 2017 (doi:10.1039/C6EE02697D),
        who refuse them for being easily reduced. With `d0_metals`, those of `D0_METALS`
        stay where no atom of theirs has d electrons: LiTi2P3O12 stays, LiTi2O4 does not.
    states : mapping of str to float, optional
        The lowest oxidation state of each element, see `lowest_states`.

    Returns
    -------
    str
        `pass` or `fail`; `unknown` where all depends on a d0 metal without a known state.
    """
    composition = Composition(formula)
    unwanted = set(gate.elements)
    facts = facts_of(composition)
    if gate.radioactive:
        unwanted |= {one.element for one in facts if one.is_radioactive}
    if gate.toxic:
        unwanted |= {one.element for one in facts if one.toxicity == "high"}
    if unwanted & {element.symbol for element in composition}:
        return FAIL
    if not gate.transition_metals:
        return PASS
    answers = {
        _judge_metal(element, gate, states or {})
        for element in composition
        if _is_transition_metal(element)
    }
    return next((answer for answer in (FAIL, UNKNOWN) if answer in answers), PASS)


def _judge_metal(element: Element, gate: ElementGate, states: Mapping[str, float]) -> str:
    if not gate.d0_metals or element.symbol not in D0_METALS:
        return FAIL
    if element.symbol not in states:
        return UNKNOWN
    has_no_d_electrons = states[element.symbol] >= element.group - _WHOLE_STATE
    return PASS if has_no_d_electrons else FAIL


def _is_transition_metal(element: Element) -> bool:
    return 3 <= element.group <= 12 and not (element.is_lanthanoid or element.is_actinoid)


def lowest_states(structure: Structure) -> dict[str, float]:
    """Find the lowest oxidation state of each element.

    Parameters
    ----------
    structure : Structure
        With oxidation states or without.

    Returns
    -------
    dict of str to float
        By symbol; without the elements that carry none.
    """
    states: dict[str, float] = {}
    for species in structure.composition:
        state = getattr(species, "oxi_state", None)
        if state is not None:
            states[species.symbol] = min(state, states.get(species.symbol, state))
    return states


def judge_abundance(formulas: pd.Series, gate: AbundanceGate) -> pd.Series:
    """Refuse rare and dear elements.

    Parameters
    ----------
    formulas : Series of str
    gate : AbundanceGate
        The limits.

    Returns
    -------
    Series of str
        `unknown` where an abundance or price is not known (technetium, promethium).
    """
    compositions = formulas.map(Composition)
    conditions = [
        judge_at_least(compositions.map(rarest_mg_kg).astype(float), gate.min_crust_mg_kg)
    ]
    if gate.max_cost_usd_kg is not None:
        costs = compositions.map(cost_usd_kg).astype(float)
        conditions.append(judge_at_most(costs, gate.max_cost_usd_kg))
    return all_of(conditions, formulas.index)


def check_unwanted(gate: ElementGate) -> None:
    """Check the symbols of the unwanted elements.

    Raises
    ------
    CampaignError
        One is no element.
    """
    for symbol in gate.elements:
        if not Element.is_valid_symbol(symbol):
            raise CampaignError(
                f"screening.gates.elements.elements: {symbol!r} is no element; correct it"
            )
