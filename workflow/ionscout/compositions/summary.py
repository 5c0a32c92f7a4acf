"""The tables of a campaign's compositions, made of what all shards found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pymatgen.core import Composition
from scipy.special import expit

from ionscout.compositions.campaign import Scope, make_rules, make_scoring
from ionscout.compositions.known import (
    NEAREST_COLUMNS,
    KnownCompounds,
    describe_codes,
    reduce_formula,
)
from ionscout.compositions.neutrality import OxidationRules
from ionscout.compositions.results import ScoredCompositions, merge
from ionscout.compositions.scores import UNIT
from ionscout.compositions.scoring import Scoring
from ionscout.compositions.tables import count_elements, list_systems, list_top
from ionscout.config import CompositionSettings
from ionscout.errors import CompositionError
from ionscout.models.predictor import Predictor

EXAMPLES = ("LiPO3", "Li2MgO2")
"""Published examples, whose percentiles are given in any case."""

HISTOGRAM_COLUMNS = ["low_log_odds", "high_log_odds", "n_all", "n_neutral"]
TOP_COLUMNS = [
    *("scope", "rank", "formula", "chemical_system", "log_odds", "probability"),
    *("is_neutral", "oxidation_states", *NEAREST_COLUMNS),
]
SYSTEM_COLUMNS = [
    *("chemical_system", "n_all", "best_all", "best_all_log_odds"),
    *("n_neutral", "best_neutral", "best_neutral_log_odds", *NEAREST_COLUMNS),
]
ELEMENT_COLUMNS = ["element", "n_top", "top_share"]
PERCENTILE_COLUMNS = [
    *("formula", "is_example", "log_odds", "probability", "is_neutral"),
    *("percentile_all_low", "percentile_all_high"),
    *("percentile_neutral_low", "percentile_neutral_high"),
    *("sigma_rt_s_cm", "is_upper_bound"),
]


@dataclass(frozen=True)
class CompositionTables:
    """What was found among all compositions.

    Attributes
    ----------
    histogram : DataFrame
        Bins of the log-odds, `HISTOGRAM_COLUMNS`.
    top : DataFrame
        The best neutral compositions and, where asked for, the best of all, by their scope;
        `TOP_COLUMNS`. Log-odds and probability are the model's; see `KnownCompounds` for the
        nearest known compound.
    systems : DataFrame
        Number scored and the best of each chemical system, with the known compound nearest
        to the best neutral one; `SYSTEM_COLUMNS`.
    elements : DataFrame
        In how many of the best neutral ones each element is, `ELEMENT_COLUMNS`.
    percentiles : DataFrame
        Where examples and known compounds stand: percent of compositions with a lower score,
        between the bounds that the bins give; `PERCENTILE_COLUMNS`. An example that was not
        enumerated has no values; a known compound has no row.
    counts : dict
        What was enumerated and found. n_total = n_multiples + n_reduced,
        n_reduced = n_ternary + n_quaternary = n_neutral + n_not_neutral.
    """

    histogram: pd.DataFrame
    top: pd.DataFrame
    systems: pd.DataFrame
    elements: pd.DataFrame
    percentiles: pd.DataFrame
    counts: dict[str, Any]


def summarise(
    shards: Mapping[Scope, Sequence[ScoredCompositions]],
    predictor: Predictor,
    settings: CompositionSettings,
    known: pd.DataFrame,
) -> CompositionTables:
    """Put the shards together and make the tables of them.

    Parameters
    ----------
    shards : mapping of {'all', 'neutral'} to sequence of ScoredCompositions
        All shards of both.
    predictor : Predictor
        The model that they were scored by.
    settings : CompositionSettings
    known : DataFrame
        As `list_known`.

    Returns
    -------
    CompositionTables

    Raises
    ------
    CompositionError
        If a shard is missing or of another model or settings.
    """
    scorings = {scope: make_scoring(predictor, settings, scope) for scope in ("all", "neutral")}
    found = {scope: _merge_all(shards[scope], scoring) for scope, scoring in scorings.items()}
    rules = make_rules(settings)
    compounds = KnownCompounds.describe(known)
    tops = [_list_top(scope, found[scope], rules, compounds) for scope in ("neutral", "all")]
    return CompositionTables(
        histogram=_tabulate_histogram(found),
        top=pd.concat([top for top in tops if len(top)] or tops[:1], ignore_index=True),
        systems=_tabulate_systems(found, rules, compounds),
        elements=count_elements(found["neutral"], rules.space)[ELEMENT_COLUMNS],
        percentiles=_tabulate_percentiles(found, scorings["all"], rules, known),
        counts=_count(found, predictor.name, rules),
    )


def _merge_all(shards: Sequence[ScoredCompositions], scoring: Scoring) -> ScoredCompositions:
    found = merge(shards)
    if found.fingerprint != scoring.fingerprint or not found.is_complete:
        raise CompositionError(
            f"{len(found.shards)} of {found.n_shards} shards of compositions are there, or they"
            " are of another model or other settings: delete them and run again"
        )
    return found


def _tabulate_histogram(found: Mapping[Scope, ScoredCompositions]) -> pd.DataFrame:
    edges = found["all"].bins.edges_log_odds
    counts = (found["all"].histogram, found["neutral"].histogram)
    columns = (edges[:-1], edges[1:], *counts)
    return pd.DataFrame(dict(zip(HISTOGRAM_COLUMNS, columns, strict=True)))


def _list_top(
    scope: Scope, found: ScoredCompositions, rules: OxidationRules, compounds: KnownCompounds
) -> pd.DataFrame:
    top = list_top(found, rules.space, rules)
    nearest = compounds.find_nearest(describe_codes(found.top_codes, rules.space))
    top = top.assign(
        scope=scope, rank=np.arange(1, len(top) + 1), probability=expit(top["log_odds"])
    )
    return pd.concat([top, nearest], axis=1)[TOP_COLUMNS]


def _tabulate_systems(
    found: Mapping[Scope, ScoredCompositions], rules: OxidationRules, compounds: KnownCompounds
) -> pd.DataFrame:
    tables = {
        scope: list_systems(of_scope, rules.space).set_axis(
            ["chemical_system", f"n_{scope}", f"best_{scope}", f"best_{scope}_log_odds"], axis=1
        )
        for scope, of_scope in found.items()
    }
    best = describe_codes(found["neutral"].best_codes, rules.space)
    neutral = pd.concat([tables["neutral"], compounds.find_nearest(best)], axis=1)
    table = tables["all"].merge(neutral, on="chemical_system", how="left")
    return table.fillna({"n_neutral": 0}).astype({"n_neutral": np.int64})[SYSTEM_COLUMNS]


def _tabulate_percentiles(
    found: Mapping[Scope, ScoredCompositions],
    scoring: Scoring,
    rules: OxidationRules,
    known: pd.DataFrame,
) -> pd.DataFrame:
    measured = known.set_index("formula")[["sigma_rt_s_cm", "is_upper_bound"]].T.to_dict("list")
    formulas = {reduce_formula(formula): formula for formula in EXAMPLES}
    rows = []
    for formula in {**formulas, **measured}:
        place = _place(formula, found, scoring, rules)
        is_example = formula in formulas
        if place is not None or is_example:
            name = formulas.get(formula, formula)
            sigma = measured.get(formula, (np.nan, False))
            rows.append((name, is_example, *(place or _NOWHERE), *sigma))
    return pd.DataFrame(rows, columns=PERCENTILE_COLUMNS).astype(
        {"is_neutral": bool, "is_upper_bound": bool}
    )


_NOWHERE = (np.nan, np.nan, False, np.nan, np.nan, np.nan, np.nan)


def _place(
    formula: str,
    found: Mapping[Scope, ScoredCompositions],
    scoring: Scoring,
    rules: OxidationRules,
) -> tuple | None:
    """Score a formula and find its percentiles; None where it was not enumerated."""
    given = Composition(formula).get_el_amt_dict()
    if any(n != round(n) for n in given.values()):
        return None
    amounts = {symbol: round(n) for symbol, n in given.items()}
    try:
        score = scoring.score(amounts)
    except CompositionError:
        return None
    is_neutral = bool(rules.find_states(amounts))
    of_neutral = found["neutral"].percentile(score) if is_neutral else (np.nan, np.nan)
    log_odds = score * UNIT
    judged = (log_odds, float(expit(log_odds)), is_neutral)
    return *judged, *found["all"].percentile(score), *of_neutral


def _count(
    found: Mapping[Scope, ScoredCompositions], model: str, rules: OxidationRules
) -> dict[str, Any]:
    all_, neutral = found["all"], found["neutral"]
    return {
        "model": model,
        "n_elements": len(rules.space.elements),
        "max_amount": rules.space.max_amount,
        "n_total": all_.n_total,
        "n_multiples": all_.n_total - all_.n_reduced,
        "n_reduced": all_.n_reduced,
        "n_ternary": all_.n_ternary,
        "n_quaternary": all_.n_quaternary,
        "n_neutral": neutral.n_scored,
        "n_not_neutral": all_.n_scored - neutral.n_scored,
        "n_systems": len(all_.systems),
        "n_systems_neutral": len(neutral.systems),
        "note": neutral.note,
    }
