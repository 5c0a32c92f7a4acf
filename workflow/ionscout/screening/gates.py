"""The gates of the funnel: each answers pass, fail or unknown for each material."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from pymatgen.core import Structure

from ionscout.config import DynamicsSettings, Gate, GateSettings
from ionscout.dynamics.prepare import count_md_atoms
from ionscout.errors import DynamicsError
from ionscout.models import held_out_where_trained
from ionscout.screening.answers import (
    FAIL,
    PASS,
    UNKNOWN,
    Judgement,
    all_of,
    join_texts,
    judge_at_least,
)
from ionscout.screening.element_gates import (
    check_unwanted,
    judge_abundance,
    judge_elements,
    lowest_states,
)
from ionscout.screening.stability_gates import (
    MANIFEST_COLUMNS,
    STABILITY_COLUMNS,
    judge_band_gap,
    judge_cathodes,
    judge_hull,
    judge_lithium,
    judge_moisture,
    judge_shear_modulus,
    judge_window,
)

_OF_VALUES = {
    "hull": judge_hull,
    "band_gap": judge_band_gap,
    "window": judge_window,
    "lithium": judge_lithium,
    "cathodes": judge_cathodes,
    "moisture": judge_moisture,
    "shear_modulus": judge_shear_modulus,
}
# Unknown for the reason that the table of stability states.
_OF_STABILITY = ("hull", "window", "lithium", "cathodes", "moisture")


def gate_names() -> tuple[str, ...]:
    """Return the names of the gates, in the order in which they are applied."""
    return tuple(GateSettings.model_fields)


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
    if not predictions:
        return pd.Series(float("nan"), index=material_ids)
    columns = [
        held_out_where_trained(table.set_index("material_id")).reindex(material_ids)
        for table in predictions.values()
    ]
    return pd.concat(columns, axis=1).mean(axis=1)


def judge_materials(
    manifest: pd.DataFrame,
    structures: Mapping[str, Structure],
    predictions: Mapping[str, pd.DataFrame],
    stability: pd.DataFrame,
    gates: GateSettings,
    dynamics: DynamicsSettings,
) -> pd.DataFrame:
    """Put every material through every gate.

    Parameters
    ----------
    manifest : DataFrame
        The curated materials, with band_gap_ev and, where a source has it, shear_modulus_gpa.
    structures : mapping of str to Structure
        Their crystals, with oxidation states where they are known.
    predictions : mapping of str to DataFrame
        One table a classifier.
    stability : DataFrame
        material_id and `STABILITY_COLUMNS`. A material or column that it lacks is unknown.
    gates : GateSettings
        Limits, and what becomes of the unknown.
    dynamics : DynamicsSettings
        Size limits of the molecular-dynamics cell.

    Returns
    -------
    DataFrame
        `material_id`, one column a gate, `mean_probability`, `probability_spread`
        (largest minus smallest among the orderings of a disordered crystal), `kept`,
        `first_failed`, the first enabled gate that turned the material away, and `reason`,
        why enabled gates have no answer. The gate on cells answers where it is enabled,
        for what fails no other enabled gate; else `unknown`.

    Raises
    ------
    CampaignError
        An unwanted element is no element.
    """
    check_unwanted(gates.elements)
    table = manifest.set_index("material_id")
    probability = mean_probability(predictions, table.index)
    judgements = {
        **_judge_values(table, stability, gates),
        "elements": _judge_formulas(table["formula"], structures, gates),
        "abundance": _plain(judge_abundance(table["formula"], gates.abundance)),
        "models": _plain(judge_at_least(probability, gates.models.min_probability)),
    }
    judgements["cell"] = _judge_cells(structures, _find_failed(judgements, gates), gates, dynamics)
    answers = pd.DataFrame({name: judgements[name].answers for name in gate_names()})
    turned_away = pd.DataFrame(
        {name: turns_away(answers[name], getattr(gates, name)) for name in gate_names()}
    )
    first_failed = turned_away.idxmax(axis=1).where(turned_away.any(axis=1), None)
    return answers.assign(
        mean_probability=probability,
        probability_spread=_spread_over_orderings(probability, table),
        kept=~turned_away.any(axis=1),
        first_failed=first_failed,
        reason=_gather_reasons(judgements, stability, gates, table.index),
    ).reset_index()


def _judge_values(
    table: pd.DataFrame, stability: pd.DataFrame, gates: GateSettings
) -> dict[str, Judgement]:
    """Judge by the columns of the manifest and of the table of stability."""
    of_manifest = table.reindex(columns=MANIFEST_COLUMNS)
    values = of_manifest.join(_align(stability, table.index))
    return {name: judge(values, getattr(gates, name)) for name, judge in _OF_VALUES.items()}


def _align(stability: pd.DataFrame, index: pd.Index) -> pd.DataFrame:
    by_material = stability.set_index("material_id", verify_integrity=True)
    return by_material.reindex(index=index, columns=STABILITY_COLUMNS)


def _judge_formulas(
    formulas: pd.Series, structures: Mapping[str, Structure], gates: GateSettings
) -> Judgement:
    answers = [
        judge_elements(
            formula,
            gates.elements,
            lowest_states(structures[name]) if gates.elements.d0_metals else None,
        )
        for name, formula in formulas.items()
    ]
    judged = pd.Series(answers, index=formulas.index, dtype=object)
    reasons = judged.eq(UNKNOWN).map({True: "a metal without an oxidation state", False: ""})
    return Judgement(judged, reasons)


def _find_failed(judgements: Mapping[str, Judgement], gates: GateSettings) -> pd.Series:
    """Find what fails an enabled gate; what is dropped as unknown may be known later."""
    enabled = [one for name, one in judgements.items() if getattr(gates, name).enabled]
    index = judgements["elements"].answers.index
    return all_of([one.answers for one in enabled], index) == FAIL


def _judge_cells(
    structures: Mapping[str, Structure],
    has_failed: pd.Series,
    gates: GateSettings,
    dynamics: DynamicsSettings,
) -> Judgement:
    """Count the atoms of cells, which is slow, for what no other gate fails."""
    answers = [
        UNKNOWN if failed or not gates.cell.enabled else judge_cell(structures[name], dynamics)
        for name, failed in has_failed.items()
    ]
    return _plain(pd.Series(answers, index=has_failed.index, dtype=object))


def _plain(answers: pd.Series) -> Judgement:
    return Judgement(answers, pd.Series("", index=answers.index, dtype=object))


def _gather_reasons(
    judgements: Mapping[str, Judgement],
    stability: pd.DataFrame,
    gates: GateSettings,
    index: pd.Index,
) -> pd.Series:
    """Say of each material why enabled gates have no answer."""
    enabled = [name for name in gate_names() if getattr(gates, name).enabled]
    texts = [
        judgements[name].reasons.map(lambda text, name=name: f"{name}: {text}" if text else "")
        for name in enabled
    ]
    stated = _align(stability, index)["reason"].fillna("").astype(str)
    is_open = pd.Series(False, index=index)
    for name in set(enabled) & set(_OF_STABILITY):
        judged = judgements[name]
        is_open |= (judged.answers == UNKNOWN) & (judged.reasons == "")
    return join_texts([*texts, stated.where(is_open, "")], index)


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
