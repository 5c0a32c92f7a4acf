"""Tables of what was found, for people to read."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ionscout.compositions.neutrality import OxidationRules
from ionscout.compositions.results import ScoredCompositions
from ionscout.compositions.scores import UNIT
from ionscout.compositions.space import CompositionSpace, decode


def list_top(
    found: ScoredCompositions, space: CompositionSpace, rules: OxidationRules
) -> pd.DataFrame:
    """List the best compositions with the oxidation states that make them neutral.

    Parameters
    ----------
    found : ScoredCompositions
    space : CompositionSpace
    rules : OxidationRules

    Returns
    -------
    pandas.DataFrame
        `formula`, `chemical_system`, `log_odds`, `is_neutral`, and `oxidation_states`, the
        most common choice of them, empty for none; the best first.
    """
    systems, amounts = decode(found.top_codes)
    rows = [_amounts_by_symbol(space, *row) for row in zip(systems, amounts, strict=True)]
    states = [next(iter(rules.find_states(row)), {}) for row in rows]
    return pd.DataFrame({
        "formula": [space.formula(code) for code in found.top_codes],
        "chemical_system": ["-".join(sorted(row)) for row in rows],
        "log_odds": found.top_log_odds,
        "is_neutral": [bool(choice) for choice in states],
        "oxidation_states": [
            " ".join(f"{symbol}{charge:+d}" for symbol, charge in choice.items())
            for choice in states
        ],
    })  # fmt: skip


def list_systems(found: ScoredCompositions, space: CompositionSpace) -> pd.DataFrame:
    """List the systems with the number of compositions scored in each and the best one.

    Parameters
    ----------
    found : ScoredCompositions
    space : CompositionSpace

    Returns
    -------
    pandas.DataFrame
        `chemical_system`, `n_scored`, `best_formula`, `best_log_odds`.
    """
    names = [
        "-".join(sorted(["Li", *(space.symbols[number] for number in row if number)]))
        for row in found.systems
    ]
    return pd.DataFrame({
        "chemical_system": names,
        "n_scored": found.system_counts,
        "best_formula": [space.formula(code) for code in found.best_codes],
        "best_log_odds": found.best_scores * UNIT,
    })  # fmt: skip


def count_elements(found: ScoredCompositions, space: CompositionSpace) -> pd.DataFrame:
    """Count in how many of the best compositions each element is.

    Parameters
    ----------
    found : ScoredCompositions
    space : CompositionSpace

    Returns
    -------
    pandas.DataFrame
        `element`, `n_top` and `top_share`, of all elements but lithium, by alphabet.
    """
    systems, _ = decode(found.top_codes)
    counts = np.bincount(systems[systems > 0], minlength=len(space.symbols))[1:]
    return pd.DataFrame({
        "element": space.elements,
        "n_top": counts,
        "top_share": counts / max(len(systems), 1),
    })  # fmt: skip


def _amounts_by_symbol(
    space: CompositionSpace, system: np.ndarray, amounts: np.ndarray
) -> dict[str, int]:
    members = zip((0, *system), amounts, strict=True)
    return {space.symbols[number]: int(n) for number, n in members if n}
