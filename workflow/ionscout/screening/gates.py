"""The gates of the funnel: each answers pass, fail or unknown for each material."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pymatgen.core import Composition, Element, Structure

from ionscout.config import DynamicsSettings, ElementGate, Gate, GateSettings
from ionscout.dynamics.prepare import count_md_atoms
from ionscout.errors import DynamicsError
from ionscout.models import held_out_where_trained

PASS, FAIL, UNKNOWN = "pass", "fail", "unknown"


def gate_names() -> tuple[str, ...]:
    """Return the names of the gates, in the order in which they are applied."""
    return tuple(GateSettings.model_fields)


def judge_elements(formula: str, gate: ElementGate) -> str:
    """Refuse unwanted elements.

    Parameters
    ----------
    formula : str
        Chemical formula.
    gate : ElementGate
        Which elements are unwanted. Transition metals are those of groups 3 to
        12 but for the lanthanides and actinides, as in Sendek et al. 2017
        (doi:10.1039/C6EE02697D), who refuse them for being easily reduced.

    Returns
    -------
    str
        `pass` or `fail`.
    """
    elements = Composition(formula).elements
    unwanted = set(gate.elements)
    if gate.transition_metals:
        unwanted |= {e.symbol for e in elements if _is_transition_metal(Element(e.symbol))}
    return FAIL if unwanted & {e.symbol for e in elements} else PASS


def _is_transition_metal(element: Element) -> bool:
    return 3 <= element.group <= 12 and not (element.is_lanthanoid or element.is_actinoid)


def judge_at_least(values: pd.Series, limit: float) -> pd.Series:
    """Pass the values at or above a limit; missing ones are unknown."""
    answers = np.where(values.isna(), UNKNOWN, np.where(values >= limit, PASS, FAIL))
    return pd.Series(answers, index=values.index, dtype=object)


def judge_at_most(values: pd.Series, limit: float) -> pd.Series:
    """Pass the values at or below a limit; missing ones are unknown."""
    return judge_at_least(-values, -limit)


def judge_cell(structure: Structure, settings: DynamicsSettings) -> str:
    """Refuse a material whose molecular-dynamics cell would have too many atoms."""
    try:
        n_atoms = count_md_atoms(structure, settings)
    except DynamicsError:
        return FAIL
    return PASS if n_atoms <= settings.max_atoms else FAIL


def mean_probability(predictions: Mapping[str, pd.DataFrame], material_ids: pd.Index) -> pd.Series:
    """Average the classifiers' probabilities of being fast.

    A material that a classifier learned from enters with its leave-one-out
    probability, so that the funnel does not credit a model with answers it was
    given. A published model has none: what its authors fitted it to stays in-sample.

    Parameters
    ----------
    predictions : mapping of str to DataFrame
        One table a classifier, with `material_id`, `probability` and `probability_loo`.
    material_ids : Index
        The materials wanted.

    Returns
    -------
    Series
        Mean over the classifiers that have an answer; NaN where none has.
    """
    columns = [
        held_out_where_trained(table.set_index("material_id")).reindex(material_ids)
        for table in predictions.values()
    ]
    return pd.concat(columns, axis=1).mean(axis=1)


def judge_materials(
    manifest: pd.DataFrame,
    structures: Mapping[str, Structure],
    predictions: Mapping[str, pd.DataFrame],
    gates: GateSettings,
    dynamics: DynamicsSettings,
) -> pd.DataFrame:
    """Put every material through every gate.

    Parameters
    ----------
    manifest : DataFrame
        The curated materials.
    structures : mapping of str to Structure
        Their crystals.
    predictions : mapping of str to DataFrame
        One table a classifier.
    gates : GateSettings
        Limits, and what becomes of the unknown.
    dynamics : DynamicsSettings
        Size limits of the molecular-dynamics cell.

    Returns
    -------
    DataFrame
        `material_id`, one column a gate, `mean_probability`, `probability_spread`
        (largest minus smallest among the orderings of a disordered crystal), `kept`
        and `first_failed`, the first enabled gate that turned the material away.
    """
    table = manifest.set_index("material_id")
    probability = mean_probability(predictions, table.index)
    answers = pd.DataFrame(
        {
            "elements": [judge_elements(formula, gates.elements) for formula in table["formula"]],
            "hull": judge_at_most(
                table["energy_above_hull_ev_atom"].astype(float), gates.hull.max_ev_atom
            ),
            "band_gap": judge_at_least(table["band_gap_ev"].astype(float), gates.band_gap.min_ev),
            "models": judge_at_least(probability, gates.models.min_probability),
            "cell": [judge_cell(structures[name], dynamics) for name in table.index],
        },
        index=table.index,
    )[list(gate_names())]
    turned_away = pd.DataFrame(
        {name: turns_away(answers[name], getattr(gates, name)) for name in gate_names()}
    )
    first_failed = turned_away.idxmax(axis=1).where(turned_away.any(axis=1), None)
    return answers.assign(
        mean_probability=probability,
        probability_spread=_spread_over_orderings(probability, table),
        kept=~turned_away.any(axis=1),
        first_failed=first_failed,
    ).reset_index()


def _spread_over_orderings(probability: pd.Series, table: pd.DataFrame) -> pd.Series:
    crystal = table["duplicate_of"].where(table["representative"] > 1, table.index.to_series())
    by_crystal = probability.groupby(crystal)
    return by_crystal.transform("max") - by_crystal.transform("min")


def turns_away(answers: pd.Series, gate: Gate) -> pd.Series:
    """Say which materials a gate turns away: failed ones, and unknown ones where it drops them."""
    if not gate.enabled:
        return pd.Series(False, index=answers.index)
    refused = answers == FAIL
    return refused | (answers == UNKNOWN) if gate.on_unknown == "drop" else refused
